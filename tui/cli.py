"""The command ``hw3-browse``: whether to browse, to print, or to tell about itself.

Exit codes: 0; 1 after a crash; 2 for wrong arguments, a wrong config file or a cache that cannot be read; 128 + n
after signal n.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ..cache import completion
from ..cache.errors import Hw3Error, UsageError
from ..cache.text import printable
from .arguments import build_parser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from ..cache.query import Query
    from .settings import Settings
    from .source import Listed
    from .terminal.modes import Terminal
    from .visits import Visits

_MISUSE: Final = 2
_BROKEN_PIPE: Final = 0  # `| head` had enough: nothing went wrong


def entry() -> None:
    """Run the command and end the process."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    parser = build_parser()
    if completion.wanted():
        completion.answer(parser, completion.caches)
    options = parser.parse_intermixed_args(arguments)  # options may stand between two caches
    try:
        return _about_itself(options) if _asks_about_itself(options) else _open(options)
    except Hw3Error as error:
        _explain(error)
        return _MISUSE
    except KeyboardInterrupt:
        return 130


def _explain(error: Hw3Error) -> None:
    """Say in a line what is wrong; of a filter, show the spot."""
    print(f"hw3-browse: {printable(str(error))}", file=sys.stderr)
    pointing = getattr(error, "pointing", None)  # of a QueryError, which only a filter needs to import
    if pointing is not None:
        print("\n".join(f"  {line}" for line in pointing()), file=sys.stderr)


# -- About itself ------------------------------------------------------------------------------------------------------


def _asks_about_itself(options: argparse.Namespace) -> bool:
    return bool(options.doctor or options.config_path or options.config_default or options.completion)


def _about_itself(options: argparse.Namespace) -> int:
    if options.completion:
        return _write(completion.script(options.completion).splitlines())
    if options.config_path:
        return _write([str(_config_file())])
    if options.config_default:
        from .keys import everything  # noqa: PLC0415 (imports Textual)
        from .settings import default_config  # noqa: PLC0415

        return _write(default_config(everything()).splitlines())
    return _doctor(options)


def _doctor(options: argparse.Namespace) -> int:
    from .settings import AUTO  # noqa: PLC0415
    from .terminal import doctor  # noqa: PLC0415

    try:
        mode = _settings(options).graphics
    except Hw3Error:
        mode = options.graphics or AUTO  # the report itself says what is wrong with the settings
    return doctor.run(mode)


def _config_file() -> Path:
    """Return where the config file is; its folder is made, so that one can write there."""
    from ..cache.places import config_file  # noqa: PLC0415

    file = config_file()
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
    return file


# -- The list ----------------------------------------------------------------------------------------------------------


def _open(options: argparse.Namespace) -> int:
    settings = _settings(options)
    with closing(_open_runs(_folders(options), options.prompt)) as runs:
        settings = replace(settings, sort=_sort_key(options.sort, settings, runs))
        query = _query(settings.filter, runs)
        if options.format or not _is_interactive():
            return _print(runs, settings, query, options)
        return _browse(runs, settings)


def _settings(options: argparse.Namespace) -> Settings:
    from .settings import load  # noqa: PLC0415

    given = {
        "theme": options.theme,
        "graphics": options.graphics,
        "sort": options.sort,
        "reverse": options.reverse,
        "filter": options.filter,
        "figures": options.out,
        "figure_format": options.figure_format,
    }
    return load(given, os.environ)


def _folders(options: argparse.Namespace) -> list[Path]:
    """Return the caches that are named; where none is, what was written last, or the demo."""
    if options.cache:
        return list(options.cache)
    from .demo import cache_to_open  # noqa: PLC0415

    return [cache_to_open()]


def _open_runs(folders: Sequence[Path], prompt: int | None) -> Listed:
    # Late, so that --help and --version need not wait for NumPy.
    from .opening import open_runs  # noqa: PLC0415

    runs = open_runs(folders)
    try:
        return runs if prompt is None else _by(runs, prompt)
    except Hw3Error:
        runs.close()
        raise


def _by(runs: Listed, prompt: int) -> Listed:
    """Return a zero-shot run by another prompt, counted from 1."""
    from .classes.view import ClassView  # noqa: PLC0415

    if not isinstance(runs, ClassView):
        raise UsageError("--prompt is for zero-shot runs; this one has captions")
    if not 1 <= prompt <= len(runs.run.prompts):
        raise UsageError(f"--prompt {prompt}: this run has {len(runs.run.prompts)}, counted from 1")
    return runs.by(prompt - 1)


def _sort_key(asked: str | None, settings: Settings, runs: Listed) -> str:
    """Return the score to sort by: the command line must be right, the config file is a wish."""
    from .ordering import check_key, default_key, keys_of  # noqa: PLC0415

    names = runs.score_names
    if asked:
        check_key(asked, names)
        return asked
    return settings.sort if settings.sort in keys_of(names) else default_key(names)


def _query(expression: str, runs: Listed) -> Query | None:
    if not expression.strip():
        return None
    from ..cache.query import parse  # noqa: PLC0415

    return parse(expression, runs.fields)


def _is_interactive() -> bool:
    """Return whether one can browse: Textual reads standard input and draws on standard error."""
    return all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)) and os.environ.get("TERM") != "dumb"


def _browse(runs: Listed, settings: Settings) -> int:
    """Browse what is open, then the runs to which the user goes on from there."""
    from .terminal.probe import probe  # noqa: PLC0415
    from .visits import Visits  # noqa: PLC0415

    terminal = probe(settings.graphics)  # before Textual, which would take the answers for keys
    if terminal.truecolor:
        os.environ["COLORTERM"] = "truecolor"  # sshd forwards none, and Textual reads it
    visits = Visits(settings)
    wish: Listed | None = runs
    code = 0
    while wish is not None:
        code, wish = _browse_one(wish, visits, terminal)
        terminal = replace(terminal, typed=b"")  # was typed for the first one
    return code


def _browse_one(runs: Listed, visits: Visits, terminal: Terminal) -> tuple[int, Listed | None]:
    """Browse one run, or several as one list; return the exit code, and what is to be browsed next."""
    from .opening import browser_for, open_runs  # noqa: PLC0415
    from .process import run  # noqa: PLC0415

    folders = [source.folder for source in runs.sources]

    def reopen() -> Listed:
        again = open_runs(folders)
        if type(again) is not type(runs):
            again.close()
            raise UsageError(f"{folders[0]} holds another kind of run now: start hw3-browse again")
        return again

    app = browser_for(runs, visits.settings(runs), terminal, reopen)
    visits.resume(app)
    try:
        return run(app), app.successor
    finally:
        visits.leave(app)
        app.runs.close()


# -- Without a terminal ------------------------------------------------------------------------------------------------


def _print(runs: Listed, settings: Settings, query: Query | None, options: argparse.Namespace) -> int:
    from ..cache.judged import judged  # noqa: PLC0415
    from .opening import printer_for  # noqa: PLC0415
    from .ordering import Ordering  # noqa: PLC0415

    runs.join()
    for notice in _notices(runs):
        print(f"hw3-browse: {notice}", file=sys.stderr)
    mask = None
    if query is not None:
        from ..cache.query import RunTable  # noqa: PLC0415

        opinions = judged(runs.sources[0])
        mask = query.mask(RunTable(runs, settings.sort, opinions, text_names=runs.searched))
    ordering = Ordering.build(runs, settings.sort, reverse=settings.reverse, mask=mask)
    printer = printer_for(runs)
    if options.format not in {"json", "csv"}:
        return _write(printer.text_lines(runs, ordering, options.limit))
    lines = printer.json_lines if options.format == "json" else printer.csv_lines
    return _write(lines(runs, ordering, options.limit, [judged(source) for source in runs.sources]))


def _notices(runs: Listed) -> list[str]:
    """Return what one must know of the list: runs that are not finished, pictures that not all runs have."""
    from .source import Growing  # noqa: PLC0415
    from .titles import titles_of  # noqa: PLC0415

    titles = titles_of([source.folder for source in runs.sources])
    unfinished = [
        "{} is not finished: {:,} of {:,} pictures so far".format(title, *source.progress)
        for title, source in zip(titles, runs.sources, strict=True)
        if isinstance(source, Growing)
    ]
    return unfinished + ([runs.notice] if runs.notice else [])


def _write(lines: Iterable[str]) -> int:
    try:
        for line in lines:
            sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes once more at its end, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    return 0


if __name__ == "__main__":
    entry()
