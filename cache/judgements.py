"""What a person adds while browsing: verdicts, notes and tags. Kept beside the cache, see `docs/judgements.md`.

The cache is a folder that never changes and that a new run replaces whole; judgements are a file beside it, so they
outlive it. A note and tags belong to the picture, by its path in the dataset. Verdicts (is the caption reasonable,
does a word's region fit it) belong to the picture and its caption: they count only while the run says the same.
"""

from __future__ import annotations

import getpass
import hashlib
import os
from collections import Counter, deque
from contextlib import suppress
from datetime import UTC, datetime
from threading import RLock
from typing import TYPE_CHECKING, Final, Self

from .places import state_dir
from .statement_file import Busy, Overtaken, StatementFile, Unwritable
from .statements import (
    LARGEST_WORD_INDEX,
    MOST,
    Judgement,
    JudgementsError,
    Statement,
    clean,
    fitting,
    flat_rows,
    judgement,
    said_as,
    tag_named,
)
from .succession import place_of
from .text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from .statement_file import Version
    from .statements import Key

    Change = Mapping[Key, Statement | None]
    """Statements to be there, or to be there no more (None)."""

    Captions = Callable[[Collection[str]], Mapping[str, str]]
    """Gives the captions that pictures have now, by path, leaving out those that the run does not have."""

__all__ = ["Judgement", "Judgements", "JudgementsError", "tag_named"]

_SUFFIX: Final = ".judgements.sqlite"
_MOST_UNDONE: Final = 100


class Judgements:
    """The judgements on the pictures of one cache. Methods may be called from any thread.

    A change is on the disk when its method returns. That takes some milliseconds, up to fifteen seconds where others
    hold the file, and other threads wait meanwhile: an event loop leaves changes to a worker and shows what `current`
    returned. Reading takes the statements from memory, once it has looked whether somebody else has written. Every
    method raises `JudgementsError` where the file cannot be used, and leaves the file as it is then.

    Texts are kept as they come, but for lone surrogates, which become U+FFFD as in the cache.

    Attributes:
        fallback: Whether changes go to the user's own folder, since the place beside the cache cannot be written.
            May turn true at a change.
    """

    def __init__(self, beside: Path, elsewhere: Path) -> None:
        """Name the two places; `Judgements.beside` is the way in."""
        self._lock = RLock()
        self.fallback = not _is_writable(beside)
        first, second = (elsewhere, beside) if self.fallback else (beside, elsewhere)
        self._own, self._other = StatementFile(first), StatementFile(second)
        self._pictures: dict[str, dict[Key, Statement]] | None = None
        self._loaded: Version | None = None
        self._told: Version | None = None
        self._undo: deque[tuple[Change, Change]] = deque(maxlen=_MOST_UNDONE)
        self._who = _user()

    @classmethod
    def beside(cls, cache_folder: Path) -> Self:
        """Return the judgements on a cache; nothing is opened or written yet.

        Links to a cache, and a new run that grows to take its place, have the same judgements.
        """
        folder = place_of(cache_folder.resolve())
        key = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
        elsewhere = state_dir() / "judgements" / f"{folder.name[:40]}-{key}.sqlite"
        return cls(folder.parent / f"{folder.name}{_SUFFIX}", elsewhere)

    @property
    def file(self) -> Path:
        """Where changes are kept; made by the first one."""
        return self._own.file

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            self._own.close()
            self._other.close()

    def of(self, path: str, caption: str) -> Judgement:
        """Return what is said about a picture with this caption; perhaps nothing."""
        path, caption = clean(path), clean(caption)
        with self._lock:
            return judgement(path, caption, self._read().get(path, {}).values())

    def current(self, captions: Captions) -> dict[str, Judgement]:
        """Return what is said about all pictures of a run, by path; pictures without judgement are left out.

        Args:
            captions: Asked once, for the judged pictures only.
        """
        pictures = self._all()
        now = {path: clean(caption) for path, caption in captions(pictures.keys()).items()}
        judged = (judgement(path, now[path], said) for path, said in pictures.items() if path in now)
        return {one.path: one for one in judged if not one.empty}

    def known_tags(self) -> list[str]:
        """Return all tags, the most used first, equally used ones by name."""
        with self._lock:
            uses = Counter(
                tag for path, said in self._read().items() for tag in judgement(path, "", said.values()).tags
            )
        return sorted(uses, key=lambda tag: (-uses[tag], tag))

    def export(self, captions: Captions | None = None) -> Iterator[dict[str, str]]:
        """Yield a flat row for each picture and caption that was judged, captions of former runs among them.

        The columns are `path`, `caption`, `current` (whether the picture has this caption now: yes, no, or empty
        where that is not known), `reasonable` (yes, no, empty), `words` ("dog:yes; beach:no"), `words_json` (a list
        of objects with `word`, `text`, `fits`, `who`, `at`), `note`, `tags` ("bad, dark"), `who` and `at` (all who
        took part, and the last change, ISO 8601 in UTC). Note and tags are the picture's: each row of it has them.

        Args:
            captions: The captions of the run, see `current`.
        """
        pictures = self._all()
        now = {} if captions is None else captions(pictures.keys())
        for path, said in pictures.items():
            yield from flat_rows(path, clean(now[path]) if path in now else None, said)

    def changed(self) -> bool:
        """Tell whether somebody else has written since this or `current` was last called; quick, and waits for nobody.

        Before the first of these calls, a file that is there counts as written by somebody else.
        """
        if not self._lock.acquire(blocking=False):
            return False  # another thread is at it; the next call will see
        try:
            version = self._source().version()
        except Busy:
            return False  # somebody is about to commit; the next call will see
        else:
            told, self._told = self._told, version
            return version != told
        finally:
            self._lock.release()

    def set_reasonable(self, path: str, caption: str, value: bool | None) -> None:  # noqa: FBT001 (it is the verdict)
        """Say whether a caption is reasonable; None takes it back."""
        self._say((path, caption, "reasonable", ""), said_as(value))

    def set_fits(self, path: str, caption: str, word: int, text: str, value: bool | None) -> None:  # noqa: FBT001
        """Say whether the region that a word looked at fits it; None takes it back.

        Args:
            path: The picture.
            caption: Its caption.
            word: The index of the word.
            text: The word, for those who read the file without the cache.
            value: The verdict.

        Raises:
            ValueError: No caption has a word of this index.
        """
        if not 0 <= word <= LARGEST_WORD_INDEX:
            raise ValueError(f"{word} is not the index of a word")
        self._say((path, caption, "fits", str(int(word))), said_as(value), clean(text)[: MOST["text"]])

    def set_note(self, path: str, note: str) -> None:
        """Replace the note on a picture; one of white space removes it."""
        self._say((path, "", "note", ""), note if note.strip() else None)

    def add_tag(self, path: str, tag: str) -> None:
        """Put a tag, as `tag_named` makes it, on a picture."""
        self.set_tags(path, [tag], shown=())

    def remove_tag(self, path: str, tag: str) -> None:
        """Take a tag off a picture."""
        self.set_tags(path, [], shown=[tag])

    def set_tags(self, path: str, tags: Iterable[str], shown: Iterable[str]) -> None:
        """Change the tags of a picture in one step.

        Args:
            path: The picture.
            tags: The tags that it shall have.
            shown: The tags that the user saw. Only the differences are written: a tag that somebody else has put on
                since stays.
        """
        after, before = {tag_named(tag) for tag in tags}, {tag_named(tag) for tag in shown}
        keys = {tag: _key((path, "", "tag", tag)) for tag in after ^ before}
        self._write({key: self._statement(key, "") if tag in after else None for tag, key in keys.items()})

    def undo(self) -> str | None:
        """Take the last change back that was made through this object, and return the path of its picture.

        Returns:
            The path; None where there is nothing to undo.

        Raises:
            Overtaken: Somebody else has changed the same thing since. It stays, and the next call goes one further.
        """
        with self._lock:
            if not self._undo:
                return None
            before, after = self._undo[-1]
            path = next(iter(before))[0]
            try:
                self._swap(before, after)
            except Overtaken as error:
                self._undo.pop()
                raise Overtaken(f"{printable(path)}: {error}") from error
            self._undo.pop()
            return path

    def _say(self, key: Key, value: str | None, text: str = "") -> None:
        key = _key(key)
        self._write({key: None if value is None else self._statement(key, value, text)})

    def _statement(self, key: Key, value: str, text: str = "") -> Statement:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return Statement(*key, fitting("note", value, MOST["value"]), text, self._who, now)

    def _write(self, wanted: Change) -> None:
        with self._lock:
            before = self._swap(wanted, {})
            if before:
                self._undo.append((before, {key: wanted[key] for key in before}))

    def _swap(self, wanted: Change, expected: Change) -> dict[Key, Statement | None]:
        """Change statements on the disk, at the other place if need be, and in memory; return what was there."""
        try:
            return self._swap_here(wanted, expected)
        except Unwritable:
            if self.fallback:
                raise
        self._own, self._other, self.fallback = self._other, self._own, True
        return self._swap_here(wanted, expected)

    def _swap_here(self, wanted: Change, expected: Change) -> dict[Key, Statement | None]:
        if not any(wanted.values()) and not self._source().readable():
            return {}  # nothing is there that could be taken back
        made = False

        def beginning() -> list[Statement]:
            nonlocal made
            made = True
            return self._other.read()  # what could be seen so far must not vanish

        if self.fallback:
            _make_folder(self._own.file.parent)
        before = self._own.swap(wanted, expected, beginning)
        if made and self._told is None:  # nobody else has written what the caller does not know
            with suppress(Busy):
                self._told = self._own.version()
        if self._pictures is not None:
            for key in before:
                _apply(self._pictures, key, wanted[key])
        return before

    def _source(self) -> StatementFile:
        """Return the file to read: until the first change, what is there at the other place counts."""
        return self._own if self._own.readable() else self._other

    def _all(self) -> dict[str, tuple[Statement, ...]]:
        """Return all statements by picture: a copy, so that nobody waits while it is worked on."""
        with self._lock:
            pictures = self._read()
            self._told = self._loaded
            return {path: tuple(said.values()) for path, said in pictures.items()}

    def _read(self) -> dict[str, dict[Key, Statement]]:
        """Return all statements by picture, read anew if somebody else has written; the caller holds the lock."""
        source = self._source()
        try:
            version = source.version()
        except Busy:
            if self._pictures is not None:
                return self._pictures
            version = None
        if self._pictures is None or version != self._loaded:
            pictures: dict[str, dict[Key, Statement]] = {}
            for statement in source.read():
                _apply(pictures, statement.key, statement)
            self._pictures, self._loaded = pictures, version
        return self._pictures


def _apply(pictures: dict[str, dict[Key, Statement]], key: Key, statement: Statement | None) -> None:
    said = pictures.setdefault(key[0], {})
    if statement is not None:
        said[key] = statement
    else:
        said.pop(key, None)
        if not said:
            del pictures[key[0]]


def _key(key: Key) -> Key:
    path, caption, kind, item = key
    return fitting("path", path, MOST["path"]), fitting("caption", caption, MOST["caption"]), kind, item


def _user() -> str:
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user has no name
        name = str(os.getuid())
    return clean(name)[: MOST["who"]]


def _is_writable(file: Path) -> bool:
    """Tell whether it looks so; network drives may refuse all the same. SQLite's journal needs the folder too."""
    return os.access(file.parent, os.W_OK | os.X_OK) and (os.access(file, os.W_OK) or not os.path.lexists(file))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unwritable(f"{folder}: judgements cannot be kept there ({error.strerror or error})") from error
