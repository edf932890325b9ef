"""What a zero-shot run found, as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ...cache.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...cache.zeroshot import Manifest, Summary, ZeroShotRun

_SHOWN: Final = 10
_HEADS: Final = ("", "accuracy", "95 % interval", "top-5", "class mean", "ECE", "p against 1", "prompt")


def accuracy(summary: Summary) -> str:
    """Return the accuracy as the assignment's report prints it: `1523/2500 (60.920%)`."""
    return f"{summary.correct}/{summary.count} ({100 * summary.accuracy:.3f}%)"


def prompt_lines(run: ZeroShotRun) -> list[str]:
    """Return the table of prompts; without a true class, how sure each prompt is."""
    manifest = run.manifest
    if manifest.prompts[0].summary is None:
        rows = [("", "mean confidence", "prompt")]
        for number, prompt in enumerate(manifest.prompts):
            sure = float(np.mean(run.values(number, "confidence")))
            rows.append((str(number + 1), f"{100 * sure:.1f} %", printable(prompt.name)))
        return _aligned(rows)
    return _aligned([_HEADS, *(_row(manifest, number) for number in range(len(manifest.prompts)))])


def detail_lines(manifest: Manifest, prompt: int) -> list[str]:
    """Return the worst classes, the most frequent confusions and the calibration of one prompt; none without truth."""
    summary = manifest.prompts[prompt].summary
    if summary is None:
        return []
    names = [printable(label.name) for label in manifest.labels]
    worst = [
        (names[tally.label], f"{tally.correct}/{tally.count}", f"{tally.correct / tally.count:.1%}")
        for tally in summary.tallies[:_SHOWN]
    ]
    taken = [
        (names[entry.label], "taken for", names[entry.guess], f"{entry.count}") for entry in summary.confusions[:_SHOWN]
    ]
    bins = [
        (f"{part.low:.2f} to {part.high:.2f}", str(part.count), f"{part.confidence:.3f}", f"{part.accuracy:.3f}")
        for part in summary.bins
        if part.count
    ]
    return [
        f"worst classes by prompt {prompt + 1}:",
        *_aligned(worst, "  "),
        "most frequent mistakes:",
        *(_aligned(taken, "  ") or ["  none"]),
        f"calibration (expected error {summary.calibration_error:.3f}):",
        *_aligned([("confidence", "pictures", "mean", "accuracy"), *bins], "  "),
        *_pairs(manifest),
    ]


def _row(manifest: Manifest, number: int) -> tuple[str, ...]:
    prompt = manifest.prompts[number]
    summary = prompt.summary
    if summary is None:
        return (str(number + 1), *[""] * (len(_HEADS) - 2), printable(prompt.name))
    return (
        str(number + 1),
        accuracy(summary),
        f"{100 * summary.low:.1f} to {100 * summary.high:.1f}",
        f"{100 * summary.top5:.1f} %",
        f"{100 * summary.class_mean:.1f} %",
        f"{summary.calibration_error:.3f}",
        next((p_text(pair.p) for pair in manifest.comparisons if (pair.first, pair.second) == (0, number)), ""),
        printable(prompt.name),
    )


def p_text(p: float) -> str:
    """Return a probability of chance: three digits, or that it is smaller.

    >>> [p_text(p) for p in (0.21875, 0.00004)]
    ['0.219', '< 0.001']
    """
    return "< 0.001" if p < 0.001 else f"{p:.3f}"  # noqa: PLR2004 (what three digits show)


def _pairs(manifest: Manifest) -> list[str]:
    """Every two prompts: whether they differ beyond chance."""
    if not manifest.comparisons:
        return []
    rows = [("prompts", "only the first right", "only the second", "p (McNemar, exact)")]
    rows += [
        (f"{pair.first + 1} and {pair.second + 1}", str(pair.only_first), str(pair.only_second), p_text(pair.p))
        for pair in manifest.comparisons
    ]
    return ["differences:", *_aligned(rows, "  ")]


def _aligned(rows: Sequence[Sequence[str]], indent: str = "") -> list[str]:
    """Return rows as lines with their columns below each other."""
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return [f"{indent}{line}".rstrip() for line in lines]
