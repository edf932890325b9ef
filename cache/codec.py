"""How attention is packed for the disk, and the maps that are read from it.

`encode` packs the cross-attention of one caption, a non-negative array [tokens, layers, heads, positions],
into one zstd frame; `decode` unpacks it. Two codecs exist, named in the cache's manifest:

- ``u8-sqrt``: every row over the positions is divided by its largest value, and the square root of that is
  kept in eight bits, together with the row's sum in half precision. Square roots spend the 256 levels where
  attention has its many small values; dividing by the largest value keeps flat rows as precise as peaked
  ones; the sum makes the row a distribution again. `benchmarks/cache_codec.py` measures the error (total
  variation of about .003) and size.
- ``f16``: half precision throughout, for those who want to compute with the weights.

Inside the frame, little-endian and in C order: for ``u8-sqrt`` the sums, float16 [tokens, layers, heads],
then the levels, uint8 [tokens, layers, heads, positions]; for ``f16`` all low bytes and then all high bytes
of float16 values (bytes of one kind compress better side by side). The mean over heads is kept beside it in
the second layout. Every frame carries zstd's checksum, so that a flipped bit is an error and never a wrong
picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from .errors import CacheDamaged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Codec = Literal["u8-sqrt", "f16"]
Head = Literal["mean", "max"] | int
Shape = tuple[int, int, int, int]

_LEVELS: Final = 255
_COMPRESSION: Final = 3  # measured: level 9 takes 6 times as long and saves 1 % of the size
_MOST_BYTES: Final = 1 << 30  # no caption's attention is near this; a damaged length is


def encode(weights: NDArray[np.floating[Any]], codec: Codec) -> bytes:
    """Pack attention weights.

    Args:
        weights: [tokens, layers, heads, positions], non-negative and finite; each row over the positions is
            usually a distribution, but need not be one (a row of zeros stays a row of zeros).
        codec: The layout to write, see the module.

    Raises:
        ValueError: The array has another number of axes, or holds negative or non-finite values.
    """
    if weights.ndim != 4:  # noqa: PLR2004 (the axes are listed above)
        raise ValueError(f"expected attention [tokens, layers, heads, positions], found shape {weights.shape}")
    if weights.size and not (np.isfinite(weights).all() and weights.min() >= 0):
        raise ValueError("attention must be finite and not negative")
    if codec == "f16":
        return _pack(_split(weights))
    exact = weights.astype(np.float32)
    largest = exact.max(axis=-1, keepdims=True, initial=np.finfo(np.float32).tiny)
    levels = np.rint(np.sqrt(exact / largest) * _LEVELS).astype(np.uint8)
    return _pack(exact.sum(axis=-1).astype("<f2").tobytes() + levels.tobytes())


def decode(blob: bytes, shape: Shape, codec: Codec) -> NDArray[np.float32]:
    """Unpack what `encode` made of attention of this shape; returns [tokens, layers, heads, positions].

    Raises:
        CacheDamaged: The bytes are not such a frame.
    """
    if codec == "f16":
        return _join(blob, shape)
    rows = shape[:3]
    data = _unpack(blob, prod(rows) * 2 + prod(shape))
    sums = np.frombuffer(data, "<f2", prod(rows)).reshape(*rows, 1).astype(np.float32)
    squares = np.square(np.frombuffer(data, np.uint8, offset=prod(rows) * 2).reshape(shape).astype(np.float32))
    totals = squares.sum(axis=-1, keepdims=True)
    result: NDArray[np.float32] = squares * (sums / np.maximum(totals, 1))
    return result


def encode_mean(weights: NDArray[np.floating[Any]]) -> bytes:
    """Pack the mean over heads of attention [tokens, layers, heads, positions] in half precision."""
    return _pack(_split(weights.mean(axis=2, dtype=np.float32)))


def decode_mean(blob: bytes, shape: Shape) -> NDArray[np.float32]:
    """Unpack what `encode_mean` made of attention of this shape; returns [tokens, layers, positions].

    Raises:
        CacheDamaged: The bytes are not such a frame.
    """
    tokens, layers, _, positions = shape
    return _join(blob, (tokens, layers, positions))


def grid_map(rows_of_weights: NDArray[np.float32], prefix: int, rows: int, cols: int) -> NDArray[np.float32]:
    """Turn attention over positions into a map over the picture.

    The prefix (class and register tokens, which have no place in the picture) is dropped, each map over the
    patches is made to sum to one (a map of zeros stays one), and several maps, the pieces of one word, are
    averaged.

    Args:
        rows_of_weights: [pieces, positions], at least one piece.
        prefix: Positions before the first patch.
        rows: Patches from top to bottom.
        cols: Patches from left to right.

    Returns:
        The map [rows, cols].
    """
    patches = rows_of_weights[:, prefix:]
    totals = patches.sum(axis=-1, keepdims=True)
    mean = np.divide(patches, totals, out=np.zeros_like(patches), where=totals > 0).mean(axis=0)
    total = mean.sum()  # below one where a piece is all zeros
    return np.asarray((mean / total if total > 0 else mean).reshape(rows, cols), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Attention:
    """The cross-attention of one caption.

    Attributes:
        weights: float32 [tokens, layers, heads, positions]. Row t is the query position that predicted token
            t. Positions are the prefix tokens first, then the patches in row-major order.
        prefix: Prefix tokens (class, registers) among the positions.
        rows: Patches from top to bottom.
        cols: Patches from left to right.
    """

    weights: NDArray[np.float32]
    prefix: int
    rows: int
    cols: int

    def map(self, token: int, layer: int = -1, head: Head = "mean") -> NDArray[np.float32]:
        """Return where one token looked, [rows, cols], summing to one unless no patch was attended at all.

        Args:
            token: Index into the generated tokens.
            layer: Decoder layer; -1 is the last.
            head: One head, or the mean or the largest weight over all heads.

        Raises:
            IndexError: There is no such token, layer or head.
        """
        return self.word_map((token,), layer, head)

    def word_map(self, pieces: Sequence[int], layer: int = -1, head: Head = "mean") -> NDArray[np.float32]:
        """Return the mean of the maps of several tokens, the pieces of one word; otherwise as `map`.

        Raises:
            ValueError: There are no pieces.
            IndexError: There is no such token, layer or head.
        """
        if not pieces:
            raise ValueError("a word has at least one piece")
        chosen = self.weights[list(pieces), layer]  # [pieces, heads, positions]
        if head == "mean":
            over_heads = chosen.mean(axis=1)
        elif head == "max":
            over_heads = chosen.max(axis=1)
        else:
            over_heads = chosen[:, head]
        return grid_map(over_heads, self.prefix, self.rows, self.cols)


def _split(values: NDArray[np.floating[Any]]) -> bytes:
    """Return float16 values as all their low bytes, then all their high bytes."""
    bits = values.astype("<f2").view("<u2").reshape(-1)
    return bits.astype(np.uint8).tobytes() + (bits >> 8).astype(np.uint8).tobytes()


def _join(blob: bytes, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Undo `_split` and `_pack`."""
    low, high = np.frombuffer(_unpack(blob, prod(shape) * 2), np.uint8).reshape(2, -1).astype("<u2")
    return np.asarray((low | high << 8).view("<f2").reshape(shape), np.float32)


def _pack(data: bytes) -> bytes:
    import zstandard  # noqa: PLC0415 (the browser's first frame comes before any attention)

    return zstandard.ZstdCompressor(level=_COMPRESSION, write_checksum=True).compress(data)


def _unpack(blob: bytes, size: int) -> bytes:
    """Decompress a frame that must hold exactly `size` bytes; a forged length takes no memory."""
    import zstandard  # noqa: PLC0415

    try:
        found = zstandard.get_frame_parameters(blob).content_size
        if found != size or size > _MOST_BYTES:
            raise CacheDamaged(f"attention of {size} bytes expected, found {found}")
        return zstandard.ZstdDecompressor().decompress(blob)
    except zstandard.ZstdError as error:
        raise CacheDamaged(f"attention cannot be decompressed ({error})") from error
