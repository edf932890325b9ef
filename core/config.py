"""TOML files and ``--set a.b=c`` into frozen dataclasses, with one clear line for what does not fit.

Contract: `build(cls, mapping)` fills the fields of a dataclass, nested dataclasses included; an unknown key, a
missing one or a value of the wrong type raises `UsageError` naming the key, and a near miss is suggested.

A file may say ``extends = "other.toml"`` (a path beside it): its tables are laid over the other's, key by key; a table
of free-form arguments (``encoder.args``) too.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ..cache.errors import UsageError

T = TypeVar("T")


def read_toml(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read a TOML file, what it extends below it, and lay ``a.b=value`` overrides (TOML, or plain words) over both.

    Raises:
        UsageError: a file is missing or not TOML, files extend each other in a circle, or an override is misspelt.
    """
    data = _read(path, ())
    for override in overrides:
        _override(data, override)
    return data


def _read(path: Path, below: tuple[Path, ...]) -> dict[str, Any]:
    """A file with what it extends; `below` are the files that extend it."""
    if not path.is_file():
        raise UsageError(f"{path}: no such config file" + (f" (extended by {below[-1]})" if below else ""))
    if path.resolve() in (each.resolve() for each in below):
        raise UsageError(f"{path}: extends itself, by way of {below[-1]}")
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not readable as TOML ({error})") from error
    base = data.pop("extends", None)
    if base is None:
        return data
    if not isinstance(base, str):
        raise UsageError(f"{path}: extends needs the name of a file, found {base!r}")
    return _laid_over(_read(path.parent / base, (*below, path)), data)


def _laid_over(base: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """`data` over `base`, tables key by key."""
    merged = dict(base)
    for key, value in data.items():
        both = isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
        merged[key] = _laid_over(base[key], value) if both else value
    return merged


def build(cls: type[T], mapping: Mapping[str, Any], where: str = "") -> T:
    """Make a `cls` of `mapping`; `where` is the dotted path of the mapping, for messages.

    Raises:
        UsageError: a key is unknown or missing, or a value has the wrong type.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    values = {}
    for key, value in mapping.items():
        path = f"{where}.{key}" if where else key
        if key not in fields:
            raise UsageError(f"unknown setting {path}{_suggest(key, fields)}")
        values[key] = _convert(hints[key], value, path)
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise UsageError(f"setting {where + '.' if where else ''}{name} is missing")
    return cls(**values)


def _convert(hint: Any, value: Any, path: str) -> Any:
    """Check `value` against the type hint of a config field."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):  # always "... | None"
        inner = next(choice for choice in typing.get_args(hint) if choice is not type(None))
        return None if value is None else _convert(inner, value, path)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise UsageError(f"setting {path}: needs a table, found {value!r}")
        return build(typing.cast("type[Any]", hint), value, path)
    if typing.get_origin(hint) is typing.Literal:
        if value not in typing.get_args(hint):
            raise UsageError(f"setting {path}: {value!r} is not one of {', '.join(map(str, typing.get_args(hint)))}")
        return value
    if typing.get_origin(hint) is tuple:  # always "tuple[X, ...]"
        if not isinstance(value, list | tuple):
            raise UsageError(f"setting {path}: needs a list, found {value!r}")
        return tuple(_convert(typing.get_args(hint)[0], each, path) for each in value)
    return _plain(typing.get_origin(hint) or hint, value, path)


def _plain(kind: type, value: Any, path: str) -> Any:
    """Check `value` against a class; whole numbers serve as floats, strings as paths."""
    if kind is Path and isinstance(value, str):
        return Path(value).expanduser()
    if kind is float and type(value) is int:
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise UsageError(f"setting {path}: needs {kind.__name__}, found {value!r}")
    return value


def _override(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {override}: write it as name.of.setting=value")
    try:
        value = tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        value = text
    *tables, last = key.strip().split(".")
    for table in tables:
        data = data.setdefault(table, {})
        if not isinstance(data, dict):
            raise UsageError(f"--set {override}: {table} is not a table")
    data[last] = value


def _suggest(key: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known: {', '.join(sorted(known))}"
