"""``--filter``: which pictures of a run a subcommand, or a report, is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..cache.live import LiveCache
    from ..cache.reader import Cache
    from ..cache.zeroshot import ZeroShotRun

FILTER_HELP = "only pictures for which this holds, such as 'clipscore < 0.5 and caption ~ dog'"


def filtered(cache: Cache | LiveCache, expression: str, sorted_by: str | None = None) -> NDArray[np.bool_]:
    """Which pictures a filter leaves, [count].

    Args:
        cache: The run.
        expression: In the filter language.
        sorted_by: What `rank` counts in it.

    Raises:
        QueryError: It makes no sense for this run.
        JudgementsError: It asks for judgements, and their file cannot be used.
    """
    from ..cache.judged import judged  # noqa: PLC0415 (pyarrow)
    from ..cache.query import BY_JUDGEMENT, Fields, RunTable, parse  # noqa: PLC0415

    query = parse(expression, Fields(tuple(cache.score_names)))
    said = judged(cache) if query.fields & BY_JUDGEMENT else {}
    return query.mask(RunTable(cache, sorted_by=sorted_by, judged=said))


def filtered_classes(run: ZeroShotRun, expression: str, prompt: int = 0) -> NDArray[np.bool_]:
    """Which pictures of a zero-shot run a filter leaves, [count]; `rank` counts by confidence, as in the browser.

    Args:
        run: The run.
        expression: In the filter language.
        prompt: Whose confidence, prediction and so on are meant; others have names of their own, such as p2.correct.

    Raises:
        QueryError: It makes no sense for this run.
        JudgementsError: It asks for notes, and their file cannot be used.
    """
    from ..cache.judged import judged  # noqa: PLC0415 (pyarrow)
    from ..cache.query import BY_JUDGEMENT, RunTable, parse  # noqa: PLC0415
    from ..cache.zeroshot import ByPrompt  # noqa: PLC0415

    table = ByPrompt(run, prompt)
    query = parse(expression, table.fields)
    said = judged(table) if query.fields & BY_JUDGEMENT else {}
    return query.mask(RunTable(table, sorted_by="confidence", judged=said, text_names=table.searched))
