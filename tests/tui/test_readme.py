"""What the README and the other pages show is true: keys, commands, filters, links, and what is installed."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hw3_browse.cache.query import TEXTS, Fields, parse
from hw3_browse.core import cli as core_cli
from hw3_browse.tui import arguments, keys

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = {page.name: page.read_text("utf-8") for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
README = PAGES["README.md"]
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", README, re.MULTILINE))
MISSING = "What does not exist yet"
PROGRAMS = ("hw3", "hw3-browse")


def blocks(page: str) -> Iterator[str]:
    """Yield the lines of the indented blocks, of which each is a command or what one prints."""
    without_fences = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"^ {4}(\S.*)$", without_fences, re.MULTILINE)


def spans(page: str) -> Iterator[str]:
    """Yield what stands between backticks in running text."""
    without_fences = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    text = "\n".join(line for line in without_fences.splitlines() if not line.startswith("    "))
    yield from (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text))


def commands(line: str) -> Iterator[list[str]]:
    """Yield the commands of a line of a shell, those in $(...) too, without redirections."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    command: list[str] = []
    redirected = False
    for token in lexer:
        if token in {"|", ";", "&&", "&"}:
            yield command
            command = []
            continue
        for inner in re.findall(r"\$\((.+?)\)", token):
            yield from commands(inner)
        if token in {">", "<"} or redirected:
            redirected = not redirected
            continue
        command.append(token)
    yield command


def shell_lines(page: str) -> list[list[str]]:
    known = {*PROGRAMS, "make", "python", "pip", "eval"}
    lines = [line for line in blocks(page) if line.split()[0] in known]
    return [command for line in lines for command in commands(line) if command]


def parser_of(program: str) -> argparse.ArgumentParser:
    return core_cli.build_parser() if program == "hw3" else arguments.build_parser()


def subcommands() -> dict[str, argparse.ArgumentParser]:
    action = next(action for action in core_cli.build_parser()._actions if action.dest == "command")
    assert isinstance(action.choices, dict)
    return action.choices


def shown(binding: keys.Binding) -> list[str]:
    return (binding.key_display or binding.key).split()


def table() -> dict[str, list[str]]:
    """Return the keys of each section of the README's table."""
    found: dict[str, list[str]] = {}
    heading = ""
    for cell in re.findall(r"^\| (.+?) \|", SECTIONS["All keys"], re.MULTILINE):
        if named := re.fullmatch(r"\*\*(.+)\*\*", cell):
            heading = named[1]
            found[heading] = []
        elif heading:
            found[heading] += re.findall(r"`([^`]+)`", cell)
    return found


def test_the_table_of_keys_is_that_of_the_browser() -> None:
    declared = {
        heading: [key for binding in bindings for key in shown(binding)]
        for heading, bindings in keys.sections(keys.BINDINGS)
    }
    assert {heading: sorted(found) for heading, found in table().items()} == {
        heading: sorted(found) for heading, found in declared.items()
    }
    assert list(table()) == list(declared)


def test_keys_in_running_text_exist() -> None:
    known = {key for binding in keys.BINDINGS for key in shown(binding)}
    text = "".join(SECTIONS[name] for name in ("Five minutes in the browser", "Judging", "Two runs as one list"))
    pressed = {span for span in re.findall(r"`([^`]+)`", text) if len(span) == 1 or span in {"Esc", "End", "Bksp"}}
    assert len(pressed) > 15
    assert pressed <= known


@pytest.mark.parametrize("page", sorted(PAGES))
def test_commands_parse(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    for program, *given in shell_lines(PAGES[page]):
        if program in PROGRAMS:
            parser = parser_of(program)
            read = parser.parse_intermixed_args if program == "hw3-browse" else parser.parse_args
            try:
                read(given)
            except SystemExit:
                pytest.fail(f"{program} {shlex.join(given)}: {capsys.readouterr().err}")
        elif program == "make":
            assert re.search(rf"^{given[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), given


def test_there_are_commands() -> None:
    found = [program for page in PAGES.values() for program, *_ in shell_lines(page)]
    assert found.count("hw3") > 5
    assert found.count("hw3-browse") > 12
    assert found.count("make") == 2


@pytest.mark.parametrize("page", sorted(PAGES))
def test_commands_in_running_text_exist(page: str) -> None:
    text = PAGES[page].replace(SECTIONS[MISSING], "") if page == "README.md" else PAGES[page]
    for span in spans(text):
        program, *given = span.split()
        if program == "python":
            assert (ROOT / given[0]).is_file(), span
        if program not in PROGRAMS:
            continue
        parser = parser_of(program)
        if program == "hw3" and given:
            assert given[0] in subcommands(), span
            parser = subcommands()[given[0]]
        options = {option for action in parser._actions for option in action.option_strings}
        assert {word.partition("=")[0] for word in given if word.startswith("--")} <= options, span


def test_what_is_said_to_be_missing_is_missing() -> None:
    named = {span.split()[1] for span in re.findall(r"`(hw3 [^`]+)`", SECTIONS[MISSING])}
    assert not (named - {"train"}) & subcommands().keys()


def test_filters_parse() -> None:
    fields = Fields(("clipscore", "cider", "b.clipscore", "diff.clipscore"), (*TEXTS, *(f"b.{text}" for text in TEXTS)))
    lines = [line.partition("  #")[0].rstrip() for line in blocks(SECTIONS["Searching and filtering"])]
    assert len(lines) == 5
    for line in lines:
        assert parse(line, fields).condition is not None


@pytest.mark.parametrize("page", sorted(PAGES))
def test_links_lead_somewhere(page: str) -> None:
    folder = ROOT if page == "README.md" else ROOT / "docs"
    for target in re.findall(r"\]\(([^)]+)\)", PAGES[page]):
        if "://" in target:
            continue
        file, _, heading = target.partition("#")
        path = folder / file if file else folder / page
        assert path.is_file(), target
        if heading:
            headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", found.lower()).replace(" ", "-") for found in headings}, target


def test_every_page_is_linked_from_the_readme() -> None:
    assert {f"docs/{page}" for page in PAGES if page != "README.md"} <= set(re.findall(r"\]\(([^)#]+)", README))


def test_files_that_are_named_exist() -> None:
    named = {
        word for span in spans(README) for word in span.split() if re.match(r"(configs|core|benchmarks)/\S+\.", word)
    }
    assert len(named) > 5
    for name in named:
        assert list(ROOT.glob(name)), name


def test_the_map_of_modules_is_that_of_the_tree() -> None:
    named: dict[str, set[str]] = {}
    for top, rows in re.findall(r"^\| (\w+)/ \| job \|\n((?:\|.*\n)+)", PAGES["architecture.md"], re.MULTILINE):
        cells = re.findall(r"^\| (.+?) \|", rows, re.MULTILINE)
        named[top] = {name for cell in cells for name in re.findall(r"`([\w/]+)`", cell)}
        assert all((ROOT / top / (name if name.endswith("/") else f"{name}.py")).exists() for name in named[top])
    assert named.keys() == {"cache", "core", "tui"}
    for top, names in named.items():
        there = {f"{file.parent.name}/" for file in (ROOT / top).glob("*/__init__.py")}
        there |= {file.stem for file in (ROOT / top).glob("*.py") if not file.stem.startswith("__")}
        assert there - names == set(), f"docs/architecture.md does not name these of {top}/"


def test_an_install_has_every_package() -> None:
    """`pip install .` copies what pyproject.toml lists, unlike the editable install of `make`."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["package-dir"]
    folders = {
        file.parent.relative_to(ROOT).as_posix()
        for top in ("core", "cache", "tui")
        for file in (ROOT / top).rglob("*.py")
    }
    assert set(listed.values()) == folders
