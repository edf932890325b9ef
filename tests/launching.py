"""Processes that share a run, as programs; and all that is in a cache, to compare."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from hw3_browse.cache.reader import Cache

# The last process dies behind its second call of METHOD, when it is started for the first time.
_PROGRAM = """
import json, os, signal, sys
from {module} import {owner}
from hw3_browse.core.cli import main

first = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0"
work, calls = {owner}.{method}, []

def dying(self, *given):
    result = work(self, *given)
    calls.append(1)
    if first and os.environ["RANK"] == "1" and len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

for arguments in json.loads(sys.argv[1])[0 if first else -1 :]:
    if arguments[0] == {command!r}:
        {owner}.{method} = dying
    if code := main(arguments):
        sys.exit(code)
"""


def write_program(folder: Path, command: str, dies_in: str) -> Path:
    """A program that runs `hw3` commands, given as json, and is killed on the way; started again, it runs the last one.

    Args:
        folder: where it is written.
        command: the one in which it dies.
        dies_in: the method behind whose second call it does: ``package.module:Class.method``.
    """
    module, _, qualified = dies_in.partition(":")
    owner, _, method = qualified.partition(".")
    program = folder / "program.py"
    program.write_text(_PROGRAM.format(module=module, owner=owner, method=method, command=command))
    return program


def launch(
    launcher: Sequence[str], program: Path, commands: Sequence[Sequence[str]], **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the program, with folders of its own for what is kept."""
    folder = program.parent
    places = {"XDG_CACHE_HOME": str(folder / "kept"), "XDG_STATE_HOME": str(folder / "state")}
    return subprocess.run(
        [sys.executable, *launcher, str(program), json.dumps(commands)],
        env={**os.environ, **places, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def content(cache: Path) -> Mapping[str, Any]:
    """All of a cache, the time it was made excepted."""
    found: dict[str, Any] = {
        str(path.relative_to(cache)): path.read_bytes()
        for path in cache.rglob("*")
        if path.is_file() and path.suffix != ".sqlite"
    }
    found["manifest.json"] = json.loads(found["manifest.json"]) | {"created": None}
    with Cache.open(cache) as opened:
        found["captions"] = opened.texts("caption").to_pylist()
    with closing(sqlite3.connect(cache / "attention.sqlite")) as attention:
        found["attention"] = attention.execute("SELECT * FROM attention ORDER BY rowid").fetchall()
    return found
