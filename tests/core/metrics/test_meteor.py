"""METEOR's Java process: the conversation with it, and every way in which it can end badly."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from hw3_browse.core.metrics import meteor
from hw3_browse.core.metrics.java import JavaError
from hw3_browse.core.metrics.meteor import Meteor

ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"


def _program(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a Python script in Java's place."""
    monkeypatch.setattr(meteor, "java_command", lambda _memory: [sys.executable, "-c", script])


def test_question_of_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    _program(monkeypatch, ECHO)
    with Meteor() as process:
        assert process.update(["a dog", ""], [["one", "two"], ["three"]]) == [
            "SCORE ||| one ||| two ||| a dog",
            "SCORE ||| three |||",
        ]


def test_the_delimiter_cannot_come_from_a_caption(monkeypatch: pytest.MonkeyPatch) -> None:
    _program(monkeypatch, ECHO)
    with Meteor() as process:
        assert process.update(["a ||| b"], [["c|||d", "e"]]) == ["SCORE ||| cd ||| e ||| a b"]


def test_scores_of_pictures_come_before_the_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    _program(monkeypatch, "print(0.25); print(0.5); print(0.375)")
    with Meteor() as process:
        corpus, scores = process.compute(["1 2", "3 4"])
    assert corpus == 0.375
    np.testing.assert_array_equal(scores, [0.25, 0.5])


def test_full_pipes_do_not_block(monkeypatch: pytest.MonkeyPatch) -> None:
    _program(monkeypatch, ECHO)
    words = "dog " * 200
    with Meteor() as process:
        assert len(process.update([words] * 2000, [[words]] * 2000)) == 2000


def test_a_process_that_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    _program(monkeypatch, "import sys; print('1 2', flush=True); sys.stderr.write('x\\nno heap\\n'); sys.exit(3)")
    with (
        Meteor() as process,
        pytest.raises(JavaError, match=r"^METEOR's Java .* \(exit status 3\): no heap$"),
    ):
        process.update(["a dog"] * 3, [["a cat"]] * 3)


def test_a_dead_process_stays_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    _program(monkeypatch, "pass")
    with Meteor() as process:
        for _ in range(2):
            with pytest.raises(JavaError, match=r"exit status 0\): it said nothing"):
                process.update(["a dog"], [["a cat"]])


def test_a_process_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    _program(monkeypatch, "import time; time.sleep(60)")
    monkeypatch.setattr(meteor, "_START_SECONDS", 0.2)
    with Meteor() as process, pytest.raises(JavaError, match="did not answer within 0 s"):
        process.update(["a dog"], [["a cat"]])


def test_nonsense_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    _program(monkeypatch, "print('Error: score'); print(1.0)")
    with Meteor() as process, pytest.raises(JavaError, match="METEOR answered 'Error: score'"):
        process.compute(["1 2"])


def test_the_process_ends_with_its_context(monkeypatch: pytest.MonkeyPatch) -> None:
    _program(monkeypatch, "import time; time.sleep(60)")
    with Meteor() as process:
        assert process._process.poll() is None
    assert process._process.poll() is not None


def test_java_that_is_no_program(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(meteor, "java_command", lambda _memory: [f"{tmp_path}/java"])
    with pytest.raises(JavaError, match="Java does not start"):
        Meteor()
