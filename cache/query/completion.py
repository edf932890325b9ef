"""Completes the word that a user is writing in a filter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .errors import QueryError
from .lexer import Token, tokens

if TYPE_CHECKING:
    from .fields import Fields

_VALUES: Final = {"reasonable": ("yes", "no", "unsaid"), "fits": ("yes", "no", "unsaid")}
_BEFORE_TEXTS: Final = frozenset({"~", "!~", "has", ":"})
_NOTHING: Final = Token("end", "", 0, 0)


def completions(before: str, fields: Fields) -> list[str]:
    """Return what a filter may go on with, each as the whole text up to the cursor.

    Args:
        before: The filter up to the cursor.
        fields: The names that it may use.
    """
    try:
        found = tokens(before)
    except QueryError:  # in the middle of a text
        return []
    *_, subject, sign, word, end = [_NOTHING, _NOTHING, _NOTHING, *found]
    if word.kind != "word" or word.position + word.length != end.position or sign.text in _BEFORE_TEXTS:
        return []
    answers = {**_VALUES, **dict.fromkeys(fields.flags, ("yes", "no"))}
    values = answers.get(subject.text.lower()) if sign.text in {"=", "!="} else None
    begun = word.text.lower()
    fitting = [name for name in values or fields.kinds if name.startswith(begun) and name != begun]
    return [before[: word.position] + name for name in fitting]
