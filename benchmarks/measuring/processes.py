"""Work in a process of its own: what it takes from start to end, and its peak of memory.

Contract: a script hands `fresh` its own path and a job; the same script, started with ``--child``, calls `answer`,
which does the job and prints one line of JSON as its last.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from .clocks import in_turn

CHILD: Final = "--child"


def fresh(script: Path, job: Mapping[str, Any]) -> dict[str, Any]:
    """Let a new process of `script` do the job.

    Returns:
        What it answers, and its ``seconds`` and ``processor`` seconds from start to end, its own children included.

    Raises:
        SystemExit: it failed; what it said stands above.
    """

    def start() -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, str(script), CHILD, json.dumps(job)]
        return subprocess.run(command, stdout=subprocess.PIPE, check=False)

    timed = in_turn({"process": start}, 1)["process"]
    if timed.found.returncode:
        raise SystemExit(f"{script.name}: the process for {dict(job)} failed")
    answered: dict[str, Any] = json.loads(timed.found.stdout.splitlines()[-1])
    return {**answered, "seconds": timed.median, "processor": timed.processor[0]}


def here(do: Callable[[dict[str, Any]], dict[str, Any]], job: Mapping[str, Any]) -> dict[str, Any]:
    """The same in this process, for smoke tests, which have no time for more; the memory is then this process's."""
    timed = in_turn({"job": lambda: _done(do, dict(job))}, 1)["job"]
    return {**timed.found, "peak": peak_megabytes(), "seconds": timed.median, "processor": timed.processor[0]}


def answer(do: Callable[[dict[str, Any]], dict[str, Any]], text: str) -> None:
    """Be the process that `fresh` has started."""
    found = _done(do, json.loads(text))
    print(json.dumps({**found, "peak": peak_megabytes()}))


def peak_megabytes() -> float:
    """The most memory that this process (without its children, Java for one) has had resident.

    `getrusage` would count what the process that started this one had, before this one's program was loaded.
    """
    match = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(match[1]) / 1024 if match else float("nan")


def _done(do: Callable[[dict[str, Any]], dict[str, Any]], job: dict[str, Any]) -> dict[str, Any]:
    with contextlib.redirect_stdout(sys.stderr):
        return do(job)
