"""Where one was in each run, so that coming back from another one goes on there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..cache.errors import Hw3Error
from .ordering import default_key, keys_of

if TYPE_CHECKING:
    from pathlib import Path

    from .app import BrowserApp
    from .settings import Settings
    from .source import Listed


@dataclass(frozen=True, slots=True)
class Visit:
    """What a browser showed when it was left.

    Attributes:
        sort: What the list was sorted by.
        reverse: Whether the worst came first.
        filter: What it was narrowed to.
        name: The selected picture; None where there was none.
        prompt: The prompt of a zero-shot run.
    """

    sort: str
    reverse: bool
    filter: str
    name: str | None
    prompt: int | None


class Visits:
    """The runs that were browsed since the start of the command.

    Args:
        first: The settings with which the first one begins.
    """

    def __init__(self, first: Settings) -> None:
        self._first = first
        self._is_first = True
        self._known: dict[tuple[Path, ...], Visit] = {}

    def settings(self, runs: Listed) -> Settings:
        """Return the settings for a run: as it was left, else by its usual order, whole."""
        if self._is_first:
            self._is_first = False
            return self._first
        visit = self._known.get(_key(runs))
        if visit is None:
            return replace(self._first, sort=default_key(runs.score_names), reverse=False, filter="")
        sort = visit.sort if visit.sort in keys_of(runs.score_names) else default_key(runs.score_names)
        return replace(self._first, sort=sort, reverse=visit.reverse, filter=visit.filter)

    def resume(self, app: BrowserApp[Any]) -> None:
        """Select the picture, and the prompt, that was selected when the run was left."""
        visit = self._known.get(_key(app.runs))
        if visit is not None:
            app.resume(visit)

    def leave(self, app: BrowserApp[Any]) -> None:
        """Note what a browser showed that has ended."""
        try:
            self._known[_key(app.runs)] = app.visit()
        except Hw3Error:  # its files have gone
            return


def _key(runs: Listed) -> tuple[Path, ...]:
    return tuple(source.folder for source in runs.sources)
