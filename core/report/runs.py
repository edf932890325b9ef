"""The runs of a report: opened, named, and put together by the pictures that they share."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from ...cache.errors import CacheNotFound, CacheUnfinished, UsageError
from ...cache.judged import judged
from ...cache.live import LiveCache, open_cache
from ...cache.query import Fields, QueryError, parse
from ...cache.zeroshot import ByPrompt, ZeroShotRun
from ..choosing import filtered, filtered_classes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from ...cache.judgements import Judgement
    from ...cache.reader import Cache
    from ...cache.schema import Manifest
    from ...cache.zeroshot import schema as zeroshot

_USUAL: Final = ("clipscore", "cider")
"""Scores by which captions are ranked unless asked otherwise; the first that a run has."""


@dataclass(frozen=True, eq=False)
class CaptionRun:
    """A run of captions.

    Attributes:
        title: What it is called in the report.
        cache: Its cache.
        filter: Which of its pictures the report shows, in the filter language; "" for all.
    """

    title: str
    cache: Cache | LiveCache
    filter: str = ""

    @cached_property
    def left(self) -> NDArray[np.bool_] | None:
        """Which pictures the filter leaves, [count]; None where there is no filter.

        Raises:
            JudgementsError: It asks for judgements, and their file cannot be used.
        """
        if not self.filter:
            return None
        ranked_by = next((name for name in _USUAL if name in self.cache.score_names), None)
        return filtered(self.cache, self.filter, ranked_by)

    def shown(self, score: str) -> list[int]:
        """Return the pictures that the filter leaves and that have a score, best first."""
        ranking = self.ranking(score)
        shown: list[int] = (ranking if self.left is None else ranking[self.left[ranking]]).tolist()
        return shown

    @property
    def manifest(self) -> Manifest:
        """What it says about itself."""
        return self.cache.manifest

    @property
    def unfinished(self) -> bool:
        """Whether it still goes on, or was killed."""
        return isinstance(self.cache, LiveCache)

    @property
    def dataset(self) -> str:
        """What its pictures are called."""
        return str(part_of(self.manifest.plan, "dataset").get("name") or self.title)

    @cached_property
    def judged(self) -> Mapping[str, Judgement]:
        """What people have said of its present captions, by the path of the picture.

        Raises:
            JudgementsError: The file of judgements cannot be used.
        """
        return judged(self.cache)

    def judged_rows(self) -> list[int]:
        """Return the pictures of `judged`, in the order of the run."""
        import pyarrow.compute as pc  # noqa: PLC0415 (a third of a second)

        from ...cache import arrow  # noqa: PLC0415

        if not self.judged:
            return []
        found = pc.is_in(self.cache.texts("path").combine_chunks(), value_set=arrow.strings(self.judged))
        rows: list[int] = np.flatnonzero(arrow.bools(found)).tolist()
        return rows

    @cached_property
    def _rankings(self) -> dict[str, NDArray[np.int64]]:
        return {}

    def ranking(self, score: str) -> NDArray[np.int64]:
        """Return the pictures that have a score, best first.

        Raises:
            UsageError: The run has no such score.
        """
        if score not in self._rankings:
            order = self.cache.order(score)
            self._rankings[score] = order[~np.isnan(self.cache.scores(score)[order])]
        return self._rankings[score]

    def rank(self, score: str, index: int) -> int | None:
        """Return the place of a picture by a score, from 1; None where it has none."""
        found = np.flatnonzero(self.ranking(score) == index)
        return int(found[0]) + 1 if len(found) else None

    def score(self, wanted: str | None) -> str:
        """Return the score to rank by: the one asked for, or the first of the usual ones that it has.

        Raises:
            UsageError: It has not the one asked for, or none at all.
        """
        if wanted is not None:
            self.cache.scores(wanted)  # says what there is where it is not there
            return wanted
        known = self.cache.score_names
        found = next((name for name in (*_USUAL, *known) if name in known), None)
        if found is None:
            raise UsageError(f"{self.cache.folder}: the run has no scores to rank by")
        return found


@dataclass(frozen=True, eq=False)
class ClassRun:
    """A zero-shot run.

    Attributes:
        title: What it is called in the report.
        run: The run.
        filter: Which of its pictures the report shows, in the filter language; "" for all.
    """

    title: str
    run: ZeroShotRun
    filter: str = ""

    def left(self, prompt: int) -> NDArray[np.bool_]:
        """Return which pictures the filter leaves, [count], by a prompt.

        Raises:
            JudgementsError: It asks for notes, and their file cannot be used.
        """
        return filtered_classes(self.run, self.filter, prompt)

    @cached_property
    def noted(self) -> Mapping[str, Judgement]:
        """What people have noted of its pictures, by their path.

        Raises:
            JudgementsError: The file of notes cannot be used.
        """
        return judged(ByPrompt(self.run))

    @property
    def manifest(self) -> zeroshot.Manifest:
        """What it says about itself."""
        return self.run.manifest

    @property
    def dataset(self) -> str:
        """What its pictures are called."""
        return str(part_of(self.manifest.plan, "dataset").get("name") or self.title)


class OpenRuns:
    """The runs of a report while it is made; a context manager.

    Attributes:
        captions: Runs of captions, in the order in which they were given.
        classes: Zero-shot runs likewise.
    """

    def __init__(self, folders: Sequence[Path], expression: str = "") -> None:
        """Open the runs in these folders.

        Args:
            folders: Of the runs.
            expression: A filter. Of runs of captions and zero-shot runs, those that know its fields take it.

        Raises:
            CacheError: One cannot be opened.
            UsageError: One is given twice.
            QueryError: The filter makes no sense for any of them.
        """
        if len({folder.resolve() for folder in folders}) < len(folders):
            raise UsageError("a run is given twice")
        self.captions: list[CaptionRun] = []
        self.classes: list[ClassRun] = []
        with ExitStack() as opened:
            for folder, title in zip(folders, titles(folders), strict=True):
                run = open_run(folder)
                opened.callback(run.close)
                known = "" if problem_of(run, expression) else expression
                if isinstance(run, ZeroShotRun):
                    self.classes.append(ClassRun(title, run, known))
                else:
                    self.captions.append(CaptionRun(title, run, known))
            every = [*(one.cache for one in self.captions), *(one.run for one in self.classes)]
            problems = [problem_of(run, expression) for run in every]
            if (first := problems[0]) is not None and None not in problems:
                raise first
            self._close: Callable[[], None] = opened.pop_all().close

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the runs."""
        self._close()


def problem_of(run: Cache | LiveCache | ZeroShotRun, expression: str) -> QueryError | None:
    """Return why a filter makes no sense for a run; None where it does."""
    fields = ByPrompt(run).fields if isinstance(run, ZeroShotRun) else Fields(tuple(run.score_names))
    try:
        parse(expression, fields)
    except QueryError as error:
        return error
    return None


def part_of(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a part of a plan, empty where it has none: a plan may come from another version, or from a stranger."""
    value = content.get(key)
    return value if isinstance(value, dict) else {}


def open_run(folder: Path) -> Cache | LiveCache | ZeroShotRun:
    """Open whatever run a folder holds.

    Raises:
        CacheError: It cannot be opened.
    """
    try:
        return ZeroShotRun.open(folder)
    except (CacheNotFound, CacheUnfinished):
        return open_cache(folder)  # says better what there is


def titles(folders: Sequence[Path]) -> list[str]:
    """Return a name for each run: its folder's, with as much of the path before it as tells it from the others."""
    paths = [folder.absolute().parts for folder in folders]
    return ["/".join(path[-_telling(path, paths) :]) for path in paths]


def _telling(path: tuple[str, ...], paths: Sequence[tuple[str, ...]]) -> int:
    """Return how many of the last parts of a path tell it from others."""
    return next((length for length in range(1, len(path)) if _alike(path, paths, length) == 1), len(path))


def _alike(path: tuple[str, ...], paths: Sequence[tuple[str, ...]], length: int) -> int:
    return sum(other[-length:] == path[-length:] for other in paths)


def groups(runs: Sequence[CaptionRun]) -> list[list[CaptionRun]]:
    """Put runs together that are about the same pictures: at least half of the smaller one's, by name."""
    found: list[list[CaptionRun]] = []
    for run in runs:
        home = next((group for group in found if _share_pictures(group[0], run)), None)
        if home is None:
            found.append([run])
        else:
            home.append(run)
    return found


def _share_pictures(first: CaptionRun, second: CaptionRun) -> bool:
    smaller = min(len(first.cache), len(second.cache))
    return 2 * len(joined(first, second)[0]) >= smaller


def joined(first: CaptionRun, second: CaptionRun) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of two runs that have the same name, in the order of the first; of equal names the first counts.

    Returns:
        Rows of the first run and rows of the second, both [joined].
    """
    import pyarrow.compute as pc  # noqa: PLC0415 (a third of a second)

    names = first.cache.texts("name").combine_chunks()
    found = pc.fill_null(pc.index_in(names, value_set=second.cache.texts("name").combine_chunks()), -1)
    rows = np.from_dlpack(found).astype(np.int64)
    there = np.flatnonzero(rows >= 0)
    _, once = np.unique(rows[there], return_index=True)
    kept = there[np.sort(once)]
    return kept, rows[kept]
