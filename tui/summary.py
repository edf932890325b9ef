"""The scores of what a filter leaves, beside those of the whole run."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from .histogram import histogram

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .histogram import Histogram
    from .source import Scored

# Heads of the columns: a mean over pictures is not what a corpus metric says of the same pictures.
LEFT: Final = "mean of left"
WHOLE: Final = "mean of all"
MEDIAN: Final = "median of all"
CORPUS: Final = "corpus"
CORPUS_NOTE: Final = "corpus: the metric's own score of the whole run; for BLEU and METEOR no mean over pictures"


@dataclass(frozen=True, slots=True)
class ScoreSummary:
    """One score. Means and medians are over the pictures where it is finite; NaN where there are none.

    Attributes:
        name: The score.
        left: Mean over the pictures that the filter leaves.
        left_count: Over how many.
        whole: Mean over the run.
        median: Median over the run.
        whole_count: Over how many pictures of the run.
        corpus: The run's own score of all pictures together, as precompute found it; None where it gives none.
    """

    name: str
    left: float
    left_count: int
    whole: float
    median: float
    whole_count: int
    corpus: float | None

    @property
    def corpus_is_mean(self) -> bool:
        """Whether the corpus score says the same as the mean over the run."""
        return self.corpus is not None and math.isclose(self.corpus, self.whole, rel_tol=1e-6, abs_tol=1e-9)


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """What a filter leaves of a run, in numbers.

    Attributes:
        count: Pictures that it leaves.
        of: Pictures of the run.
        scores: Each score, in display order.
        key: The score of the histogram; None where the list is not sorted by one.
        histogram: Its distribution; None likewise.
    """

    count: int
    of: int
    scores: tuple[ScoreSummary, ...]
    key: str | None
    histogram: Histogram | None


def summarize(
    source: Scored, key: str, mask: NDArray[np.bool_] | None = None, before: Summary | None = None
) -> Summary:
    """Sum up what a filter leaves; touches every row once for each score.

    Args:
        source: The run.
        key: What the list is sorted by.
        mask: Which pictures [count] the filter leaves; None means all.
        before: An earlier summary of the same run, whose figures of the whole run are taken over. (Without it a million
            pictures take about 15 ms a score more.) Not to be given where the run's scores have changed since.
    """
    of = len(source)
    known = {score.name: score for score in before.scores} if before is not None and before.of == of else {}
    corpus = source.manifest.corpus
    scores = []
    distribution = None
    for name in source.score_names:
        values = source.scores(name)
        whole = known.get(name) or _of_all(name, values, corpus.get(name))
        left, left_count = (whole.whole, whole.whole_count) if mask is None else _mean(_finite(values[mask]))
        scores.append(replace(whole, left=left, left_count=left_count))
        if name == key:
            distribution = histogram(values, mask)
    count = of if mask is None else int(np.count_nonzero(mask))
    return Summary(count, of, tuple(scores), None if distribution is None else key, distribution)


def _of_all(name: str, values: NDArray[np.float64], corpus: float | None) -> ScoreSummary:
    """Return a score of the whole run."""
    finite = _finite(values)
    mean, count = _mean(finite)
    median = float(np.median(finite)) if count else math.nan
    return ScoreSummary(name, mean, count, mean, median, count, corpus)


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[np.isfinite(values)]


def _mean(values: NDArray[np.float64]) -> tuple[float, int]:
    return (float(values.mean()), len(values)) if len(values) else (math.nan, 0)
