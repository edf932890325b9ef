"""Opens what a user names, whatever kind of run it is, and gives the browser for it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, cast

from ..cache.errors import UsageError
from ..cache.known import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Any

    from .app import BrowserApp
    from .runs import Runs
    from .settings import Settings
    from .source import Listed, Source
    from .terminal.modes import Terminal


def open_runs(folders: Sequence[Path]) -> Listed:
    """Open runs of captions as one list, or one zero-shot run.

    Raises:
        CacheError: One cannot be opened.
        UsageError: There are several, and a zero-shot run is among them.
    """
    classified = [folder for folder in folders if kind_of(folder.absolute()) == "zero-shot"]
    if not classified:
        return _open_captions(folders)
    if len(folders) > 1:
        raise UsageError(
            f"{classified[0]} is a zero-shot run, which is browsed alone, not as one list with others; "
            "open one of them: b in the browser goes to the other"
        )
    from ..cache.zeroshot import ZeroShotRun  # noqa: PLC0415 (each browser imports its own kind)
    from .classes.view import ClassView  # noqa: PLC0415

    return ClassView(ZeroShotRun.open(folders[0]))


def _open_captions(folders: Sequence[Path]) -> Runs:
    from ..cache.live import open_cache  # noqa: PLC0415 (as above)
    from .runs import Runs  # noqa: PLC0415

    sources: list[Source] = []
    with ExitStack() as undo:
        for folder in folders:
            sources.append(open_cache(folder))
            undo.callback(sources[-1].close)
        runs = Runs(sources)
        undo.pop_all()
    return runs


def printer_for(runs: Listed) -> Any:
    """Return the module that prints what is open: it has `text_lines`, `json_lines` and `csv_lines`."""
    from .classes.view import ClassView  # noqa: PLC0415 (as above)

    if isinstance(runs, ClassView):
        from .classes import plain  # noqa: PLC0415

        return plain
    from . import plain as captions  # noqa: PLC0415

    return captions


def browser_for(runs: Listed, settings: Settings, terminal: Terminal, reopen: Callable[[], Any]) -> BrowserApp[Any]:
    """Return the browser of what is open. For the arguments see `BrowserApp`."""
    from .classes.view import ClassView  # noqa: PLC0415 (as above)

    if isinstance(runs, ClassView):
        from .classes.app import ClassBrowser  # noqa: PLC0415 (imports Textual)

        return ClassBrowser(runs, settings, terminal, reopen)
    from .captions_app import CaptionBrowser  # noqa: PLC0415 (imports Textual)

    return CaptionBrowser(cast("Runs", runs), settings, terminal, reopen)
