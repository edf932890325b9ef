"""Which pictures the board shows: the selected word, pinned words, all words, all heads, or the same word in two runs.

A pure function of what is selected and of the sample's texts, so that a worker thread can plan and a test can ask.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from ..cache.text import printable
from .arrange import Rect, arrange
from .marking import aligned
from .prints import Request
from .units import units_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..cache.codec import Head
    from ..cache.schema import AttentionShape, Sample
    from .units import Unit

Sheet = Literal["", "words", "heads"]

PLAIN_LABEL: Final = "<BOS>"


@dataclass(frozen=True, slots=True)
class Focus:
    """One map: a word in a layer and a head.

    Attributes:
        unit: The word, or token; a number beyond the last means the last. None: the plain picture.
        layer: Decoder layer, from 0.
        head: One head, or the mean or the maximum over heads.
    """

    unit: int | None
    layer: int
    head: Head


@dataclass(frozen=True, slots=True)
class Wanted:
    """All that decides what the board shows.

    Attributes:
        index: The picture: a row of the joined list.
        rows: Its row in each run's own cache.
        run: The run whose words are walked.
        titles: What each run is called.
        focus: The selected map.
        pins: Maps that stay beside it.
        by_pieces: Whether units are tokens instead of words.
        map_shown: Whether the selected word's map is laid over the picture.
        sheet: All words, or all layers and heads of the selected word; "" for neither.
        area: (columns, lines) of the board.
        cell: (width, height) of a terminal cell in pixels.
        colormap: Colours of the map.
        opacity: Of the map over the picture.
        monochrome: Whether the terminal shows no colours.
    """

    index: int
    rows: tuple[int, ...]
    run: int
    titles: tuple[str, ...]
    focus: Focus
    pins: tuple[Focus, ...]
    by_pieces: bool
    map_shown: bool
    sheet: Sheet
    area: tuple[int, int]
    cell: tuple[int, int]
    colormap: str
    opacity: float
    monochrome: bool = False


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture on the board.

    Attributes:
        run: The run that it shows.
        focus: The map that it shows.
        label: The line over it; "" where the status line says it.
        rect: Its place on the board, the label's line included.
        request: What the darkroom is to make.
        selected: Whether the keys act on it.
        pinned: Whether it is marked to stay and to be saved.
    """

    run: int
    focus: Focus
    label: str
    rect: Rect
    request: Request
    selected: bool
    pinned: bool


@dataclass(frozen=True, slots=True)
class Board:
    """What is on the board: the tiles of one page, of `pages`."""

    tiles: tuple[Tile, ...]
    page: int = 0
    pages: int = 1


def plan(wanted: Wanted, samples: Sequence[Sample], shapes: Sequence[AttentionShape | None]) -> Board:
    """Return the tiles for what is wanted.

    Args:
        wanted: What is selected.
        samples: The picture in each run.
        shapes: Layers and heads of each run; None: it has no maps, and its pictures are plain.
    """
    shown = [(run, focus) for focus in _foci(wanted, samples[wanted.run], shapes[wanted.run]) for run in _runs(wanted)]
    focus = _clipped(wanted.focus, units_of(samples[wanted.run], by_pieces=wanted.by_pieces))
    chosen = shown.index((wanted.run, focus))
    labelled = len(shown) > 1
    view = samples[wanted.run].view
    arrangement = arrange(
        len(shown),
        wanted.area,
        (view.width, view.height),
        wanted.cell,
        label_lines=int(labelled),
        groups=len(samples) if not wanted.sheet else 1,
    )
    page = chosen // arrangement.per_page
    first = page * arrangement.per_page
    here = shown[first : first + arrangement.per_page]
    tiles = []
    for offset, ((run, own), rect) in enumerate(zip(here, arrangement.rects, strict=False)):
        label = _label(wanted, own, run, samples) if labelled else ""
        request = _request(wanted, own, run, samples, shape=shapes[run], rect=rect, labelled=labelled)
        tiles.append(
            Tile(run, own, label, rect, request, selected=first + offset == chosen, pinned=_pinned(wanted, own, run))
        )
    return Board(tuple(tiles), page, arrangement.pages)


def _runs(wanted: Wanted) -> tuple[int, ...]:
    """Return the runs that are shown beside each other: the active one alone in a sheet."""
    return (wanted.run,) if wanted.sheet else tuple(range(len(wanted.rows)))


def _foci(wanted: Wanted, sample: Sample, shape: AttentionShape | None) -> list[Focus]:
    units = units_of(sample, by_pieces=wanted.by_pieces)
    focus = _clipped(wanted.focus, units)
    if wanted.sheet == "words":
        return [replace(focus, unit=unit) for unit in (None, *range(len(units)))]
    if wanted.sheet == "heads" and focus.unit is not None and shape is not None:
        return [Focus(focus.unit, layer, head) for layer in range(shape.layers) for head in heads_of(shape)]
    return [*wanted.pins, *([] if focus in wanted.pins else [focus])]


def _clipped(focus: Focus, units: Sequence[Unit]) -> Focus:
    if focus.unit is None or focus.unit < len(units):
        return focus
    return replace(focus, unit=len(units) - 1 if units else None)


def _pinned(wanted: Wanted, focus: Focus, run: int) -> bool:
    return run == wanted.run and focus in wanted.pins


def _unit_in(wanted: Wanted, focus: Focus, run: int, samples: Sequence[Sample]) -> Unit | None:
    """Return the word of a run that stands for the active run's selected one."""
    if focus.unit is None:
        return None
    own = units_of(samples[wanted.run], by_pieces=wanted.by_pieces)
    if run == wanted.run:
        return own[focus.unit]
    units = units_of(samples[run], by_pieces=wanted.by_pieces)
    place = aligned([unit.text for unit in own], [unit.text for unit in units], focus.unit)
    return None if place is None else units[place]


def _request(
    wanted: Wanted,
    focus: Focus,
    run: int,
    samples: Sequence[Sample],
    *,
    shape: AttentionShape | None,
    rect: Rect,
    labelled: bool,
) -> Request:
    unit = _unit_in(wanted, focus, run, samples)
    tokens: tuple[int, ...] = ()
    # A plain picture is the same in every layer: one print, kept once.
    layer = 0
    head: Head = "mean"
    if unit is not None and shape is not None and (wanted.map_shown or focus != wanted.focus):
        tokens, layer = unit.tokens, min(focus.layer, shape.layers - 1)
        head = focus.head if not isinstance(focus.head, int) else min(focus.head, shape.heads - 1)
    return Request(
        run,
        wanted.rows[run],
        tokens,
        layer,
        head,
        (rect.columns, max(1, rect.lines - int(labelled))),
        wanted.colormap,
        wanted.opacity,
        wanted.monochrome,
    )


def _label(wanted: Wanted, focus: Focus, run: int, samples: Sequence[Sample]) -> str:
    """Return the line over a tile: the run where there are several, the word, layer and head where they differ."""
    unit = _unit_in(wanted, focus, run, samples)
    parts = []
    if len(samples) > 1 and not wanted.sheet:
        parts.append(f"{printable(wanted.titles[run])}:")
    if wanted.sheet != "heads":
        parts.append(PLAIN_LABEL if unit is None else unit.text)
    if wanted.sheet == "heads" or (wanted.pins and not wanted.sheet and focus.unit is not None):
        parts.append(f"L{focus.layer + 1} {head_name(focus.head)}")
    return " ".join(parts)


def heads_of(shape: AttentionShape) -> list[Head]:
    """Return what can be chosen of a layer; one head is its own mean."""
    return ["mean", "max", *range(shape.heads)] if shape.heads > 1 else ["mean"]


def head_name(head: Head) -> str:
    """Return how a head is called: numbers count from 1."""
    return f"h{head + 1}" if isinstance(head, int) else head
