"""Cuts a filter into tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from .errors import QueryError

_SPACE: Final = re.compile(r"\s*")
_SIGN: Final = re.compile(r"&&|\|\||<=|>=|==|!=|!~|[()<>=~!&|:]")
_WORD: Final = re.compile(r"""[^\s()<>=~!&|:"'“”/][^\s()<>=~!&|:"“”]*""")
_QUOTES: Final = {'"': '"', "'": "'", "“": "”"}
_REGEX: Final = re.compile(r"/((?:[^/\\]|\\.)*)/", re.DOTALL)
_SAME: Final = {"&&": "and", "&": "and", "||": "or", "|": "or", "!": "not", "==": "="}
_KEYWORDS: Final = frozenset({"and", "or", "not", "is", "has"})

Kind = Literal["word", "string", "regex", "sign", "end"]


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a filter.

    Attributes:
        kind: Keywords and operators are "sign"; "end" stands behind the last piece.
        text: The word as it is written; what is in a string or between the slashes of a regular expression; a sign
            in its one spelling ("and" for "&&"); empty for the end.
        position: Where it begins, in characters.
        length: Characters that it takes.
    """

    kind: Kind
    text: str
    position: int
    length: int


def tokens(text: str) -> list[Token]:
    """Cut a filter into tokens; an "end" is the last.

    Raises:
        QueryError: A string or a regular expression has no end.
    """
    found: list[Token] = []
    position = _after_space(text, 0)
    while position < len(text):
        token = _token(text, position)
        found.append(token)
        position = _after_space(text, position + token.length)
    return [*found, Token("end", "", len(text), 0)]


def _after_space(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    return space.end() if space else position


def _token(text: str, position: int) -> Token:
    """Return the token that begins at a character that is no space."""
    start = text[position]
    if start in _QUOTES:
        return _string(text, position)
    if start == "/":
        return _regex(text, position)
    if sign := _SIGN.match(text, position):
        return Token("sign", _SAME.get(sign[0], sign[0]), position, len(sign[0]))
    if word := _WORD.match(text, position):
        if word[0].lower() in _KEYWORDS:
            return Token("sign", word[0].lower(), position, len(word[0]))
        return Token("word", word[0], position, len(word[0]))
    raise QueryError(text, position, 1, f"there is no opening quote for {start}")


def _string(text: str, position: int) -> Token:
    r"""Read a string; \" and \\ in it stand for the character behind the backslash."""
    closing = _QUOTES[text[position]]
    content: list[str] = []
    at = position + 1
    while at < len(text) and text[at] != closing:
        if text[at] == "\\" and text[at + 1 : at + 2] in {closing, "\\"}:
            at += 1
        content.append(text[at])
        at += 1
    if at == len(text):
        raise QueryError(text, position, at - position, f"the text has no end: close it with {closing}")
    return Token("string", "".join(content), position, at + 1 - position)


def _regex(text: str, position: int) -> Token:
    if regex := _REGEX.match(text, position):
        return Token("regex", regex[1], position, len(regex[0]))
    problem = "the regular expression has no end: close it with / (or put a text with / in it in quotes)"
    raise QueryError(text, position, len(text) - position, problem)
