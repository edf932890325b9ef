"""Masks agree with a naive evaluation row by row; any query can be written down; garbage raises `QueryError` alone."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from operator import eq, ge, gt, le, lt, ne
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw3_browse.cache.query import TEXTS, Fields, Query, QueryCancelled, QueryError, RunTable, parse, search
from hw3_browse.cache.query.nodes import (
    And,
    Anywhere,
    Compare,
    Defined,
    Field,
    Flag,
    Match,
    Node,
    Not,
    Number,
    Or,
    Percentile,
    SameText,
    Verdict,
)
from hw3_browse.cache.reader import Cache

SCORES = ("clipscore", "cider", "diff.cider")
COLUMNS = (*TEXTS, "b.caption")
FIELDS = Fields(SCORES, COLUMNS)
NUMBERS = [name for name, kind in FIELDS.kinds.items() if kind == "number"]
REGEXES = (r"d.g", r"^a", r"[dé]+o", r"\/", r"(?:d|o){2,}", r"\\", "", r"x|g\.", r"(?-i)D")


@dataclass
class Said:
    reasonable: bool | None = None
    fits: dict[int, bool] = field(default_factory=dict)
    note: str = ""
    tags: frozenset[str] = frozenset()


@dataclass
class Rows:
    """A run in memory: one dict a row, and columns cut into chunks at the given places."""

    rows: list[dict[str, Any]]
    cuts: tuple[int, ...] = ()
    score_names: tuple[str, ...] = SCORES

    def __len__(self) -> int:
        return len(self.rows)

    def scores(self, name: str) -> np.ndarray:
        return np.array([row[name] for row in self.rows], np.float64)

    def order(self, name: str) -> np.ndarray:
        if name == "index":
            return np.arange(len(self))
        return np.argsort(-self.scores(name), kind="stable")

    def texts(self, column: str) -> pa.ChunkedArray:
        kind = pa.list_(pa.string()) if column == "references" else pa.string()
        whole = pa.array([row[column] for row in self.rows], kind)
        borders = [0, *sorted(min(cut, len(self)) for cut in self.cuts), len(self)]
        return pa.chunked_array([whole.slice(start, stop - start) for start, stop in pairwise(borders)], kind)


# The naive evaluation


def fold(text: str) -> str:
    return text.lower().replace("ς", "\N{GREEK SMALL LETTER SIGMA}")


def ways(text: str) -> list[str]:
    return [fold(way) for way in (text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text))]


def letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN" or character == "_"


def ends_of(words: list[str], text: str, start: int) -> set[int]:
    """Return where the words, white space between them, can end if they begin at a place of a folded text."""
    ends = {start + len(way) for way in ways(words[0]) if text.startswith(way, start)}
    if len(words) == 1:
        return ends
    spaces = {end: len(text[end:]) - len(text[end:].lstrip(" \t\n\r\f")) for end in ends}
    return {last for end, count in spaces.items() if count for last in ends_of(words[1:], text, end + count)}


def has(text: str, wanted: str) -> bool:
    text, words = fold(text), wanted.split()
    first, last = letter(words[0][0]), letter(words[-1][-1])
    for start in range(len(text)):
        if first and start and letter(text[start - 1]):
            continue
        if any(not last or end == len(text) or not letter(text[end]) for end in ends_of(words, text, start)):
            return True
    return False


MATCHES: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, wanted: any(way in fold(text) for way in ways(wanted)),
    "equals": lambda text, wanted: fold(text) in ways(wanted),
    "has": has,
    "matches": lambda text, wanted: bool(
        re.search(wanted.removeprefix("(?-i)"), text, 0 if wanted.startswith("(?-i)") else re.IGNORECASE)
    ),
}
SIGNS = {"<": lt, "<=": le, ">": gt, ">=": ge, "=": eq, "!=": ne}


@dataclass
class Naive:
    """Evaluates conditions for one row of a table at a time."""

    table: RunTable

    def said(self, row: dict[str, Any]) -> Said:
        found = self.table.judged.get(row["path"], Said())
        assert isinstance(found, Said)
        return found

    def number(self, name: str, index: int) -> float:
        rows = self.table.columns.rows  # type: ignore[attr-defined]
        if name == "index":
            return index
        if name == "rank":
            key = self.table.sorted_by or "index"
            value = self.number(key, index)
            if math.isnan(value):
                return math.nan
            others = [self.number(key, other) for other in range(len(rows))]
            ahead = [o < value if key == "index" else o > value for o in others]
            return 1 + sum(ahead) + sum(other == value for other in others[:index])
        if name.endswith("words"):
            return len(rows[index][name.replace("words", "caption")].split())
        if name == "reference_count":
            return len(rows[index]["references"])
        return float(rows[index][name])

    def texts(self, name: str, row: dict[str, Any]) -> list[str]:
        if name == "note":
            return [self.said(row).note]
        if name == "tag":
            return sorted(self.said(row).tags)
        return row[name] if name == "references" else [row[name]]

    def operand(self, operand: Any, node: Compare, index: int) -> float:
        if isinstance(operand, Number):
            return operand.value
        if isinstance(operand, Field):
            return self.number(operand.name, index)
        (name,) = {operand.name for operand in node.operands if isinstance(operand, Field)}
        column = [self.number(name, other) for other in range(len(self.table))]
        defined = [value for value in column if not math.isnan(value)]
        return float(np.percentile(defined, operand.percent)) if defined else math.nan

    def holds(self, node: Node, index: int) -> bool:  # noqa: C901, PLR0911 (a case for each kind of node)
        row = self.table.columns.rows[index]  # type: ignore[attr-defined]
        match node:
            case And(conditions):
                return all(self.holds(condition, index) for condition in conditions)
            case Or(conditions):
                return any(self.holds(condition, index) for condition in conditions)
            case Not(condition):
                return not self.holds(condition, index)
            case Compare(operands, operators):
                values = [self.operand(operand, node, index) for operand in operands]
                pairs = zip(operators, values, values[1:], strict=False)
                return not any(map(math.isnan, values)) and all(SIGNS[sign](a, b) for sign, a, b in pairs)
            case Defined(name, defined):
                return math.isnan(self.number(name, index)) != defined
            case Match(name, how, text):
                return any(MATCHES[how](found, text) for found in self.texts(name, row))
            case SameText(left, right):
                return bool(row[left].lower() == row[right].lower())
            case Anywhere(text):
                columns = ("name", "caption", "references", "b.caption")
                return any(MATCHES["contains"](found, text) for name in columns for found in self.texts(name, row))
            case Verdict("fits", value):
                fits = self.said(row).fits.values()
                return not fits if value is None else value in fits
            case Verdict(_, value):
                return self.said(row).reasonable is value
            case Flag("judged"):
                return self.said(row) != Said()
            case Flag():
                return index in self.table.marked


# Random tables and queries

phrases = st.lists(st.sampled_from(["dog", "Dogs", "é", "e\u0301", "red", "."]), max_size=3).map(" ".join)
letters = st.text("dDéÉßoOg\N{GREEK SMALL LETTER SIGMA}ςΣx .\n\"\\/'-(猫e\u0301_3", max_size=9)
texts = phrases | letters
values = st.sampled_from([0.0, -0.0, 0.25, 0.5, 1.0, math.nan, -3.0]) | st.floats(width=32, allow_infinity=False)
said = st.builds(
    Said,
    st.sampled_from([None, True, False]),
    st.dictionaries(st.integers(0, 3), st.booleans(), max_size=2),
    texts,
    st.frozensets(texts, max_size=2),
)


@st.composite
def tables(draw: st.DrawFn) -> RunTable:
    row = st.fixed_dictionaries(
        dict.fromkeys(SCORES, values) | dict.fromkeys(COLUMNS, texts) | {"references": st.lists(texts, max_size=3)}
    )
    rows = draw(st.lists(row, max_size=6))
    for index, found in enumerate(rows):
        found["path"] = f"{found['path']}{index // 2}"  # some pictures share a path, as duplicates would
    cuts = draw(st.lists(st.integers(0, 8), max_size=2))
    judged = {path: draw(st.none() | said) for path in sorted({"gone", *(str(row["path"]) for row in rows)})}
    return RunTable(
        Rows(rows, tuple(cuts)),
        draw(st.sampled_from([None, "index", "cider"])),
        {path: found for path, found in judged.items() if found is not None},
        draw(st.sets(st.integers(0, len(rows) - 1))) if rows else set(),
        COLUMNS,
    )


@st.composite
def comparisons(draw: st.DrawFn) -> Compare:
    finite = st.floats(allow_nan=False, allow_infinity=False)
    number = (st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0]) | finite).map(Number)
    named = st.sampled_from(NUMBERS).map(Field)
    if draw(st.booleans()):  # percentiles, of one field
        percentile = st.sampled_from([0, 10, 50, 99.5, 100]).map(lambda percent: Percentile(float(percent)))
        first = draw(named)
        rest = draw(st.lists(number | percentile | st.just(first), min_size=1, max_size=2))
    else:
        first = draw(named)
        rest = draw(st.lists(number | named, min_size=1, max_size=2))
    operands = draw(st.permutations([first, *rest]))
    signs = draw(st.lists(st.sampled_from(list(SIGNS)), min_size=len(rest), max_size=len(rest)))
    return Compare(tuple(operands), tuple(signs))  # type: ignore[arg-type]


def leaves(wanted: st.SearchStrategy[str]) -> dict[str, st.SearchStrategy[Node]]:
    """Return random conditions of each kind, those for texts looking for texts of a strategy."""
    fields = st.sampled_from([*COLUMNS, "note", "tag"])
    plain = st.sampled_from(["name", "path", "caption", "b.caption"])
    return {
        "comparison": comparisons(),
        "defined": st.builds(Defined, st.sampled_from(NUMBERS), st.booleans()),
        "contains": st.builds(Match, fields, st.just("contains"), wanted),
        "equals": st.builds(Match, fields, st.just("equals"), wanted),
        "has": st.builds(Match, fields, st.just("has"), wanted.filter(str.strip)),
        "regex": st.builds(Match, fields, st.just("matches"), st.sampled_from(REGEXES)),
        "same": st.builds(SameText, plain, plain),
        "anywhere": st.builds(Anywhere, wanted),
        "verdict": st.builds(Verdict, st.sampled_from(["reasonable", "fits"]), st.sampled_from([None, True, False])),
        "flag": st.sampled_from([Flag("judged"), Flag("marked")]),
    }


def trees(wanted: st.SearchStrategy[str]) -> st.SearchStrategy[Node]:
    """Return such conditions, and trees of them."""

    def larger(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        several = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.builds(Not, inner) | st.builds(And, several) | st.builds(Or, several)

    return st.recursive(st.one_of(*leaves(wanted).values()), larger, max_leaves=6)


def check(condition: Node, table: RunTable) -> None:
    found = Query(condition).mask(table)
    assert found.dtype == np.bool_
    naive = Naive(table)
    assert found.tolist() == [naive.holds(condition, index) for index in range(len(table))]


@pytest.mark.parametrize("kind", leaves(texts))
@given(data=st.data(), table=tables())
def test_conditions_agree_with_a_naive_evaluation(kind: str, data: st.DataObject, table: RunTable) -> None:
    check(data.draw(leaves(texts)[kind]), table)


@given(trees(texts), tables())
def test_trees_agree_with_a_naive_evaluation(condition: Node, table: RunTable) -> None:
    check(condition, table)


anything = st.text(st.sampled_from("\"\\'/() a") | st.characters(exclude_categories=["Cs"]), max_size=20)


@given(trees(anything))
def test_a_query_reads_back_from_its_text(condition: Node) -> None:
    query = Query(condition)
    assert parse(str(query), FIELDS) == query
    assert hash(parse(str(query), FIELDS)) == hash(query)


LANGUAGE = [
    "~",
    "!~",
    "has",
    "is",
    "not",
    "and",
    "or",
    "(",
    ")",
    "&",
    "|",
    "!",
    ":",
    "p10",
    "yes",
    "undefined",
    "unsaid",
]
VALUES = ["dog", '"a b"', "0.5", '"', "'", "“", "/d.g/", "/(/", "/", "\\", "\ud800", "\x00", "\x1b[2J"]
pieces = st.sampled_from([*FIELDS.kinds, *SIGNS, *LANGUAGE, *VALUES])


@given(st.text() | st.lists(pieces, max_size=12).map(" ".join) | st.lists(pieces, max_size=8).map("".join), tables())
def test_any_text_is_a_query_or_an_error(text: str, table: RunTable) -> None:
    try:
        query = parse(text, FIELDS)
    except QueryError as found:
        query, error = Query(None), found
    else:
        error = QueryError(text, 0, 0, "")
    assert query.mask(table).shape == (len(table),)
    assert parse(str(query), FIELDS) == query
    assert 0 <= error.position <= len(text)
    assert "\n" not in str(error)
    assert len(error.pointing()) == 2


# Single cases

DOGS = Rows(
    [
        {"clipscore": 0.5, "cider": math.nan, "caption": "a hotdog", "references": [], "name": "x", "path": "p/x"},
        {
            "clipscore": 0.25,
            "cider": 2.0,
            "caption": "Two DOGS, a dog.",
            "references": ["b"],
            "name": "y",
            "path": "p/y",
        },
        {
            "clipscore": 1.0,
            "cider": 1.0,
            "caption": "CAFE\u0301 猫",
            "references": ["c", "Dog"],
            "name": "z",
            "path": "p/z",
        },
        {"clipscore": math.nan, "cider": -math.inf, "caption": "", "references": ["", "c"], "name": "w", "path": "p/w"},
    ],
    score_names=("clipscore", "cider"),
)


def rows_for(text: str, **of_table: Any) -> list[int]:
    table = RunTable(DOGS, **of_table)
    return np.flatnonzero(parse(text, Fields.of(table)).mask(table)).tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [0, 1, 2, 3]),
        ("clipscore != 1", [0, 1]),
        ("not clipscore = 1", [0, 1, 3]),
        ("clipscore is undefined", [3]),
        ("0.25 < clipscore < 1", [0]),
        ("cider > clipscore", [1]),
        ("clipscore <= p50", [0, 1]),
        ("clipscore > p100 or clipscore < p0", []),
        ("cider > p60", [1]),
        ("cider > p10", []),  # halfway between minus infinity and 1 there is no number
        ("words >= 2", [0, 1, 2]),
        ("reference_count = 0", [0]),
        ("caption ~ dog", [0, 1]),
        ("caption has dog", [1]),
        ("caption has 'A  DOG'", [1]),
        ("caption has 'dog.'", [1]),
        ("caption has '.'", [1]),
        ("caption has cafe", []),
        ("caption has café", [2]),
        ("caption ~ CAFÉ", [2]),
        ("caption has 猫", [2]),
        ("caption = ''", [3]),
        ("references ~ dog", [2]),
        ("references !~ dog", [0, 1, 3]),
        ("references = ''", [3]),
        ("caption ~ /^two/", [1]),
        ("caption ~ /(?-i)^two/", []),
        ("name = Y", [1]),
        ("path ~ /y$/", [1]),
        ("dog", [0, 1, 2]),
        ("not judged and not marked and reasonable = unsaid and fits = unsaid and note = ''", [0, 1, 2, 3]),
        ("rank = 1", [0]),
    ],
)
def test_masks(text: str, expected: list[int]) -> None:
    assert rows_for(text) == expected


def test_rank_follows_the_order_of_the_list() -> None:
    assert rows_for("rank = 1", sorted_by="clipscore") == [2]
    assert rows_for("rank <= p50", sorted_by="clipscore") == [0, 2]
    assert rows_for("rank is undefined", sorted_by="clipscore") == [3]


def test_search_finds_words_in_different_places() -> None:
    table = RunTable(DOGS)
    assert search("dog z").mask(table).tolist() == [False, False, True, False]
    assert search("").mask(table).all()


def test_texts_that_are_null_match_nothing() -> None:
    rows = Rows([{"caption": None, "references": None}, {"caption": "dog", "references": [None, "dog"]}])
    table = RunTable(rows)
    assert parse("caption ~ ''", FIELDS).mask(table).tolist() == [False, True]
    assert parse("references ~ ''", FIELDS).mask(table).tolist() == [False, True]
    assert parse("words = 0", FIELDS).mask(table).tolist() == [True, False]


def test_work_stops_when_it_is_cancelled() -> None:
    table = RunTable(Rows(DOGS.rows, (1, 2), DOGS.score_names))
    asked = 0

    def later() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    with pytest.raises(QueryCancelled):
        parse("dog", Fields.of(table)).mask(table, later)
    assert parse("dog", Fields.of(table)).mask(table, lambda: False).sum() == 3


# With a real cache


def test_a_cache_is_a_table(cache: Cache) -> None:
    table = RunTable(cache, "cider", {cache.path(3): Said(tags=frozenset({"bad"}))}, {5})
    fields = Fields.of(table)
    captions = [cache.caption(index) for index in range(len(cache))]
    scores = cache.scores("clipscore")
    for text, expected in {
        "tag:bad": [index == 3 for index in range(12)],
        "marked": [index == 5 for index in range(12)],
        "caption ~ sheep": ["sheep" in caption for caption in captions],
        "words > 8": [len(caption.split()) > 8 for caption in captions],
        "reference_count = 0": [not cache.sample(index).references for index in range(12)],
        "rank = 1": [index == cache.order("cider")[0] for index in range(12)],
        "clipscore < p50": (scores < np.median(scores)).tolist(),
    }.items():
        assert parse(text, fields).mask(table).tolist() == expected


def test_parsing_imports_no_pyarrow_and_masks_no_pandas(finished: Path) -> None:
    script = """
import sys
from pathlib import Path
from hw3_browse.cache.query import Fields, RunTable, parse, search
fields = Fields(("clipscore", "cider"))
query = parse('clipscore < p50 and not (caption has dog or kite) or tag:bad and rank < 5 or note ~ x', fields)
search("red kite")
assert "pyarrow" not in sys.modules
from hw3_browse.cache.reader import Cache
from types import SimpleNamespace
with Cache.open(Path(sys.argv[1])) as cache:
    said = SimpleNamespace(reasonable=True, fits={0: False}, note="x", tags={"bad"})
    table = RunTable(cache, "cider", {cache.path(0): said}, {1})
    query.mask(table)
    parse("caption ~ /d.g/ or caption = name or words > 3 or reference_count > 1 or fits = no", fields).mask(table)
assert "pyarrow" in sys.modules and "pandas" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script, finished], check=True)
