"""Figures of the pictures of a cache: which maps, from which picture, under which title."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ...cache.errors import UsageError
from ...cache.schema import RAW_MAPS
from ...cache.text import printable
from .layout import DPI, Block, Map, Style, draw
from .originals import find_picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from ...cache.codec import Attention, Head
    from ...cache.schema import Manifest, Sample


class Pictures(Protocol):
    """What a figure needs of a cache; `cache.reader.Cache` is one, and so is every source of the browser."""

    @property
    def folder(self) -> Path:
        """Where it is on disk."""

    @property
    def manifest(self) -> Manifest:
        """What it says about itself; a figure says how the maps were made."""

    def __len__(self) -> int:
        """Return the number of pictures."""

    def sample(self, index: int, /) -> Sample:
        """Return all texts and scores of a picture."""

    def attention(self, index: int, /) -> Attention | None:
        """Return the cross-attention of a picture's caption; None where the run has no maps."""

    def preview(self, index: int, /) -> bytes:
        """Return a small JPEG of the picture."""

    def image_file(self, index: int, /) -> Path | None:
        """Return the picture's own file, or None where it is not on this machine."""

    def scores(self, name: str, /) -> NDArray[np.float64]:
        """Return a column of scores [count], NaN where undefined."""

    def order(self, name: str, /) -> NDArray[np.intp]:
        """Return the indices of all pictures [count], best first."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One map of a figure.

    Attributes:
        tokens: The generated tokens whose mean map it is, at least one.
        label: Stands over it; layer and head are added where not all cells share them.
        layer: Decoder layer; -1 is the last.
        head: One head, or the mean or the largest weight over all heads.
    """

    tokens: tuple[int, ...]
    label: str
    layer: int = -1
    head: Head = "mean"


def token_cells(sample: Sample, layer: int = -1, head: Head = "mean", words: Iterable[int] | None = None) -> list[Cell]:
    """Return a cell for each token, <EOS> included as in the assignment, or for each token of some words."""
    wanted = None if words is None else set(words)
    return [
        Cell((token,), piece, layer, head)
        for token, (piece, word) in enumerate(zip(sample.pieces, sample.word_of_piece, strict=True))
        if wanted is None or word in wanted
    ]


def word_cells(sample: Sample, words: Iterable[int], layer: int = -1, head: Head = "mean") -> list[Cell]:
    """Return a cell for each of some words, given by index: the mean of its tokens.

    Raises:
        UsageError: There is no such word, or no token belongs to it.
    """
    cells = []
    for word in words:
        tokens = tuple(token for token, of in enumerate(sample.word_of_piece) if of == word)
        if word < 0 or not tokens:  # -1 marks tokens of no word
            raise UsageError(f"no word {word}: {printable(sample.name)} has {len(sample.words)} words, from 0")
        cells.append(Cell(tokens, sample.words[word], layer, head))
    return cells


def sample_grid(
    cache: Pictures,
    index: int,
    *,
    layer: int = -1,
    head: Head = "mean",
    words: Sequence[int] | None = None,
    cells: Sequence[Cell] | None = None,
    score: str | None = "clipscore",
    columns: int = 5,
    colormap: str = "jet",
    opacity: float = 0.5,
    dpi: int = DPI,
) -> Figure:
    """Draw the grid of one picture of a cache.

    Args:
        cache: An open cache.
        index: The picture, from 0.
        layer: Decoder layer; -1 is the last.
        head: One head, or the mean or the largest weight over all heads.
        words: Indices into the sample's words: one cell for each of these, the mean of its tokens. None: one
            cell for each token, <EOS> included, as in the assignment.
        cells: The cells themselves; `layer`, `head` and `words` count for nothing then.
        score: The score in the title, with the picture's rank in it; None for none.
        columns: The most pictures in a row.
        colormap: Name of a matplotlib colour map.
        opacity: Of the maps over the picture, 0 to 1.
        dpi: Pixels to the inch; a picture is two inches wide.

    Raises:
        UsageError: The cache has no such score, or the picture no such layer, head or word; there is no such
            colour map, or a number is out of range.
        CacheDamaged: The preview or the attention cannot be read.
    """
    style = Style(columns, colormap, opacity, dpi)
    if cells is None:
        sample = cache.sample(index)
        cells = token_cells(sample, layer, head) if words is None else word_cells(sample, words, layer, head)
    return draw([sample_block(cache, index, cells, style, score=score)], style)


def sample_block(
    cache: Pictures, index: int, cells: Sequence[Cell], style: Style, *, score: str | None = None, run: str = ""
) -> Block:
    """Return the block of one picture of a cache, to draw alone or with those of other runs.

    The picture is the cache's preview, which has more pixels than a figure of the usual resolution shows (448
    for 336). Where the figure can show more, at a higher `dpi`, and the picture's own file is on this
    machine, readable and of the size that the cache knows, it is that file.

    Args:
        cache: An open cache.
        index: The picture, from 0.
        cells: What is shown of it, after the plain picture; nothing where the run has no maps.
        style: The figure's.
        score: The score in the title, with the picture's rank in it; None for none.
        run: Which run this is, in the title; empty where there is one only.

    Raises:
        UsageError: The cache has no such score, or the picture no such layer, head or token.
        CacheDamaged: The preview or the attention cannot be read.
    """
    sample = cache.sample(index)
    attention = cache.attention(index)
    name = printable(sample.name) + (f", {printable(run)}" if run else "")
    return Block(
        find_picture(cache, index, (sample.view.width, sample.view.height), style.side),
        [] if attention is None else _maps(sample, attention, cells),
        sample.view,
        title=f"{name}{_standing(cache, index, score)}\n{printable(sample.caption)}",
        note="no attention maps" if attention is None else _note(attention, cells, cache.manifest.maps),
    )


def _maps(sample: Sample, attention: Attention, cells: Sequence[Cell]) -> list[Map]:
    mixed = not _alike(attention, cells)
    maps = []
    for cell in cells:
        try:
            values = attention.word_map(cell.tokens, cell.layer, cell.head)
        except IndexError as error:
            tokens, layers, heads, _ = attention.weights.shape
            raise UsageError(
                f"no layer {cell.layer}, head {cell.head} or token {cell.tokens}: {printable(sample.name)} has "
                f"{layers} layers, {heads} heads and {tokens} tokens"
            ) from error
        detail = _place(attention, cell.layer, cell.head) if mixed else ""
        maps.append(Map(cell.label, values, detail))
    return maps


def _alike(attention: Attention, cells: Sequence[Cell]) -> bool:
    """Tell whether all cells are of one layer and head."""
    return len({_place(attention, cell.layer, cell.head) for cell in cells}) <= 1


def _note(attention: Attention, cells: Sequence[Cell], maps: str) -> str:
    """Say how the maps were made, and which layer and head they are of."""
    if not cells:
        return ""
    kind = "cross-attention" if maps == RAW_MAPS else printable(maps)
    if not _alike(attention, cells):
        return kind  # layer and head stand over each map
    return f"{kind}, {_place(attention, cells[0].layer, cells[0].head)}"


def _place(attention: Attention, layer: int, head: Head) -> str:
    """Return a layer and a head in words: 'layer 6 of 6, mean over 8 heads'; maps may know nothing of heads."""
    _, layers, heads, _ = attention.weights.shape
    if heads == 1:
        return f"layer {layer % layers + 1} of {layers}"
    if isinstance(head, int):
        which = f"head {head % heads + 1} of {heads}"
    else:
        which = f"{'mean' if head == 'mean' else 'largest'} over {heads} heads"
    return f"layer {layer % layers + 1} of {layers}, {which}"


def _standing(cache: Pictures, index: int, score: str | None) -> str:
    """Return the score and its rank, best first: ': clipscore 0.7150 (rank 12 of 1,789)'."""
    if score is None:
        return ""
    value = float(cache.scores(score)[index])
    if np.isnan(value):
        return f": {score} undefined"
    rank = int(np.flatnonzero(cache.order(score) == index)[0]) + 1
    return f": {score} {value:.4f} (rank {rank:,} of {len(cache):,})"
