"""What people judged, counted and listed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from ..zeroshot.statistics import wilson
from .document import Paragraph, Said, Section, Table
from .pictures import words_judged
from .wording import UNDEFINED, percent, share, yes_no

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .document import Block, Line
    from .runs import CaptionRun

_MOST_ROWS: Final = 200


def judgements(runs: Sequence[CaptionRun]) -> Section | None:
    """Return the section of judgements; None where nobody has judged.

    Raises:
        JudgementsError: A file of judgements cannot be used.
    """
    judged = [run for run in runs if run.judged]
    if not judged:
        return None
    head = (
        "Run",
        "captions reasonable",
        "95 % interval",
        "words whose region fits",
        "95 % interval",
        "notes",
        "tagged",
    )
    counts = Table("What people judged of the present captions", head, tuple(_counts(run) for run in judged))
    tables = [block for run in judged for block in _listed(run)]
    return Section("Judgements", (counts, *tables), "judgements")


def _counts(run: CaptionRun) -> tuple[Line, ...]:
    said = run.judged.values()
    captions = Counter(one.reasonable for one in said if one.reasonable is not None)
    words = Counter(fits for one in said for fits in one.fits.values())
    notes, tagged = sum(bool(one.note.strip()) for one in said), sum(bool(one.tags) for one in said)
    return (run.title, *_share(captions), *_share(words), str(notes), str(tagged))


def _share(verdicts: Counter[bool]) -> tuple[str, str]:
    """Return how many said yes, and between which shares it lies."""
    total = verdicts.total()
    if not total:
        return UNDEFINED, UNDEFINED
    low, high = wilson(verdicts[True], total)
    return share(verdicts[True], total), f"{percent(low)} to {percent(high)}"


def _listed(run: CaptionRun) -> list[Block]:
    rows = run.judged_rows()
    head = ("Picture", "Caption", "Reasonable", "Region fits", "Region does not fit", "Note", "Tags")
    table = Table(
        f"Judged pictures of {run.title}",
        head,
        tuple(_row(run, index) for index in rows[:_MOST_ROWS]),
        frozenset(range(len(head))),
    )
    if len(rows) <= _MOST_ROWS:
        return [table]
    return [table, Paragraph(f"{len(rows) - _MOST_ROWS:,} more: see hw3 judgements or hw3 export.", "small")]


def _row(run: CaptionRun, index: int) -> tuple[Line, ...]:
    sample = run.cache.sample(index)
    judgement = run.judged[sample.path]
    fitting, unfit = words_judged(judgement, sample)
    return (
        Said(sample.name),
        Said(sample.caption),
        yes_no(judgement.reasonable),
        Said(", ".join(fitting)),
        Said(", ".join(unfit)),
        Said(judgement.note),
        Said(", ".join(sorted(judgement.tags))),
    )
