"""What the user may set, and where it comes from.

Each field of `Settings` that has a comment can stand in the config file (TOML, see `cache.places.config_file`); the
comment is its documentation, and `default_config` prints the whole file with it. A later source wins over an earlier
one: the defaults, what the browser remembers of its last run, the config file, the environment, the command line.
The program never writes the config file.
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..cache.errors import UsageError
from ..cache.places import config_file
from .memory import remember, remembered
from .terminal.modes import MODES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from textual.binding import Binding

__all__ = ["Settings", "default_config", "load", "read", "remember", "remembered", "suggestion"]

AUTO: Final = "auto"
GRAPHICS: Final = (AUTO, *MODES)
FIGURE_FORMATS: Final = ("png", "pdf", "svg")
# Written down, so that neither completion nor a printed list has to import NumPy and Textual; a test compares.
COLORMAPS: Final = ("jet", "viridis", "magma", "inferno", "gray")
THEMES: Final = (
    "textual-dark",
    "textual-light",
    "nord",
    "gruvbox",
    "catppuccin-mocha",
    "dracula",
    "tokyo-night",
    "monokai",
    "flexoki",
    "catppuccin-latte",
    "catppuccin-frappe",
    "catppuccin-macchiato",
    "solarized-light",
    "solarized-dark",
    "rose-pine",
    "rose-pine-moon",
    "rose-pine-dawn",
    "atom-one-dark",
    "atom-one-light",
    "ansi-dark",
    "ansi-light",
)
GRAPHICS_VARIABLE: Final = "HW3_BROWSE_GRAPHICS"
_KEYS: Final = "keys"


def _about(comment: str, choices: Sequence[str] = ()) -> dict[str, Any]:
    """Describe a field of the config file: its documentation, and the values that it may have if they are few."""
    return {"comment": comment, "choices": tuple(choices)}


@dataclass(frozen=True, slots=True)
class Settings:
    """How the browser looks and works. Fields with a comment can be set in the config file.

    Attributes:
        filter: Expression that the list begins with; "" shows all.
        keys: The user's own keys: the id of a key to "key,key", in the user's spelling (see `keymap`).
        file: The config file that was read, for messages; None where there is none.
    """

    theme: str = field(
        default=AUTO,
        metadata=_about(
            'Colours: a theme\'s name, or "auto": the one chosen last with T, else dark or light as the terminal is.',
            (AUTO, *THEMES),
        ),
    )
    graphics: str = field(
        default=AUTO,
        metadata=_about(
            'How pictures are drawn: "auto" asks the terminal; "half" draws in cells, "none" draws no pictures.',
            GRAPHICS,
        ),
    )
    sort: str = field(
        default="",
        metadata=_about(
            'Score that the list is sorted by at first, in caches that have it; or "name" or "index". "": CLIPScore.'
        ),
    )
    reverse: bool = field(default=False, metadata=_about("Worst first."))
    colormap: str = field(
        default="jet", metadata=_about("Colours of the attention maps, on the screen and in saved grids.", COLORMAPS)
    )
    opacity: float = field(
        default=0.5, metadata=_about("Opacity of a map over its picture, from 0 (unseen) to 1 (hides the picture).")
    )
    figures: Path = field(
        default=Path("hw3-figures"),
        metadata=_about('Folder for saved grids; a relative one is below the working directory. "~" is your home.'),
    )
    figure_format: str = field(default="png", metadata=_about("Format of saved grids.", FIGURE_FORMATS))
    filter: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None

    def place(self, name: str) -> str:
        """Return where a field ("sort") or a key ("keys.sample.next") is set, for a message: file and line."""
        return "" if self.file is None else _place(self.file, name)


_FIELDS: Final = {entry.name: entry for entry in fields(Settings) if entry.metadata}


def load(given: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Gather the settings from everywhere.

    Args:
        given: Fields from the command line; None where nothing was given.
        environment: Variables of the process.

    Raises:
        UsageError: The config file or the environment says something that cannot be.
    """
    file = config_file()
    configured = read(file)
    if configured.get("theme") == AUTO:
        del configured["theme"]  # what T chose last counts
    values = _usable(remembered()) | configured | _from_environment(environment)
    values |= {name: value for name, value in given.items() if value is not None}
    return Settings(**values, file=file if configured else None)


def read(file: Path) -> dict[str, Any]:
    """Read and check a config file; one that is not there sets nothing.

    Raises:
        UsageError: It cannot be read, or sets something unknown or impossible.
    """
    try:
        data = tomllib.loads(file.read_text("utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: not readable as TOML: {error}") from error
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror or error})") from error
    values: dict[str, Any] = {}
    for name, value in data.items():
        if name == _KEYS:
            values[name] = _keys(value, file)
        elif name in _FIELDS:
            values[name] = _checked(name, value, _place(file, name))
        else:
            raise UsageError(f"{_place(file, name)}: unknown setting {name!r}; {suggestion(name, (*_FIELDS, _KEYS))}")
    return values


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown word: what was probably meant, else what there is."""
    names = tuple(known)
    close = difflib.get_close_matches(word.lower(), names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(names)}"


def default_config(bindings: Iterable[Binding]) -> str:
    """Return a config file that explains every field and sets none.

    Args:
        bindings: The keys as declared.
    """
    lines = [
        '# Settings of hw3-browse. Every line is a comment and shows the default: take the "#" away from what you',
        f"# change. This belongs into {config_file()}",
        "",
    ]
    for name, entry in _FIELDS.items():
        lines.append(f"# {entry.metadata['comment']}")
        if entry.metadata["choices"]:
            lines += _folded(entry.metadata["choices"])
        lines += [f"#{name} = {_toml(entry.default)}", ""]
    lines += [
        '# Keys: an id = its keys, by comma; "" takes its keys away. A key that you give to one id is taken from the',
        '# id that had it. Names are those of Textual: "down", "ctrl+n", "f2", "space", "comma", "question_mark", "G".',
        f"[{_KEYS}]",
    ]
    keys = [(f'#"{binding.id}" = {_toml(binding.key)}', binding.tooltip) for binding in bindings]
    width = max((len(line) for line, _ in keys), default=0)
    lines += [f"{line:<{width}}  # {meaning}" for line, meaning in keys]
    return "\n".join(lines)


def _usable(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is left of remembered values without those that a later version may have written."""
    usable = {}
    for name, value in values.items():
        try:
            usable[name] = _checked(name, value, "")
        except (UsageError, KeyError):
            continue
    return usable


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    graphics = environment.get(GRAPHICS_VARIABLE)
    return {"graphics": _checked("graphics", graphics, f"${GRAPHICS_VARIABLE}")} if graphics else {}


def _checked(name: str, value: Any, place: str) -> Any:
    """Return the value of a field as the program wants it.

    Raises:
        UsageError: It cannot be.
    """
    entry = _FIELDS[name]
    choices = entry.metadata["choices"]
    if choices:
        if value not in choices:
            raise UsageError(f"{place}: {name} = {_shown(value)}: {suggestion(str(value), choices)}")
        return value
    default: object = entry.default
    if isinstance(default, float):
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
            return float(value)
        needed = "a number from 0 to 1"
    elif isinstance(default, bool):
        if isinstance(value, bool):
            return value
        needed = "true or false"
    else:
        if isinstance(value, str):
            return Path(value).expanduser() if isinstance(default, Path) else value
        needed = 'a text in quotes ("...")'
    raise UsageError(f"{place}: {name} = {_shown(value)}: needs {needed}")


def _keys(table: Any, file: Path) -> dict[str, str]:
    """Return the key map, flat: `"sample.next" = "n"` and `[keys.sample] next = "n"` say the same."""
    if not isinstance(table, dict):
        raise UsageError(f'{_place(file, _KEYS)}: {_KEYS} needs a table: [keys], then lines like "sample.next" = "n"')
    found: dict[str, str] = {}
    for name, value in table.items():
        inner = {f"{name}.{last}": keys for last, keys in value.items()} if isinstance(value, dict) else {name: value}
        for ident, keys in inner.items():
            place = _place(file, f"{_KEYS}.{ident}")
            if not isinstance(keys, str):
                raise UsageError(f'{place}: {ident} = {_shown(keys)}: needs keys in quotes, like "down,n"')
            if ident in found:
                raise UsageError(f"{place}: {ident} is set twice")
            found[ident] = keys
    return found


def _place(file: Path, name: str) -> str:
    """Return "file:line" of a name in a TOML file; "file" where the line is not found."""
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return str(file)
    table = ""
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text.startswith("["):
            here = table = _dotted(text)
        else:
            key = _dotted(f"{text.partition('=')[0]} = 0") if "=" in text else ""
            here = f"{table}.{key}" if table and key else key
        if here == name:
            return f"{file}:{number}"
    return str(file)


def _dotted(toml: str) -> str:
    """Return the name that one line of TOML sets, its parts joined by dots; "" where it is no such line."""
    try:
        data: Any = tomllib.loads(toml)
    except tomllib.TOMLDecodeError:
        return ""
    names = []
    while isinstance(data, dict) and data:
        name, data = next(iter(data.items()))
        names.append(name)
    return ".".join(names)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else f'"{value}"'


def _shown(value: Any) -> str:
    return "..." if isinstance(value, list | dict) else _toml(value)


def _folded(words: Sequence[str], width: int = 100) -> list[str]:
    """Return words as comment lines."""
    lines = ["#  "]
    for word in words:
        if len(lines[-1]) + len(word) > width:
            lines.append("#  ")
        lines[-1] += f" {_toml(word)}"
    return lines
