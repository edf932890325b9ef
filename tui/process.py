"""The browser as a process: signals, crashes, exit codes, and a terminal that is left clean."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import sys
import threading
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from textual.drivers import linux_driver

from ..cache.places import state_dir
from .keyboard import Keyboard

if TYPE_CHECKING:
    from pathlib import Path

    from .app import BrowserApp

_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)
_PATIENCE: Final = 3.0  # seconds for the orderly way out; a terminal that is gone may block it for ever


def run(app: BrowserApp[Any]) -> int:
    """Run the browser to its end and return the exit code.

    0 after quitting, 1 after a crash (its traceback goes to a log, whose path is printed), 2 where the cache
    cannot be read, 128 + n after signal n.
    """
    for name in ("COLUMNS", "LINES"):
        # Exported by some shells; Textual would believe them rather than the terminal, and never see a resize.
        os.environ.pop(name, None)
    linux_driver.XTermParser = Keyboard  # type: ignore[attr-defined]  # the driver knows no other way to be given one
    try:
        app.run()
    except Exception as error:  # noqa: BLE001 (the last line of defence: anything else is a bug to be logged)
        return _report(error)
    finally:
        _free_pictures(app)
        app.judging.close()
    if app.crash is not None:
        return _report(app.crash)
    return app.return_code or 0


def _free_pictures(app: BrowserApp[Any]) -> None:
    """Let the terminal forget the pictures that were sent to it, whichever way the browser ended."""
    if app.pixels.painter is not None:
        with contextlib.suppress(OSError):
            print(app.pixels.painter.leave(), end="", file=sys.__stderr__, flush=True)


def exit_on_signals(app: BrowserApp[Any]) -> None:
    """Make SIGTERM and SIGHUP (the connection died) end the app in order; called inside of its event loop."""
    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread may handle signals; tests run apps elsewhere
    loop = asyncio.get_running_loop()
    for number in _ENDING:
        loop.add_signal_handler(number, _end, app, number)


def end_with_terminal(app: BrowserApp[Any]) -> None:
    """End the app if its terminal is gone; called from time to time.

    Where a wrapper ignores SIGHUP, nobody tells the browser, and Textual would read an end of file for ever.
    """
    poll = select.poll()
    poll.register(sys.__stdin__ or 0, 0)
    if any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0)):
        _end(app, signal.SIGHUP)


def _end(app: BrowserApp[Any], number: signal.Signals) -> None:
    code = 128 + number
    watchdog = threading.Timer(_PATIENCE, os._exit, (code,))
    watchdog.daemon = True
    watchdog.start()
    app.exit(return_code=code)


def _report(error: BaseException) -> int:
    """Write a crash to a log and say where; the terminal is already as it was."""
    line = f"hw3-browse crashed: {type(error).__name__}: {error}"
    try:
        where = f"traceback: {_write_log(error)}"
    except OSError:
        where = "".join(traceback.format_exception(error))
    print(f"{line}\n{where}", file=sys.stderr)
    return 1


def _write_log(error: BaseException) -> Path:
    folder = state_dir() / "crashes"
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
    log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return log
