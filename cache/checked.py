"""Values of a JSON object that somebody else may have written: of the expected kind, or an error that names the key."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

_T = TypeVar("_T")


def typed(content: Mapping[str, Any], key: str, kind: type[_T]) -> _T:
    """Return a value of this type.

    Raises:
        KeyError: There is none.
        TypeError: It is of another type.
    """
    value = content[key]
    if not isinstance(value, kind):
        raise TypeError(f"{key!r} is not of type {kind.__name__}")
    return value


def natural(content: Mapping[str, Any], key: str, least: int = 0) -> int:
    """Return a whole number of at least `least`; raises as `typed`."""
    value = content[key]
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise TypeError(f"{key!r} is not a whole number of at least {least}")
    return value


def number(name: str, value: object) -> float:
    """Return a number, whole or not, as a float.

    Raises:
        TypeError: It is none, or too large to be one.
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{name!r} is not a number")
    try:
        return float(value)
    except OverflowError as error:
        raise TypeError(f"{name!r} is too large") from error


def optional_number(content: Mapping[str, Any], key: str) -> float:
    """Return a number, NaN where it is null; raises as `typed`."""
    value = content[key]
    return math.nan if value is None else number(key, value)
