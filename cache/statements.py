"""What people have said about pictures: single statements, and what they add up to. The file: `statement_file`.

Statements may come from a stranger's file: nothing is believed of them but that they are texts of a bounded length.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from .errors import Hw3Error
from .text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Key = tuple[str, str, str, str]
"""What a statement is about: path, caption, kind, item. There is at most one of each."""

MOST: Final = {
    "path": 4096,
    "caption": 65_536,
    "kind": 32,
    "item": 64,
    "value": 65_536,
    "text": 1000,
    "who": 100,
    "at": 40,
}
"""Characters that each field of a statement may have."""

LARGEST_WORD_INDEX: Final = 999_999

_SAID: Final = {True: "yes", False: "no"}
_VERDICTS: Final = {"yes": True, "no": False}
_SURROGATES: Final = re.compile("[\ud800-\udfff]")


class JudgementsError(Hw3Error):
    """Judgements cannot be read or kept."""


class Statement(NamedTuple):
    """One thing that a person has said, as it is in the file; all of it text.

    Attributes:
        path: The picture's path within its dataset.
        caption: The caption that was judged; empty where the statement is about the picture.
        kind: "reasonable", "fits", "note" or "tag"; others are passed over.
        item: Which one of the kind: the index of the word, the tag; else empty.
        value: "yes" or "no", the note; empty for a tag.
        text: The word itself; else empty.
        who: The user's name.
        at: When, ISO 8601 in UTC.
    """

    path: str
    caption: str
    kind: str
    item: str
    value: str
    text: str
    who: str
    at: str

    @property
    def key(self) -> Key:
        """What it is about."""
        return self.path, self.caption, self.kind, self.item

    @property
    def verdict(self) -> bool | None:
        """What was said of the caption or the word; None where that is no verdict."""
        return _VERDICTS.get(self.value) if self.kind in {"reasonable", "fits"} else None

    @property
    def word(self) -> int | None:
        """The index of the word that it is about."""
        digits = len(str(LARGEST_WORD_INDEX))
        number = self.item
        known = self.kind == "fits" and len(number) <= digits and number.isascii() and number.isdigit()
        return int(number) if known else None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is said about one picture with one caption.

    Attributes:
        path: The picture's path within its dataset.
        caption: The caption; verdicts on others do not count.
        reasonable: Whether the caption is; None where nobody has said.
        fits: For each judged word, by its index in the caption, whether the region it looked at fits.
        note: Free text, perhaps of several lines; not yet safe for a terminal.
        tags: Tags, safe for a terminal.
    """

    path: str
    caption: str
    reasonable: bool | None
    fits: Mapping[int, bool]
    note: str
    tags: frozenset[str]

    @property
    def empty(self) -> bool:
        """Whether nothing is said."""
        return self.reasonable is None and not (self.fits or self.note or self.tags)


def judgement(path: str, caption: str, said: Iterable[Statement]) -> Judgement:
    """Return what the statements on one picture add up to, while it has this caption."""
    reasonable, note, tags = None, "", set()
    fits: dict[int, bool] = {}
    for statement in said:
        if statement.kind == "note":
            note = statement.value
        elif statement.kind == "tag":
            tags.add(statement.item)
        elif statement.caption == caption and (verdict := statement.verdict) is not None:
            if statement.kind == "reasonable":
                reasonable = verdict
            elif (word := statement.word) is not None:
                fits[word] = verdict
    return Judgement(path, caption, reasonable, dict(sorted(fits.items())), note, frozenset(filter(_is_tag, tags)))


def flat_rows(path: str, now: str | None, said: Iterable[Statement]) -> Iterator[dict[str, str]]:
    """Yield a row of the export for each judged caption of a picture; columns as in `Judgements.export`.

    Args:
        path: The picture.
        now: The caption that it has now, if known.
        said: The statements on it.
    """
    said = tuple(said)
    for caption in sorted({one.caption for one in said if one.verdict is not None}) or [now or ""]:
        whole = judgement(path, caption, said)
        if whole.empty:
            continue
        about = [one for one in said if one.caption == caption or one.kind in {"note", "tag"}]
        words = sorted((word, one) for one in about if (word := one.word) is not None and one.verdict is not None)
        details = [
            {"word": word, "text": one.text, "fits": one.verdict, "who": one.who, "at": one.at} for word, one in words
        ]
        yield {
            "path": path,
            "caption": caption,
            "current": "" if now is None else _SAID[caption == now],
            "reasonable": said_as(whole.reasonable) or "",
            "words": "; ".join(f"{one.text}:{one.value}" for _, one in words),
            "words_json": json.dumps(details, ensure_ascii=False),
            "note": whole.note,
            "tags": ", ".join(sorted(whole.tags)),
            "who": ", ".join(sorted({one.who for one in about})),
            "at": max(one.at for one in about),
        }


def said_as(verdict: bool | None) -> str | None:  # noqa: FBT001 (it is the thing itself)
    """Return a verdict as a statement's value; None where there is none."""
    return None if verdict is None else _SAID[verdict]


def tag_named(text: str) -> str:
    """Return the tag that a user means: one line, single spaces, composed characters.

    Raises:
        JudgementsError: Nothing is left, or too much, or there is a comma, which stands between tags.
    """
    tag = " ".join(unicodedata.normalize("NFC", printable(text)).split())
    if not tag or len(tag) > MOST["item"] or "," in tag:
        raise JudgementsError(f"{printable(text)[:80]!r}: a tag has 1 to {MOST['item']} characters and no comma")
    return tag


def _is_tag(text: str) -> bool:
    """Tell whether a tag from a file is as we make them: another could neither be shown nor taken off."""
    try:
        return tag_named(text) == text
    except JudgementsError:
        return False


def checked(row: tuple[object, ...]) -> Statement | None:
    """Return a row of the file as a statement; None where it is none of ours: other types, or too long."""
    texts = [value for value in row if isinstance(value, str)]
    if len(texts) != len(row) or any(len(text) > most for text, most in zip(texts, MOST.values(), strict=True)):
        return None
    return Statement(*texts)


def fitting(what: str, text: str, most: int) -> str:
    """Return a text as it can be kept.

    Raises:
        JudgementsError: It has too many characters.
    """
    if len(text) > most:
        raise JudgementsError(f"the {what} has {len(text):,} characters; up to {most:,} can be kept")
    return clean(text)


def clean(text: str) -> str:
    """Replace lone surrogates by U+FFFD, as the cache does: SQLite holds UTF-8."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)
