"""The app under Textual's pilot, on small caches: keys, mouse, states, and answers that come too late."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from browsing import HALF, SIZES, browser, press, row, running, settle, shown
from textual.geometry import Offset

from hw3_browse.cache.reader import Cache
from hw3_browse.tui import keys
from hw3_browse.tui.memory import remembered
from hw3_browse.tui.ordering import keys_of
from hw3_browse.tui.widgets.board import BoardView
from hw3_browse.tui.widgets.caption import Caption
from hw3_browse.tui.widgets.details import Details
from hw3_browse.tui.widgets.help import Help
from hw3_browse.tui.widgets.sample_list import ListHead, SampleList
from hw3_browse.tui.widgets.status_line import StatusLine
from hw3_browse.tui.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from hw3_browse.tui.captions_app import CaptionBrowser

pytestmark = pytest.mark.usefixtures("home")  # nothing is remembered in the real one


@pytest.fixture(params=["cache_folder", "nasty_folder"])
def cache(request: pytest.FixtureRequest) -> AsyncIterator[Cache]:
    with Cache.open(request.getfixturevalue(request.param)) as opened:
        yield opened


@pytest.fixture
def plain(cache_folder: Path) -> AsyncIterator[Cache]:
    with Cache.open(cache_folder) as opened:
        yield opened


def line(app: CaptionBrowser, y: int) -> str:
    return app.query_one(SampleList).render_line(y).text


@pytest.mark.parametrize("size", [*SIZES, (60, 16), (300, 100)])
async def test_the_first_screen(cache: Cache, size: tuple[int, int]) -> None:
    async with running(cache, size=size) as (app, _):
        best = int(cache.order("clipscore")[0])
        assert shown(app).request.index == best
        assert shown(app).request.tokens == ()
        assert app.query_one(TitleBar).order == "by clipscore, best first"
        assert app.query_one(TitleBar).place == f"rank 1 of {len(cache)}"
        assert line(app, 0).startswith("▌    1")
        panels = [app.query_one(kind) for kind in (SampleList, BoardView, Details, Caption)]
        assert all(panel.region.area > 0 for panel in panels)
        whole = app.screen.region
        for panel in panels:
            assert panel.region in whole
            others = [other.region for other in panels if other is not panel]
            assert not any(panel.region.overlaps(other) for other in others)
        picture = app.query_one(BoardView)
        assert shown(app).width <= picture.size.width
        assert shown(app).height <= picture.size.height


@pytest.mark.parametrize("focus", [SampleList, Caption])
@pytest.mark.parametrize(
    ("pressed", "position"),
    [
        (["down"], 1),
        (["j", "j"], 2),
        (["j", "k"], 0),
        (["up"], 0),
        (["G"], 19),
        (["end", "down"], 19),
        (["G", "g"], 0),
        (["end", "home"], 0),
        (["G", "t", "j"], 1),
    ],
)
async def test_walking(plain: Cache, pressed: list[str], position: int, focus: type) -> None:
    async with running(plain) as (app, pilot):
        app.query_one(focus).focus()
        await press(app, pilot, *pressed)
        assert row(app) == position
        expected = int(plain.order("clipscore")[position])
        assert shown(app).request.index == expected
        assert plain.name(expected) in str(app.query_one(Details).children[0].render())
        # The selected row is in sight.
        samples = app.query_one(SampleList)
        assert samples.scroll_offset.y <= position < samples.scroll_offset.y + samples.page


async def test_pages(plain: Cache) -> None:
    async with running(plain) as (app, pilot):
        page = app.query_one(SampleList).page
        await press(app, pilot, "pagedown")
        assert row(app) == page
        await press(app, pilot, "pageup", "pageup")
        assert row(app) == 0


@pytest.mark.parametrize("size", SIZES)
async def test_words(cache: Cache, size: tuple[int, int]) -> None:
    async with running(cache, size=size) as (app, pilot):
        sample = cache.sample(int(cache.order("clipscore")[0]))
        await press(app, pilot, "right")
        assert app.words.unit == 0
        assert shown(app).request.tokens == app.words.units[0].tokens
        assert shown(app).span is not None
        await press(app, pilot, "l", "h", "h")
        assert app.words.unit is None
        assert shown(app).span is None
        await press(app, pilot, *["right"] * (len(sample.words) + 2))
        assert app.words.unit == len(sample.words) - 1
        await press(app, pilot, "0")
        assert app.words.unit == 0
        await press(app, pilot, "$")
        assert app.words.unit == len(sample.words) - 1
        await press(app, pilot, "escape")
        assert app.words.unit is None


async def test_the_map_is_that_of_the_word(plain: Cache) -> None:
    """The span beside the scale comes from the mean over heads of the last layer, over the word's own tokens."""
    async with running(plain) as (app, pilot):
        index = next(i for i in range(len(plain)) if "pneumono" in plain.caption(i))
        while shown(app).request.index != index:
            await press(app, pilot, "j")
        await press(app, pilot, "right")
        sample = plain.sample(index)
        tokens = [token for token, word in enumerate(sample.word_of_piece) if word == 0]
        assert len(tokens) > 1
        expected = plain.attention(index).word_map(tokens, -1, "mean")
        assert shown(app).span == pytest.approx((expected.min(), expected.max()))


async def test_pieces_are_reachable(plain: Cache) -> None:
    async with running(plain) as (app, pilot):
        index = next(i for i in range(len(plain)) if "pneumono" in plain.caption(i))
        while shown(app).request.index != index:
            await press(app, pilot, "j")
        sample = plain.sample(index)
        await press(app, pilot, "right", "right")
        await press(app, pilot, "p")
        assert [unit.text for unit in app.words.units] == list(sample.pieces)
        assert app.words.unit == sample.word_of_piece.index(1)  # still at the second word
        await press(app, pilot, "$")
        assert app.words.units[app.words.unit or 0].text == "<EOS>"
        expected = plain.attention(index).map(len(sample.pieces) - 1)
        assert shown(app).span == pytest.approx((expected.min(), expected.max()))
        await press(app, pilot, "p")
        assert [unit.text for unit in app.words.units] == list(sample.words)


async def test_layers_and_heads(plain: Cache) -> None:
    async with running(plain) as (app, pilot):
        await press(app, pilot, "right")
        index = shown(app).request.index
        sample, attention = plain.sample(index), plain.attention(index)
        tokens = [token for token, word in enumerate(sample.word_of_piece) if word == 0]

        async def span_after(key: str) -> tuple[float, float]:
            await press(app, pilot, key)
            span = shown(app).span
            assert span is not None
            return span

        def expected(layer: int, head: object) -> object:
            grid = attention.word_map(tokens, layer, head)  # type: ignore[arg-type]
            return pytest.approx((grid.min(), grid.max()))

        assert await span_after("[") == expected(0, "mean")
        assert "layer 1/2, mean" in app.query_one(StatusLine).state.plain
        assert await span_after("[") == expected(0, "mean")  # there is none below
        assert await span_after("]") == expected(1, "mean")
        assert await span_after("}") == expected(1, "max")
        assert await span_after("}") == expected(1, 0)
        assert "head 1" in app.query_one(StatusLine).state.plain
        assert await span_after("{") == expected(1, "max")
        await press(app, pilot, "m")
        assert shown(app).span is None
        await press(app, pilot, "m")
        assert shown(app).span == expected(1, "max")


async def test_the_map_lies_on_the_crop(plain: Cache) -> None:
    """What the model did not see has no colour; what it saw has that of its patch."""
    async with running(plain, size=(160, 50)) as (app, pilot):
        index = next(i for i in range(len(plain)) if plain.sample(i).view.width == 400)
        while shown(app).request.index != index:
            await press(app, pilot, "j")
        await press(app, pilot, "right")
        finished = shown(app)
        view = plain.sample(index).view
        _, seen = view.place(plain.attention(index).map(0), finished.width, 2 * len(finished.strips))
        middle = list(finished.strips[len(finished.strips) // 2])
        assert seen[seen.shape[0] // 2].any()
        assert not seen[seen.shape[0] // 2].all()
        x = 0
        for segment in middle:
            assert segment.style is not None
            assert segment.style.bgcolor is not None
            red, green, blue = segment.style.bgcolor.get_truecolor()
            coloured = max(red, green, blue) - min(red, green, blue) > 8
            for _ in segment.text:
                assert coloured == bool(seen[seen.shape[0] // 2, x])
                x += 1


async def test_sorting(plain: Cache) -> None:
    async with running(plain) as (app, pilot):
        await press(app, pilot, "j", "j", "j")
        index = shown(app).request.index
        await press(app, pilot, "right", "O")
        title = app.query_one(TitleBar)
        assert title.order == "by refclipscore, best first"
        assert shown(app).request.index == index  # the selected sample and word stay
        assert app.words.unit == 0
        assert int(plain.order("refclipscore")[row(app)]) == index
        await press(app, pilot, *["O"] * (len(keys_of(plain.score_names)) - 1), "r")
        assert title.order == "by clipscore, worst first"
        assert row(app) == len(plain) - 1 - 3
        assert title.place == "rank 4 of 20"
        await press(app, pilot, "g")
        assert title.place == "rank 20 of 20"
        assert int(plain.order("clipscore")[-1]) == shown(app).request.index
        await press(app, pilot, "O")
        assert title.order == "by refclipscore, worst first"


@pytest.mark.parametrize("size", SIZES)
async def test_the_mouse(plain: Cache, size: tuple[int, int]) -> None:
    async with running(plain, size=size) as (app, pilot):
        await pilot.click(SampleList, offset=Offset(20, 3))
        await settle(app, pilot)
        assert row(app) == 3
        caption = app.query_one(Caption)
        placed = caption.lines[0][1][1]
        left, top = caption.gutter.left, caption.gutter.top
        await pilot.click(Caption, offset=Offset(placed.x + left, top))
        await settle(app, pilot)
        assert app.words.unit == 1
        assert app.words.unit == 1
        await pilot.click(Caption, offset=Offset(placed.x + left - 1, top))  # between two words
        await settle(app, pilot)
        assert app.words.unit is None
        await pilot.click(ListHead)
        await settle(app, pilot)
        assert app.query_one(TitleBar).order.endswith("worst first")


async def test_a_click_in_the_footer_is_its_key(plain: Cache) -> None:
    async with running(plain) as (app, pilot):
        await pilot.click("KeyLine", offset=Offset(2, 0))
        await settle(app, pilot)
        assert row(app) == 1


@pytest.mark.parametrize("size", SIZES)
async def test_help_explains_every_key_and_leaves_the_picture(plain: Cache, size: tuple[int, int]) -> None:
    async with running(plain, size=size) as (app, pilot):
        before = app.query_one(BoardView).region
        await press(app, pilot, "question_mark")
        panel = app.query_one(Help)
        assert panel.region.area > 0
        assert app.query_one(BoardView).region == before
        text = " ".join(str(panel.children[0].render()).split())
        for binding in keys.BINDINGS:
            assert binding.tooltip in text
        await press(app, pilot, "j")  # the list still walks
        assert row(app) == 1
        await press(app, pilot, "ctrl+d")
        await press(app, pilot, "escape")
        assert not panel.display
        assert app.query_one(BoardView).region == before


def test_keys_are_declared_once() -> None:
    idents = [binding.id for binding in keys.BINDINGS]
    assert len(set(idents)) == len(idents)
    assert all(ident and ident.partition(".")[0] in keys.SECTIONS for ident in idents)
    pressed = [key for binding in keys.BINDINGS for key in binding.key.split(",")]
    assert len(set(pressed)) == len(pressed)
    listed = [binding for _, bindings in keys.sections(keys.BINDINGS) for binding in bindings]
    assert sorted(binding.id or "" for binding in listed) == sorted(ident or "" for ident in idents)


async def test_resize_keeps_the_selection(plain: Cache) -> None:
    async with running(plain) as (app, pilot):
        await press(app, pilot, "G", "k", "l", "l")
        small = shown(app)
        await pilot.resize_terminal(160, 50)
        await settle(app, pilot)
        assert row(app) == 18
        assert app.words.unit == 1
        large = shown(app)
        assert large.request.index == small.request.index
        assert large.width > small.width
        await pilot.resize_terminal(50, 12)
        await settle(app, pilot)
        assert app.query_one("TooSmall").display
        assert not app.query_one("#body").display
        await pilot.resize_terminal(80, 24)
        await settle(app, pilot)
        assert shown(app).width == small.width


async def test_themes(plain: Cache) -> None:
    async with running(plain) as (app, pilot):
        dark = app.query_one(SampleList).rich_style.bgcolor
        await press(app, pilot, "T")
        assert not app.current_theme.dark
        assert app.query_one(SampleList).rich_style.bgcolor != dark
        await press(app, pilot, "T")
        assert app.current_theme.dark


@pytest.mark.parametrize(("value", "light"), [("15;0", False), ("0;15", True), ("0;default;7", True), ("", False)])
def test_the_terminals_background_chooses_the_theme(
    plain: Cache, monkeypatch: pytest.MonkeyPatch, value: str, light: bool
) -> None:
    monkeypatch.setenv("COLORFGBG", value)
    assert browser(plain).current_theme.dark == (not light)


async def test_saving(plain: Cache, tmp_path: Path) -> None:
    async with running(plain, figures=tmp_path / "figures") as (app, pilot):
        await press(app, pilot, "right", "s")
        (file,) = (tmp_path / "figures").iterdir()
        assert file.suffix == ".png"
        assert plain.name(shown(app).request.index) in file.name
        assert str(file) in app.query_one(StatusLine).state.plain
        while not app.query("Toast"):
            await pilot.pause(0.02)
        await press(app, pilot, "s")
        assert len(list((tmp_path / "figures").iterdir())) == 2  # the first one was not replaced


async def test_saving_where_one_cannot(plain: Cache, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    async with running(plain, figures=tmp_path / "file") as (app, pilot):
        await press(app, pilot, "s")
        (toast,) = app.query("Toast")
        assert "-error" in toast.classes
        await press(app, pilot, "j")
        assert row(app) == 1


async def test_a_damaged_picture_is_said_and_passed(writable_copy: Path) -> None:
    with Cache.open(writable_copy) as opened:
        index = int(opened.order("clipscore")[1])
    (preview,) = (writable_copy / "previews").glob(f"**/*{index:07d}.jpg")
    preview.write_bytes(b"\xff\xd8\xffdamaged")
    with Cache.open(writable_copy) as damaged:
        async with running(damaged) as (app, pilot):
            await press(app, pilot, "j")
            assert app.query_one(BoardView).shown is None
            await press(app, pilot, "l", "j")
            assert shown(app).request.index == int(damaged.order("clipscore")[2])


async def test_held_keys_do_not_queue_up_pictures(plain: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one picture is being made, twenty more keys ask for one more picture, the last."""
    made: list[int] = []
    go_on = threading.Event()
    async with running(plain) as (app, pilot):
        real = plain.preview

        def slow(index: int) -> bytes:
            made.append(index)
            go_on.wait(10)
            return real(index)

        monkeypatch.setattr(plain, "preview", slow)
        for _ in range(19):
            app.listing.step(1)
        go_on.set()
        await settle(app, pilot)
        last = int(plain.order("clipscore")[19])
        assert shown(app).request.index == last
        assert made[-1] == last
        assert len(made) <= 2


async def test_a_word_chosen_before_its_caption_is_read(plain: Cache) -> None:
    async with running(plain) as (app, pilot):
        app.listing.step(1)
        for _ in range(50):
            app.words.step(1)
        await settle(app, pilot)
        words = plain.sample(int(plain.order("clipscore")[1])).words
        assert app.words.unit == len(words) - 1
        assert "layer" in app.query_one(StatusLine).state.plain


async def test_rows_are_sanitized_and_as_wide_as_the_list(nasty_folder: Path) -> None:
    with Cache.open(nasty_folder) as nasty:
        async with running(nasty, size=(80, 40)) as (app, _):
            samples = app.query_one(SampleList)
            for y in range(samples.page):
                strip = samples.render_line(y)
                assert strip.cell_length == samples.scrollable_content_region.width
                assert strip.text.isprintable() or "\u200d" in strip.text
            assert "[bold]a sign[/bold]" in "".join(line(app, y) for y in range(samples.page))


async def test_what_was_typed_too_early_is_not_lost(plain: Cache) -> None:
    """While the terminal was asked what it can do, the user pressed keys."""
    async with running(plain, terminal=replace(HALF, typed=b"jj\xffj")) as (app, pilot):
        await settle(app, pilot)
        assert row(app) == 3


async def test_colours_are_remembered(plain: Cache) -> None:
    async with running(plain) as (app, pilot):
        await press(app, pilot, "comma", "right_parenthesis", "T")
    assert remembered() == {"colormap": "viridis", "opacity": 0.65, "theme": "textual-light"}
