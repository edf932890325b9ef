"""The annotations' file as text or json, with one line for whatever prevents it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from ...cache.errors import DatasetError
from .wording import show

_PARQUET: Final = b"PAR1"


def is_parquet(path: Path) -> bool:
    """Tell by its first bytes whether a file is Parquet.

    Raises:
        DatasetError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(len(_PARQUET)) == _PARQUET
    except OSError as error:
        raise _unread(path, error) from error


def text_of(path: Path) -> str:
    """Return a UTF-8 file's text, line ends as they are, a byte order mark left out.

    Raises:
        DatasetError: It cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise _unread(path, error) from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{show(path)} is not UTF-8 text: byte {error.start} cannot be decoded") from error


def json_of(text: str, path: Path, line: int = 0) -> Any:
    """Parse a json.

    Args:
        text: It.
        path: The file that it is from.
        line: Where in it the text begins, from 0.

    Raises:
        DatasetError: It is none.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at = f"line {line + error.lineno}, column {error.colno}"
        raise DatasetError(f"{show(path)} is not valid json: {error.msg} at {at}") from error
    except (RecursionError, ValueError) as error:
        raise DatasetError(
            f"{show(path)} is not a json of annotations: nested too deeply or numbers too long"
        ) from error


def _unread(path: Path, error: OSError) -> DatasetError:
    if isinstance(error, FileNotFoundError):
        return DatasetError(f"the annotations {show(path)} do not exist")
    return DatasetError(f"cannot read the annotations {show(path)}: {error.strerror}")
