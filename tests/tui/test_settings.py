"""Settings: the config file, what is remembered, and who wins; the default config is a true one."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from textual.theme import BUILTIN_THEMES

from hw3_browse.cache.errors import UsageError
from hw3_browse.cache.places import config_file, state_dir
from hw3_browse.tui import colormap, keys, memory
from hw3_browse.tui.keymap import keymap
from hw3_browse.tui.settings import COLORMAPS, THEMES, Settings, default_config, load, read, remember, remembered

pytestmark = pytest.mark.usefixtures("home")


def write(text: str) -> Path:
    file = config_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_without_anything_there_are_the_defaults(home: Path) -> None:
    assert load({}, {}) == Settings()
    assert not any(home.iterdir())  # asking makes nothing


def test_the_file_sets_everything(home: Path) -> None:
    file = write(
        """
        theme = "nord"
        graphics = "sixel"
        sort = "cider"
        reverse = true
        colormap = "viridis"
        opacity = 1
        figures = "~/grids"
        figure_format = "pdf"
        [keys]
        "sample.next" = "n"
        word.next = "right"
        [keys.view]
        help = "f1"
        """
    )
    assert load({}, {}) == Settings(
        theme="nord",
        graphics="sixel",
        sort="cider",
        reverse=True,
        colormap="viridis",
        opacity=1.0,
        figures=home / "grids",
        figure_format="pdf",
        keys={"sample.next": "n", "word.next": "right", "view.help": "f1"},
        file=file,
    )


def test_who_wins() -> None:
    """Defaults, what is remembered, the file, the environment, the command line: the later one."""
    remember(theme="dracula", opacity=0.25)
    assert (load({}, {}).theme, load({}, {}).opacity) == ("dracula", 0.25)
    write('theme = "auto"\ngraphics = "sixel"')
    assert load({}, {}).theme == "dracula"  # the file leaves it to T
    write('theme = "nord"\ngraphics = "sixel"')
    assert load({}, {}).theme == "nord"
    assert load({}, {"HW3_BROWSE_GRAPHICS": "half"}).graphics == "half"
    assert load({"graphics": "none", "theme": None}, {"HW3_BROWSE_GRAPHICS": "half"}).graphics == "none"
    assert load({"theme": "auto"}, {}).theme == "auto"
    write("reverse = true")
    assert load({"reverse": None}, {}).reverse
    assert not load({"reverse": False}, {}).reverse


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('sort = "cider"\nthem = "nord"', 2, "unknown setting 'them'; did you mean 'theme'?"),
        ("[colours]\nmap = 3", 1, "unknown setting 'colours'"),
        ('\n\ntheme = "nrd"', 3, "did you mean 'nord'?"),
        ('graphics = "ascii"', 1, '"ascii"'),
        ("graphics = 3", 1, "graphics = 3"),
        ('opacity = "much"', 1, 'opacity = "much": needs a number from 0 to 1'),
        ("opacity = 1.5", 1, "needs a number from 0 to 1"),
        ("opacity = nan", 1, "needs a number from 0 to 1"),
        ("opacity = true", 1, "needs a number from 0 to 1"),
        ('reverse = "yes"', 1, "needs true or false"),
        ("figures = 3", 1, "needs a text in quotes"),
        ("sort = []", 1, "needs a text in quotes"),
        ("keys = 3", 1, "needs a table"),
        ('[keys]\n"sample.next" = 3', 2, "needs keys in quotes"),
        ('[keys]\n# a comment = 3\n"sample.next" = ["n"]', 3, "needs keys in quotes"),
        ('[keys.sample]\n\nnext = 3 # "sample.next"', 3, "needs keys in quotes"),
        ('[keys]\n"sample.next" = "n"\n[keys.sample]\nnext = "m"', 2, "sample.next is set twice"),
    ],
)
def test_a_wrong_line_is_named(text: str, line: int, message: str) -> None:
    file = write(text)
    with pytest.raises(UsageError) as caught:
        load({}, {})
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_what_is_no_toml_is_named() -> None:
    file = write("\ntheme = nord")
    with pytest.raises(UsageError, match="not readable as TOML") as caught:
        load({}, {})
    assert str(file) in str(caught.value)
    assert "line 2" in str(caught.value)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not readable as TOML"):
        load({}, {})
    file.unlink()
    file.mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        load({}, {})


def test_a_wrong_variable_is_named() -> None:
    with pytest.raises(UsageError, match=r"\$HW3_BROWSE_GRAPHICS.*did you mean 'sixel'"):
        load({}, {"HW3_BROWSE_GRAPHICS": "sixl"})
    assert load({}, {"HW3_BROWSE_GRAPHICS": ""}).graphics == "auto"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
        max_leaves=4,
    ),
    st.sampled_from([field.name for field in dataclasses.fields(Settings)]) | st.text(max_size=8),
)
def test_any_value_is_taken_or_refused_in_a_line(tmp_path: Path, value: object, name: str) -> None:
    """Whatever a file says, there are settings or one clear error; JSON's syntax of values is TOML's, nearly."""
    file = tmp_path / "config.toml"
    file.write_bytes(f"{json.dumps(name)} = {json.dumps(value)}".replace(": ", " = ").encode())
    with contextlib.suppress(UsageError):
        Settings(**read(file))


def test_the_default_config_is_true() -> None:
    """As it is it sets nothing; with every line in force it sets what is so anyhow."""
    text = default_config(keys.BINDINGS)
    file = write(text)
    assert read(file) == {"keys": {}}
    in_force = re.sub(r"^#(?=[a-z_]+ = |\"[a-z_.]+\" = )", "", text, flags=re.MULTILINE)
    file.write_text(in_force, encoding="utf-8")
    found = load({}, {})
    assert dataclasses.replace(found, keys={}, file=None) == Settings()
    assert set(found.keys) == {binding.id for binding in keys.BINDINGS}
    assert set(read(file)) == {
        field.name for field in dataclasses.fields(Settings) if field.name not in {"filter", "file"}
    }
    declared = {binding.id: binding.key for binding in keys.BINDINGS}
    assert {ident: set(mapped.split(",")) for ident, mapped in keymap(found, keys.BINDINGS).items()} == {
        ident: set(mapped.split(",")) for ident, mapped in declared.items()
    }


def test_the_documentation_is_true() -> None:
    text = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text("utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    write(example)
    found = load({}, {})
    assert found.theme == "gruvbox"
    mapped = keymap(found, keys.BINDINGS)
    assert mapped["sample.next"] == "down,n"
    assert mapped["find.search"] == "ctrl+f,slash"
    assert mapped["sample.page_down"] == ""
    table = set(re.findall(r"^\| `([a-z_]+)` \|", text.partition("## Who wins")[0], re.MULTILINE))
    assert table == {field.name for field in dataclasses.fields(Settings) if field.metadata}


def test_lists_that_are_written_down_are_true() -> None:
    assert set(THEMES) == set(BUILTIN_THEMES)
    assert colormap.names() == COLORMAPS


def test_memory_keeps_and_changes() -> None:
    assert remembered() == {}
    remember(theme="nord")
    remember(opacity=0.5, colormap="gray")
    remember(theme="dracula")
    assert remembered() == {"theme": "dracula", "opacity": 0.5, "colormap": "gray"}
    assert [path.name for path in state_dir().iterdir()] == ["browser.json"]
    with pytest.raises(ValueError, match="graphics"):
        remember(graphics="half")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"\xff",
        b'{"theme": 3, "opacity": "x", "sort": "cider"}',
        b"[" * 4000,
        b'{"theme": "gone"}',
    ],
)
def test_a_damaged_memory_is_no_memory(content: bytes) -> None:
    state_dir().mkdir(parents=True)
    (state_dir() / "browser.json").write_bytes(content)
    assert load({}, {}) == Settings()
    remember(theme="nord")
    assert load({}, {}).theme == "nord"


def test_memory_is_small() -> None:
    remember(theme="nord")
    remember(theme="x" * 10_000)
    assert remembered() == {"theme": "nord"}
    (state_dir() / "browser.json").write_text(json.dumps({"theme": "nord", "more": "x" * 10_000}))
    assert remembered() == {}


def test_threads_that_remember_at_once_forget_nothing_of_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    read = memory.remembered

    def slowly() -> dict[str, Any]:
        found = read()
        time.sleep(0.05)  # long enough for the others to write in between
        return found

    monkeypatch.setattr(memory, "remembered", slowly)
    changes: list[dict[str, Any]] = [{"theme": "textual-light"}, {"opacity": 0.65}, {"colormap": "magma"}]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda change: memory.remember(**change), changes))
    assert read() == {"theme": "textual-light", "opacity": 0.65, "colormap": "magma"}


def test_memory_that_cannot_be_written_is_no_error(home: Path) -> None:
    Path(state_dir().parent).write_text("a file where the folder should be")
    memory.remember(theme="nord")
    assert memory.remembered() == {}
