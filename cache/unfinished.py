"""What the working files of an unfinished run say to a reader: its manifest, its records, and what can go wrong."""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, get_args

from . import work
from .codec import Codec
from .errors import CacheDamaged, CacheError, CacheNewer, CacheNotFound, CacheUnfinished
from .schema import WORK_FORMAT_VERSION, AttentionShape, CaptionRow, Manifest, Sample, Score, format_version, total

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from .live_rows import Row

LOGPROB: Final = Score(
    name="logprob",
    higher_is_better=True,
    description="log-probability of the caption under the captioner, natural log, summed over its tokens",
)
"""The one score that is known before the end; `hw3 precompute` writes the same."""

_TOO_MANY: Final = 1 << 31  # pictures, layers, patches


def read_manifest(folder: Path, captions: work.Reader) -> Manifest:
    """Return what an unfinished run says about itself.

    Raises:
        CacheUnfinished: Nothing has been captioned yet, or an older version of this program has begun it.
        CacheNewer: A later version of this program has.
        sqlite3.Error, ValueError, TypeError, KeyError: It cannot be read, or makes no sense.
    """
    tables = {name for (name,) in captions.query("SELECT name FROM sqlite_master")}
    if "meta" not in tables:
        raise _nothing_yet(folder, "")
    if "arrivals" not in tables:
        raise CacheUnfinished(
            f"{folder}: begun by an older version, which cannot be looked at; hw3 precompute with the same arguments "
            "goes on where it stopped, and then it can"
        )
    begun = captions.query("SELECT 1 FROM arrivals LIMIT 1")  # before the rest, which is there by then
    meta = {key: json.loads(value) for key, value in captions.query("SELECT key, value FROM meta")}
    if "identity" not in meta:
        raise _nothing_yet(folder, "")
    identity = meta["identity"]
    if identity["format version"] > WORK_FORMAT_VERSION:
        raise CacheNewer(
            f"{folder}: the run writes format {identity['format version']}, this program reads up to "
            f"{WORK_FORMAT_VERSION}; upgrade with: pip install -U hw3-browse"
        )
    if not begun:
        raise _nothing_yet(folder, f": 0 of {identity['count']:,}")
    numbers = (identity["count"], *meta["attention"].values())
    if not all(isinstance(number, int) and 0 <= number < _TOO_MANY for number in numbers):
        raise ValueError(f"sizes {numbers}")
    if not isinstance(identity["plan"], dict) or identity["attention codec"] not in get_args(Codec):
        raise TypeError("no plan, or an unknown attention codec")
    shape = meta["attention"]  # empty where the run has no maps
    attention = AttentionShape(**shape, codec=identity["attention codec"]) if shape else None
    return Manifest(
        format_version=format_version(attention),
        created="",
        plan=identity["plan"],
        count=identity["count"],
        scores=(LOGPROB,),
        corpus={},
        versions={},
        attention=attention,
        files={},
        notes=("the run is not finished: pictures and scores are missing",),
    )


def to_row(record: str) -> Row:
    """Return what is kept of a picture.

    Raises:
        ValueError, TypeError, KeyError: The record makes no sense.
    """
    from .live_rows import Row  # noqa: PLC0415 (pyarrow)

    content = json.loads(record)
    row = Row(
        picture=content["index"],
        name=content["name"],
        path=content["path"],
        caption=content["caption"],
        logprob=total(content["logprobs"]),
    )
    if not isinstance(row.picture, int):
        raise TypeError(f"no picture {row.picture!r}")
    _check_texts((row.name, row.path, row.caption))
    return row


def to_references(record: str) -> Sequence[str]:
    """Return the references of a picture; raises as `to_row`."""
    references: Sequence[str] = json.loads(record)["references"]
    _check_texts(references)
    return references


def to_sample(record: str, index: int, shape: AttentionShape | None) -> Sample:
    """Return everything about a picture, under the index that it has in a list.

    Raises:
        ValueError, TypeError, KeyError, CacheError: The record makes no sense, or is of another grid of patches.
    """
    row = work.from_json(record)
    row.check()
    others = [one.caption for one in row.alternatives]
    _check_texts((row.name, row.path, row.caption, *row.references, *row.pieces, *row.words, *others))
    if shape is not None and (row.view.rows, row.view.cols) != (shape.rows, shape.cols):
        raise ValueError(f"picture {row.index} has another grid of patches than the run")
    values = {field.name: getattr(row, field.name) for field in fields(CaptionRow)}
    return Sample(**(values | {"index": index}), scores={LOGPROB.name: total(row.logprobs)})


def only(found: Sequence[tuple[Any, ...]], picture: int) -> tuple[Any, ...]:
    """Return the one row that a query for a picture found.

    Raises:
        ValueError: It found none.
    """
    if len(found) != 1:
        raise ValueError(f"no picture {picture}")
    return found[0]


def busy(folder: Path) -> CacheError:
    """Return the error for files that are locked for longer than a commit takes."""
    return CacheError(f"{folder}: the writer does not let go of the files; try again in a moment")


@contextmanager
def reading_errors(folder: Path) -> Iterator[None]:
    """Turn what goes wrong while reading into one line that names the folder."""
    try:
        yield
    except sqlite3.ProgrammingError as error:
        raise CacheError(f"{folder}: the cache was closed") from error
    except sqlite3.OperationalError as error:
        if work.is_busy(error):
            raise busy(folder) from error
        if work.code_of(error) == sqlite3.SQLITE_CANTOPEN:
            raise CacheNotFound(f"{folder}: the files of the unfinished run cannot be opened") from error
        if work.code_of(error) & 0xFF == sqlite3.SQLITE_READONLY:  # see work.Reader
            raise CacheError(
                f"{folder}: the run was killed while it wrote, and only who may write there can open it; "
                "or start the same hw3 precompute again"
            ) from error
        raise CacheDamaged(f"{folder}: the unfinished run cannot be read ({error})") from error
    except (sqlite3.Error, ValueError, TypeError, KeyError) as error:
        raise CacheDamaged(f"{folder}: the unfinished run is damaged ({error})") from error
    except OSError as error:
        raise CacheNotFound(f"{folder}: the files of the unfinished run cannot be opened ({error.strerror})") from error
    except CacheDamaged as error:
        raise CacheDamaged(f"{folder}: {error}") from error


def _check_texts(texts: Sequence[object]) -> None:
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a text is none")


def _nothing_yet(folder: Path, count: str) -> CacheUnfinished:
    if work.is_locked(folder):
        return CacheUnfinished(f"{folder}: nothing captioned yet{count}; try again in a moment")
    return CacheUnfinished(
        f"{folder}: nothing captioned{count}, and no process is at it; start the same hw3 precompute again"
    )
