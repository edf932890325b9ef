"""The command without a terminal: text, JSON, CSV, exit codes, and what is opened where nothing is named."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from fakes import fake_plan, fake_row, make_cache
from pseudo_terminal import COMMAND
from rich.cells import cell_len

from hw3_browse.cache.judgements import Judgements
from hw3_browse.cache.places import config_file, remember_cache
from hw3_browse.cache.reader import Cache
from hw3_browse.cache.writer import CacheWriter
from hw3_browse.tui import captions_app, cli, demo, process
from hw3_browse.tui.formats import UNDEFINED
from hw3_browse.tui.terminal import doctor, probe
from hw3_browse.tui.terminal.modes import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hw3_browse.tui.runs import Runs
    from hw3_browse.tui.settings import Settings

pytestmark = pytest.mark.usefixtures("home")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def test_print_is_aligned_sorted_and_safe(nasty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([str(nasty_folder), "--print"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["rank", "clipscore", "name", "caption"]
    assert len(lines) == 24
    assert [int(line.split()[0]) for line in lines] == list(range(1, 25))
    scores = [float(line.split()[1]) for line in lines]
    assert scores == sorted(scores, reverse=True)
    assert all("\x1b" not in line and "\u202e" not in line for line in lines)
    start = head.index("caption")
    with Cache.open(nasty_folder) as cache:
        best = cache.order("clipscore")[0]
        assert lines[0][start:] == cache.caption(int(best))  # this one is harmless
    assert all(cell_len(line[: head.index("name")]) == head.index("name") for line in lines)


def test_without_a_terminal_the_list_is_printed(cache_folder: Path) -> None:
    done = run(cache_folder, "--limit", 3, "--reverse")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["rank", "20", "19", "18"]
    assert done.stderr == ""


def test_json_is_for_programs(nasty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([str(nasty_folder), "--json", "--sort", "cider"]) == 0
    output = capsys.readouterr().out
    assert output.isascii()
    entries = json.loads(output)
    assert len(entries) == 24
    ranks = [entry["rank"] for entry in entries]
    undefined = ranks.count(None)
    assert undefined
    assert ranks == [*range(1, 25 - undefined), *[None] * undefined]
    assert [entry["scores"]["cider"] is None for entry in entries] == [rank is None for rank in ranks]
    with Cache.open(nasty_folder) as cache:
        for entry in entries:
            sample = cache.sample(entry["index"])
            assert (entry["name"], entry["caption"]) == (sample.name, sample.caption)
            assert entry["references"] == list(sample.references)


def test_csv_is_for_programs(nasty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([str(nasty_folder), "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 24
    with Cache.open(nasty_folder) as cache:
        values = cache.scores("cider")
        for row in rows:
            index = cache.find(row["name"])
            assert index is not None
            expected = values[index]
            assert row["cider"] == "" if math.isnan(expected) else float(row["cider"]) == expected


def test_an_empty_limit(cache_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([str(cache_folder), "--json", "--limit", "0"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize("form", ["--print", "--json", "--csv"])
def test_a_reader_that_has_enough_is_no_error(cache_folder: Path, form: str) -> None:
    line = f"{' '.join(COMMAND)} {cache_folder} {form} | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


def test_a_pipe_that_breaks_in_the_middle(cache_folder: Path) -> None:
    """`head` may end while the buffer is still filling; here the pipe is closed before a byte is read."""
    line = f"{' '.join(COMMAND)} {cache_folder} --print | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sort", "clipscor"], "did you mean 'clipscore'?"),
        (["--limit", "-1"], "expected a whole number"),
        (["--print", "--json"], "not allowed with"),
        (["--unknown"], "unrecognized arguments"),
        (["--graphics", "ascii"], "invalid choice: 'ascii'"),
        (["--theme", "norden"], "invalid choice: 'norden'"),
        (["--filter", "clipscore < much"], "clipscore < much"),
    ],
)
def test_misuse_is_explained(cache_folder: Path, arguments: list[str], message: str) -> None:
    done = run(cache_folder, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_no_cache_there_is_one_line(tmp_path: Path) -> None:
    done = run(tmp_path / "nothing")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "nothing" in done.stderr


def test_a_damaged_cache_is_one_line(writable_copy: Path) -> None:
    file = writable_copy / "samples.parquet"
    file.write_bytes(b"x" * file.stat().st_size)
    done = run(writable_copy)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for argument, expected in (("--version", "hw3-browse "), ("--help", "examples:")):
        with pytest.raises(SystemExit) as end:
            cli.main([argument])
        assert end.value.code == 0
        assert expected in capsys.readouterr().out


def test_the_last_cache_is_opened(cache_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remember_cache(cache_folder)
    assert cli.main(["--print", "--limit", "1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_without_a_cache_and_without_torch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(demo.importlib.util, "find_spec", lambda name: None)
    assert cli.main([]) == 2
    message = capsys.readouterr().err
    assert len(message.splitlines()) == 1
    assert "hw3-browse[models]" in message


def test_without_a_cache_the_demo_is_computed(
    cache_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    program = (
        "from pathlib import Path; from hw3_browse.cache.places import remember_cache; "
        f"remember_cache(Path({str(cache_folder)!r}))"
    )
    monkeypatch.setattr(demo.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(demo, "_COMMAND", (sys.executable, "-c", program))
    assert cli.main(["--print"]) == 0
    captured = capfd.readouterr()
    assert "computing the bundled demo" in captured.err
    assert len(captured.out.splitlines()) == 21


def test_a_demo_that_fails(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(demo.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(demo, "_COMMAND", (sys.executable, "-c", "raise SystemExit(3)"))
    assert cli.main([]) == 2
    assert "exit code 3" in capfd.readouterr().err


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert cli.main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def rows_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(printed(capsys, *arguments, "--csv"))))


@pytest.fixture
def other_folder(tmp_path: Path) -> Path:
    """A second run over the pictures of `cache_folder`, with other captions, and without the last five."""
    return make_cache(tmp_path / "other", count=15, seed=3, words=("a sheep", "many words that are not the same"))


# -- Filter ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["--print", "--json", "--csv"])
def test_a_filter_leaves_ranks_alone(cache_folder: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    every = rows_of(capsys, cache_folder)
    wanted = [row for row in every if float(row["clipscore"]) < 0.7 and "dogs" in row["caption"]]
    assert 0 < len(wanted) < len(every)
    output = printed(capsys, cache_folder, form, "--filter", 'clipscore < 0.7 and caption ~ "dogs"')
    if form == "--json":
        found = [(entry["rank"], entry["name"]) for entry in json.loads(output)]
    elif form == "--csv":
        found = [(int(row["rank"]), row["name"]) for row in csv.DictReader(io.StringIO(output))]
    else:
        found = [(int(line.split()[0]), line.split()[2]) for line in output.splitlines()[1:]]
    assert found == [(int(row["rank"]), row["name"]) for row in wanted]


def test_a_filter_that_leaves_nothing(cache_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nothing = (cache_folder, "--filter", "clipscore > 7")
    assert json.loads(printed(capsys, *nothing, "--json")) == []
    assert len(printed(capsys, *nothing, "--csv").splitlines()) == 1
    assert printed(capsys, *nothing, "--print").split() == ["rank", "clipscore", "name", "caption"]


def test_a_wrong_filter_shows_the_spot(cache_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([str(cache_folder), "--print", "--filter", "cider > 0 and clipscor < 1"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    message, text, carets = captured.err.splitlines()
    assert message.startswith("hw3-browse: ")
    assert "clipscore" in message
    assert text[carets.index("^") : carets.rindex("^") + 1] == "clipscor"


# -- Several runs ------------------------------------------------------------------------------------------------------


def test_two_runs_are_one_list(cache_folder: Path, other_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [cache_folder, "--sort", "diff.clipscore", other_folder, "--csv"]  # an option between the two
    assert cli.main([str(argument) for argument in arguments]) == 0
    captured = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(captured.out)))
    assert len(rows) == 15
    assert "5" in captured.err  # pictures that are in one alone
    assert len(captured.err.splitlines()) == 1
    differences = [float(row["diff.clipscore"]) for row in rows]
    assert differences == sorted(differences, reverse=True)
    with Cache.open(cache_folder) as first, Cache.open(other_folder) as second:
        for row in rows:
            a, b = first.find(row["name"]), second.find(row["name"])
            assert a is not None
            assert b is not None
            assert (row["caption"], row["b.caption"]) == (first.caption(a), second.caption(b))
            assert float(row["b.clipscore"]) == second.scores("clipscore")[b]


def test_two_runs_as_text(cache_folder: Path, other_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, cache_folder, other_folder, "--print", "--sort", "diff.cider").splitlines()
    assert lines[0].split() == ["rank", "diff.cider", "cider", "b.cider", "name", "caption", "b.caption"]
    start = len(lines[0]) - len("b.caption")
    for line in lines[1:]:
        cells = sum(cell_len(line[:end]) == start for end in range(len(line)))
        assert cells >= 1  # a column begins there, wide characters before it or not
        _, difference, own, other = (math.nan if cell == UNDEFINED else float(cell) for cell in line.split()[:4])
        assert math.isnan(difference) or difference == pytest.approx(other - own, abs=1e-3)


def test_two_runs_as_json(cache_folder: Path, other_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [cache_folder, other_folder, "--json", "--sort", "b.cider", "--filter", "b.words = 2"]
    entries = json.loads(printed(capsys, *arguments))
    assert {entry["b.caption"] for entry in entries} == {"a sheep"}
    assert [entry["scores"]["b.cider"] for entry in entries if entry["rank"]] == sorted(
        (entry["scores"]["b.cider"] for entry in entries if entry["rank"]), reverse=True
    )


# -- What has been judged ----------------------------------------------------------------------------------------------


def judge(folder: Path) -> tuple[str, str]:
    """Judge two pictures; returns their names."""
    with Cache.open(folder) as cache:
        first, second = cache.sample(2), cache.sample(5)
    judgements = Judgements.beside(folder)
    judgements.set_reasonable(first.path, first.caption, value=False)
    judgements.set_fits(first.path, first.caption, 1, first.words[1], value=True)
    judgements.set_fits(first.path, first.caption, 0, first.words[0], value=False)
    judgements.set_note(first.path, "two\nlines \x1b[31m")
    judgements.set_tags(second.path, ["very bad", "dark"], shown=())
    judgements.close()
    return first.name, second.name


def test_judgements_are_printed(writable_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "note" not in rows_of(capsys, writable_copy)[0]
    assert "note" not in json.loads(printed(capsys, writable_copy, "--json"))[0]
    first, second = judge(writable_copy)
    rows = {row["name"]: row for row in rows_of(capsys, writable_copy)}
    assert rows[first]["reasonable"] == "no"
    assert rows[first]["fits"] == "0:pneumonoultramicroscopic=no 1:sheep=yes"
    assert rows[first]["note"] == "two lines "
    assert rows[second]["tags"] == "dark, very bad"
    assert [row["reasonable"] for name, row in rows.items() if name != first] == [""] * 19
    entries = {entry["name"]: entry for entry in json.loads(printed(capsys, writable_copy, "--json"))}
    assert entries[first]["reasonable"] is False
    assert entries[first]["fits"] == [
        {"word": 0, "text": "pneumonoultramicroscopic", "fits": False},
        {"word": 1, "text": "sheep", "fits": True},
    ]
    assert entries[first]["note"] == "two\nlines \x1b[31m"
    assert entries[second]["tags"] == ["dark", "very bad"]
    assert entries[second]["reasonable"] is None


def test_judgements_filter(writable_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = judge(writable_copy)
    assert [row["name"] for row in rows_of(capsys, writable_copy, "--filter", 'tag:"very bad"')] == [second]
    assert [row["name"] for row in rows_of(capsys, writable_copy, "--filter", "reasonable = no")] == [first]


def test_judgements_of_two_runs(cache_folder: Path, writable_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, _ = judge(writable_copy)
    rows = {row["name"]: row for row in rows_of(capsys, cache_folder, writable_copy)}
    assert rows[first]["b.reasonable"] == "no"
    assert "reasonable" not in rows[first]


# -- A run that is not finished ----------------------------------------------------------------------------------------


def test_an_unfinished_run_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    with CacheWriter(folder, fake_plan(9), 9) as writer:
        writer.add_captioned([fake_row(index, "a sheep") for index in (4, 1, 7)])
        assert cli.main([str(folder), "--csv"]) == 0
    captured = capsys.readouterr()
    assert len(list(csv.DictReader(io.StringIO(captured.out)))) == 3
    assert captured.err == "hw3-browse: run is not finished: 3 of 9 pictures so far\n"


# -- Settings ----------------------------------------------------------------------------------------------------------


def configure(text: str) -> None:
    config_file().parent.mkdir(parents=True, exist_ok=True)
    config_file().write_text(text)


def test_the_config_file_counts(cache_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure('sort = "logprob"\nreverse = true')
    head, first = printed(capsys, cache_folder, "--print", "--limit", 1).splitlines()
    assert head.split()[:2] == ["rank", "logprob"]
    assert first.split()[0] == "20"
    head, first = printed(capsys, cache_folder, "--limit", 1, "--sort", "name", "--no-reverse").splitlines()
    assert head.split()[:2] == ["rank", "name"]
    assert first.split()[0] == "1"
    configure('sort = "no such score"')  # another cache may have it
    assert printed(capsys, cache_folder, "--limit", 1).split()[1] == "clipscore"


def test_a_wrong_config_file_is_one_line(cache_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure('\nsrt = "cider"')
    assert cli.main([str(cache_folder), "--print"]) == 2
    captured = capsys.readouterr()
    assert captured.err == (f"hw3-browse: {config_file()}:2: unknown setting 'srt'; did you mean 'sort'?\n")
    assert captured.out == ""


def test_it_tells_about_its_config_file(capsys: pytest.CaptureFixture[str]) -> None:
    file = config_file()
    assert printed(capsys, "--config-path") == f"{file}\n"
    assert file.parent.is_dir()  # so that one can write there
    default = printed(capsys, "--config-default")
    assert '#"sample.next" = ' in default
    file.write_text(default)
    assert printed(capsys, "--config-path") == f"{file}\n"


def test_the_doctor_is_there_when_settings_are_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []
    monkeypatch.setattr(doctor, "run", lambda forced: asked.append(forced) or 0)
    configure('graphics = "half"')
    assert printed(capsys, "--doctor") == ""
    configure('graphics = "no such mode"')
    assert printed(capsys, "--doctor") == ""
    assert printed(capsys, "--doctor", "--graphics", "sixel") == ""
    assert asked == ["half", "auto", "sixel"]


def test_the_browser_gets_everything(
    cache_folder: Path, other_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configure('colormap = "gray"\n[keys]\n"sample.next" = "n"')
    seen: dict[str, object] = {}

    class Browser:
        successor = None

        def visit(self) -> None:
            """It was nowhere."""

        def __init__(self, runs: Runs, settings: Settings, terminal: Terminal, reopen: Callable[[], Runs]) -> None:
            self.runs = runs
            seen.update(runs=len(runs.sources), settings=settings, terminal=terminal)
            again = reopen()
            seen.update(again=len(again.sources))
            again.close()

    terminal = Terminal("half", "for the test")
    monkeypatch.setattr(cli, "_is_interactive", lambda: True)
    monkeypatch.setattr(captions_app, "CaptionBrowser", Browser)
    monkeypatch.setattr(probe, "probe", lambda forced: seen.update(forced=forced) or terminal)
    monkeypatch.setattr(process, "run", lambda browser: 7)
    options = ["--graphics", "half", "--out", tmp_path, "--figure-format", "svg", "--filter", "cider > 0", "--reverse"]
    assert cli.main([str(argument) for argument in (cache_folder, other_folder, *options)]) == 7
    settings = seen.pop("settings")
    assert seen == {"runs": 2, "again": 2, "forced": "half", "terminal": terminal}
    for name, value in {
        "sort": "clipscore",
        "reverse": True,
        "filter": "cider > 0",
        "graphics": "half",
        "colormap": "gray",
        "figures": tmp_path,
        "figure_format": "svg",
        "keys": {"sample.next": "n"},
    }.items():
        assert getattr(settings, name) == value
