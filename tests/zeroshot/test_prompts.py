"""Templates, articles, ensembles, files of prompts."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw3_browse.cache.errors import UsageError
from hw3_browse.core.zeroshot.prompts import (
    DEFAULT,
    PromptSpec,
    distinct,
    fill,
    published,
    read_prompts,
    single,
    takes_an,
    together,
)

AN = (
    "apple", "umbrella", "elephant", "orange", "hour", "hourglass", "heirloom", "honest", "SUV", "X-ray", "MRI",
    "ATM", "F-16", "8-ball", "11th hour", "uninvited guest", "unimportant thing", "urn", "usher", "owl", "Ostrich",
)  # fmt: skip
A = (
    "dog", "unicorn", "uniform", "university", "UFO", "euro", "eucalyptus", "ewe", "one-way sign", "onesie", "ukulele",
    "utensil", "user", "house", "horse", "U-turn", "urinal", "USB stick", "TV", "1-way street", "yak", "Ural",
)  # fmt: skip


@pytest.mark.parametrize("name", AN)
def test_an(name: str) -> None:
    assert takes_an(name)


@pytest.mark.parametrize("name", A)
def test_a(name: str) -> None:
    assert not takes_an(name)


@pytest.mark.parametrize(
    ("template", "name", "plain", "right"),
    [
        ("A photo of a {object}.", "apple", "A photo of a apple.", "A photo of an apple."),
        ("an {object}", "dog", "an dog", "a dog"),
        ("A {object} and a  {object}", "owl", "A owl and a  owl", "An owl and an  owl"),
        ("This is a photo of {object}", "apple", "This is a photo of apple", "This is a photo of apple"),
        ("a blurry {object}, a {object}", "ewe", "a blurry ewe, a ewe", "a blurry ewe, a ewe"),
        ("banana {object}", "apple", "banana apple", "banana apple"),
        ("a {object} {0} {x}", "{object}", "a {object} {0} {x}", "a {object} {0} {x}"),
    ],
)
def test_fill(template: str, name: str, plain: str, right: str) -> None:
    assert fill(template, name) == plain
    assert fill(template, name, articles=True) == right


@given(st.text(), st.text())
def test_articles_change_nothing_else(before: str, name: str) -> None:
    template = f"{before} of {{object}}"
    assert fill(template, name, articles=True) == fill(template, name)


@given(st.text())
def test_any_name_takes_an_article(name: str) -> None:
    assert takes_an(name) in {True, False}


def test_published_ensembles_are_the_library_s() -> None:
    ours = published("imagenet")
    assert len(ours.templates) == 80
    assert ours.is_ensemble
    theirs = [template("tench") for template in open_clip.OPENAI_IMAGENET_TEMPLATES]
    assert [fill(template, "tench") for template in ours.templates] == theirs
    assert len(published("simple").templates) == 7


def test_a_template_needs_a_place() -> None:
    with pytest.raises(UsageError, match=r"'a photo' has no \{object\} where the class goes"):
        single("a photo")
    assert single("a {} photo") == PromptSpec("a {object} photo", ("a {object} photo",))
    assert single(DEFAULT).name == "A photo of a {object}."


def test_together_and_distinct() -> None:
    one, two = single("a {object}"), single("the {object}")
    assert together([one, two, one]) == PromptSpec("ensemble (2 templates)", ("a {object}", "the {object}"))
    assert distinct([one, two, one]) == [one, two]


def test_a_text_of_prompts(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("\ufeff# mine\n\nThis is a photo of {object}\n  No {object}, no score.  \n", encoding="utf-8")
    assert [prompt.name for prompt in read_prompts(file)] == ["This is a photo of {object}", "No {object}, no score."]


def test_json_of_prompts(tmp_path: Path) -> None:
    file = tmp_path / "prompts.json"
    file.write_text(json.dumps(["a {object}", "the {}"]))
    assert read_prompts(file) == [single("a {object}"), single("the {object}")]
    file.write_text(json.dumps({"mine": ["a {object}", "the {object}"], "one": ["{object}"]}))
    assert read_prompts(file) == [PromptSpec("mine", ("a {object}", "the {object}")), PromptSpec("one", ("{object}",))]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.txt", b"# nothing\n", "has no prompts"),
        ("p.txt", b"a photo\n", "has no {object}"),
        ("p.txt", b"\xff\xfe", "is not UTF-8"),
        ("p.json", b"[", "is not valid json"),
        ("p.json", b"[1]", "expected a list of prompts"),
        ("p.json", b'{"mine": []}', "expected a list of prompts"),
        ("p.json", b"[" * 100_000, "is not valid json"),
    ],
)
def test_bad_files_of_prompts(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"^[^\n]+$") as caught:
        read_prompts(file)
    assert message in str(caught.value)


def test_a_missing_file_of_prompts(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the prompts .*none.txt: No such file"):
        read_prompts(tmp_path / "none.txt")
