"""The file in which judgements are kept: SQLite, a row for each statement. What they mean: `statements`.

Several browsers write it at once, perhaps from several machines. So every change is one short transaction that
takes the write lock at once and touches only the rows that it changes; the journal is a rollback journal (a
write-ahead log needs memory that machines cannot share), nothing is memory-mapped, and each commit is forced to
the disk. Nothing in here opens the file but SQLite: closing another handle of it would drop the process's locks.

The file may come from a stranger. It must have exactly our one table, without views or triggers; rows that are not
texts of a sensible length are passed over; and how much is read has a bound.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing, contextmanager
from itertools import count
from typing import TYPE_CHECKING, Final, TypeVar

from .statements import JudgementsError, checked
from .text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from .statements import Key, Statement

APPLICATION_ID: Final = 0x4857334A
"""In the file's header, "HW3J": `file` and SQLite tell by it whose a database is."""

FORMAT_VERSION: Final = 1

_TABLE: Final = (
    "CREATE TABLE statements (path TEXT NOT NULL, caption TEXT NOT NULL, kind TEXT NOT NULL, item TEXT NOT NULL, "
    "value TEXT NOT NULL, text TEXT NOT NULL, who TEXT NOT NULL, at TEXT NOT NULL, "
    "PRIMARY KEY (path, caption, kind, item)) WITHOUT ROWID"
)
_COLUMNS: Final = "path, caption, kind, item, value, text, who, at"
_ONE: Final = "WHERE path = ? AND caption = ? AND kind = ? AND item = ?"
_PRAGMAS: Final = ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0", "synchronous = FULL")

_MOST_ROWS: Final = 1_000_000
_MOST_CHARACTERS: Final = 1 << 28
_LARGEST_ROW: Final = 1 << 20  # bytes; ours stay below half of it

_WAIT: Final = 5.0  # seconds; for the lock, at each attempt
_ATTEMPTS: Final = 3

# At the end of a journal that names a second one. Ours never do; SQLite deletes the file so named, any file, when it
# rolls the journal back.
_NAMES_ANOTHER: Final = bytes.fromhex("d9d505f920a163d7")

_connections: Final = count()
_T = TypeVar("_T")

Version = tuple[int, int]
"""Differs when somebody else has written; comes from one connection, and has no order."""


class Busy(JudgementsError):
    """Another program holds the file."""


class Unwritable(JudgementsError):
    """The file or its folder cannot be written."""


class Overtaken(JudgementsError):
    """Somebody else has changed the same statement since."""


class StatementFile:
    """Statements on disk, there or not yet there. Not thread-safe: the owner takes turns.

    Attributes:
        file: Where it is or would be.
    """

    def __init__(self, file: Path) -> None:
        """Name the file; nothing is opened."""
        self.file = file
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._serial = -1

    def close(self) -> None:
        """Close the file; the next question opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def readable(self) -> bool:
        """Tell whether the file is there, has something in it, and may be read."""
        status = self._find()
        return status is not None and status.st_size > 0 and os.access(self.file, os.R_OK)

    def version(self) -> Version | None:
        """Return what changes when somebody else writes, or puts another file here; None where there is no file.

        Raises:
            Busy: Somebody is writing just now; it is not waited for.
            JudgementsError: The file cannot be read.
        """
        with self._errors():
            if not self.readable():
                return None
            connection = self._open("rw")
            connection.execute("PRAGMA busy_timeout = 0")
            try:
                (version,) = connection.execute("PRAGMA data_version").fetchone()
            finally:
                connection.execute(f"PRAGMA busy_timeout = {int(_WAIT * 1000)}")
            return self._serial, version

    def read(self) -> list[Statement]:
        """Return all statements, sorted by key; none where there is no file.

        Raises:
            JudgementsError: The file belongs to another program or to a later version, is damaged, too large, or
                cannot be read.
        """
        return self._retried(self._read)

    def swap(
        self,
        wanted: Mapping[Key, Statement | None],
        expected: Mapping[Key, Statement | None],
        beginning: Callable[[], Iterable[Statement]],
    ) -> dict[Key, Statement | None]:
        """Put statements into the file, or take them out (None), in one transaction.

        A statement that says nothing new is left alone, with the one who said it first.

        Args:
            wanted: What shall be there.
            expected: What must be there before.
            beginning: Gives the statements with which a new file begins; called only if this makes it.

        Returns:
            What was there before, for each statement that was changed.

        Raises:
            Overtaken: Something else than `expected` is there. Nothing was changed, nor by any other error.
            Unwritable: The file or its folder cannot be written.
            JudgementsError: As `read`; or the disk refuses.
        """
        return self._retried(lambda: self._swap(wanted, expected, beginning))

    def _read(self) -> list[Statement]:
        if not self.readable():
            return []
        with self._open("rw") as connection:
            connection.execute("BEGIN")
            return list(self._rows(connection)) if self._is_ours(connection) else []

    def _rows(self, connection: sqlite3.Connection) -> Iterator[Statement]:
        """Yield the rows that make sense."""
        characters = 0
        query = f"SELECT {_COLUMNS} FROM statements ORDER BY path, caption, kind, item"  # noqa: S608 (our own words)
        with closing(connection.execute(query)) as rows:
            for number, row in enumerate(rows):
                characters += sum(len(value) for value in row if isinstance(value, str | bytes))
                if number == _MOST_ROWS or characters > _MOST_CHARACTERS:
                    raise JudgementsError(f"{self.file}: too large for judgements; move it away to begin anew")
                if (statement := checked(row)) is not None:
                    yield statement

    def _swap(
        self,
        wanted: Mapping[Key, Statement | None],
        expected: Mapping[Key, Statement | None],
        beginning: Callable[[], Iterable[Statement]],
    ) -> dict[Key, Statement | None]:
        with self._open("rwc") as connection:  # commits, or takes back
            connection.execute("BEGIN IMMEDIATE")
            if not self._is_ours(connection):
                _begin(connection, beginning())
            found = {key: _find_one(connection, key) for key in wanted}
            for key, statement in expected.items():
                _check_expected(statement, found[key])
            changed = {key: old for key, old in found.items() if not _says_the_same(old, wanted[key])}
            for key in changed:
                _put(connection, key, wanted[key])
        return changed

    def _find(self) -> os.stat_result | None:
        """Return what the disk says of the file; None where there is none.

        Raises:
            JudgementsError: Something else is there, or the place cannot be looked at.
        """
        try:
            status = self.file.stat()
        except FileNotFoundError:
            if self.file.is_symlink():  # SQLite would make the file that it leads to
                raise JudgementsError(f"{self.file}: a link that leads nowhere; remove it") from None
            return None
        except OSError as error:
            raise JudgementsError(f"{self.file}: judgements cannot be read ({error.strerror or error})") from error
        if not stat.S_ISREG(status.st_mode):
            raise JudgementsError(f"{self.file}: not a file; judgements are kept there, move it away")
        return status

    def _open(self, mode: str) -> sqlite3.Connection:
        """Return the connection to the file that is there now; with mode "rwc" one is made."""
        identity = _identity(self._find())
        if self._connection is not None and identity == self._identity:
            return self._connection
        self.close()
        self._check_journal()
        address = f"{self.file.as_uri()}?mode={mode}"
        connection = sqlite3.connect(address, timeout=_WAIT, isolation_level=None, check_same_thread=False, uri=True)
        try:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_ROW)
            connection.text_factory = _text
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}").close()
            self._is_ours(connection)  # before the next line, which may write
            connection.execute("PRAGMA journal_mode = DELETE").close()
        except BaseException:
            connection.close()
            raise
        self._connection, self._serial = connection, next(_connections)
        self._identity = _identity(self._find())
        return connection

    def _check_journal(self) -> None:
        """Refuse what SQLite would obey when it opens the file."""
        journal = f"{os.path.realpath(self.file)}-journal"
        try:
            with open(journal, "rb") as stream:  # noqa: PTH123 (the name may be longer than a file's may be)
                stream.seek(-len(_NAMES_ANOTHER), os.SEEK_END)
                named = stream.read() == _NAMES_ANOTHER
        except OSError:
            return
        if named:
            raise JudgementsError(f"{journal}: not a journal of ours, and not safe to use; delete it")

    def _is_ours(self, connection: sqlite3.Connection) -> bool:
        """Tell a file of statements from one that is still empty; called within each transaction.

        Raises:
            JudgementsError: It is neither.
        """
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        schema = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' LIMIT 2"
        objects = connection.execute(schema).fetchall()
        if not (application or version or objects):
            return False
        if application != APPLICATION_ID:
            raise JudgementsError(
                f"{self.file}: a database of another program; judgements are kept there, move it away"
            )
        if version > FORMAT_VERSION:
            raise JudgementsError(
                f"{self.file}: the judgements have format {version}, this program reads up to {FORMAT_VERSION}; "
                "upgrade with: pip install -U hw3-browse"
            )
        if version != FORMAT_VERSION or objects != [("table", "statements", _TABLE)]:
            raise JudgementsError(f"{self.file}: not as this program writes judgements; move it away to begin anew")
        return True

    def _retried(self, work: Callable[[], _T]) -> _T:
        """Do a transaction; again, when somebody holds the file for long or puts another in its place."""
        for _ in range(_ATTEMPTS - 1):
            try:
                with self._errors():
                    return work()
            except Busy:
                self.close()
        with self._errors():
            return work()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what SQLite raises into one line that names the file."""
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:  # a damaged name makes a message that is no text
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
            raise self._explained(error, code) from error

    def _explained(self, error: Exception, code: int) -> JudgementsError:
        primary, reason = code & 0xFF, printable(str(error))  # it may quote the file
        if primary == sqlite3.SQLITE_BUSY or code == sqlite3.SQLITE_READONLY_DBMOVED:
            return Busy(f"{self.file}: another program is writing there, or the drive has no locks; try again")
        self.close()
        if primary in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
            return Unwritable(f"{self.file}: judgements cannot be kept there ({reason})")
        if primary in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_TOOBIG}:
            return JudgementsError(f"{self.file}: damaged, or not a file of judgements ({reason}); move it away")
        return JudgementsError(f"{self.file}: judgements cannot be read or kept ({reason})")


def _begin(connection: sqlite3.Connection, statements: Iterable[Statement]) -> None:
    """Make an empty file one of ours, within the transaction."""
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
    connection.execute(_TABLE)
    for statement in statements:
        _put(connection, statement.key, statement)


def _find_one(connection: sqlite3.Connection, key: Key) -> Statement | None:
    row = connection.execute(f"SELECT {_COLUMNS} FROM statements {_ONE}", key).fetchone()  # noqa: S608
    return None if row is None else checked(row)


def _put(connection: sqlite3.Connection, key: Key, statement: Statement | None) -> None:
    if statement is None:
        connection.execute(f"DELETE FROM statements {_ONE}", key)  # noqa: S608
    else:
        connection.execute("INSERT OR REPLACE INTO statements VALUES (?, ?, ?, ?, ?, ?, ?, ?)", statement)


def _says_the_same(one: Statement | None, other: Statement | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.value == other.value


def _check_expected(expected: Statement | None, found: Statement | None) -> None:
    if found != expected:
        who = "somebody" if found is None else printable(found.who)
        raise Overtaken(f"changed by {who} since; it stays as it is now")


def _identity(status: os.stat_result | None) -> tuple[int, int] | None:
    """Return what tells a file from another one that takes its place."""
    return None if status is None else (status.st_dev, status.st_ino)


def _text(content: bytes) -> str | bytes:
    """Return a text; as bytes where it is none, which costs its row but not the file."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content
