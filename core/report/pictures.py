"""The pictures of a report with what the runs said of them, each shown once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..figures import grid_file_name
from .document import Facts, Items, Link, Note, Paragraph, Said, Section, Strong
from .grids import attention_figure
from .wording import number, score_label, yes_no

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...cache.judgements import Judgement
    from ...cache.schema import Sample
    from .document import Block, Figure, Inline, Line
    from .names import Names
    from .options import Options
    from .runs import CaptionRun


class Album:
    """Shows pictures of runs over the same pictures; one that was shown before is referred to."""

    def __init__(
        self, runs: Sequence[CaptionRun], score: str, options: Options, names: Names, drawn: Callable[[], None]
    ) -> None:
        """Begin without pictures.

        Args:
            runs: Runs over the same pictures, the first to say which are good.
            score: By which they are ranked.
            options: Of the report.
            names: For its figures.
            drawn: Called after each figure.
        """
        self._runs = runs
        self._score = score
        self._options = options
        self._names = names
        self._drawn = drawn
        self._shown: dict[tuple[str, int], str] = {}

    def has(self, run: CaptionRun, index: int) -> bool:
        """Tell whether a picture has been shown."""
        return (run.title, index) in self._shown

    def show(self, run: CaptionRun, index: int, heading: str = "") -> Section | Paragraph:
        """Return a picture of a run with what all runs said of it, or where it has been shown.

        Args:
            run: One of the runs.
            index: The picture in this run.
            heading: Before its name.

        Raises:
            UsageError: There is no such layer, head or colour map.
            CacheDamaged: Something of it cannot be read.
        """
        sample = run.cache.sample(index)
        title: tuple[Inline, ...] = (heading, Said(sample.name))
        anchor = self._shown.get((run.title, index))
        if anchor is not None:
            standing = self._standing(run, index, sample)
            return Paragraph((*title, ": ", *standing, ", " if standing else "", Link("see above", anchor)))
        rows = self._rows(run, index, sample.name)
        anchor = self._names.free("picture")
        self._shown |= {(one.title, row): anchor for one, row in rows}
        alone = len(self._runs) == 1
        blocks: list[Block] = []
        for one, row in rows:
            said = self._said(one, row, label="" if alone else one.title)
            if alone:
                blocks += said
            else:
                blocks.append(Section(one.title, tuple(said)))
        if sample.references:
            blocks += [Paragraph("References:", "small"), Items(tuple(Said(text) for text in sample.references))]
        return Section(title, tuple(blocks), anchor)

    def _rows(self, run: CaptionRun, index: int, name: str) -> list[tuple[CaptionRun, int]]:
        """Return the runs that have the picture, and where."""
        rows = ((one, index if one is run else one.cache.find(name)) for one in self._runs)
        return [(one, row) for one, row in rows if row is not None]

    def _said(self, run: CaptionRun, index: int, label: str) -> list[Block]:
        """Return what one run said of a picture."""
        sample = run.cache.sample(index)
        caption: Line = Said(sample.caption) if sample.caption.strip() else "(empty caption)"
        blocks: list[Block] = [Paragraph(caption, "caption"), self._scores(run, index, sample)]
        if not self._options.tables_only:
            blocks.append(self._grid(run, index, sample.name, label))
        judgement = run.judged.get(sample.path)
        return blocks + (said_by_people(judgement, sample) if judgement else [])

    def _grid(self, run: CaptionRun, index: int, name: str, label: str) -> Figure:
        stem = grid_file_name(name, suffix="", runs=[label] if label else [])
        file = self._names.free(stem, ".jpg")
        figure = attention_figure(run, index, file, self._options)
        self._drawn()
        return figure

    def _standing(self, run: CaptionRun, index: int, sample: Sample) -> list[Inline]:
        """Return the score by which pictures are ranked, with the rank; nothing where the run does not have it."""
        if self._score not in sample.scores:
            return []
        rank, ranked = run.rank(self._score, index), len(run.ranking(self._score))
        place = "" if rank is None else f" (rank {rank:,} of {ranked:,})"
        return [Strong(f"{score_label(self._score)} {number(sample.scores[self._score])}{place}")]

    def _scores(self, run: CaptionRun, index: int, sample: Sample) -> Paragraph:
        """Return all scores that a picture has."""
        line = self._standing(run, index, sample)
        for name, value in sample.scores.items():
            if name != self._score and not math.isnan(value):
                line += [", "] if line else []
                line.append(f"{score_label(name)} {number(value)}")
        return Paragraph(tuple(line), "facts")


def said_by_people(judgement: Judgement, sample: Sample) -> list[Block]:
    """Return the judgement of a picture."""
    fitting, unfit = words_judged(judgement, sample)
    rows: list[tuple[str, Line]] = []
    if judgement.reasonable is not None:
        rows.append(("Caption reasonable", yes_no(judgement.reasonable)))
    rows += [("Region fits the word", Said(", ".join(fitting)))] if fitting else []
    rows += [("Region does not fit", Said(", ".join(unfit)))] if unfit else []
    rows += [("Tags", Said(", ".join(sorted(judgement.tags))))] if judgement.tags else []
    blocks: list[Block] = [Facts(tuple(rows))] if rows else []
    return [*blocks, Note(judgement.note)] if judgement.note.strip() else blocks


def words_judged(judgement: Judgement, sample: Sample) -> tuple[list[str], list[str]]:
    """Return the words whose region fits, and those whose does not."""
    known = [(sample.words[word], fits) for word, fits in judgement.fits.items() if word < len(sample.words)]
    return [word for word, fits in known if fits], [word for word, fits in known if not fits]
