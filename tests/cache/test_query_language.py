"""What filters mean, and what is said about those that mean nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from hw3_browse.cache.errors import UsageError
from hw3_browse.cache.query import TEXTS, Fields, Query, QueryError, completions, parse, search
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
from hw3_browse.cache.text import printable

FIELDS = Fields(("clipscore", "cider", "b.cider", "diff.cider"), (*TEXTS, "b.caption"))
DOG, CAT, MAN = Anywhere("dog"), Anywhere("cat"), Anywhere("man")


def condition(text: str) -> Node | None:
    return parse(text, FIELDS).condition


def error(text: str) -> QueryError:
    with pytest.raises(QueryError) as caught:
        parse(text, FIELDS)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("  ", None),
        ("dog", DOG),
        ('"red kite"', Anywhere("red kite")),
        ("42", Anywhere("42")),
        ("p10", Anywhere("p10")),
        ("dog's", Anywhere("dog's")),
        ("12.jpg", Anywhere("12.jpg")),
        ("'it is'", Anywhere("it is")),
        ("“red kite”", Anywhere("red kite")),
        (r'"a \"b\" \\ \n"', Anywhere(r'a "b" \ \n')),
        ("clipscore<.5", Compare((Field("clipscore"), Number(0.5)), ("<",))),
        ("CLIPScore >= -1e-2", Compare((Field("clipscore"), Number(-0.01)), (">=",))),
        ("clipscore == 1.", Compare((Field("clipscore"), Number(1)), ("=",))),
        ("cider > b.cider", Compare((Field("cider"), Field("b.cider")), (">",))),
        ("0.2 < cider <= 0.5", Compare((Number(0.2), Field("cider"), Number(0.5)), ("<", "<="))),
        ("P2.5 < cider != p100", Compare((Percentile(2.5), Field("cider"), Percentile(100)), ("<", "!="))),
        ("b.words = 3", Compare((Field("b.words"), Number(3)), ("=",))),
        ("cider is undefined", Defined("cider", defined=False)),
        ("cider IS Defined", Defined("cider", defined=True)),
        ("cider is not defined", Defined("cider", defined=False)),
        ("cider = undefined", Defined("cider", defined=False)),
        ("cider != undefined", Defined("cider", defined=True)),
        ("caption ~ dog", Match("caption", "contains", "dog")),
        ("caption~'dog'", Match("caption", "contains", "dog")),
        ("caption ~ 42", Match("caption", "contains", "42")),
        ("caption ~ name", Match("caption", "contains", "name")),
        ("caption !~ dog", Not(Match("caption", "contains", "dog"))),
        ("Reference has dog", Match("references", "has", "dog")),
        ("name = 0012", Match("name", "equals", "0012")),
        ("name != 0012", Not(Match("name", "equals", "0012"))),
        ("path ~ part0/0", Match("path", "contains", "part0/0")),
        (r"path ~ /a\/b (c|d)/", Match("path", "matches", r"a\/b (c|d)")),
        ("caption = b.caption", SameText("caption", "b.caption")),
        ("caption != name", Not(SameText("caption", "name"))),
        ('caption = "name"', Match("caption", "equals", "name")),
        ("note = caption", Match("note", "equals", "caption")),
        ("tag:bad", Match("tag", "equals", "bad")),
        ('tag : "needs look"', Match("tag", "equals", "needs look")),
        ("tag ~ look", Match("tag", "contains", "look")),
        ("reasonable = Yes", Verdict("reasonable", value=True)),
        ("reasonable = unsaid", Verdict("reasonable", value=None)),
        ("fits != no", Not(Verdict("fits", value=False))),
        ("judged", Flag("judged")),
        ("not marked", Not(Flag("marked"))),
        ("!!dog", Not(Not(DOG))),
        ("dog or cat and man", Or((DOG, And((CAT, MAN))))),
        ("dog | cat & man", Or((DOG, And((CAT, MAN))))),
        ("dog || cat && man", Or((DOG, And((CAT, MAN))))),
        ("(dog OR cat) AND man", And((Or((DOG, CAT)), MAN))),
        ("not dog and cat", And((Not(DOG), CAT))),
        ("not (dog and cat)", Not(And((DOG, CAT)))),
        ("dog and (cat and man)", And((DOG, And((CAT, MAN))))),
        ("not cider < 1", Not(Compare((Field("cider"), Number(1)), ("<",)))),
        ("((dog))", DOG),
        ("dog\nor\tcat", Or((DOG, CAT))),
    ],
)
def test_what_is_meant(text: str, expected: Node | None) -> None:
    assert condition(text) == expected
    assert parse(str(parse(text, FIELDS)), FIELDS).condition == expected


@pytest.mark.parametrize(
    ("text", "spot", "problem"),
    [
        ("clipscor < 0.5", "clipscor", 'no field "clipscor": did you mean clipscore?'),
        ("dog and Captoin ~ x", "Captoin", 'no field "Captoin": did you mean caption?'),
        ("zzz < 0.5", "zzz", 'no field "zzz": there are clipscore, cider, b.cider'),
        ("dog is brown", "dog", 'no field "dog"'),
        ("clipscore < cidre", "cidre", 'expected a number or a numeric field, found "cidre": did you mean cider?'),
        ("clipscore < name", "name", "expected a number or a numeric field"),
        ("clipscore < ", "", "found the end"),
        ("clipscore < 'dog'", "'dog'", 'expected a number or a numeric field, found "dog"'),
        ("clipscore", "", "clipscore is a number; say clipscore < 0.5 or clipscore is undefined; to look for"),
        ("clipscore ~ dog", "~", "clipscore is a number; say"),
        ("clipscore is high", "high", 'expected "defined" or "undefined", found "high"'),
        ("clipscore < 1e999", "1e999", "this number is too large"),
        ("clipscore < p101", "p101", "percentiles go from p0 to p100"),
        ("clipscore < p10 < cider", "p10", "a percentile of which field: cider or clipscore?"),
        ("1 < 2", "1", "there is no field in this comparison"),
        ("caption < 3", "<", "caption is a text; say caption ~ dog, caption has dog or caption = dog"),
        ("caption:dog", ":", "caption is a text; say"),
        ("caption and dog", "and", 'to look for the word, put it in quotes, "caption"'),
        ("caption ~ red kite", "kite", 'several words go in quotes, "red kite"'),
        ("caption ~ and", "and", 'expected a text, found "and"; put it in quotes to look for it'),
        ("caption ~", "", "expected a text, found the end"),
        ('caption has " "', '" "', "expected a word"),
        ("caption = /x/", "/x/", "a regular expression stands behind ~"),
        ("/x/", "/x/", "a regular expression stands behind a field"),
        ("caption ~ /(/", "/(/", "the regular expression makes no sense: missing )"),
        (r"caption ~ /a(?=b)/", "/a(?=b)/", "invalid perl operator"),
        ("caption ~ /x", "/x", "the regular expression has no end"),
        ('dog or "cat', '"cat', 'the text has no end: close it with "'),
        ("dog ”", "”", "there is no opening quote"),
        ("dog cat", "cat", 'expected "and" or "or", found "cat"; several words go in quotes, "dog cat"'),
        ("(dog or", "", "expected a condition, found the end"),
        ("(dog", "(", "this parenthesis is never closed"),
        ("(dog cat)", "cat", 'expected "and" or "or"'),
        ("dog)", ")", "this parenthesis was never opened"),
        ("()", ")", "expected a condition"),
        ("and", "and", 'expected a condition, found "and"'),
        ("reasonable", "", "say reasonable = yes or reasonable = no or reasonable = unsaid"),
        ("reasonable < yes", "<", "say reasonable = yes"),
        ("fits = maybe", "maybe", "say fits = yes or"),
        ("judged = yes", "=", "judged is a condition by itself: say judged or not judged"),
        ("not " * 65 + "dog", "not", "more than 64 parentheses and nots"),
        ("(" * 1000, "(", "more than 64"),
    ],
)
def test_errors(text: str, spot: str, problem: str) -> None:
    found = error(text)
    assert problem in found.problem
    assert text[found.position : found.position + found.length] == spot
    assert str(found) == f"filter, character {found.position + 1}: {found.problem}"
    assert isinstance(found, UsageError)


def test_texts_of_strangers_in_messages_are_printable_and_short() -> None:
    found = error("clipscore < \x1b[31mred\u202e" + "x" * 1000)
    assert len(found.problem) < 200
    assert printable(str(found)) == str(found)
    assert printable(found.pointing()[0]) == found.pointing()[0]


def test_length() -> None:
    assert condition("x" * 4094) == Anywhere("x" * 4094)  # with quotes the longest there is
    assert "too long" in error("x" * 4097).problem
    assert "too long" in error("a|" * 2000 + "a").problem  # written out
    assert "too long" in error(" " * 5000).problem
    with pytest.raises(QueryError, match="too long"):
        search(" ".join(map(str, range(4000))))


def test_as_deep_as_allowed() -> None:
    text = "(not " * 32 + "dog" + ")" * 32
    assert parse(str(parse(text, FIELDS)), FIELDS) == parse(text, FIELDS)


# Pointing


def test_carets_stand_below_the_spot() -> None:
    assert error("dog and clipscor < 1").pointing() == ["dog and clipscor < 1", "        ^^^^^^^^"]
    assert error("(dog or").pointing() == ["(dog or", "       ^"]


def test_carets_count_cells() -> None:
    assert error("猫 and 犬 < 1").pointing() == ["猫 and 犬 < 1", "       ^^"]
    assert error("e\u0301 and zz\n< 1").pointing() == ["e\u0301 and zz < 1", "      ^^"]


def test_long_filters_are_cut_around_the_spot() -> None:
    found = error("dog or " * 50 + "clipscor < 1" + " or cat" * 50)
    line, carets = found.pointing(40)
    assert cell_len(line) == 40
    assert line[carets.index("^") :].startswith("clipscor <")
    assert line[0] == line[-1] == "…"


@given(st.text(), st.integers(1, 30))
def test_carets_stay_within_the_width(text: str, width: int) -> None:
    line, carets = QueryError(text, min(len(text), 3), 2, "").pointing(width)
    assert cell_len(line) <= width
    assert len(carets) <= width + 1  # one behind the end
    assert carets.strip() == "^" * carets.count("^") != ""


# Search


def test_search_takes_words_as_they_are() -> None:
    assert search("dog  cat").condition == And((DOG, CAT))
    assert search(" dog ").condition == DOG
    assert search("dog dog") == search("dog")
    assert search("clipscore < (").condition == And((Anywhere("clipscore"), Anywhere("<"), Anywhere("(")))
    assert search(" ") == Query(None)
    assert search('not "dog').fields == {"name", "caption", "references"}


@given(st.text())
def test_search_can_be_written_as_a_filter(text: str) -> None:
    assert parse(str(search(text)), FIELDS) == search(text)


# Fields


def test_fields_of_a_query() -> None:
    query = parse("cider > b.cider or not (tag:bad and rank < 3) or judged or caption = b.caption", FIELDS)
    assert query.fields == {"cider", "b.cider", "tag", "rank", "judged", "caption", "b.caption"}
    assert Query(None).fields == set()


def test_builtin_fields_hide_scores_of_their_name() -> None:
    fields = Fields(("judged", "cider"))
    assert parse("judged", fields).condition == Flag("judged")


# Completion


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("cl", ["clipscore"]),
        ("dog and ref", ["dog and references", "dog and reference_count"]),
        ("(!RE", ["(!references", "(!reference_count", "(!reasonable"]),
        ("clipscore > b.c", ["clipscore > b.cider", "clipscore > b.caption"]),
        ("reasonable = ", []),
        ("reasonable = u", ["reasonable = unsaid"]),
        ("caption ~ cap", []),
        ("tag:na", []),
        ('"cap', []),
        ("cap ", []),
        ("", []),
        ("clipscore", []),
    ],
)
def test_completions(before: str, expected: list[str]) -> None:
    assert completions(before, FIELDS) == expected
