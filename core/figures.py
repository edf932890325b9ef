"""Figures of attention: one picture many times, each with the map of one token or word over it.

The layout is that of the assignment: five pictures in a row, the first one plain and titled <BOS>, then one
cell for each token, <EOS> included, with the attention of the query that predicted it. A map is placed
through the inverse of the preprocessing, patch by patch without smoothing; the part of the picture that the
model never saw is dark and hatched.

No torch, and no matplotlib before a figure is drawn: this is the one module of `core` that the browser uses.
It draws with matplotlib's object interface, without pyplot and its global figures, so that a worker thread
may use it.
"""

from __future__ import annotations

import io
import re
import textwrap
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..cache.errors import CacheDamaged, UsageError
from ..cache.files import replace_file
from ..cache.text import printable

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from matplotlib.ft2font import FT2Font
    from numpy.typing import NDArray

    from ..cache.codec import Head
    from ..cache.geometry import View
    from ..cache.reader import Cache
    from ..cache.schema import Sample

FORMATS: Final = (".png", ".pdf", ".svg")

# Lengths in inches, font sizes in points.
_CELL: Final = 2.0  # width of a picture
_TALLEST: Final = 2.0  # a cell is at most this many times as high as wide
_FLATTEST: Final = 0.4
_GAP: Final = 0.08
_MARGIN: Final = 0.12
_LABEL: Final = 0.26
_TITLE_SIZE: Final = 12.0
_LABEL_SIZE: Final = 11.0
_SMALLEST_LABEL: Final = 6.0
_NOTE_SIZE: Final = 8.0
_LINE: Final = 1.35  # height of a line over its font size
_POINTS: Final = 72.0  # to the inch
_SUBPIXELS: Final = 64.0  # FreeType's unit

_DPI: Final = 168
_SIDE: Final = 336  # pixels of a cell's picture: what _DPI shows of _CELL
_UNSEEN_LIGHT: Final = 0.45  # the part of its brightness that an unseen pixel keeps
_HATCH_LIGHT: Final = 0.15  # added to every second stripe
_HATCH: Final = 6  # pixels

_LONGEST_NAME: Final = 80  # characters, of up to three bytes, of the 255 that file systems take
_MOST_COPIES: Final = 10_000


def attention_grid(
    image: Image.Image,
    maps: Sequence[tuple[str, NDArray[np.floating]]],
    view: View,
    *,
    title: str,
    note: str = "",
    columns: int = 5,
    colormap: str = "jet",
    opacity: float = 0.5,
    first: str = "<BOS>",
) -> Figure:
    """Draw a picture plain, then once for each map with that map over it.

    Args:
        image: The whole picture, at any resolution.
        maps: Label and map [rows, cols] of each cell, non-negative. Each map is coloured from 0 to its own
            maximum.
        view: Where the maps lie on the picture.
        title: Text over the figure; wrapped, and line breaks are kept.
        note: Small text under the figure.
        columns: Pictures in a row.
        colormap: Name of a matplotlib colour map.
        opacity: Of the map over the picture, 0 to 1.
        first: Label of the plain picture.

    Returns:
        A figure with one axes a cell, in order; give it to `save_figure`.

    Raises:
        UsageError: There is no such colour map, or a number is out of range.
        ValueError: A map does not have the shape of the view's grid.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 (slow, and only for figures)

    if columns < 1 or not 0 <= opacity <= 1:
        raise UsageError(f"columns must be positive and opacity 0 to 1, found {columns} and {opacity}")
    colors = _colormap(colormap)
    # Enlarged too: on a picture of 32 x 32, the crop's edge and the hatching need finer pixels than its own.
    plain = np.asarray(ImageOps.contain(image.convert("RGB"), (_SIDE, _SIDE), Image.Resampling.LANCZOS))
    cells = [
        (first, plain),
        *((label, _blend(plain, values, view, colors, opacity)) for label, values in maps),
    ]

    wide, high = _figure_width(columns), _cell_height(image.size)
    heading = _wrap(title, _TITLE_SIZE, wide - 2 * _MARGIN)
    footing = _wrap(_notes(note, view, has_maps=bool(maps)), _NOTE_SIZE, wide - 2 * _MARGIN)
    top = _MARGIN + _text_height(heading, _TITLE_SIZE)
    rows = -(-len(cells) // columns)
    tall = top + rows * (_LABEL + high + _GAP) + _text_height(footing, _NOTE_SIZE) + _MARGIN
    figure = Figure(figsize=(wide, tall), dpi=_DPI, facecolor="white")
    _text(figure, _MARGIN, _MARGIN, heading, _TITLE_SIZE)
    for position, (label, pixels) in enumerate(cells):
        row, col = divmod(position, columns)
        left = _MARGIN + col * (_CELL + _GAP)
        _cell(figure, pixels, label, (left, top + row * (_LABEL + high + _GAP), high))
    _text(figure, _MARGIN, tall - _MARGIN - _text_height(footing, _NOTE_SIZE), footing, _NOTE_SIZE)
    return figure


def sample_grid(
    cache: Cache,
    index: int,
    *,
    layer: int = -1,
    head: Head = "mean",
    words: Sequence[int] | None = None,
    score: str | None = "clipscore",
) -> Figure:
    """Draw the grid of one picture of a cache, from the cache alone (its preview, not the dataset's file).

    Args:
        cache: An open cache.
        index: The picture, from 0.
        layer: Decoder layer; -1 is the last.
        head: One head, or the mean or the largest weight over all heads.
        words: Indices into the sample's words: one cell for each of these, the mean of its tokens. None: one
            cell for each token, <EOS> included, as in the assignment.
        score: The score in the title, with the picture's rank in it; None for none.

    Raises:
        UsageError: The cache has no such score, or the picture no such layer, head or word.
        CacheDamaged: The preview or the attention cannot be read.
    """
    sample = cache.sample(index)
    attention = cache.attention(index)
    try:
        cells = _labelled_pieces(sample, words)
        maps = [(label, attention.word_map(pieces, layer, head)) for label, pieces in cells]
    except IndexError as error:
        _, layers, heads, _ = attention.weights.shape
        raise UsageError(
            f"no layer {layer}, head {head} or word among {words}: {printable(sample.name)} has "
            f"{layers} layers, {heads} heads and {len(sample.words)} words"
        ) from error
    title = f"{printable(sample.name)}{_standing(cache, index, score)}\n{printable(sample.caption)}"
    return attention_grid(
        _preview(cache, index),
        maps,
        sample.view,
        title=title,
        note=_source(attention.weights.shape, layer, head),
    )


def save_figure(figure: Figure, path: Path, *, overwrite: bool = False) -> Path:
    """Write a figure as PNG, PDF or SVG, whole or not at all; missing folders are made.

    The same figure gives the same bytes: no dates, no random ids.

    Args:
        figure: The figure.
        path: Where to; the suffix chooses the format.
        overwrite: Replace a file of that name. Otherwise `name-2.png`, `name-3.png`, ... is written beside
            it.

    Returns:
        The file that was written.

    Raises:
        UsageError: The suffix is none of `FORMATS`, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        known = ", ".join(FORMATS)
        raise UsageError(f"cannot save a figure as {printable(path.name)!r}: end the name in {known}")
    content = _render(figure, suffix)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target = path if overwrite else _reserve(path)
        try:
            replace_file(target, content)
        except OSError:
            if not overwrite:
                target.unlink(missing_ok=True)  # the empty file that reserved the name
            raise
    except OSError as error:
        raise UsageError(f"cannot write {printable(str(path))}: {error.strerror}") from error
    return target


def grid_file_name(name: str, score: str | None = None, value: float | None = None, suffix: str = ".png") -> str:
    """Return the file name of a sample's grid, such as `000000179758-clipscore-0.7150.png`.

    Characters of `name` that could leave the folder or trouble a shell become "_".
    """
    stem = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", name)).strip("._-")[:_LONGEST_NAME]
    scored = "" if score is None or value is None else f"-{score}-{value:.4f}"
    return f"{stem or 'picture'}{scored}{suffix}"


def _labelled_pieces(sample: Sample, words: Sequence[int] | None) -> list[tuple[str, tuple[int, ...]]]:
    """Return the label and the tokens of each cell; IndexError where there is no such word."""
    if words is None:
        return [(piece, (token,)) for token, piece in enumerate(sample.pieces)]
    if any(word not in sample.word_of_piece or word < 0 for word in words):  # -1 marks tokens of no word
        raise IndexError(words)
    return [
        (sample.words[word], tuple(token for token, of in enumerate(sample.word_of_piece) if of == word))
        for word in words
    ]


def _standing(cache: Cache, index: int, score: str | None) -> str:
    """Return the score and its rank, best first: ': clipscore 0.7150 (rank 12 of 1,789)'."""
    if score is None:
        return ""
    value = float(cache.scores(score)[index])
    if np.isnan(value):
        return f": {score} undefined"
    rank = int(np.flatnonzero(cache.order(score) == index)[0]) + 1
    return f": {score} {value:.4f} (rank {rank:,} of {len(cache):,})"


def _source(shape: tuple[int, ...], layer: int, head: Head) -> str:
    """Say in words which layer and head the maps are of."""
    _, layers, heads, _ = shape
    if isinstance(head, int):
        which = f"head {head % heads + 1} of {heads}"
    else:
        which = f"{'mean' if head == 'mean' else 'largest'} over {heads} heads"
    return f"cross-attention, layer {layer % layers + 1} of {layers}, {which}"


def _preview(cache: Cache, index: int) -> Image.Image:
    try:
        return Image.open(io.BytesIO(cache.preview(index)), formats=("JPEG",)).convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise CacheDamaged(
            f"the preview of picture {index} in {printable(str(cache.folder))} is damaged: precompute again"
        ) from error


def _colormap(name: str) -> Colormap:
    from matplotlib import colormaps  # noqa: PLC0415

    try:
        return colormaps[name]
    except KeyError as error:
        raise UsageError(f"unknown colour map {name!r}: try jet, turbo, viridis, inferno or magma") from error


def _blend(
    picture: NDArray[np.uint8], values: NDArray[np.floating], view: View, colors: Colormap, opacity: float
) -> NDArray[np.uint8]:
    """Lay a map over a picture [height, width, 3] and darken and hatch what the model did not see."""
    height, width, _ = picture.shape
    peak = float(np.max(values))  # of all patches, also those over padding
    placed, seen = view.place(values, width, height)
    tint = colors(placed / peak if peak > 0 else placed)[..., :3]
    shown = (1 - opacity) * (picture / 255) + opacity * tint
    down, across = np.indices((height, width))
    stripe = (down + across) // _HATCH % 2 == 0
    grey = picture.mean(axis=2) / 255
    unseen = _UNSEEN_LIGHT * grey + _HATCH_LIGHT * stripe
    mixed: NDArray[np.float64] = np.where(seen[..., None], shown, unseen[..., None])
    return np.rint(mixed * 255).astype(np.uint8)


def _notes(note: str, view: View, *, has_maps: bool) -> str:
    """Return the small print: what the colours and the hatching mean."""
    parts = [note] if note else []
    if has_maps:
        parts.append("colour: from 0 to the maximum of each map")
    if has_maps and view.visible() != (0.0, 0.0, float(view.width), float(view.height)):
        parts.append("hatched: cut off, not seen by the model")
    return "; ".join(parts)


def _figure_width(columns: int) -> float:
    return 2 * _MARGIN + columns * _CELL + (columns - 1) * _GAP


def _cell_height(size: tuple[int, int]) -> float:
    """Return the height of all cells in inches; only very thin pictures leave a part of their cell empty."""
    width, height = size
    return _CELL * min(max(height / width, _FLATTEST), _TALLEST)


def _cell(figure: Figure, pixels: NDArray[np.uint8], label: str, place: tuple[float, float, float]) -> None:
    """Add a labelled picture; `place` is left, top (of the label) and the picture's height, in inches."""
    left, top, high = place
    wide, tall = figure.get_size_inches()
    axes = figure.add_axes(
        (left / wide, 1 - (top + _LABEL + high) / tall, _CELL / wide, high / tall),
        frameon=False,
        xticks=[],
        yticks=[],
    )
    axes.imshow(pixels)  # aspect "equal": a picture keeps its shape
    text, size = _fit(_drawable(label), _CELL)
    axes.set_title(text, fontsize=size, pad=3.0, parse_math=False)


def _text(figure: Figure, left: float, top: float, lines: Sequence[str], size: float) -> None:
    """Write lines, the first at `top` inches from the top; never as mathematics: a caption may hold a $."""
    wide, tall = figure.get_size_inches()
    for number, line in enumerate(lines):
        down = top + number * size * _LINE / _POINTS
        figure.text(left / wide, 1 - down / tall, line, fontsize=size, va="top", parse_math=False)


def _text_height(lines: Sequence[str], size: float) -> float:
    return len(lines) * size * _LINE / _POINTS


def _font(size: float) -> FT2Font:
    """Return the figure's font, to measure with."""
    from matplotlib.font_manager import FontProperties, findfont, get_font  # noqa: PLC0415

    font = get_font(findfont(FontProperties()))
    font.set_size(size, _POINTS)
    return font


def _drawable(text: str) -> str:
    """Return a text safe to draw; U+FFFD stands for what the font lacks (matplotlib would warn each time)."""
    font = _font(_TITLE_SIZE)
    return "".join(sign if font.get_char_index(ord(sign)) else "\ufffd" for sign in printable(text))


def _text_width(text: str, size: float) -> float:
    """Return how wide a text is in inches."""
    from matplotlib.ft2font import LoadFlags  # noqa: PLC0415

    font = _font(size)
    font.set_text(text, 0.0, flags=LoadFlags.NO_HINTING)
    return font.get_width_height()[0] / _SUBPIXELS / _POINTS


def _wrap(text: str, size: float, width: float) -> list[str]:
    """Break a text into lines of at most `width` inches; a word longer than a line is broken too."""
    lines: list[str] = []
    for line in map(_drawable, text.splitlines()):
        natural = _text_width(line, size)
        if natural <= width:
            lines.append(line)
            continue
        characters = max(int(len(line) * width / natural), 1)  # of average width
        wrapped = textwrap.wrap(line, characters)
        while characters > 1 and any(_text_width(part, size) > width for part in wrapped):
            characters = characters * 9 // 10
            wrapped = textwrap.wrap(line, characters)
        lines += wrapped
    return lines


def _fit(text: str, width: float) -> tuple[str, float]:
    """Return a label, cut if it must be, and the font size at which it fits into `width` inches."""
    natural = _text_width(text, _LABEL_SIZE)
    if natural <= width:
        return text, _LABEL_SIZE
    size = max(_LABEL_SIZE * width / natural, _SMALLEST_LABEL)
    while len(text) > 1 and _text_width(text, size) > width:
        text = text[: len(text) * 9 // 10 - 1] + "…"
    return text, size


def _render(figure: Figure, suffix: str) -> bytes:
    """Return a figure as the bytes of a file; without dates and random ids, so that it can be compared."""
    from matplotlib import rc_context  # noqa: PLC0415

    metadata = {".png": {}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}[suffix]
    buffer = io.BytesIO()
    # Type 42 fonts: conferences refuse matplotlib's default, Type 3.
    with rc_context({"svg.hashsalt": "hw3-browse", "pdf.fonttype": 42}):
        figure.savefig(buffer, format=suffix[1:], dpi=_DPI, metadata=metadata)
    return buffer.getvalue()


def _reserve(path: Path) -> Path:
    """Create an empty file under the first free one of the names `path`, `path-2`, ..., and return it."""
    for number in range(1, _MOST_COPIES):
        candidate = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        try:
            candidate.touch(exist_ok=False)  # fails where another process was faster
        except FileExistsError:
            continue
        return candidate
    raise UsageError(f"there are {_MOST_COPIES:,} files like {printable(str(path))}: choose another name")
