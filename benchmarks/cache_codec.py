"""Measures how attention is packed: size, error and time of the cache's codecs against plain fp32 .npy files.

    python benchmarks/cache_codec.py                # made-up attention, 6 layers of 8 heads over 1 + 14 x 14
    python benchmarks/cache_codec.py --grid 24 24   # a larger encoder
    python benchmarks/cache_codec.py --cache RUN    # the attention of a cache; best one written with `exact`
    python benchmarks/cache_codec.py --small        # a smoke test

Everything is written by the real writer, read by the real reader, and compared with what went in, in the
same run: look at the ratios rather than at the times. Made-up attention is a softmax over smooth random
fields at several temperatures, from nearly flat to one patch only. The error is the total variation, half the
sum of the absolute differences of a row: the share of attention that ends up in the wrong place. "map" is
what one key press in the browser needs: one token, one layer, the mean over heads.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from measuring.tables import markdown

from hw3_browse.cache.geometry import View
from hw3_browse.cache.reader import Cache
from hw3_browse.cache.schema import Captioned
from hw3_browse.cache.writer import CacheWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_HEAD = ("attention", "KiB", "of fp32", "TV mean", "TV worst", "write ms", "read ms", "map ms")
_JPEG = b"\xff\xd8\xff\xd9"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, help="take the attention of this cache")
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=13)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--grid", type=int, nargs=2, default=(14, 14), metavar=("ROWS", "COLS"))
    parser.add_argument("--prefix", type=int, default=1)
    parser.add_argument("--small", action="store_true", help="a smoke test")
    options = parser.parse_args()
    if options.small:
        options.pictures, options.grid = 3, (4, 5)
    if options.cache:
        prefix, grid, pictures = from_cache(options.cache, options.pictures)
    else:
        prefix, grid = options.prefix, tuple(options.grid)
        pictures = made_up(options.pictures, options.tokens, options.layers, options.heads, grid, prefix)
    rows = [captioned(index, weights, prefix, grid) for index, weights in enumerate(pictures)]
    plain = sum(weights.nbytes for weights in pictures)
    each = plain / len(rows) / 1024
    print(f"{len(rows)} pictures, the first {list(pictures[0].shape)}, {each:.0f} KiB in fp32\n")
    with tempfile.TemporaryDirectory() as folder:
        table = [plain_row(Path(folder), pictures)]
        table += [cache_row(Path(folder) / f"exact-{exact}", rows, exact=exact) for exact in (False, True)]
    print(markdown(_HEAD, table))


def from_cache(folder: Path, most: int) -> tuple[int, tuple[int, int], list[NDArray[np.float32]]]:
    """Return prefix, grid and attention of the first pictures of a cache."""
    with Cache.open(folder) as cache:
        shape = cache.manifest.attention
        if shape.codec != "f16":
            print("note: this cache has eight bits already; the errors below come on top of its own\n")
        pictures = [cache.attention(index).weights for index in range(min(most, len(cache)))]
        return shape.prefix, (shape.rows, shape.cols), pictures


def made_up(  # noqa: PLR0917 (the axes)
    pictures: int, tokens: int, layers: int, heads: int, grid: tuple[int, int], prefix: int
) -> list[NDArray[np.float32]]:
    """Return attention [tokens, layers, heads, positions] of each picture: softmax of smooth fields."""
    rng = np.random.default_rng(0)

    def one() -> NDArray[np.float32]:
        fields = rng.normal(size=(tokens, layers, heads, *grid))
        for axis in (-1, -2):
            fields = fields + np.roll(fields, 1, axis) + np.roll(fields, -1, axis)
        patches = (fields / 3).reshape(tokens, layers, heads, -1)
        logits = np.concatenate([rng.normal(size=(tokens, layers, heads, prefix)), patches], axis=-1)
        logits *= rng.uniform(0.3, 5, size=(tokens, layers, heads, 1))
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return (weights / weights.sum(axis=-1, keepdims=True)).astype(np.float32)

    return [one() for _ in range(pictures)]


def captioned(index: int, weights: NDArray[np.float32], prefix: int, grid: tuple[int, int]) -> Captioned:
    """Return a record that holds hardly anything but attention."""
    tokens, (rows, cols) = len(weights), grid
    view = View(cols * 16, rows * 16, (0, 0, cols * 16, rows * 16), rows, cols, cols * 16, rows * 16)
    return Captioned(
        index=index,
        name=str(index),
        path=f"{index}.jpg",
        view=view,
        caption="",
        references=(),
        token_ids=(0,) * tokens,
        pieces=("x",) * tokens,
        word_of_piece=(-1,) * tokens,
        words=(),
        logprobs=(0.0,) * tokens,
        attention=weights,
        prefix=prefix,
        preview=_JPEG,
    )


def plain_row(folder: Path, pictures: list[NDArray[np.float32]]) -> tuple[str, ...]:
    """Return the row of plain fp32 files, one a picture."""
    files = [folder / f"{index}.npy" for index in range(len(pictures))]
    start = time.perf_counter()
    for file, weights in zip(files, pictures, strict=True):
        np.save(file, weights)
    writing = time.perf_counter() - start
    reading = median_ms(lambda index: np.load(files[index]), len(files))
    mapping = median_ms(lambda index: np.load(files[index], mmap_mode="r")[2, -1].mean(axis=0), len(files))
    size = sum(file.stat().st_size for file in files)
    return line("fp32 .npy", size, pictures, [0.0], writing, (reading, mapping))


def cache_row(folder: Path, rows: list[Captioned], *, exact: bool) -> tuple[str, ...]:
    """Return the row of one codec. Its size is the whole attention.sqlite, the mean over heads included."""
    with CacheWriter(folder, {}, len(rows), exact=exact) as writer:
        start = time.perf_counter()
        for first in range(0, len(rows), 32):
            writer.add_captioned(rows[first : first + 32])
        writing = time.perf_counter() - start
        writer.finish({}, (), {}, {})
    pictures = [np.asarray(row.attention, np.float32) for row in rows]
    with Cache.open(folder) as cache:
        errors = [
            float(error)
            for index, weights in enumerate(pictures)
            for error in np.abs(cache.attention(index).weights - weights).sum(axis=-1).ravel() / 2
        ]
        reading = median_ms(cache.attention, len(cache))
        mapping = median_ms(lambda index: cache.mean_map(index, [2]), len(cache))
    size = (folder / "attention.sqlite").stat().st_size
    return line("f16" if exact else "u8-sqrt", size, pictures, errors, writing, (reading, mapping))


def median_ms(read: Callable[[int], object], count: int) -> float:
    """Return the median time of reading one picture, in random order, in milliseconds."""
    times = []
    for index in np.random.default_rng(0).permutation(count):
        start = time.perf_counter()
        read(int(index))
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def line(  # noqa: PLR0917 (the columns)
    name: str,
    size: int,
    pictures: list[NDArray[np.float32]],
    errors: list[float],
    writing: float,
    reading: tuple[float, float],
) -> tuple[str, ...]:
    """Return one row of the table."""
    count, plain = len(pictures), sum(weights.nbytes for weights in pictures)
    shown = (f"{size / count / 1024:.0f}", f"{size / plain:.1%}", f"{np.mean(errors):.5f}", f"{max(errors):.5f}")
    return (name, *shown, f"{writing / count * 1000:.2f}", *(f"{each:.2f}" for each in reading))


if __name__ == "__main__":
    main()
