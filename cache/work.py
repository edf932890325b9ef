"""The working files of a run that is not finished: what is in them, who may write them, how others read them.

    lock.sqlite        empty; the process that writes holds it
    work.sqlite        meta, captions and previews, the order in which they came, embeddings
    attention.sqlite   as in the finished cache

*One writer.* The files themselves are free between transactions, so that a browser can read them. A second writer
is kept out by an exclusive transaction on `lock.sqlite`, held as long as the writer lives. SQLite does this with the
same locks (POSIX locks on Unix) on which the other two files depend anyhow, so that it works wherever they do, a
network drive among them; and the kernel drops them with the process, `kill -9` included. A lock by `fcntl` would do
no more, and would not see a second writer in the same process; a file with a process id in it would outlive both.

*Readers* hold a lock for the time of one short query. The writer waits for them, and SQLite lets no new reader in
while it does. Both files keep a rollback journal, not a write-ahead log, which is unsafe on network drives.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import asdict, fields
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Self

from .errors import CacheError
from .geometry import View
from .schema import WORK_FILE, WORK_FORMAT_VERSION, Alternative, CaptionRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from .codec import Codec

LOCK_FILE: Final = "lock.sqlite"

_ARRIVALS: Final = "CREATE TABLE arrivals (seq INTEGER PRIMARY KEY, idx INTEGER NOT NULL)"
WORK_TABLES: Final = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE captions (idx INTEGER PRIMARY KEY, record TEXT NOT NULL, preview BLOB NOT NULL);
{_ARRIVALS};
CREATE TABLE embeddings (idx INTEGER PRIMARY KEY, vector BLOB NOT NULL);
"""
# The mean comes before the weights, so that SQLite reads it without walking over them.
ATTENTION_TABLES: Final = """
CREATE TABLE attention (idx INTEGER PRIMARY KEY, tokens INTEGER NOT NULL, layers INTEGER NOT NULL,
  heads INTEGER NOT NULL, positions INTEGER NOT NULL, mean BLOB NOT NULL, weights BLOB NOT NULL);
"""
_PAGE_SIZE: Final = 8192  # bytes; an attention blob is some hundred kilobytes
_OPENING_MS: Final = 1_000  # milliseconds; whoever holds a file longer is no reader
# A reader holds a file for milliseconds, unless it was stopped (Ctrl+Z) right then.
_WRITING_MS: Final = 600_000
_READING_MS: Final = 5_000


def lock(folder: Path) -> sqlite3.Connection:
    """Keep other writers out of a folder until the connection is closed.

    Raises:
        CacheError: Another process, or another writer of this one, is there.
        sqlite3.Error, OSError: The lock cannot be taken.
    """
    connection = sqlite3.connect(folder / LOCK_FILE, timeout=_OPENING_MS / 1000)
    try:
        connection.execute("PRAGMA journal_mode = MEMORY")  # nothing is ever written: no journal beside it
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        connection.close()
        if not is_busy(error):
            raise
        raise CacheError(f"{folder}: another process is writing this cache; wait for it, or end it") from error
    return connection


def is_locked(folder: Path) -> bool:
    """Tell whether somebody holds the lock of a folder."""
    try:
        with closing(_read_only(folder / LOCK_FILE, 0)) as connection:
            connection.execute("SELECT 1 FROM sqlite_master").fetchall()
    except sqlite3.OperationalError as error:
        return is_busy(error)
    return False


def open_to_write(path: Path, tables: str) -> sqlite3.Connection:
    """Open a working file, made on first use; the caller holds the folder's lock."""
    connection = sqlite3.connect(path, timeout=_OPENING_MS / 1000)
    try:
        connection.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = FULL")
        # Pages that leave memory before the commit would lock readers out from then on.
        connection.execute("PRAGMA cache_spill = OFF")
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
                for statement in tables.strip().rstrip(";").split(";"):
                    connection.execute(statement)
        connection.execute(f"PRAGMA busy_timeout = {_WRITING_MS}")
    except BaseException:
        connection.close()
        raise
    return connection


def number_arrivals(work: sqlite3.Connection) -> None:
    """Make the table that tells readers what is new in a folder that was begun before there was one."""
    if work.execute("SELECT 1 FROM sqlite_master WHERE name = 'arrivals'").fetchone() is None:
        with work:
            work.execute("BEGIN IMMEDIATE")
            work.execute(_ARRIVALS)
            work.execute("INSERT INTO arrivals (idx) SELECT idx FROM captions ORDER BY idx")


class Reader:
    """A working file that somebody may be writing, open for reading; a context manager, usable from any thread.

    Opened once, it can be read to the end, also when it was renamed or removed in the meantime.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            sqlite3.OperationalError, OSError: There is none, or it cannot be read.
        """
        self._path = path
        self._lock = Lock()
        self._connection = _read_only(path, _READING_MS)
        try:
            self._identity = _identity(path)
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file, after the query that may be going on."""
        with self._lock:
            self._connection.close()

    def query(self, statement: str, *parameters: int) -> list[tuple[Any, ...]]:
        """Return all rows that a statement finds; the file is locked until it has found them.

        Raises:
            sqlite3.ProgrammingError: It was closed.
            sqlite3.Error: It cannot be read; `is_busy` tells whether somebody merely held it for too long.
        """
        with self._lock:
            try:
                return self._connection.execute(statement, parameters).fetchall()
            except sqlite3.OperationalError as error:
                if code_of(error) != sqlite3.SQLITE_READONLY_ROLLBACK:
                    raise
                _roll_back(self._path)
                return self._connection.execute(statement, parameters).fetchall()

    def is_gone(self) -> bool:
        """Tell whether the file was removed or replaced since it was opened."""
        try:
            return _identity(self._path) != self._identity
        except OSError:
            return True


def is_busy(error: sqlite3.Error) -> bool:
    """Tell whether a query failed only because somebody else held the file for too long."""
    return code_of(error) & 0xFF == sqlite3.SQLITE_BUSY


def code_of(error: sqlite3.Error) -> int:
    """Return SQLite's extended code of an error; 0 for one that Python's own module found."""
    return getattr(error, "sqlite_errorcode", 0)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn what the disk or SQLite raise while writing into one line that names the folder."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if is_busy(error):
            raise CacheError(
                f"{folder}: another process keeps the files of this cache locked; end it, then go on with the same "
                "command"
            ) from error
        raise CacheError(f"{folder}: cannot write the cache ({error})") from error
    except sqlite3.DatabaseError as error:
        raise CacheError(f"{folder}: the unfinished cache is damaged ({error}); delete it and start again") from error
    except OSError as error:
        raise CacheError(f"{folder}: cannot write the cache ({error.strerror or error})") from error


def read_meta(work: sqlite3.Connection, key: str) -> Any:
    """Return what the run recorded about itself under a key, or None."""
    row = work.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else json.loads(row[0])


def identity_of(plan: Mapping[str, Any], count: int, *, exact: bool) -> dict[str, Any]:
    """Return what must be equal for a run to go on; arguments as `CacheWriter`'s, the plan of plain JSON values."""
    return {
        "plan": plan,
        "count": count,
        "attention codec": codec_of(exact=exact),
        "format version": WORK_FORMAT_VERSION,
    }


def codec_of(*, exact: bool) -> Codec:
    """Return how attention is packed."""
    return "f16" if exact else "u8-sqrt"


def difference(folder: Path, identity: object) -> str | None:
    """Return how the unfinished run in a folder differs from the one of this identity; None where it does not."""
    with closing(open_to_write(folder / WORK_FILE, WORK_TABLES)) as work:
        found = read_meta(work, "identity")
    # A run that was killed before it recorded what it is has done nothing yet.
    return None if found is None else _first_difference(found, identity)


def to_json(row: CaptionRow) -> str:
    """Return the record of a picture, fit for UTF-8: lone surrogates (undecodable file names) become U+FFFD."""
    record = {field.name: getattr(row, field.name) for field in fields(CaptionRow)}
    record["view"] = asdict(row.view)
    record["alternatives"] = [asdict(one) for one in row.alternatives]
    if not row.alternatives:
        del record["alternatives"]  # versions that know none can read the record
    text = json.dumps(record, ensure_ascii=False)
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def from_json(text: str) -> CaptionRow:
    """Undo `to_json`.

    Raises:
        ValueError, TypeError, KeyError: The text is no such record.
    """
    loaded: dict[str, Any] = json.loads(text)
    if not isinstance(loaded, dict):
        raise TypeError("a record is an object")
    view = loaded.pop("view")
    alternatives = tuple(Alternative(**one) for one in loaded.pop("alternatives", ()))  # older runs have none
    record: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in loaded.items()}
    return CaptionRow(view=View(**(view | {"box": tuple(view["box"])})), alternatives=alternatives, **record)


def _read_only(path: Path, wait_ms: int) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(address, uri=True, timeout=wait_ms / 1000, check_same_thread=False)


def _roll_back(path: Path) -> None:
    """Undo the commit that a killed writer has left half done; until then nothing can be read.

    SQLite does it by itself for whoever may write. A writer that lives is not disturbed: its journal is its own.
    """
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as connection:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _first_difference(old: object, new: object, where: str = "") -> str | None:
    """Return where two JSON values first differ, with both values; None where they are equal."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            path = f"{where}.{key}".lstrip(".")
            if key not in old or key not in new:
                return f"{path}: only in {'this run' if key in new else 'the folder'}"
            if (found := _first_difference(old[key], new[key], path)) is not None:
                return found
        return None
    return None if old == new else f"{where}: {_short(old)} in the folder, {_short(new)} in this run"


def _short(value: object, most: int = 60) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else text[: most - 3] + "..."
