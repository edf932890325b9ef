"""Completion of both commands in bash, zsh and fish, by argcomplete.

A shell asks by running the command with `_ARGCOMPLETE` in its environment; the answer must come at once, so nothing
here imports NumPy, and a command asks `wanted` before it does anything else. What an option takes is told by how the
parser declares it: its choices, else its metavar (CACHE, DIR, FOLDER), its name (`--sort`) or its type (a path).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any, Final, cast

from .places import last_cache

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from argcomplete.completers import BaseCompleter

COMMANDS: Final = ("hw3-browse", "hw3")
SHELLS: Final = ("bash", "zsh", "fish")
_VARIABLE: Final = "_ARGCOMPLETE"
_MANIFEST: Final = "manifest.json"  # `schema` knows it too, but imports NumPy
_WORK: Final = "work.sqlite"
_LARGEST_MANIFEST: Final = 16 << 20  # bytes
_FOLDERS: Final = frozenset({"DIR", "FOLDER"})
_NOT_SCORES: Final = ("name", "index")
_ZEROSHOT: Final = "hw3-browse zeroshot"
# Written down, so that completion need not import NumPy; a test compares.
ZEROSHOT_SCORES: Final = ("confidence", "true_probability", "margin", "correct")


def wanted() -> bool:
    """Tell whether a shell wants to know how a line could go on, instead of the command's own work."""
    return _VARIABLE in os.environ


def answer(parser: argparse.ArgumentParser, rest: Callable[[str], list[str]] | None = None) -> None:
    """Answer the shell and end the process.

    Args:
        parser: The command's.
        rest: Completes a word that no argument takes: argparse gives a repeatable argument only the words before the
            next option, though `parse_intermixed_args` takes those behind it, too.
    """
    from argcomplete.finders import CompletionFinder  # noqa: PLC0415 (not needed but here)

    class Finder(CompletionFinder):
        def collect_completions(
            self, active_parsers: list[argparse.ArgumentParser], parsed_args: argparse.Namespace, cword_prefix: str
        ) -> list[str]:
            found = super().collect_completions(active_parsers, parsed_args, cword_prefix)
            taken = getattr(active_parsers[-1], "active_actions", ())  # set by argcomplete where the line parses
            if rest is None or found or taken or cword_prefix.startswith("-"):
                return found
            more = rest(cword_prefix)
            self._display_completions |= dict.fromkeys(more, "")  # else zsh describes each as "None"
            return more

    # Options are offered only behind a dash: before it, they would bury the few caches that are probably meant.
    default = cast("BaseCompleter", complete)  # any function with its signature is one
    Finder()(parser, always_complete_options=False, default_completer=default)


def script(shell: str) -> str:
    """Return what the shell must evaluate, once, to complete both commands."""
    from argcomplete.shell_integration import shellcode  # noqa: PLC0415

    # Without bash's own fallback: it would offer files where a filter or a number is expected.
    return shellcode(COMMANDS, shell=shell, complete_arguments=("-o", "nospace")).strip() + "\n"


def complete(prefix: str, action: argparse.Action, parsed_args: argparse.Namespace, **_: object) -> list[str]:
    """Return how the value of an argument without choices could go on; argcomplete calls it.

    Args:
        prefix: What has been typed of it.
        action: The argument.
        parsed_args: What the line says before it.
    """
    if action.metavar == "CACHE":
        return caches(prefix)
    if action.dest == "sort":
        return list(sort_keys(_caches_of(parsed_args)))
    if action.metavar in _FOLDERS:
        return [name for name in _entries(prefix) if name.endswith("/")]
    if isinstance(action.type, type) and issubclass(action.type, Path):
        return list(_entries(prefix))
    return []


def caches(prefix: str) -> list[str]:
    """Return the caches that a path could mean; where there are none, the folders on the way."""
    folders = [name for name in _entries(prefix) if name.endswith("/")]
    return [name[:-1] for name in folders if _is_cache(name)] or folders


def sort_keys(folders: Sequence[Path]) -> Iterator[str]:
    """Yield what these caches, opened together, can be sorted by: the same names as the browser's list has."""
    runs = [_scores(folder) for folder in folders]
    if not runs:
        return
    yield from runs[0]
    for number, scores in enumerate(runs[1:], start=1):
        label = ascii_lowercase[number % len(ascii_lowercase)]
        both = [score for score in scores if score in runs[0]]
        yield from (f"diff.{score}" if number == 1 else f"diff.{label}.{score}" for score in both)
        yield from (f"{label}.{score}" for score in scores)
    yield from _NOT_SCORES


def _caches_of(arguments: argparse.Namespace) -> list[Path]:
    """Return the caches on the line; where there is none, the one that the browser would open."""
    named: Any = getattr(arguments, "cache", None)
    folders = named if isinstance(named, list) else [named]
    given = [folder.expanduser() for folder in folders if isinstance(folder, Path)]
    if given:
        return given
    last = last_cache()
    return [last] if last else []


def _scores(folder: Path) -> list[str]:
    """Return the names of a cache's scores; none where it cannot be read."""
    try:
        with (folder / _MANIFEST).open("rb") as stream:
            content = json.loads(stream.read(_LARGEST_MANIFEST))
        if content.get("format") == _ZEROSHOT:
            return list(ZEROSHOT_SCORES)
        scores = content["scores"]
        return [name for score in scores if isinstance(name := score["name"], str) and name.isprintable()]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return []


def _entries(prefix: str) -> Iterable[str]:
    """Return the files and folders that a path could mean, as the user began to write it; folders end with "/"."""
    typed, slash, begun = prefix.rpartition("/")
    head = typed + slash
    if prefix == "~":
        return ["~/"]
    try:
        with os.scandir(Path(head or ".").expanduser()) as entries:
            found = [entry for entry in entries if entry.name.startswith(begun)]
            hidden = begun.startswith(".")
            return sorted(
                head + entry.name + ("/" if entry.is_dir() else "")
                for entry in found
                if entry.name.isprintable() and (hidden or not entry.name.startswith("."))
            )
    except (OSError, ValueError, RuntimeError):  # RuntimeError: no such user's home
        return []


def _is_cache(folder: str) -> bool:
    path = Path(folder).expanduser()
    return (path / _MANIFEST).is_file() or (path / _WORK).is_file()
