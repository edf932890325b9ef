"""Whole runs, each in a process of its own: the plain script, `hw3 precompute`, and that again."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import plain
from measuring.clocks import Timed, ratio
from measuring.processes import fresh, here
from measuring.tables import markdown, number

from hw3_browse.cache.reader import Cache
from hw3_browse.core import cli

from .parts import CLIP_TOLERANCE, METRIC_TOLERANCE
from .work import Work, within

_SHOWN = (("plain", "plain script"), ("ours", "`hw3 precompute`"), ("again", "the same, CLIP embeddings kept"))
_HOMES = ("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME")


def whole_runs(work: Work, folder: Path, captions: Sequence[plain.Caption], script: Path | None) -> tuple[Path, Path]:
    """Everything by 3 beams, pictures into files; what the plain script and ours have left.

    Args:
        work: what.
        folder: gets the runs.
        captions: the plain script's, by 3 beams.
        script: whose `do` runs in a process of its own; None to run in this process.
    """
    job = {
        "images": str(work.images), "annotations": str(work.annotations), "captioner": str(work.captioner),
        "clip": str(work.clip), "beams": 3, "metrics": list(work.metrics), "batch": work.batch, "steps": work.steps,
    }  # fmt: skip
    found: dict[str, list[dict[str, Any]]] = {side: [] for side, _ in _SHOWN}
    for turn in range(work.rounds):
        for side, runs in found.items():
            # "ours" finds an empty folder of kept embeddings, "again" those of "ours".
            asked = {**job, "side": side, "out": str(folder / f"{side}-{turn}"), "home": str(folder / f"home-{turn}")}
            runs.append(fresh(script, asked) if script else here(do, asked))
    theirs, ours = folder / "plain-0", folder / "ours-0"
    if _tokens(work, ours) == [caption.tokens for caption in captions]:
        _check_corpus(found["plain"][0]["corpus"], ours)
    print(_table(len(work.files), found), "\n", flush=True)
    return theirs, ours


def do(job: dict[str, Any]) -> dict[str, Any]:
    """A whole run by one side."""
    if job["side"] == "plain":
        return {"corpus": plain.script(job)}
    os.environ |= dict.fromkeys(_HOMES, job["home"])
    named = {
        "captioner": job["captioner"], "clip": job["clip"], "beams": job["beams"], "max-length": job["steps"],
        "batch": job["batch"], "metrics": ",".join(job["metrics"]), "device": "cpu", "out": job["out"],
    }  # fmt: skip
    options = [text for name, value in named.items() for text in (f"--{name}", str(value))]
    if code := cli.main(["precompute", job["images"], job["annotations"], *options]):
        raise SystemExit(code)
    return {}


def _table(pictures: int, found: dict[str, list[dict[str, Any]]]) -> str:
    timed = {
        side: Timed(tuple(run["seconds"] for run in runs), tuple(run["processor"] for run in runs))
        for side, runs in found.items()
    }
    rows = [
        (
            name,
            f"{timed[side].median:.1f}",
            number(pictures / timed[side].median),
            ratio(timed["plain"], timed[side]),
            f"{statistics.median(run['peak'] for run in found[side]):,.0f}",
        )
        for side, name in _SHOWN
    ]
    return markdown(("everything, 3 beams", "seconds", "pictures/s", "times (processor)", "peak MB"), rows)


def _tokens(work: Work, folder: Path) -> list[tuple[int, ...]]:
    with Cache.open(folder) as cache:
        found = {cache.name(index): cache.sample(index).token_ids for index in range(len(cache))}
    return [found[file.stem] for file in work.files]


def _check_corpus(corpus: dict[str, float], ours: Path) -> None:
    """End the run where corpus scores of the same captions differ."""
    with Cache.open(ours) as cache:
        found = cache.manifest.corpus
    for name, score in corpus.items():
        tolerance = CLIP_TOLERANCE if "clip" in name else METRIC_TOLERANCE
        within(f"{name} of the corpus", abs(score - found[name]), tolerance)
