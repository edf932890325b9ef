"""Computes masks: numpy for numbers, Arrow's kernels for texts, no Python for a row.

Measured with a million rows on two cores: see `docs/filter-language.md`. Texts are matched chunk by chunk in several
threads, since Arrow's kernels use one and let go of Python's lock.
"""

from __future__ import annotations

import operator
import re
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .. import arrow
from ..text import printable
from .errors import QueryCancelled
from .fields import last_part, sibling
from .nodes import (
    And,
    Anywhere,
    Compare,
    Defined,
    Field,
    Flag,
    How,
    Match,
    Node,
    Not,
    Number,
    Operand,
    Or,
    Percentile,
    SameText,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from numpy.typing import NDArray

    from .tables import Judgement, Table

    Mask = NDArray[np.bool_]

_T = TypeVar("_T", bound=np.generic)

_MOST_THREADS: Final = 8
_COMPARE: Final = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}
_LETTER: Final = r"[\pL\pM\pN_]"
_NO_LETTER: Final = r"[^\pL\pM\pN_]"
_WITHOUT_WORDS: Final = frozenset({"path"})  # columns of texts that a search leaves out


def mask(condition: Node | None, table: Table, is_cancelled: Callable[[], bool] | None) -> Mask:
    """Return for which rows a condition holds; see `Query.mask`."""
    if condition is None or not len(table):
        return np.ones(len(table), np.bool_)
    return _Evaluation(table, is_cancelled).mask(condition)


def regex_problem(pattern: str) -> str:
    """Return what is wrong with a regular expression (RE2's syntax), one line; empty if nothing is."""
    try:
        pc.match_substring_regex(arrow.strings([""]), pattern, ignore_case=True)
    except pa.ArrowInvalid as error:
        return printable(str(error).removeprefix("Invalid regular expression: "))
    return ""


def pattern_of(how: How, text: str) -> str:
    """Return the regular expression, to be matched without regard to case, for a way of matching."""
    if how == "matches":
        return text
    if how == "equals":
        return rf"\A(?:{_literal(text)})\z"
    if how == "contains":
        return _literal(text)
    words = r"\s+".join(f"(?:{_literal(word)})" for word in text.split())
    # A border is only where the text itself has a letter, digit or mark: "has ." finds "tree."
    before, after = (_is_letter(text.strip()[end]) for end in (0, -1))
    return (f"(?:^|{_NO_LETTER})" if before else "") + words + (f"(?:$|{_NO_LETTER})" if after else "")


def _literal(text: str) -> str:
    """Return a regular expression for a text in each of the ways in which accents can be written."""
    ways = dict.fromkeys((text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)))
    return "|".join(map(re.escape, ways))


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN" or character == "_"


class _Evaluation:
    """One question to one table; keeps the columns that it computed."""

    def __init__(self, table: Table, is_cancelled: Callable[[], bool] | None) -> None:
        self._table = table
        self._is_cancelled = is_cancelled
        self._numbers: dict[str, NDArray[np.float64]] = {}

    def mask(self, node: Node) -> Mask:  # noqa: C901, PLR0911 (a case for each kind of node)
        """Return for which rows a condition holds [count]."""
        self._check_cancelled()
        match node:
            case And(conditions):
                return _all(map(self.mask, conditions))
            case Or(conditions):
                return _any(map(self.mask, conditions))
            case Not(condition):
                return ~self.mask(condition)
            case Compare():
                return self._compare(node)
            case Defined(field, defined):
                undefined = np.isnan(self._number(field))
                return ~undefined if defined else undefined
            case Match(field, how, text):
                return self._match(field, pattern_of(how, text))
            case SameText(left, right):
                return self._same_text(left, right)
            case Anywhere(text):
                return self._anywhere(pattern_of("contains", text))
            case Verdict(field, value):
                return self._verdict(field, value)
            case Flag(name):
                return self._judged() if name == "judged" else self._marked()

    def _check_cancelled(self) -> None:
        if self._is_cancelled is not None and self._is_cancelled():
            raise QueryCancelled

    # Numbers

    def _compare(self, node: Compare) -> Mask:
        field = next(operand.name for operand in node.operands if isinstance(operand, Field))
        values = [self._value(operand, field) for operand in node.operands]
        defined = (~np.isnan(value) for value in values)
        pairs = zip(node.operators, values, values[1:], strict=False)
        return _all(defined) & _all(_COMPARE[sign](left, right) for sign, left, right in pairs)

    def _value(self, operand: Operand, field: str) -> NDArray[np.float64] | np.float64:
        """Return a column [count] or a constant; percentiles are those of the field."""
        match operand:
            case Number(value):
                return np.float64(value)
            case Field(name):
                return self._number(name)
            case Percentile(percent):
                values = self._number(field)
                defined = values[~np.isnan(values)]
                with np.errstate(invalid="ignore"):  # between two infinities there is no number
                    return np.float64(np.percentile(defined, percent) if len(defined) else np.nan)

    def _number(self, name: str) -> NDArray[np.float64]:
        """Return a numeric column [count], NaN where undefined."""
        if name not in self._numbers:
            self._numbers[name] = self._read_number(name)
        return self._numbers[name]

    def _read_number(self, name: str) -> NDArray[np.float64]:
        if name == "index":
            return np.arange(len(self._table), dtype=np.float64)
        if name == "rank":
            return self._ranks()
        if last_part(name) == "words":
            return self._joined(self._table.texts(sibling(name, "caption")), arrow.count_words).astype(np.float64)
        if last_part(name) == "reference_count":
            lists = self._table.texts(sibling(name, "references"))
            return self._joined(lists, lambda chunk: np.diff(np.from_dlpack(chunk.offsets))).astype(np.float64)
        return self._table.scores(name)

    def _ranks(self) -> NDArray[np.float64]:
        """Return the place of each row in the order, 1 for the best; NaN where the score is undefined."""
        key = self._table.sorted_by or "index"
        ranks = np.empty(len(self._table))
        ranks[self._table.order(key)] = np.arange(1, len(ranks) + 1)
        if key in self._table.score_names:
            ranks[np.isnan(self._table.scores(key))] = np.nan
        return ranks

    # Texts

    def _match(self, field: str, pattern: str) -> Mask:
        if field in {"note", "tag"}:
            return self._match_judgements(field, pattern)
        return self._joined(self._table.texts(field), lambda chunk: _matches(chunk, pattern))

    def _anywhere(self, pattern: str) -> Mask:
        fields = [name for name in self._table.text_names if last_part(name) not in _WITHOUT_WORDS]
        return _any(self._match(name, pattern) for name in fields)

    def _same_text(self, left: str, right: str) -> Mask:
        same = pc.equal(*(pc.utf8_lower(self._table.texts(name)) for name in (left, right)))
        return self._joined(same, arrow.bools)

    def _joined(self, column: pa.ChunkedArray, compute: Callable[[pa.Array], NDArray[_T]]) -> NDArray[_T]:
        """Compute something for each chunk of a column, in threads if there are several, and join it [count]."""

        def computed(chunk: pa.Array) -> NDArray[_T]:
            self._check_cancelled()
            return compute(chunk)

        if column.num_chunks < 2:  # noqa: PLR2004 (threads have nothing to share)
            return computed(column.chunk(0))
        with ThreadPoolExecutor(_MOST_THREADS) as pool:
            return np.concatenate(list(pool.map(computed, column.chunks)))

    # Judgements and marks

    def _match_judgements(self, field: str, pattern: str) -> Mask:
        """Match notes or tags; a picture without a judgement has an empty note and no tags."""
        judgements = self._table.judgements()
        if field == "note":
            hits = _matches(arrow.strings(judgement.note for judgement in judgements.values()), pattern)
            unjudged = bool(_matches(arrow.strings([""]), pattern)[0])
        else:
            hits = _some_tag_matches(judgements.values(), pattern)
            unjudged = False
        others = [path for path, hit in zip(judgements, hits, strict=True) if hit != unjudged]
        return self._with_paths(others) ^ unjudged

    def _verdict(self, field: str, value: bool | None) -> Mask:  # noqa: FBT001 (a value that was judged)
        judgements = self._table.judgements()
        said = {path for path, judgement in judgements.items() if _said(judgement, field)}
        if value is None:
            return ~self._with_paths(said)
        return self._with_paths({path for path in said if value in _said(judgements[path], field)})

    def _judged(self) -> Mask:
        judgements = self._table.judgements().items()
        return self._with_paths([path for path, judgement in judgements if _is_judged(judgement)])

    def _with_paths(self, paths: Collection[str]) -> Mask:
        """Return which rows have one of these paths [count]."""
        if not paths:
            return np.zeros(len(self._table), np.bool_)
        wanted = arrow.strings(paths)
        return self._joined(self._table.texts("path"), lambda chunk: arrow.bools(pc.is_in(chunk, value_set=wanted)))

    def _marked(self) -> Mask:
        found = np.zeros(len(self._table), np.bool_)
        found[np.fromiter(self._table.marked, np.intp)] = True
        return found


def _all(masks: Iterable[Mask]) -> Mask:
    return reduce(operator.and_, masks)


def _any(masks: Iterable[Mask]) -> Mask:
    return reduce(operator.or_, masks)


def _matches(texts: pa.Array, pattern: str) -> Mask:
    """Return which texts, or which lists with some of their texts, match [len(texts)]."""
    if pa.types.is_list(texts.type):
        offsets, flat = arrow.entries(texts)
        return arrow.any_of_each(offsets, _matches(flat, pattern))
    return arrow.bools(pc.match_substring_regex(texts, pattern, ignore_case=True))


def _some_tag_matches(judgements: Iterable[Judgement], pattern: str) -> Mask:
    tags = [tuple(judgement.tags) for judgement in judgements]
    offsets = np.cumsum([0, *map(len, tags)], dtype=np.int32)
    return arrow.any_of_each(offsets, _matches(arrow.strings(tag for each in tags for tag in each), pattern))


def _said(judgement: Judgement, field: str) -> Collection[bool]:
    """Return the verdicts that were given for a field."""
    if field == "fits":
        return judgement.fits.values()
    return () if judgement.reasonable is None else (judgement.reasonable,)


def _is_judged(judgement: Judgement) -> bool:
    return bool(judgement.reasonable is not None or judgement.fits or judgement.note or judgement.tags)
