"""The browser of zero-shot runs: list, bars, prompts, filters, notes, figures, and the way to other runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from browsing import SIZES, classifying, details, press, row, rows, running, settle, shown, write
from fakes import make_cache
from zeroshot_fakes import NAMES, make_zeroshot_run

from hw3_browse.cache.judgements import Judgements
from hw3_browse.cache.reader import Cache
from hw3_browse.cache.zeroshot import VALUES, ZeroShotRun
from hw3_browse.tui import keys
from hw3_browse.tui.classes.drawing import bars, line, percent
from hw3_browse.tui.classes.guess import read
from hw3_browse.tui.classes.view import ClassView
from hw3_browse.tui.formats import UNDEFINED
from hw3_browse.tui.terminal.modes import Terminal
from hw3_browse.tui.widgets.board import BoardView
from hw3_browse.tui.widgets.help import Help
from hw3_browse.tui.widgets.key_line import KeyLine

if TYPE_CHECKING:
    from hw3_browse.tui.classes.app import ClassBrowser

NONE = Terminal("none", "for the tests")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 40 pictures by three prompts, one picture of an unknown class; tests do not write to it."""
    return make_zeroshot_run(tmp_path_factory.mktemp("zero") / "run", count=40, unknown=(5,))


@pytest.fixture(autouse=True)
def _home(home: Path) -> None:
    """Nothing of the real home is read or written."""


def bar_lines(app: ClassBrowser) -> list[str]:
    return str(app.bars.render()).splitlines()


def status(app: ClassBrowser) -> str:
    return app.status.state.plain


@pytest.mark.parametrize("size", SIZES)
async def test_the_list_says_what_pictures_were_taken_for(folder: Path, size: tuple[int, int]) -> None:
    async with classifying(folder, size=size) as (app, _):
        run = app.runs.run
        order = run.order(0, "confidence").tolist()
        assert "by confidence, best first" in app.title_bar.order
        assert len(rows(app)) > 3
        for place, text in enumerate(rows(app)):
            index = order[place]
            truth, guess = run.true_label(index), int(run.predicted(0)[index])
            sign = "?" if truth is None else "✓" if truth == guess else "✗"
            assert f" {place + 1} " in text
            assert f"{run.values(0, 'confidence')[index]:.4f}" in text
            assert f"{sign} {NAMES[guess]}" in text
            assert run.name(index) in text
            assert (f", is: {NAMES[truth]}" in text) == (sign == "✗") if truth is not None else ", is:" not in text


async def test_orders(folder: Path) -> None:
    async with classifying(folder) as (app, pilot):
        run = app.runs.run
        for key in (*VALUES[1:], "name", "index"):
            await press(app, pilot, "O")
            assert app.listing.key == key
            if key in VALUES:
                assert app.listing.ordering is not None
                found = [app.listing.ordering.index_at(place) for place in range(40)]
                assert found == run.order(0, key).tolist()
        await press(app, pilot, "o")
        assert [choice.text for choice in app.chooser.left] == [*VALUES, "name", "index"]
        await write(app, pilot, "margin")
        await press(app, pilot, "enter", "r", "G")
        assert app.listing.key == "margin"
        assert app.runs.value("margin", app.listing.index or 0) == np.nanmax(run.values(0, "margin"))


@pytest.mark.parametrize("size", SIZES)
async def test_bars_and_prompts(folder: Path, size: tuple[int, int]) -> None:
    async with classifying(folder, size=size) as (app, pilot):
        run = app.runs.run
        await press(app, pilot, "j", "j")
        index = app.listing.index
        assert index is not None
        for prompt in (0, 1, 2, 0):
            lines = bar_lines(app)
            assert f"prompt {prompt + 1}/3" in lines[0]
            for text, (label, probability) in zip(lines[1:], run.top(index, prompt), strict=False):
                assert NAMES[label] in text
                assert text.rstrip().endswith(percent(probability))
                assert text.startswith("✓") == (label == run.true_label(index))
            summary = run.prompts[prompt].summary
            assert summary is not None
            assert f"prompt {prompt + 1}: {summary.correct}/{summary.count}" in status(app)
            assert app.listing.index == index  # the picture stays
            assert app.listing.ordering is not None
            rank = run.order(prompt, "confidence").tolist().index(index) + 1
            assert f"rank {rank} of 40" in app.title_bar.place
            assert f"{rank} of 40" in details(app) or size[0] < 100
            await press(app, pilot, "right")
        await press(app, pilot, "left")
        assert app.runs.prompt == 0
        await press(app, pilot, "p")
        assert [choice.hint for choice in app.chooser.left] == [
            f"{p.summary.accuracy:.1%}" for p in run.prompts if p.summary
        ]
        await press(app, pilot, "down", "enter")
        assert app.runs.prompt == 1
        assert app.chooser.display is False


async def test_details_have_all_prompts(folder: Path) -> None:
    async with classifying(folder, size=(160, 50), filter="correct = no") as (app, pilot):
        picture = app.guesses.picture
        assert picture is not None
        text = details(app)
        for number, guess in enumerate(picture.guesses, 1):
            (own,) = [
                part
                for part in text.splitlines()
                if part[1:].startswith(f" {number} ") and "%" in part and "/" not in part
            ]
            assert guess.best.label in own
            assert {True: "✓", False: "✗", None: "?"}[guess.is_right] in own
        assert f"taken for {picture.guesses[0].best.label}, is {picture.truth}" in text
        assert "accuracy of the run" in text
        await press(app, pilot, "right")
        assert details(app) != text


async def test_search_filter_and_go(folder: Path) -> None:
    async with classifying(folder) as (app, pilot):
        run = app.runs.run
        await press(app, pilot, "slash")
        await write(app, pilot, "teddy")
        await press(app, pilot, "enter")
        for text in rows(app):
            assert "teddy bear" in text
        await press(app, pilot, "backspace", "F")
        await write(app, pilot, "class = dog and not corr")
        assert "no field" not in status(app)
        await write(app, pilot, "ect")
        await press(app, pilot, "enter")
        wrong = [index for index in range(40) if run.true_label(index) == 0 and run.values(0, "correct")[index] == 0]
        assert app.listing.ordering is not None
        assert len(app.listing.ordering) == len(wrong)
        await press(app, pilot, "right")  # by another prompt the filter means another thing
        others = [index for index in range(40) if run.true_label(index) == 0 and run.values(1, "correct")[index] == 0]
        assert len(app.listing.ordering) == len(others)
        await press(app, pilot, "F")
        await write(app, pilot, " an")
        assert "v" in status(app)
        await press(app, pilot, "escape", "backspace", "colon")
        await write(app, pilot, "6_6")
        await press(app, pilot, "enter")
        assert app.listing.index == 6


async def test_nothing_left(folder: Path) -> None:
    async with classifying(folder, filter='class = "no such"') as (app, pilot):
        assert bar_lines(app) == [""] or bar_lines(app) == []
        assert app.guesses.guess is None
        await press(app, pilot, "right", "s", "S", "e")
        assert app.runs.prompt == 1
        await press(app, pilot, "escape", "backspace")
        assert len(rows(app)) > 3


async def test_an_unknown_class(folder: Path) -> None:
    async with classifying(folder, filter="name = stray_5") as (app, _):
        assert "? " in rows(app)[0]
        assert not any(text.startswith("✓") for text in bar_lines(app)[1:])
        assert "the true class is not known" in details(app)


async def test_without_any_true_class(tmp_path: Path) -> None:
    run = make_zeroshot_run(tmp_path / "run", count=6, unknown=range(6))
    async with classifying(run) as (app, pilot):
        assert "prompt" not in status(app)
        await press(app, pilot, "O")
        assert "true_probability" in app.title_bar.order
        assert UNDEFINED in rows(app)[0]


async def test_notes_and_tags(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    async with classifying(copy, size=(160, 50)) as (app, pilot):
        picture = app.guesses.picture
        assert picture is not None
        await press(app, pilot, "e")
        await write(app, pilot, "blurred")
        await press(app, pilot, "enter", "number_sign")
        await write(app, pilot, "odd")
        await press(app, pilot, "enter")
        assert "note blurred" in details(app)
        assert "·" in rows(app)[0][:4]
        await press(app, pilot, "right")
        assert "note blurred" in details(app)  # on the picture, whatever the prompt
        await press(app, pilot, "F")
        await write(app, pilot, "tag:odd")
        await press(app, pilot, "enter")
        assert len(rows(app)) == 1
        await press(app, pilot, "U", "backspace")
        assert "tags" not in details(app)
    store = Judgements.beside(copy)
    assert store.current(lambda paths: dict.fromkeys(paths, ""))[picture.path].note == "blurred"
    store.close()


async def test_figures_are_saved(folder: Path, tmp_path: Path) -> None:
    async with classifying(folder, figures=tmp_path / "figures", figure_format="svg", filter="not correct") as (
        app,
        pilot,
    ):
        name = app.runs.name(app.listing.index or 0)
        await press(app, pilot, "right", "s")
        assert (tmp_path / "figures" / f"{name}-top5-prompt2.svg").is_file()
        await press(app, pilot, "S")
        assert "by-confidence-prompt2.svg" in status(app)
        await press(app, pilot, "x", "x", "S")
        assert "marked-prompt2.svg" in status(app)
        files = sorted(file.name for file in (tmp_path / "figures").iterdir())
        assert len(files) == 3
        page = next(file for file in (tmp_path / "figures").iterdir() if "by-confidence" in file.name).read_text()
        assert page.count("<image") == min(40, len(app.listing.ordering or ()))


async def test_only_keys_that_work_are_shown(folder: Path) -> None:
    async with classifying(folder, size=(160, 60)) as (app, pilot):
        await press(app, pilot, "question_mark")
        text = " ".join(str(app.query_one(Help).children[0].render()).split())
        for binding in keys.CLASS_BINDINGS:
            assert binding.tooltip in text
        for section in ("Words", "Attention map", "Panels of maps"):
            assert section not in text
        footer = str(app.query_one(KeyLine).render())
        assert "prompt" in footer
        assert "word" not in footer
        await press(app, pilot, "escape", "m", "w", "a", "y", "N", "v", "left_square_bracket")  # nothing at all
        assert app.is_running


def test_keys_of_classes_are_declared_once() -> None:
    pressed = [key for binding in keys.CLASS_BINDINGS for key in binding.key.split(",")]
    assert len(set(pressed)) == len(pressed)
    idents = [binding.id for binding in keys.everything()]
    assert len(set(idents)) == len(idents)
    assert {"prompt.next", "word.next"} <= keys.idents()


async def test_own_keys(folder: Path) -> None:
    chosen: dict[str, Any] = {"keys": {"prompt.next": "n", "word.next": "x"}}
    async with classifying(folder, **chosen) as (app, pilot):
        await press(app, pilot, "n")
        assert app.runs.prompt == 1
        await press(app, pilot, "right")
        assert app.runs.prompt == 1
        await press(app, pilot, "x")  # taken for captions only
        assert app.keeping.marked


async def test_a_tiny_picture_has_sharp_pixels(folder: Path) -> None:
    async with classifying(folder, size=(160, 50), filter="name = 0_0") as (app, _):
        finished = shown(app)
        assert finished.height >= 30
        # Neighbours of equal colours are one segment: of 32 pixels in a row there are no more colours than pixels.
        assert all(len(list(strip)) <= 2 * 32 for strip in finished.strips)
        assert finished.width >= 64
        assert any(len(list(strip)) <= 32 for strip in finished.strips)


@pytest.mark.parametrize("kind", ["captions", "classes"])
async def test_no_graphics_means_no_pictures(folder: Path, cache_folder: Path, kind: str) -> None:
    started = (
        running(Cache.open(cache_folder), terminal=NONE) if kind == "captions" else classifying(folder, terminal=NONE)
    )
    async with started as (app, pilot):
        board = app.query_one(BoardView)
        assert board.shown is None
        assert "no pictures (--graphics none)" in "".join(board.render_line(y).text for y in range(board.size.height))
        await press(app, pilot, "j")
        assert row(app) == 1
        assert details(app)


async def test_resize_and_reload_keep_everything(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    async with classifying(copy) as (app, pilot):
        await press(app, pilot, "right", "j", "j", "x")
        index = app.listing.index
        for size in ((160, 50), (250, 70), (60, 16), (30, 5), (80, 24)):
            await pilot.resize_terminal(*size)
            await settle(app, pilot)
            assert app.listing.index == index
        shutil.rmtree(copy)
        make_zeroshot_run(copy, count=40, unknown=(5,), seed=1)
        await press(app, pilot, "R")
        assert (app.listing.index, app.runs.prompt) == (index, 1)
        assert len(app.keeping.marked) == 1
        with ZeroShotRun.open(copy) as run:
            assert app.guesses.guess is not None
            assert app.guesses.guess.best.probability == run.top(index or 0, 1)[0][1]


async def test_another_run_is_a_key_away(tmp_path: Path) -> None:
    make_cache(tmp_path / "runs" / "demo", count=8)
    run = make_zeroshot_run(tmp_path / "runs" / "demo-zeroshot")
    broken = tmp_path / "runs" / "broken"
    shutil.copytree(run, broken)
    (broken / "samples.parquet").unlink()
    async with classifying(run) as (app, pilot):
        await press(app, pilot, "b")
        assert [(choice.text, choice.hint) for choice in app.chooser.left] == [
            ("broken", "zero-shot, 12 pictures"),
            ("demo", "captions, 8 pictures"),
        ]
        await press(app, pilot, "enter")
        assert app.is_running  # it cannot be opened: one stays
        assert app.successor is None
        await press(app, pilot, "b", "down", "enter")
        await pilot.pause()
        assert app.successor is not None
        assert len(app.successor) == 8
        app.successor.close()
    async with running(Cache.open(tmp_path / "runs" / "demo")) as (captions, pilot):
        await press(captions, pilot, "b")
        await write(captions, pilot, "zero")
        await press(captions, pilot, "enter")
        assert isinstance(captions.successor, ClassView)
        captions.successor.close()


def test_bars_in_any_width(folder: Path) -> None:
    with ZeroShotRun.open(folder) as run:
        for index in range(40):
            for guess in read(run, index).guesses:
                for width in (1, 5, 12, 20, 38, 60, 100, 250):
                    drawn = bars(guess, width)
                    assert len(drawn) == len(guess.bars)
                    assert all(text.cell_length <= width for text in drawn)
                assert sum(bar.is_true for bar in guess.bars) == (run.true_label(index) is not None)
                assert [bar.place for bar in guess.bars[:5]] == [1, 2, 3, 4, 5]
    assert line(0.5, 5) == "━━╸  "
    assert line(1.0, 3) == "━━━"
    assert line(1e-9, 3) == "╸  "
    assert line(0.0, 3) == "   "
    assert [percent(share) for share in (1.0, 0.9996, 0.5, 0.01, 0.0099, 0.00001, 0.0)] == [
        *("100%", "100%", "50.0%", "1.0%", "0.99%", "<.01%", "0%")
    ]
