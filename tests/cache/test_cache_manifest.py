"""The manifest: round trip, and whatever else the file may hold."""

from __future__ import annotations

import json
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw3_browse.cache.errors import CacheDamaged, CacheError, CacheNewer, CacheNotFound
from hw3_browse.cache.schema import AttentionShape, Manifest, Score, is_inside, preview_file

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_POSITIVE = st.integers(1, 1000)
_MANIFESTS = st.builds(
    Manifest,
    format_version=st.just(1),
    created=st.text(),
    plan=st.dictionaries(st.text(), _JSON, max_size=3),
    count=st.integers(0, 10**7),
    scores=st.lists(
        st.builds(Score, st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True), st.booleans(), st.text()),
        unique_by=lambda score: score.name,
        max_size=3,
    ).map(tuple),
    corpus=st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False), max_size=3),
    versions=st.dictionaries(st.text(), st.text(), max_size=3),
    attention=st.builds(AttentionShape, _POSITIVE, _POSITIVE, st.integers(0, 9), _POSITIVE, _POSITIVE, st.just("f16")),
    files=st.dictionaries(st.text(), st.integers(0, 2**50), max_size=3),
    notes=st.lists(st.text(), max_size=3).map(tuple),
)


@given(_MANIFESTS)
def test_round_trip(manifest: Manifest) -> None:
    assert Manifest.from_json(manifest.to_json(), "here") == manifest


def example_content() -> dict:
    return {
        "format": "hw3-browse cache",
        "format_version": 1,
        "created": "2026-01-01T00:00:00+00:00",
        "plan": {},
        "count": 3,
        "scores": [{"name": "cider", "higher_is_better": True, "description": ""}],
        "corpus": {"cider": 0.8, "meteor": None},
        "versions": {"torch": "2.9"},
        "attention": {"layers": 2, "heads": 3, "prefix": 1, "rows": 4, "cols": 5, "codec": "u8-sqrt"},
        "files": {"samples.parquet": 10},
        "notes": [],
    }


def test_undefined_scores_travel_as_null() -> None:
    manifest = Manifest.from_json(json.dumps(example_content()), "here")
    assert math.isnan(manifest.corpus["meteor"])
    assert json.loads(manifest.to_json())["corpus"] == {"cider": 0.8, "meteor": None}
    assert manifest.attention.positions == 21


@pytest.mark.parametrize("key", sorted(example_content().keys() - {"format"}))
def test_a_missing_field_is_named(key: str) -> None:
    content = example_content()
    del content[key]
    with pytest.raises(CacheDamaged, match=f"^here: manifest.json is damaged: no '{key}'$"):
        Manifest.from_json(json.dumps(content), "here")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("count", -1),
        ("count", True),
        ("count", "3"),
        ("created", 5),
        ("plan", []),
        ("scores", {}),
        ("scores", [{"name": "Bad Name", "higher_is_better": True, "description": ""}]),
        ("scores", [{"name": "a", "higher_is_better": 1, "description": ""}]),
        ("scores", ["cider"]),
        ("scores", example_content()["scores"] * 2),
        ("corpus", {"cider": "high"}),
        ("attention", {**example_content()["attention"], "rows": 0}),
        ("attention", {**example_content()["attention"], "codec": "pickle"}),
        ("files", {"samples.parquet": -1}),
        ("format_version", "1"),
        ("format_version", 0),
    ],
)
def test_a_wrong_value_is_damage(path: str, value: object) -> None:
    with pytest.raises(CacheDamaged, match=r"^here: manifest.json is damaged: [^\n]+$"):
        Manifest.from_json(json.dumps(example_content() | {path: value}), "here")


def test_a_later_version_says_what_to_do() -> None:
    content = {"format": "hw3-browse cache", "format_version": 3, "whatever": "comes"}
    with pytest.raises(CacheNewer, match="format 3, this program reads up to 2; upgrade with"):
        Manifest.from_json(json.dumps(content), "here")


@pytest.mark.parametrize("text", ["[]", "{}", "null", '"x"', '{"format": "other"}', '{"name": "a web app"}'])
def test_other_programs_manifests_are_no_caches(text: str) -> None:
    with pytest.raises(CacheNotFound, match="was not written by hw3 precompute"):
        Manifest.from_json(text, "here")


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"format": "hw3-browse cache"', "\0"])
def test_broken_json_is_damage(text: str) -> None:
    with pytest.raises(CacheDamaged, match="not valid JSON"):
        Manifest.from_json(text, "here")


@given(st.dictionaries(st.sampled_from(sorted(example_content())), _JSON))
def test_any_json_gives_one_line(changes: dict) -> None:
    try:
        Manifest.from_json(json.dumps(example_content() | changes), "here")
    except CacheError as error:
        line = str(error)
    else:
        return
    assert "\n" not in line


@pytest.mark.parametrize("path", ["a.jpg", "part1/a.jpg", "a..b/c...jpg", "...", "a b/ü.png", "~/x"])
def test_paths_inside(path: str) -> None:
    assert is_inside(path)


@pytest.mark.parametrize("path", ["", ".", "/", "/etc/passwd", "..", "../a", "a/../../b", "a/..", "a\0.jpg", "//x"])
def test_paths_outside(path: str) -> None:
    assert not is_inside(path)


def test_previews_do_not_share_one_folder() -> None:
    files = [preview_file(index) for index in range(100_000)]
    assert len(set(files)) == len(files)
    assert max(Counter(file.parent for file in files).values()) <= 1000
    assert len({file.parent for file in files}) <= 1000
