"""What a report says of runs of captions: scores, their distribution, good and bad captions, where runs differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ..metrics.diversity import DESCRIPTIONS as OF_ALL
from .charts import distribution_figure
from .document import Paragraph, Said, Section, Strong, Table
from .options import ASSIGNMENT_NAMES
from .runs import joined, part_of
from .settings import differing
from .wording import UNDEFINED, UNRANKED, count, digits_of, number, score_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .document import Block, Line
    from .names import Names
    from .options import Options
    from .pictures import Album
    from .runs import CaptionRun

_MOST_SETTINGS: Final = 5  # columns of the experiment table; more settings get a table of their own
_FIRST: Final = ("cider", "clipscore")
_HISTOGRAMS: Final = ("clipscore", "cider", "refclipscore", "meteor")
_MOST_HISTOGRAMS: Final = 4
_FEWEST_FOR_HISTOGRAMS: Final = 20  # pictures
_QUANTILES: Final = (0.0, 0.1, 0.5, 0.9, 1.0)


def experiments(runs: Sequence[CaptionRun]) -> Section | None:
    """Return the scores of whole runs, a row each, with the settings that differ; None where there are no scores."""
    scores = _corpus_scores(runs)
    if not scores:
        return None
    if len(runs) == 1:
        return Section("Scores", (_alone(runs[0], scores),), "experiments")
    settings = differing(runs)
    wide = len(settings) > _MOST_SETTINGS
    columns = [] if wide else settings
    head = ("Run", *(name for name, _ in columns), "pictures", *map(score_label, scores))
    rows = []
    for place, run in enumerate(runs):
        values = [_marked(runs, run, score) for score in scores]
        rows.append((run.title, *(value[place] for _, value in columns), f"{len(run.cache):,}", *values))
    texts = frozenset(range(1 + len(columns)))
    blocks: list[Block] = [Table("Scores of whole runs; the best of a column is bold", head, tuple(rows), texts)]
    if wide:
        titles = tuple(run.title for run in runs)
        unlike = tuple((name, *values) for name, values in settings)
        blocks.append(Table("Settings that differ", ("", *titles), unlike, frozenset(range(1 + len(runs)))))
    return Section("Experiments", tuple(blocks), "experiments")


def pictures(runs: Sequence[CaptionRun], score: str, options: Options, album: Album, names: Names) -> Section | None:
    """Return what there is to see of runs over the same pictures; None where that is nothing.

    Args:
        runs: The runs, the first to say which pictures are good.
        score: By which they are ranked.
        options: Of the report.
        album: Of these runs.
        names: For figures and anchors.
    """
    lead = runs[0]
    blocks: list[Block] = [_distribution(runs, score, options, names)]
    blocks.append(_left(runs, score))
    blocks += _extremes(lead, score, options, album)
    blocks += [_differences(lead, other, score, options) for other in runs[1:] if score in other.cache.score_names]
    blocks.append(_named(runs, options, album))
    blocks.append(_judged(runs, options, album))
    sections = [block for block in blocks if isinstance(block, Section) and block.blocks]
    anchored = tuple(Section(part.title, part.blocks, names.free("part")) for part in sections)
    return Section(f"Captions of {lead.dataset}", anchored, names.free("captions")) if anchored else None


def _corpus_scores(runs: Sequence[CaptionRun]) -> list[str]:
    known = dict.fromkeys(score for run in runs for score in run.manifest.corpus)
    return sorted(known, key=lambda score: _FIRST.index(score) if score in _FIRST else len(_FIRST))


def _alone(run: CaptionRun, scores: Sequence[str]) -> Table:
    about = {**OF_ALL, **{score.name: score.description for score in run.manifest.scores}}
    values = [number(run.manifest.corpus[score], digits_of(score)) for score in scores]
    rows = tuple((score_label(score), value, about.get(score, "")) for score, value in zip(scores, values, strict=True))
    return Table(
        f"Scores of {run.title}, all {count(len(run.cache), 'picture')} together",
        ("", "score", ""),
        rows,
        frozenset({0, 2}),
    )


def _marked(runs: Sequence[CaptionRun], run: CaptionRun, score: str) -> Line:
    """Return a score of a whole run, marked where it is the best of several runs over the same pictures."""
    values = [one.manifest.corpus[score] for one in runs if not np.isnan(one.manifest.corpus.get(score, np.nan))]
    value = run.manifest.corpus.get(score)
    pictures_of = {part_of(one.manifest.plan, "dataset").get("fingerprint") for one in runs}
    if len(set(values)) <= 1 or len(pictures_of) > 1 or score in UNRANKED:
        return number(value, digits_of(score))
    lower = any(known.name == score and not known.higher_is_better for known in run.manifest.scores)
    shown = number(value, digits_of(score))
    return Strong(shown) if value == (min if lower else max)(values) else shown


def _distribution(runs: Sequence[CaptionRun], score: str, options: Options, names: Names) -> Section:
    shown = [
        name for name in dict.fromkeys((score, *_HISTOGRAMS)) if any(name in run.cache.score_names for run in runs)
    ]
    blocks: list[Block] = []
    if not options.tables_only and len(runs[0].cache) >= _FEWEST_FOR_HISTOGRAMS:
        stem = "scores" if len(runs) == 1 else "scores-of-runs"
        blocks.append(distribution_figure(runs, shown[:_MOST_HISTOGRAMS], names.free(stem, ".svg")))
    head = ("", "pictures", "mean", "lowest", "p10", "median", "p90", "highest")
    rows = [
        _spread(run, name, alone=len(runs) == 1)
        for name in _all_scores(runs)
        for run in runs
        if name in run.cache.score_names
    ]
    blocks.append(
        Table("Scores of single pictures; a tenth of them is below p10, a tenth above p90", head, tuple(rows))
    )
    return Section("Distribution of scores", tuple(blocks))


def _all_scores(runs: Sequence[CaptionRun]) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name in run.cache.score_names))


def _spread(run: CaptionRun, score: str, *, alone: bool) -> tuple[Line, ...]:
    values = run.cache.scores(score)
    finite = values[np.isfinite(values)]
    name = score_label(score) if alone else f"{score_label(score)}, {run.title}"
    if not len(finite):
        return (name, "0", *[UNDEFINED] * 6)
    low, tenth, median, high_tenth, high = np.quantile(finite, _QUANTILES).tolist()
    found = (float(finite.mean()), low, tenth, median, high_tenth, high)
    return (name, f"{len(finite):,}", *map(number, found))


def _extremes(run: CaptionRun, score: str, options: Options, album: Album) -> list[Block]:
    """Return the best and the worst captions; all of them where there are hardly more."""
    ranking = run.shown(score)
    label = score_label(score)

    def shown(indices: Sequence[int]) -> tuple[Block, ...]:
        return tuple(album.show(run, index, f"{run.rank(score, index):,}. ") for index in indices)

    if len(ranking) <= options.top + options.last:
        return [Section(f"All pictures, best {label} first", shown(ranking))]
    return [
        Section(f"Best by {label}", shown(ranking[: options.top])),
        Section(f"Worst by {label}", shown(ranking[::-1][: options.last])),
    ]


def _left(runs: Sequence[CaptionRun], score: str) -> Section:
    """Return the mean scores of what a filter leaves of each run, beside those of the whole; empty without a filter."""
    rows: list[tuple[Line, ...]] = []
    for run in runs:
        if run.left is None or score not in run.cache.score_names:
            continue
        values = run.cache.scores(score)
        means = (_mean(values[run.left]), _mean(values))
        rows.append((run.title, f"{int(run.left.sum()):,} of {len(run.cache):,}", *map(number, means)))
    if not rows:
        return Section("Filter", ())
    label = score_label(score)
    text = Paragraph(("Only pictures are shown for which this holds: ", Said(runs[0].filter)))
    head = ("Run", "pictures", f"mean {label} of them", f"mean {label} of all")
    return Section("Filter", (text, Table("What the filter leaves", head, tuple(rows))))


def _mean(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def _differences(first: CaptionRun, second: CaptionRun, score: str, options: Options) -> Section:
    """Return which of two runs is better on which pictures."""
    ours, theirs = joined(first, second)
    before, after = first.cache.scores(score)[ours], second.cache.scores(score)[theirs]
    change = after - before
    left = np.ones(len(first.cache), np.bool_) if first.left is None else first.left
    known = np.flatnonzero(np.isfinite(change) & left[ours])
    order = known[np.argsort(-change[known], kind="stable")]
    rises = [place for place in order[: options.top].tolist() if change[place] > 0]
    falls = [place for place in order[::-1][: options.last].tolist() if change[place] < 0]
    higher, lower = int((change[known] > 0).sum()), int((change[known] < 0).sum())
    mean = float(change[known].mean()) if len(known) else float("nan")
    text = (
        f"Of {count(len(known), 'picture')} in both runs, {second.title} has a higher {score_label(score)} on "
        f"{higher:,}, a lower one on {lower:,}; the mean difference is {mean:+.4f}."
    )
    rows = tuple(
        (
            Said(first.cache.name(int(ours[place]))),
            Said(first.cache.caption(int(ours[place]))),
            Said(second.cache.caption(int(theirs[place]))),
            number(float(before[place])),
            number(float(after[place])),
            f"{change[place]:+.4f}",
        )
        for place in (*rises, *reversed(falls))
    )
    head = ("Picture", first.title, second.title, first.title, second.title, "difference")
    blocks: list[Block] = [Paragraph(text)]
    if rows:
        blocks.append(Table(f"Largest differences of {score_label(score)}", head, rows, frozenset({0, 1, 2})))
    return Section(f"{second.title} against {first.title}", tuple(blocks))


def _named(runs: Sequence[CaptionRun], options: Options, album: Album) -> Section:
    """Return the pictures that were asked for; those of the assignment only if one of them has not been shown."""
    wanted = ASSIGNMENT_NAMES if options.names is None else options.names
    found = [place for name in wanted if (place := _first_with(runs, name)) is not None]
    if options.names is None and all(album.has(run, index) for run, index in found):
        found = []
    return Section("Named pictures", tuple(album.show(run, index) for run, index in found))


def _first_with(runs: Sequence[CaptionRun], name: str) -> tuple[CaptionRun, int] | None:
    """Return the first run that has a picture of this name, and where."""
    places = ((run, run.cache.find(name)) for run in runs)
    return next(((run, index) for run, index in places if index is not None), None)


def _judged(runs: Sequence[CaptionRun], options: Options, album: Album) -> Section:
    """Return judged pictures that have not been shown; the others have their judgement where they stand."""
    new = [(run, index) for run in runs for index in run.judged_rows() if not album.has(run, index)]
    return Section("Judged pictures", tuple(album.show(run, index) for run, index in new[: options.judged]))
