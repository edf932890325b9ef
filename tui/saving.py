"""Saving grids of samples. The one place of the browser that uses `core`: its torch-free figures.

A figure shows what the panels showed: the same maps of the same words or tokens, layers, heads, colours and opacity,
over the same part of the picture. Of several runs it has one block for each, with the words that stand for each other.

Files are named `<name>[-<run>-vs-<run>]-<score>-<value>[-<word>+<word>...].png`, with the score by which the list is
sorted and, where not all words are shown, those that are. A file that is there already is never replaced: the next one
ends in "-2".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Final

from ..cache.errors import CacheDamaged, Hw3Error
from ..core import figures
from . import colormap
from .marking import aligned
from .units import units_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ..cache.codec import Head
    from ..cache.schema import AttentionShape, Sample
    from .runs import Runs
    from .units import Unit

ONE_AT_A_TIME: Final = Lock()  # matplotlib's settings are global to the process


@dataclass(frozen=True, slots=True)
class Panel:
    """One map as a panel shows it.

    Attributes:
        tokens: The tokens of the word, or the one token, whose map it is.
        text: What the panel calls it.
        layer: Decoder layer, from 0.
        head: One head, or the mean or the maximum over heads.
    """

    tokens: tuple[int, ...]
    text: str
    layer: int
    head: Head


@dataclass(frozen=True, slots=True)
class Look:
    """How maps are shown.

    Attributes:
        layer: Decoder layer, from 0, of what is saved without panels.
        head: One head, or the mean or the maximum over heads, of what is saved without panels.
        colormap: One of `colormap.names()`.
        opacity: Of a map over its picture, 0 to 1.
        by_pieces: Whether captions are walked token by token instead of word by word.
    """

    layer: int
    head: Head
    colormap: str = colormap.DEFAULT
    opacity: float = 0.5
    by_pieces: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """Where figures go.

    Attributes:
        folder: Made if it is not there.
        format: "png", "pdf" or "svg".
        score: The score in titles and file names, in the list's words ("diff.cider", "b.cider"); a key that is no
            score is left out.
    """

    folder: Path
    format: str = "png"
    score: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of several figures: the files written, and a line for each picture that has none."""

    files: tuple[Path, ...]
    problems: tuple[str, ...]


def save_grid(
    runs: Runs, index: int, target: Target, look: Look, *, panels: Sequence[Panel] = (), run: int = 0
) -> Path:
    """Draw and write the grid of one sample, and return the file.

    Args:
        runs: The open runs.
        index: The sample: a row of the joined list.
        target: Where to.
        look: How maps are shown.
        panels: The maps, in order; none means all words, or all tokens.
        run: The run whose words the panels show; other runs get the words that stand for them, if there are any.

    Raises:
        Hw3Error: It cannot be drawn or written.
    """
    style = figures.Style(colormap=look.colormap, opacity=look.opacity)
    samples = [source.sample(runs.at(number, index)) for number, source in enumerate(runs.sources)]
    with ONE_AT_A_TIME:
        blocks = [
            figures.sample_block(
                source,
                runs.at(number, index),
                _clipped(_cells(samples, number, look, panels, run), source.manifest.attention),
                style,
                score=_own_score(target.score, source.score_names),
                run=runs.titles[number] if len(samples) > 1 else "",
            )
            for number, source in enumerate(runs.sources)
        ]
        figure = figures.draw(blocks, style)
        return figures.save_figure(figure, target.folder / _file_name(runs, index, target, panels))


def save_many(
    runs: Runs,
    indices: Sequence[int],
    target: Target,
    look: Look,
    *,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Save the grids of several samples, each with all its words, or tokens.

    A sample that cannot be read is passed over; any other trouble, such as a full disk, ends it, and so does
    cancelling. Files that are written by then stay, and are told.

    Args:
        runs: The open runs.
        indices: The samples, in order.
        target: Where to.
        look: How maps are shown.
        on_progress: Told before each how many of how many are done.
        is_cancelled: Asked before each.
    """
    files: list[Path] = []
    problems: list[str] = []
    for done, index in enumerate(indices):
        if is_cancelled():
            return Outcome(tuple(files), tuple(problems))
        on_progress(done, len(indices))
        try:
            files.append(save_grid(runs, index, target, look))
        except CacheDamaged as error:
            problems.append(str(error))
        except Hw3Error as error:
            return Outcome(tuple(files), (*problems, str(error)))
    return Outcome(tuple(files), tuple(problems))


def _cells(samples: Sequence[Sample], number: int, look: Look, panels: Sequence[Panel], run: int) -> list[figures.Cell]:
    """Return what a run's block shows. Units of which no token is known have no map, here as in the panels."""
    units = units_of(samples[number], by_pieces=look.by_pieces)
    if not panels:
        return [figures.Cell(unit.tokens, unit.text, look.layer, look.head) for unit in units if unit.tokens]
    if number == run:
        return [figures.Cell(panel.tokens, panel.text, panel.layer, panel.head) for panel in panels if panel.tokens]
    own = units_of(samples[run], by_pieces=look.by_pieces)
    cells = []
    for panel in panels:
        unit = _counterpart(panel, own, units)
        if unit is not None and unit.tokens:
            cells.append(figures.Cell(unit.tokens, unit.text, panel.layer, panel.head))
    return cells


def _clipped(cells: Sequence[figures.Cell], shape: AttentionShape | None) -> list[figures.Cell]:
    """Return the cells in the layers and heads that a run has; another run may have fewer, or no maps at all."""
    if shape is None:
        return []
    return [
        replace(
            cell,
            layer=min(cell.layer, shape.layers - 1),
            head=min(cell.head, shape.heads - 1) if isinstance(cell.head, int) else cell.head,
        )
        for cell in cells
    ]


def _counterpart(panel: Panel, own: Sequence[Unit], others: Sequence[Unit]) -> Unit | None:
    """Return the word of another run's caption that stands for a panel's word, if one does."""
    place = next((place for place, unit in enumerate(own) if unit.tokens == panel.tokens), None)
    if place is None:
        return None
    found = aligned([unit.text for unit in own], [unit.text for unit in others], place)
    return None if found is None else others[found]


def _own_score(score: str, known: Sequence[str]) -> str | None:
    """Return a run's own name of a score of the list: "cider" for "diff.cider"; None where it has none such."""
    own = score.rpartition(".")[2]
    return own if own in known else None


def _file_name(runs: Runs, index: int, target: Target, panels: Sequence[Panel]) -> str:
    named = target.score if target.score in runs.score_names else None
    value = None if named is None else float(runs.scores(named)[index])
    words = tuple(dict.fromkeys(panel.text for panel in panels))
    suffix = f".{target.format}"
    titles = runs.titles if len(runs.sources) > 1 else ()
    return figures.grid_file_name(runs.name(index), named, value, suffix, runs=titles, words=words)
