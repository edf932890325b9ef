"""How good a prompt is, how sure of it one can be, and whether two prompts differ.

No torch: the numbers come from what a run keeps of each picture.

Sources: the interval is Wilson's (Wilson, "Probable inference, the law of succession, and statistical inference",
JASA 1927); the test is McNemar's in its exact, two-sided, binomial form (McNemar, Psychometrika 1947; exact form in
Agresti, "Categorical Data Analysis", 10.1.4); calibration is the expected calibration error over 15 bins of equal
width (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017).
"""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from ...cache.zeroshot.schema import MOST_GUESSES, Bin, Comparison, Confusion, Summary, Tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ...cache.zeroshot import Guesses

BINS: Final = 15
_Z95: Final = 1.959963984540054  # the normal distribution's quantile of .975
_MOST_CONFUSIONS: Final = 50
_NEGLIGIBLE: Final = 1e-17


def summarise(guesses: Guesses, truth: NDArray[np.int32], labels: int) -> Summary:
    """Judge one prompt by the pictures whose class is known.

    Args:
        guesses: What the prompt made of the pictures.
        truth: The class of each picture [count], -1 where it is not known; known for one picture at least.
        labels: Number of classes.
    """
    known = truth >= 0
    true, guess = truth[known], guesses.labels[known, 0]
    right = guess == true
    count, correct = len(true), int(right.sum())
    low, high = wilson(correct, count)
    tallies = _tallies(true, right, labels)
    bins = _bins(guesses.probabilities[known, 0].astype(np.float64), right)
    return Summary(
        count=count,
        correct=correct,
        top5=float((guesses.true_rank[known] <= MOST_GUESSES).mean()),
        class_mean=math.fsum(tally.correct / tally.count for tally in tallies) / len(tallies),
        low=low,
        high=high,
        calibration_error=math.fsum(part.count * abs(part.accuracy - part.confidence) for part in bins if part.count)
        / count,
        bins=bins,
        tallies=tallies,
        confusions=_confusions(true[~right], guess[~right]),
    )


def compare(guesses: Sequence[Guesses], truth: NDArray[np.int32]) -> tuple[Comparison, ...]:
    """Compare every two prompts on the pictures whose class is known.

    Args:
        guesses: Of each prompt.
        truth: The class of each picture [count], -1 where it is not known.
    """
    known = truth >= 0
    right = [found.labels[known, 0] == truth[known] for found in guesses]
    compared = []
    for first, second in combinations(range(len(right)), 2):
        alone = int((right[first] & ~right[second]).sum()), int((right[second] & ~right[first]).sum())
        compared.append(Comparison(first, second, *alone, mcnemar(*alone)))
    return tuple(compared)


def wilson(correct: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share.

    >>> [round(end, 4) for end in wilson(1523, 2500)]
    [0.5899, 0.6281]
    """
    share, spread = correct / count, _Z95**2 / count
    middle = share + spread / 2
    reach = math.sqrt(share * (1 - share) * spread + spread**2 / 4)
    return max(0.0, (middle - reach) / (1 + spread)), min(1.0, (middle + reach) / (1 + spread))


def mcnemar(only_first: int, only_second: int) -> float:
    """McNemar's exact two-sided p: how likely so uneven a split of the disagreements is if both are equally good.

    >>> round(mcnemar(1, 5), 5)
    0.21875
    """
    smaller, total = min(only_first, only_second), only_first + only_second
    if total == 0 or only_first == only_second:
        return 1.0
    # The tail of Binomial(total, 1/2), from its largest term down: each is a fixed ratio of the one before.
    largest = math.lgamma(total + 1) - math.lgamma(smaller + 1) - math.lgamma(total - smaller + 1)
    term = tail = 1.0
    for place in range(smaller, 0, -1):
        term *= place / (total - place + 1)
        tail += term
        if term < _NEGLIGIBLE:
            break
    return min(1.0, 2 * tail * math.exp(largest - total * math.log(2)))


def _tallies(true: NDArray[np.int32], right: NDArray[np.bool_], labels: int) -> tuple[Tally, ...]:
    """Each class that has pictures, worst first; of equal shares the one with more pictures, then by number."""
    counts, correct = np.bincount(true, minlength=labels), np.bincount(true[right], minlength=labels)
    found = [Tally(label, int(correct[label]), int(counts[label])) for label in np.flatnonzero(counts).tolist()]
    return tuple(sorted(found, key=lambda tally: (tally.correct / tally.count, -tally.count, tally.label)))


def _confusions(true: NDArray[np.int32], guess: NDArray[np.int32]) -> tuple[Confusion, ...]:
    pairs = Counter(zip(true.tolist(), guess.tolist(), strict=True))
    ranked = sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:_MOST_CONFUSIONS]
    return tuple(Confusion(label, taken, count) for (label, taken), count in ranked)


def _bins(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[Bin, ...]:
    """Bins of equal width, each open below and closed above."""
    place = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    bins = []
    for number in range(BINS):
        inside = place == number
        count = int(inside.sum())
        means = (float(confidence[inside].mean()), float(right[inside].mean())) if count else (math.nan, math.nan)
        bins.append(Bin(number / BINS, (number + 1) / BINS, count, *means))
    return tuple(bins)
