"""The names that a filter may use."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .tables import Table

Kind = Literal["number", "text", "texts", "verdict", "flag"]
"""What a field holds: one number, one text, several texts (true if it is so for any), yes/no/unsaid, or a condition."""

TEXTS: Final = ("name", "path", "caption", "references")
"""The columns of texts that every run has."""

_OF_JUDGEMENTS: Final[Mapping[str, Kind]] = {
    "note": "text",
    "tag": "texts",
    "reasonable": "verdict",
    "fits": "verdict",
    "judged": "flag",
}
BY_JUDGEMENT: Final = frozenset(_OF_JUDGEMENTS)
"""The fields that change when a person judges a picture."""

_ALIASES: Final = {"reference": "references"}
_MOST_LISTED: Final = 16  # names in a message


@dataclass(frozen=True)
class Fields:
    """The fields of one run, or of several that are shown as one.

    A field of the second run is called `b.caption`, of the third `c.caption`, and so on. Where a score has the name
    of another field, the other field is meant.

    Attributes:
        scores: Columns of scores.
        texts: Columns of texts; `references`, and what ends in `.references`, holds several a picture.
        flags: Those of the scores that are 1 or 0, so that their name alone is a condition.
        verdicts: Whether there are captions that people may have judged, beside notes and tags.
    """

    scores: tuple[str, ...]
    texts: tuple[str, ...] = TEXTS
    flags: frozenset[str] = frozenset()
    verdicts: bool = True

    @classmethod
    def of(cls, table: Table) -> Self:
        """Return the fields of a table."""
        return cls(tuple(table.score_names), tuple(table.text_names))

    @cached_property
    def kinds(self) -> Mapping[str, Kind]:
        """All names, in the order in which they are listed to a user."""
        kinds: dict[str, Kind] = dict.fromkeys(self.scores, "number")
        kinds |= {name: "texts" if last_part(name) == "references" else "text" for name in self.texts}
        kinds |= dict.fromkeys(map(_words_field, self._with("caption")), "number")
        kinds |= dict.fromkeys(map(_count_field, self._with("references")), "number")
        said = {name: kind for name, kind in _OF_JUDGEMENTS.items() if self.verdicts or kind != "verdict"}
        return {**kinds, "rank": "number", "index": "number", **said, "marked": "flag"}

    def resolve(self, word: str) -> str | None:
        """Return the name of the field that a word means, or None; upper and lower case are the same."""
        name = word.lower()
        prefix, dot, last = name.rpartition(".")
        name = f"{prefix}{dot}{_ALIASES.get(last, last)}"
        return name if name in self.kinds else None

    def unknown(self, word: str, kinds: Iterable[Kind] = ()) -> str:
        """Return what to tell a user who wrote a word that is no field.

        Args:
            word: The word, fit for a terminal.
            kinds: Kinds of field that make sense there; empty for all.
        """
        known = [name for name, kind in self.kinds.items() if not kinds or kind in kinds]
        close = difflib.get_close_matches(word.lower(), known, n=1)
        if close:
            return f"did you mean {close[0]}?"
        more = ", …" if len(known) > _MOST_LISTED else ""
        return f"there are {', '.join(known[:_MOST_LISTED])}{more}"

    def _with(self, last: str) -> list[str]:
        return [name for name in self.texts if last_part(name) == last]


def last_part(name: str) -> str:
    """Return the name of a field without the run that it belongs to.

    >>> last_part("b.caption")
    'caption'
    """
    return name.rpartition(".")[2]


def sibling(name: str, last: str) -> str:
    """Return another field of the same run.

    >>> sibling("b.words", "caption")
    'b.caption'
    """
    prefix, dot, _ = name.rpartition(".")
    return f"{prefix}{dot}{last}"


def _words_field(caption: str) -> str:
    return sibling(caption, "words")


def _count_field(references: str) -> str:
    return sibling(references, "reference_count")
