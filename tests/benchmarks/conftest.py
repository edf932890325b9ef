"""The benchmarks are scripts: their folder comes first on the path, as when one is started."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _as_a_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "PATH"):  # what scripts set, set back
        monkeypatch.setenv(name, str(tmp_path / name) if name != "PATH" else os.environ["PATH"])


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a script in this process; what it prints."""

    def run(name: str, *arguments: str) -> str:
        script = import_module(name)
        if hasattr(script, "keep_freed_memory"):  # for processes that end with their work, which this one does not
            monkeypatch.setattr(script, "keep_freed_memory", lambda: None)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments])
        script.main()
        return capsys.readouterr().out

    return run
