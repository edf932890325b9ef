"""Text becomes a query, by recursive descent. The grammar is in `docs/filter-language.md`."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final, cast

from .errors import QueryError, quoted
from .lexer import Token, tokens
from .nodes import (
    And,
    Anywhere,
    Compare,
    Comparison,
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
from .query import LONGEST, Query, checked, clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from .fields import Fields

_DEEPEST: Final = 64  # parentheses and nots within each other
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_PERCENTILE: Final = re.compile(r"[pP](\d+\.?\d*)", re.ASCII)
_COMPARISONS: Final = frozenset({"<", "<=", ">", ">=", "=", "!="})
_OPERATORS: Final = _COMPARISONS | {"~", "!~", ":", "is", "has"}
_HOW: Final[dict[str, How]] = {"~": "contains", "!~": "contains", "=": "equals", "!=": "equals", "has": "has"}
_VERDICTS: Final = {"yes": True, "no": False, "unsaid": None}
_DEFINED: Final = {"defined": True, "undefined": False}


def parse(text: str, fields: Fields) -> Query:
    """Parse a filter; an empty one lets everything through.

    Args:
        text: The filter.
        fields: The names that it may use.

    Raises:
        QueryError: It makes no sense; the error says where, and what was probably meant.
    """
    if len(text) > LONGEST:
        raise QueryError(
            text, LONGEST, len(text) - LONGEST, f"too long: {len(text)} characters, {LONGEST} are possible"
        )
    text = clean(text)
    return checked(_Parser(text, fields).query(), text)


class _Parser:
    """Reads the tokens of one filter from left to right."""

    def __init__(self, text: str, fields: Fields) -> None:
        self._text = text
        self._fields = fields
        self._tokens = tokens(text)
        self._at = 0
        self._depth = 0

    def query(self) -> Query:
        condition = None if self._next.kind == "end" else self._any()
        if self._next.kind != "end":
            raise self._error(self._next, self._superfluous())
        return Query(condition)

    # Conditions

    def _any(self) -> Node:
        conditions = self._separated(self._all, "or")
        return Or(conditions) if len(conditions) > 1 else conditions[0]

    def _all(self) -> Node:
        conditions = self._separated(self._negated, "and")
        return And(conditions) if len(conditions) > 1 else conditions[0]

    def _separated(self, read: Callable[[], Node], sign: str) -> tuple[Node, ...]:
        conditions = [read()]
        while self._take(sign):
            conditions.append(read())
        return tuple(conditions)

    def _negated(self) -> Node:
        token = self._next
        if self._take("not"):
            return Not(self._deeper(token, self._negated))
        if self._take("("):
            condition = self._deeper(token, self._any)
            if self._next.kind == "end":
                raise self._error(token, "this parenthesis is never closed")
            if not self._take(")"):
                raise self._error(self._next, self._superfluous())
            return condition
        return self._single()

    def _deeper(self, token: Token, read: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error(token, f"more than {_DEEPEST} parentheses and nots within each other")
        condition = read()
        self._depth -= 1
        return condition

    def _single(self) -> Node:
        """Read a condition without and, or, not and parentheses."""
        token = self._advance()
        if token.kind == "string":
            return Anywhere(token.text)
        if token.kind == "regex":
            raise self._error(token, "a regular expression stands behind a field: caption ~ /…/")
        if token.kind != "word":
            raise self._error(token, f"expected a condition, found {self._named(token)}")
        name = self._fields.resolve(token.text)
        if name is not None:
            return self._about(token, name)
        if self._next.kind == "sign" and self._next.text in _OPERATORS:
            if self._next.text in _COMPARISONS and (operand := self._constant(token)):
                return self._comparison(token, operand)
            raise self._error(token, f"no field {quoted(token.text)}: {self._fields.unknown(token.text)}")
        return Anywhere(token.text)

    def _about(self, token: Token, name: str) -> Node:
        """Read what is said about a field."""
        kind = self._fields.kinds[name]
        if kind == "number":
            return self._about_number(token, name)
        if kind == "verdict":
            return self._about_verdict(token, name)
        if kind == "flag":
            return self._about_flag(name)
        return self._about_text(token, name)

    # Numbers

    def _about_number(self, token: Token, name: str) -> Node:
        sign = self._next.text if self._next.kind == "sign" else ""
        if name in self._fields.flags and (condition := self._about_truth(name, sign)):
            return condition
        if sign in _COMPARISONS and not self._is_word(self._tokens[self._at + 1], "undefined"):
            return self._comparison(token, Field(name))
        if sign not in {"=", "!=", "is"}:
            raise self._misused(token, f"{name} is a number; say {name} < 0.5 or {name} is undefined")
        self._advance()
        negated = self._take("not") if sign == "is" else sign == "!="
        value = self._advance()
        if value.kind != "word" or value.text.lower() not in _DEFINED:
            raise self._error(value, f'expected "defined" or "undefined", found {self._named(value)}')
        return Defined(name, _DEFINED[value.text.lower()] != negated)

    def _about_truth(self, name: str, sign: str) -> Node | None:
        """Read what is said about a number that is 1 or 0: its name alone, or = yes, = no; None for anything else."""
        if sign not in _OPERATORS:
            return Compare((Field(name), Number(1.0)), ("=",))
        answer = _VERDICTS.get(self._tokens[self._at + 1].text.lower()) if sign in {"=", "!="} else None
        if answer is None:
            return None
        self._advance()
        self._advance()
        return Compare((Field(name), Number(float(answer))), (cast("Comparison", sign),))

    def _comparison(self, first: Token, operand: Operand) -> Node:
        """Read the rest of a chain of comparisons, whose first operand was read."""
        operands = [operand]
        operators: list[Comparison] = []
        percentiles = [first] if isinstance(operand, Percentile) else []
        while self._next.kind == "sign" and self._next.text in _COMPARISONS:
            operators.append(cast("Comparison", self._advance().text))
            token = self._advance()
            operands.append(self._operand(token))
            if isinstance(operands[-1], Percentile):
                percentiles.append(token)
        named = {operand.name for operand in operands if isinstance(operand, Field)}
        if not named:
            raise self._error(first, "there is no field in this comparison")
        if percentiles and len(named) > 1:
            raise self._error(percentiles[0], f"a percentile of which field: {' or '.join(sorted(named))}?")
        return Compare(tuple(operands), tuple(operators))

    def _operand(self, token: Token) -> Operand:
        if token.kind == "word":
            name = self._fields.resolve(token.text)
            if name is not None and self._fields.kinds[name] == "number":
                return Field(name)
            if name is None and (constant := self._constant(token)):
                return constant
        found = f"expected a number or a numeric field, found {self._named(token)}"
        hint = f": {self._fields.unknown(token.text, ('number',))}" if token.kind == "word" else ""
        raise self._error(token, found + hint)

    def _constant(self, token: Token) -> Number | Percentile | None:
        """Return the number or percentile that a word spells, if it does."""
        if _NUMBER.fullmatch(token.text):
            value = float(token.text)
            if math.isinf(value):
                raise self._error(token, "this number is too large")
            return Number(value)
        if percentile := _PERCENTILE.fullmatch(token.text):
            percent = float(percentile[1])
            if percent > 100:  # noqa: PLR2004
                raise self._error(token, "percentiles go from p0 to p100")
            return Percentile(percent)
        return None

    # Texts

    def _about_text(self, token: Token, name: str) -> Node:
        if name == "tag" and self._take(":"):
            return Match(name, "equals", self._value().text)
        if self._next.kind != "sign" or self._next.text not in _HOW:
            raise self._misused(token, f"{name} is a text; say {name} ~ dog, {name} has dog or {name} = dog")
        sign = self._advance().text
        condition = self._text_condition(name, sign)
        return Not(condition) if sign in {"!~", "!="} else condition

    def _text_condition(self, name: str, sign: str) -> Node:
        if sign in {"~", "!~"} and self._next.kind == "regex":
            return self._regex(name)
        value = self._value()
        if sign in {"=", "!="} and value.kind == "word":
            other = self._fields.resolve(value.text)
            if other is not None and self._is_column(other) and self._is_column(name):
                return SameText(name, other)
        if sign == "has" and not value.text.strip():
            raise self._error(value, "expected a word")
        return Match(name, _HOW[sign], value.text)

    def _is_column(self, name: str) -> bool:
        """Tell whether a field is a column of one text a row."""
        return name in self._fields.texts and self._fields.kinds[name] == "text"

    def _value(self) -> Token:
        token = self._advance()
        if token.kind == "regex":
            raise self._error(token, "a regular expression stands behind ~; put a text with / in it in quotes")
        if token.kind not in {"word", "string"}:
            hint = "; put it in quotes to look for it" if token.kind == "sign" else ""
            raise self._error(token, f"expected a text, found {self._named(token)}{hint}")
        return token

    def _regex(self, name: str) -> Match:
        from .evaluation import regex_problem  # noqa: PLC0415 (pyarrow takes a third of a second)

        token = self._advance()
        if problem := regex_problem(token.text):
            raise self._error(token, f"the regular expression makes no sense: {problem}")
        return Match(name, "matches", token.text)

    # Judgements and marks

    def _about_verdict(self, token: Token, name: str) -> Node:
        usage = "say " + " or ".join(f"{name} = {value}" for value in _VERDICTS)
        if self._next.kind != "sign" or self._next.text not in {"=", "!="}:
            raise self._misused(token, usage)
        sign = self._advance().text
        value = self._advance()
        if value.kind != "word" or value.text.lower() not in _VERDICTS:
            raise self._error(value, usage)
        verdict = Verdict(name, _VERDICTS[value.text.lower()])
        return Not(verdict) if sign == "!=" else verdict

    def _about_flag(self, name: str) -> Node:
        if self._next.kind == "sign" and self._next.text in _OPERATORS:
            raise self._error(self._next, f"{name} is a condition by itself: say {name} or not {name}")
        return Flag(name)

    # Tokens and messages

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _advance(self) -> Token:
        """Return the next token and go past it; nothing is past the end."""
        token = self._next
        if token.kind != "end":
            self._at += 1
        return token

    def _take(self, sign: str) -> bool:
        """Go past a sign if it is the next token."""
        found = self._next.kind == "sign" and self._next.text == sign
        if found:
            self._at += 1
        return found

    @staticmethod
    def _is_word(token: Token, word: str) -> bool:
        return token.kind == "word" and token.text.lower() == word

    def _named(self, token: Token) -> str:
        """Return how a message calls a token."""
        if token.kind == "end":
            return "the end"
        if token.kind == "string":
            return quoted(token.text)
        return quoted(self._text[token.position : token.position + token.length])

    def _superfluous(self) -> str:
        """Return what to say about a token that no condition goes on with."""
        token, before = self._next, self._tokens[self._at - 1]
        if token.text == ")" and token.kind == "sign":
            return "this parenthesis was never opened"
        together = self._text[before.position : token.position + token.length]
        hint = f"; several words go in quotes, {quoted(together)}" if before.kind == token.kind == "word" else ""
        return f'expected "and" or "or", found {self._named(token)}{hint}'

    def _misused(self, field: Token, usage: str) -> QueryError:
        """Return the error for what stands behind a field, where nothing can be made of it."""
        alone = self._next.kind != "sign" or self._next.text not in _OPERATORS
        hint = f"; to look for the word, put it in quotes, {quoted(field.text)}" if alone else ""
        return self._error(self._next, usage + hint)

    def _error(self, token: Token, problem: str) -> QueryError:
        return QueryError(self._text, token.position, token.length, problem)
