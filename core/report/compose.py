"""Puts a report together: which sections it has, in which order."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...cache.errors import UsageError
from ...cache.text import printable
from ..progress import Progress
from . import folder as report_folder
from .captions import experiments, pictures
from .classes import classification
from .document import Document
from .grounded import grounding_of
from .judged import judgements
from .names import Names
from .pictures import Album
from .repeat import made_by, repeating
from .runs import OpenRuns, groups
from .settings import data_and_models
from .wording import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from .document import Section
    from .options import Options


def make_report(folders: Sequence[Path], out: Path, options: Options) -> tuple[Path, Path]:
    """Write the report of runs.

    Args:
        folders: Of the runs: caches of captions, finished or not, and zero-shot runs.
        out: Folder of the report; one of ours there is replaced.
        options: What it shows.

    Returns:
        The page and the text.

    Raises:
        Hw3Error: A run cannot be read, the folder holds something else, or there is no such score, picture, layer,
            head or colour map.
    """
    report_folder.check_folder(out)
    with OpenRuns(folders, options.filter) as runs:
        _check_names(runs, options.names or ())
        with _progress() as drawn:
            document = compose(runs, options, drawn)
    return report_folder.write(document, out)


@contextmanager
def _progress() -> Iterator[Callable[[], None]]:
    """Give what to call after each figure; a few seconds of work need no lines in a log."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    with Progress("report", None, "figures") as progress:
        yield lambda: progress.update(1)


def compose(runs: OpenRuns, options: Options, drawn: Callable[[], None]) -> Document:
    """Return a report; raises as `make_report`.

    Args:
        runs: The runs.
        options: What it shows.
        drawn: Called after each figure.
    """
    names = Names()
    sections: list[Section | None] = [data_and_models(runs)]
    sections += [classification(run, options, names, drawn) for run in runs.classes]
    if runs.captions:
        sections.append(experiments(runs.captions))
    for group in groups(runs.captions):
        score = group[0].score(options.sort)
        sections.append(pictures(group, score, options, Album(group, score, options, names, drawn), names))
    sections += [judgements(runs.captions), grounding_of(runs.captions, options.instances)]
    sections.append(repeating(runs, options.command))
    there = tuple(section for section in sections if section is not None)
    return Document(options.title, _lead(runs), there, made_by())


def _lead(runs: OpenRuns) -> str:
    kinds = (
        (count(len(runs.classes), "zero-shot run"), [run.title for run in runs.classes]),
        (count(len(runs.captions), "run of captions", "runs of captions"), [run.title for run in runs.captions]),
    )
    return "; ".join(f"{what}: {', '.join(titles)}" for what, titles in kinds if titles)


def _check_names(runs: OpenRuns, names: Sequence[str]) -> None:
    """Check that every picture that was asked for is in some run."""
    every = [*(run.cache for run in runs.captions), *(run.run for run in runs.classes)]
    missing = [name for name in names if all(run.find(name) is None for run in every)]
    if missing:
        raise UsageError(f"no run has a picture named {printable(missing[0])}")
