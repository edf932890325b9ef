"""Completion in the shell: what is offered, how little is imported for it, and the three shells themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import make_cache
from pseudo_terminal import Terminal
from zeroshot_fakes import make_zeroshot_run

from hw3_browse.cache import completion, schema
from hw3_browse.cache.live import open_cache
from hw3_browse.cache.places import remember_cache
from hw3_browse.cache.zeroshot import VALUES
from hw3_browse.tui import cli
from hw3_browse.tui.ordering import keys_of
from hw3_browse.tui.runs import Runs

pytestmark = pytest.mark.usefixtures("home")

MODULES = {"hw3-browse": "hw3_browse.tui.cli", "hw3": "hw3_browse.core.cli"}
COMMANDS_AT = Path(sys.executable).parent  # where pip has put the two commands


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: some folders, two of them caches."""
    place = tmp_path / "work"
    make_cache(place / "runs" / "first", count=4)
    make_cache(place / "runs" / "with space", count=4)
    make_zeroshot_run(place / "others" / "zero")
    (place / "runs" / "notes").mkdir()
    (place / "results").mkdir()
    (place / ".hidden").mkdir()
    (place / "settings.toml").touch()
    monkeypatch.chdir(place)
    return place


def ask(line: str, program: str = "", **environment: str) -> list[str]:
    """Ask as bash does, by argcomplete's protocol: the answer comes on file descriptor 8."""
    command = line.split(maxsplit=1)[0]
    start = program or f"import sys; sys.argv = [{command!r}]; from {MODULES[command]} import entry; entry()"
    read, write = os.pipe()
    variables = os.environ | {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_SHELL": "bash",
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
        "_ARGCOMPLETE_COMP_WORDBREAKS": " \t\n\"'><=;|&(:",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    with os.fdopen(read) as answer:
        subprocess.run(
            ["bash", "-c", 'exec "$0" -c "$1" 8>&"$2"', sys.executable, start, str(write)],
            env=variables | environment,
            pass_fds=[write],
            stdin=subprocess.DEVNULL,
            check=True,
        )
        os.close(write)
        return answer.read().splitlines()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("hw3-browse r", ["results/", "runs/"]),
        ("hw3-browse runs/", ["runs/first", "runs/with\\ space"]),
        ("hw3-browse runs/n", ["runs/notes/"]),
        ("hw3-browse runs/first ./runs/f", ["./runs/first"]),
        ("hw3-browse runs/first --sort cider runs/f", ["runs/first"]),
        ("hw3-browse --sort cider runs/f", ["runs/first"]),
        ("hw3-browse .", [".hidden/"]),
        ("hw3-browse nowhere/", []),
        ("hw3-browse runs/first --sort c", ["clipscore", "cider"]),
        ("hw3-browse runs/first --sort=ci", ["cider"]),
        ("hw3-browse others/zero --sort c", ["confidence", "correct"]),
        ("hw3-browse runs/first --so", ["--sort"]),
        ("hw3-browse runs/first --filter c", []),
        ("hw3-browse runs/first --limit ", []),
        ("hw3-browse --graphics ", ["auto", "kitty", "iterm2", "sixel", "half", "none"]),
        ("hw3-browse --theme textual-", ["textual-dark", "textual-light"]),
        ("hw3-browse --out r", ["results/", "runs/"]),
        ("hw3-browse --completion ", ["bash", "zsh", "fish"]),
        ("hw3 gri", ["grid"]),
        ("hw3 grid runs/", ["runs/first", "runs/with\\ space"]),
        ("hw3 grid runs/first --sort re", ["refclipscore"]),
        ("hw3 grid runs/first --format ", ["png", "pdf", "svg"]),
        ("hw3 grid runs/first r", []),
        ("hw3 train s", ["settings.toml"]),
        ("hw3 precompute re", ["results/"]),
        ("hw3 precompute runs settings.toml --captioner re", ["results/"]),
    ],
)
def test_what_is_offered(line: str, expected: list[str]) -> None:
    assert ask(line) == expected


def test_scores_are_those_of_the_browser(runs: Path) -> None:
    folders = [runs / "runs" / "first", runs / "runs" / "with space", runs / "runs" / "first"]
    for count in (1, 2, 3):
        together = Runs([open_cache(folder) for folder in folders[:count]])
        assert sorted(completion.sort_keys(folders[:count])) == sorted(keys_of(together.score_names))
        together.close()


def test_scores_of_a_zeroshot_run_are_its_values() -> None:
    assert completion.ZEROSHOT_SCORES == VALUES


def test_without_a_cache_the_last_one_counts(runs: Path) -> None:
    assert ask("hw3-browse --sort ci") == []
    remember_cache(runs / "runs" / "first")
    assert ask("hw3-browse --sort ci") == ["cider"]


@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"scores": 3}', '{"scores": [{"name": 3}, {}]}', "[" * 100_000])
def test_a_damaged_cache_offers_no_scores(runs: Path, manifest: str) -> None:
    (runs / "runs" / "first" / schema.MANIFEST_FILE).write_text(manifest)
    assert ask("hw3-browse runs/first --sort c") == []


def test_homes_are_known(runs: Path) -> None:
    assert ask("hw3-browse ~", HOME=str(runs)) == ["~/"]
    assert ask("hw3-browse ~/ru", HOME=str(runs)) == ["~/runs/"]
    assert ask("hw3-browse ~/runs/f", HOME=str(runs)) == ["~/runs/first"]
    assert ask("hw3-browse ~nobody/f") == []


def test_names_that_a_terminal_would_obey_are_not_offered(runs: Path) -> None:
    (runs / "evil\x1b[31m").mkdir()
    (runs / "even\nmore").mkdir()
    assert ask("hw3-browse ev") == []


def test_the_names_of_files_are_true() -> None:
    assert (completion._MANIFEST, completion._WORK) == (schema.MANIFEST_FILE, schema.WORK_FILE)


@pytest.mark.parametrize(
    ("line", "forbidden"),
    [
        ("hw3-browse runs/first --sort ", {"numpy", "textual", "torch", "pyarrow", "importlib.metadata"}),
        ("hw3-browse --theme ", {"numpy", "textual", "torch", "pyarrow"}),
        ("hw3 grid runs/first --sort ", {"textual", "torch", "pyarrow", "matplotlib"}),
    ],
)
def test_nothing_heavy_is_imported(tmp_path: Path, line: str, forbidden: set[str]) -> None:
    """argcomplete ends the process by os._exit, so that what was imported is written down there."""
    seen = tmp_path / "modules"
    command = line.split(maxsplit=1)[0]
    program = (
        "import os, sys, pathlib; end = os._exit\n"
        f"def note(code): pathlib.Path({str(seen)!r}).write_text(' '.join(sys.modules)); end(code)\n"
        f"os._exit = note; sys.argv = [{command!r}]\n"
        "import argcomplete.finders as finders\n"
        "finders.CompletionFinder.__call__.__defaults__ = tuple(\n"
        "    note if default is end else default for default in finders.CompletionFinder.__call__.__defaults__)\n"
        f"from {MODULES[command]} import entry; entry()"
    )
    assert ask(line, program)
    modules = set(seen.read_text().split())
    assert "argcomplete.finders" in modules
    assert not modules & forbidden


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_the_script_is_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--completion", shell]) == 0
    output = capsys.readouterr().out
    assert output == completion.script(shell)
    assert all(command in output for command in completion.COMMANDS)


SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(hw3-browse --completion bash)"'),
    "zsh": (["zsh", "-f", "-i"], 'autoload -Uz compinit && compinit -u -D && eval "$(hw3-browse --completion zsh)"'),
    "fish": (["fish", "--no-config", "-i"], "hw3-browse --completion fish | source"),
}


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_in_the_shell_itself(shell: str) -> None:
    """A line is completed by Tab alone, word by word, as a user does it."""
    command, setup = SHELLS[shell]
    if shutil.which(command[0]) is None or not (COMMANDS_AT / "hw3-browse").exists():
        pytest.skip(f"{shell} or the installed commands are not here")
    environment = {"PATH": f"{COMMANDS_AT}:{os.environ['PATH']}", "PS1": "$ "}
    with Terminal(command, columns=120, environment=environment) as terminal:
        terminal.press(f"{setup}; echo re''ady\n")
        terminal.wait_for("ready")
        line = "hw3-browse runs/first --sort cider --graphics sixel"
        for typed, shown in [
            ("hw3-browse ru\t", "hw3-browse runs/"),
            ("f\t", "hw3-browse runs/first "),
            ("--so\t", "hw3-browse runs/first --sort "),
            ("cid\t", "--sort cider "),
            ("--gra\t", "--graphics "),
            ("six\t", line),
        ]:
            terminal.press(typed)
            terminal.wait_for(shown)
        terminal.press("\x15hw3 grid runs/w\t")  # ^U: another line
        terminal.wait_for("hw3 grid runs/with\\ space")
