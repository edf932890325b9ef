"""How sure a mean over words is: words of one picture hang together, so whole pictures are drawn again.

Source: the percentile bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13) over
clusters, here pictures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jaxtyping import Float, Int

Interval = tuple[float, float]

_RESAMPLES: Final = 2000
_TAILS: Final = (2.5, 97.5)  # percent: 95 % lie between


def intervals(
    values: Float[np.ndarray, "word measure"], pictures: Int[np.ndarray, " word"], seed: int = 0
) -> list[Interval]:
    """The 95 % interval of each measure's mean over words.

    Args:
        values: finite.
        pictures: the picture of each word.
        seed: of the draws; the same for all measures, so that the difference of two may be a third.
    """
    _, place, counts = np.unique(pictures, return_inverse=True, return_counts=True)
    sums: NDArray[np.float64] = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, place, values)
    rng = np.random.default_rng(seed)
    often = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=_RESAMPLES)
    means = (often @ sums) / (often @ counts)[:, None]
    low, high = np.percentile(means, _TAILS, axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))
