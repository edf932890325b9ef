"""What a report says of a zero-shot run: prompts, classes, mistakes, calibration, and top-five figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

import numpy as np

from ..figures import gallery, grid_file_name, run_panel, run_shot, top_five
from ..figures.bars import percent as in_figures
from ..zeroshot.table import accuracy, p_text
from .charts import calibration_figure
from .document import Figure, Paragraph, Said, Section, Strong, Table
from .files import css_size, to_png
from .wording import UNDEFINED, number, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ...cache.zeroshot import Prompt, Summary, Tally, ZeroShotRun
    from .document import Block, Line
    from .names import Names
    from .options import Options
    from .runs import ClassRun

_MOST_PAIRS: Final = 10  # rows of the table of differences; of more, those with the best prompt
_MOST_COLUMNS: Final = 4  # prompts in the table of classes
_MOST_CLASSES: Final = 60
_MOST_CONFUSIONS: Final = 12
_BEYOND_CHANCE: Final = 0.05
_SEED: Final = 0
_MOST_SHOTS: Final = 20
_MOST_NOTES: Final = 200


def classification(run: ClassRun, options: Options, names: Names, drawn: Callable[[], None]) -> Section:
    """Return the section of a zero-shot run.

    Args:
        run: The run.
        options: Of the report.
        names: For figures and anchors.
        drawn: Called after each figure.

    Raises:
        CacheDamaged: The run cannot be read.
    """
    prompts = run.run.prompts
    judged = [(prompt, prompt.summary) for prompt in prompts if prompt.summary is not None]
    best = max(range(len(prompts)), key=lambda place: _correct(prompts[place]))
    parts = [_prompts(judged) if judged else _unjudged(run.run)]
    if judged:
        parts += [_differences(run, best), _classes(run, best), _confusions(run, best)]
        parts.append(_calibration(run, best, options, names))
    if run.filter:
        parts.append(_left(run))
    parts.append(_noted(run))
    if not options.tables_only:
        parts += _top_fives(run, best, options, names, drawn)
    anchored = tuple(Section(part.title, part.blocks, names.free("part")) for part in parts if part.blocks)
    return Section(f"Zero-shot classification of {run.dataset}", anchored, names.free("zero-shot"))


def _correct(prompt: Prompt) -> int:
    return -1 if prompt.summary is None else prompt.summary.correct


def _unjudged(run: ZeroShotRun) -> Section:
    """Return how sure each prompt is, where no true class is known."""
    sure = (float(np.mean(run.values(prompt, "confidence"))) for prompt in range(len(run.prompts)))
    rows = tuple((Said(prompt.name), percent(mean)) for prompt, mean in zip(run.prompts, sure, strict=True))
    table = Table("Mean probability of the most probable class", ("Prompt", "confidence"), rows)
    return Section("Prompts", (Paragraph("No true class is known, so there is no accuracy."), table))


def _prompts(judged: Sequence[tuple[Prompt, Summary]]) -> Section:
    best = max(summary.correct for _, summary in judged)
    rows: list[tuple[Line, ...]] = []
    for prompt, summary in judged:
        templates = f", mean of {len(prompt.templates)} templates" if len(prompt.templates) > 1 else ""
        rows.append(
            (
                (Said(prompt.name), templates),
                Strong(accuracy(summary)) if summary.correct == best else accuracy(summary),
                f"{percent(summary.low)} to {percent(summary.high)}",
                percent(summary.top5, 2),
                percent(summary.class_mean, 2),
                number(summary.calibration_error),
            )
        )
    head = ("Prompt", "accuracy", "95 % interval", "top-5", "mean of classes", "calibration error")
    return Section("Prompts", (Table("Accuracy of each prompt, the best one bold", head, tuple(rows)),))


def _differences(run: ClassRun, best: int) -> Section:
    """Return whether prompts differ beyond chance."""
    every = run.manifest.comparisons
    pairs = every if len(every) <= _MOST_PAIRS else [pair for pair in every if best in {pair.first, pair.second}]
    names = [prompt.name for prompt in run.run.prompts]
    rows = tuple(
        (
            Said(names[pair.first]),
            Said(names[pair.second]),
            f"{pair.only_first:,}",
            f"{pair.only_second:,}",
            p_text(pair.p),
            "yes" if pair.p < _BEYOND_CHANCE else "no",
        )
        for pair in pairs
    )
    head = ("Prompt A", "Prompt B", "only A right", "only B right", "p", "differ beyond chance")
    table = Table(
        "Pairs of prompts by McNemar's exact test, p below 0.05 taken as beyond chance",
        head,
        rows,
        frozenset({0, 1, 5}),
    )
    return Section("Do the prompts differ?", (table,) if rows else ())


def _classes(run: ClassRun, best: int) -> Section:
    """Return how each class fared, worst first by the best prompt."""
    prompts, labels = run.run.prompts, run.run.labels
    shown = list(range(len(prompts))) if len(prompts) <= _MOST_COLUMNS else [best]
    summaries = [summary for place in shown if (summary := prompts[place].summary) is not None]
    found = [{tally.label: tally for tally in summary.tallies} for summary in summaries]
    lead = found[shown.index(best)]
    rows: list[tuple[Line, ...]] = []
    for label in list(lead)[:_MOST_CLASSES]:
        cells = [_recognised(one[label]) if label in one else UNDEFINED for one in found]
        rows.append((Said(labels[label]), *cells))
    head: tuple[Line, ...] = ("Class", *(Said(prompts[place].name) for place in shown))
    blocks: list[Block] = [
        Table(f'Pictures of each class that were recognised, worst by "{prompts[best].name}" first', head, tuple(rows))
    ]
    if len(lead) > _MOST_CLASSES:
        blocks.append(Paragraph(f"{len(lead) - _MOST_CLASSES:,} more classes fared better.", "small"))
    return Section("Classes", tuple(blocks))


def _recognised(tally: Tally) -> str:
    return f"{tally.correct}/{tally.count} ({percent(tally.correct / tally.count)})"


def _confusions(run: ClassRun, best: int) -> Section:
    prompt, labels = run.run.prompts[best], run.run.labels
    confusions = prompt.summary.confusions if prompt.summary else ()
    rows = tuple(
        (Said(labels[one.label]), Said(labels[one.guess]), f"{one.count:,}") for one in confusions[:_MOST_CONFUSIONS]
    )
    head = ("Is", "taken for", "times")
    table = Table(f'Most frequent mistakes of "{prompt.name}"', head, rows, frozenset({0, 1}))
    return Section("Mistakes", (table,) if rows else ())


def _calibration(run: ClassRun, best: int, options: Options, names: Names) -> Section:
    prompt = run.run.prompts[best]
    bins = [one for one in prompt.summary.bins if one.count] if prompt.summary else []
    rows = tuple(
        (
            f"{percent(one.low, 0)} to {percent(one.high, 0)}",
            f"{one.count:,}",
            percent(one.confidence),
            percent(one.accuracy),
        )
        for one in bins
    )
    head = ("Confidence", "pictures", "mean confidence", "recognised")
    table = Table(f'How sure the model was, and how often it was right, by "{prompt.name}"', head, rows)
    figure = (
        () if options.tables_only else (calibration_figure(run.run.prompts, best, names.free("calibration", ".svg")),)
    )
    return Section("Calibration", (*figure, table))


def _top_fives(run: ClassRun, prompt: int, options: Options, names: Names, drawn: Callable[[], None]) -> list[Section]:
    """Return figures of named pictures, of some at random, and of the surest mistakes."""
    left = run.left(prompt)
    mistakes = _surest_mistakes(run.run, prompt, left)
    chosen = {
        "Named pictures": [index for name in options.names or () if (index := run.run.find(name)) is not None],
        "Pictures at random": _at_random(left, options.top),
        "Surest mistakes": mistakes[: options.last],
    }
    asked = run.run.prompts[prompt].name
    sections = []
    for title, indices in chosen.items():
        figures = []
        for index in indices:
            figures.append(_top_five(run.run, index, prompt, options, names))
            drawn()
        said = Paragraph(('The five most probable classes by "', Said(asked), '"'), "small")
        sections.append(Section(title, (said, *figures) if figures else ()))
    if options.last:
        sections.append(_at_a_glance(run.run, mistakes[:_MOST_SHOTS], prompt, options, names))
    return sections


def _at_random(left: NDArray[np.bool_], wanted: int) -> list[int]:
    """Return the pictures that `hw3 topfive` draws, too, where no filter leaves them out."""
    drawn = np.random.default_rng(_SEED).permutation(len(left))
    indices: list[int] = drawn[left[drawn]][:wanted].tolist()
    return indices


def _surest_mistakes(run: ZeroShotRun, prompt: int, left: NDArray[np.bool_]) -> list[int]:
    order = run.order(prompt, "confidence")
    wrong: list[int] = order[(run.values(prompt, "correct")[order] == 0) & left[order]].tolist()
    return wrong


def _at_a_glance(run: ZeroShotRun, mistakes: Sequence[int], prompt: int, options: Options, names: Names) -> Section:
    """Return many mistakes as one figure; empty where there are no more than the top-five figures show."""
    title = "Mistakes at a glance"
    if len(mistakes) <= options.last:
        return Section(title, ())
    dpi = options.style.dpi
    drawing = gallery([run_shot(run, index, prompt, dpi) for index in mistakes], "", dpi=dpi)
    told = "; ".join(f"{run.name(index)}: {_taken(run, index, prompt)}" for index in mistakes)
    caption = (f"The {len(mistakes)} surest mistakes of ", Said(run.prompts[prompt].name))
    return Section(title, (Figure(names.free("mistakes", ".png"), to_png(drawing), css_size(drawing), told, caption),))


def _taken(run: ZeroShotRun, index: int, prompt: int) -> str:
    truth = run.true_label(index)
    guess = run.labels[int(run.predicted(prompt)[index])]
    return f"taken for {guess}" + ("" if truth is None else f", is {run.labels[truth]}")


def _left(run: ClassRun) -> Section:
    """Return how each prompt fared on what the filter leaves."""
    rows: list[tuple[Line, ...]] = []
    for place, prompt in enumerate(run.run.prompts):
        left = run.left(place)
        right = run.run.values(place, "correct")[left]
        known = int(np.isfinite(right).sum())
        found = int(np.nansum(right))
        of = f"{found:,}/{known:,} ({percent(found / known)})" if known else UNDEFINED
        rows.append((Said(prompt.name), f"{int(left.sum()):,} of {len(run.run):,}", of))
    text = Paragraph(("Only pictures are shown for which this holds, by each prompt: ", Said(run.filter)))
    head = ("Prompt", "pictures", "recognised of them")
    return Section("Filter", (text, Table("What the filter leaves", head, tuple(rows))))


def _noted(run: ClassRun) -> Section:
    """Return what people noted of pictures."""
    rows: list[tuple[Line, ...]] = []
    for path, said in sorted(run.noted.items()):
        index = run.run.find(PurePosixPath(path).stem)
        if index is None or run.run.path(index) != path or not (said.note.strip() or said.tags):
            continue
        cells = (Said(_taken(run.run, index, prompt)) for prompt in range(len(run.run.prompts)))
        rows.append((Said(run.run.name(index)), *cells, Said(said.note), Said(", ".join(sorted(said.tags)))))
    prompts = (Said(prompt.name) for prompt in run.run.prompts)
    head: tuple[Line, ...] = ("Picture", *prompts, "Note", "Tags")
    table = Table("What people noted", head, tuple(rows[:_MOST_NOTES]), frozenset(range(len(head))))
    return Section("Notes", (table,) if rows else ())


def _top_five(run: ZeroShotRun, index: int, prompt: int, options: Options, names: Names) -> Figure:
    panel = run_panel(run, index, prompt, options.style.dpi)
    drawing = top_five([replace(panel, title="")], options.style.dpi)
    bars = "; ".join(f"{bar.text} {in_figures(bar.probability)}{', right' if bar.right else ''}" for bar in panel.bars)
    name = names.free(grid_file_name(run.name(index), suffix="-top5"), ".png")
    return Figure(name, to_png(drawing), css_size(drawing), f"{run.name(index)} beside bars: {bars}", Said(panel.title))
