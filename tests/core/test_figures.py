"""Figures of attention: what is in which cell, at which pixels, and how they are saved."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pytest
from fakes import make_cache
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.typing import NDArray
from PIL import Image

from hw3_browse.cache.errors import CacheDamaged, UsageError
from hw3_browse.cache.geometry import View, view_for
from hw3_browse.cache.reader import Cache
from hw3_browse.cache.schema import preview_file
from hw3_browse.core.figures import (
    Cell,
    Style,
    attention_grid,
    files,
    grid_file_name,
    layout,
    sample_block,
    sample_grid,
    save_figure,
    token_cells,
    word_cells,
)
from hw3_browse.core.figures import draw as draw_blocks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# A picture of 300 x 200 of which the model sees the square in the middle, from x = 50 to x = 250.
VIEW = view_for((300, 200), (20, 20), 1.0, "center", (2, 2))
SIDE = 336  # the longer side of a cell's picture: 336 x 224 here, seen from column 56 to column 280
FLAT = np.full((2, 2), 0.25)


def picture(size: tuple[int, int] = (300, 200)) -> Image.Image:
    """A picture whose every pixel differs in colour from its grey."""
    across = np.linspace(40, 200, size[0])[None, :].repeat(size[1], axis=0)
    return Image.fromarray(np.stack([across, across / 2, 255 - across], axis=-1).astype(np.uint8))


def draw(*labels: str, view: View = VIEW, title: str = "a title", columns: int = 5) -> Figure:
    maps = [(label, np.full((view.rows, view.cols), 0.25)) for label in labels]
    return attention_grid(picture((view.width, view.height)), maps, view, title=title, columns=columns)


def pixels(figure: Figure, cell: int) -> NDArray[np.float64]:
    """The picture of a cell, [height, width, 3] of 0 to 1."""
    return np.asarray(figure.axes[cell].images[0].get_array(), dtype=np.float64) / 255


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.texts)


def is_grey(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(np.ptp(values, axis=-1) == 0)


# Layout


def test_the_plain_picture_first_and_then_a_cell_for_each_map() -> None:
    figure = draw("a", "man", "<EOS>")
    assert [axes.get_title() for axes in figure.axes] == ["<BOS>", "a", "man", "<EOS>"]
    plain = picture().resize((336, 224), Image.Resampling.LANCZOS)
    assert np.array_equal(pixels(figure, 0) * 255, np.asarray(plain))
    assert not np.array_equal(pixels(figure, 1), pixels(figure, 0))


def test_a_caption_without_tokens_is_the_picture_alone() -> None:
    figure = draw()
    assert [axes.get_title() for axes in figure.axes] == ["<BOS>"]
    assert "colour" not in texts(figure)


@pytest.mark.parametrize("size", [(300, 200), (200, 300)])
def test_five_in_a_row(size: tuple[int, int]) -> None:
    figure = draw(*"abcdefghijklm", view=view_for(size, (20, 20), 0.9, "center", (2, 2)))
    places = [axes.get_position() for axes in figure.axes]
    assert len(places) == 14
    tops = [round(place.y1, 6) for place in places]
    assert tops == [tops[0]] * 5 + [tops[5]] * 5 + [tops[10]] * 4
    assert tops[0] > tops[5] > tops[10]
    for column in range(5):
        assert len({round(place.x0, 6) for place in places[column::5]}) == 1
    lefts = [place.x0 for place in places[:5]]
    assert lefts == sorted(lefts)
    wide, tall = figure.get_size_inches()
    for place in places:
        assert 0 <= place.x0 < place.x1 <= 1
        assert 0 <= place.y0 < place.y1 <= 1
        assert (place.width * wide) / (place.height * tall) == pytest.approx(size[0] / size[1])


def test_the_number_of_columns_can_be_chosen() -> None:
    figure = draw("a", "b", columns=2)
    tops = [round(axes.get_position().y1, 6) for axes in figure.axes]
    assert tops[0] == tops[1] > tops[2]


def test_a_figure_of_few_pictures_is_narrow() -> None:
    widths = [draw(*labels, title="").get_size_inches()[0] for labels in ("", "a", "ab", "abcd", "abcdefg")]
    assert widths[0] == widths[1] < widths[2] < widths[3] == widths[4]


def test_the_resolution_changes_the_pixels_and_not_the_layout() -> None:
    coarse, fine = (attention_grid(picture(), [("a", FLAT)], VIEW, title="t", dpi=dpi) for dpi in (84, 300))
    assert pixels(coarse, 1).shape == (112, 168, 3)
    assert pixels(fine, 1).shape == (400, 600, 3)
    assert (coarse.get_size_inches() == fine.get_size_inches()).all()


def test_blocks_stand_one_below_the_other() -> None:
    maps = [layout.Map("a", FLAT), layout.Map("b", FLAT, "layer 1 of 2")]
    blocks = [layout.Block(picture(), maps, VIEW, f"run {run}", f"note of {run}") for run in "ab"]
    figure = draw_blocks(blocks, Style())
    FigureCanvasAgg(figure).draw()
    assert [axes.get_title() for axes in figure.axes] == ["<BOS>", "a", "b"] * 2
    assert min(axes.get_position().y0 for axes in figure.axes[:3]) > max(
        axes.get_position().y1 for axes in figure.axes[3:]
    )
    order = sorted(figure.texts, key=lambda text: -text.get_window_extent().y0)
    written = " ".join(text.get_text() for text in order)
    assert re.search("run a.*note of a.*run b.*note of b", written)
    boxes = [text.get_window_extent() for text in figure.texts]
    boxes += [text.get_window_extent() for axes in figure.axes for text in (axes.title, *axes.texts)]
    boxes += [axes.get_window_extent() for axes in figure.axes]
    boxes = [box for box in boxes if box.width]
    assert len(boxes) >= 4 + 6 + 2 + 6
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])


def test_all_text_lies_on_the_figure_and_none_on_another() -> None:
    title = "a-name: clipscore 0.5\n" + "a man with a very long caption " * 12 + "W" * 300
    figure = draw("a", "W" * 80, "i" * 20, title=title)
    FigureCanvasAgg(figure).draw()
    boxes = [text.get_window_extent() for text in (*figure.texts, *(axes.title for axes in figure.axes))]
    assert len(figure.texts) > 6  # wrapped
    for number, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])
    words = "".join(text.get_text() for text in figure.texts).replace(" ", "")
    assert title.replace("\n", "").replace(" ", "") in words  # nothing of the title is lost
    assert figure.axes[2].get_title().endswith("…")


def test_dollars_are_no_mathematics() -> None:
    figure = draw("$5", r"$\frac{", title=r"$10 and $\alpha$ and $x^")
    save_figure_bytes(figure)  # matplotlib would raise on the unfinished formula
    assert figure.axes[1].get_title() == "$5"
    assert r"$10 and $\alpha$ and $x^" in texts(figure)


def test_what_the_font_lacks_is_replaced() -> None:
    figure = draw("猫 a", title="一只猫 \x1b[31mcaf\xe9\x1b[0m")
    assert figure.axes[1].get_title() == "\ufffd a"
    assert texts(figure).startswith("\ufffd\ufffd\ufffd caf\xe9")


# What is at which pixels


def test_what_the_model_did_not_see_is_dark_and_hatched() -> None:
    cell = pixels(draw("a"), 1)
    assert cell.shape == (224, SIDE, 3)
    grey = is_grey(cell)
    assert grey[:, :56].all()
    assert grey[:, 280:].all()
    assert not grey[:, 56:280].any()
    plain = np.asarray(picture().resize((SIDE, 224), Image.Resampling.LANCZOS)) / 255
    assert (cell[:, :56].mean(axis=-1) < plain[:, :56].mean(axis=-1)).all()
    for edge in (cell[:, :56], cell[:, 280:]):
        stripes = np.diff(edge[0, :, 0])
        assert (np.abs(stripes) > 0.1).sum() >= 5  # dark and light stripes alternate


def test_the_small_print_explains_the_hatching_only_where_there_is_some() -> None:
    assert "hatched: cut off, not seen by the model" in texts(draw(*"abcd"))
    whole = view_for((300, 200), (20, 20), 1.0, "squash", (2, 2))
    assert "hatched" not in texts(draw("a", view=whole))
    padded = view_for((300, 200), (20, 20), 1.0, "border", (2, 2))
    assert "hatched" not in texts(draw("a", view=padded))
    assert not is_grey(pixels(draw("a", view=padded), 1)).any()


@pytest.mark.parametrize(
    ("row", "col", "down", "across"),
    [(0, 0, slice(0, 112), slice(56, 168)), (1, 1, slice(112, 224), slice(168, 280))],
)
def test_a_patch_is_coloured_at_its_own_place(row: int, col: int, down: slice, across: slice) -> None:
    values = np.zeros((2, 2))
    values[row, col] = 0.7
    figure = attention_grid(picture(), [("a", values)], VIEW, title="", opacity=1.0)
    jet = mpl.colormaps["jet"]
    expected = np.empty((224, SIDE, 3))
    expected[:] = jet(0.0)[:3]
    expected[down, across] = jet(1.0)[:3]
    found = pixels(figure, 1)
    assert np.abs(found - expected)[:, 56:280].max() <= 0.5 / 255 + 1e-9


def test_the_map_is_half_transparent() -> None:
    figure = attention_grid(picture(), [("a", FLAT)], VIEW, title="", colormap="viridis")
    plain, cell = pixels(figure, 0)[:, 56:280], pixels(figure, 1)[:, 56:280]
    assert np.abs(cell - (plain + mpl.colormaps["viridis"](1.0)[:3]) / 2).max() <= 0.5 / 255 + 1e-9


def test_colours_are_scaled_to_the_whole_map_also_over_padding() -> None:
    # A row of patches lies over padding; what they took must not make the others look hotter.
    view = view_for((300, 100), (20, 20), 1.0, "border", (3, 1))
    values = np.array([[1.0], [0.5], [0.0]])
    figure = attention_grid(picture((300, 100)), [("a", values)], view, title="", opacity=1.0)
    assert pixels(figure, 1)[56, 168] == pytest.approx(mpl.colormaps["jet"](0.5)[:3], abs=1 / 255)


def test_a_map_of_zeros_is_cold_everywhere() -> None:
    figure = attention_grid(picture(), [("a", np.zeros((2, 2)))], VIEW, title="", opacity=1.0)
    assert pixels(figure, 1)[100, 100] == pytest.approx(mpl.colormaps["jet"](0.0)[:3], abs=1 / 255)


def test_a_tiny_and_a_thin_picture_are_drawn() -> None:
    for size in ((32, 32), (2000, 3), (3, 2000)):
        view = View(*size, (0.0, 0.0, float(size[0]), float(size[1])), 2, 2, 20, 20)
        assert Image.open(io.BytesIO(save_figure_bytes(draw("a", view=view)))).format == "PNG"


def test_bad_arguments() -> None:
    with pytest.raises(UsageError, match="unknown colour map 'jett': try jet"):
        attention_grid(picture(), [("a", FLAT)], VIEW, title="", colormap="jett")
    with pytest.raises(UsageError, match=r"opacity 0 to 1, found 5 and 1\.5"):
        attention_grid(picture(), [("a", FLAT)], VIEW, title="", opacity=1.5)
    with pytest.raises(UsageError, match="columns must be positive"):
        attention_grid(picture(), [("a", FLAT)], VIEW, title="", columns=0)
    with pytest.raises(UsageError, match="40 to 600 dots per inch, found 5000"):
        attention_grid(picture(), [("a", FLAT)], VIEW, title="", dpi=5000)
    with pytest.raises(ValueError, match="expected a map of 2 x 2 patches"):
        attention_grid(picture(), [("a", np.ones((3, 2)))], VIEW, title="")


# Saving


def save_figure_bytes(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".SVG", b"<?xml")])
def test_formats(tmp_path: Path, suffix: str, start: bytes) -> None:
    figure = draw("a", "man")
    path = tmp_path / "figures" / f"grid{suffix}"  # the folder is made
    assert save_figure(figure, path) == path
    content = path.read_bytes()
    assert content.startswith(start)
    again = save_figure(draw("a", "man"), tmp_path / f"again{suffix}")
    assert again.read_bytes() == content  # no dates, no random ids
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_saved_png_has_its_full_size(tmp_path: Path) -> None:
    figure = draw("a", "man")
    with Image.open(save_figure(figure, tmp_path / "a.png")) as image:
        assert image.size == tuple(int(inches * layout.DPI) for inches in figure.get_size_inches())


def test_fonts_in_a_pdf_are_of_a_type_that_publishers_take(tmp_path: Path) -> None:
    content = save_figure(draw("a"), tmp_path / "a.pdf").read_bytes()
    assert b"/Type3" not in content
    assert b"/TrueType" in content or b"/CIDFontType2" in content


def test_nothing_is_overwritten_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "grid.v1.png"
    path.write_bytes(b"somebody's work")
    names = [save_figure(draw("a"), path).name for _ in range(2)]
    assert names == ["grid.v1-2.png", "grid.v1-3.png"]
    assert path.read_bytes() == b"somebody's work"
    assert save_figure(draw("a"), path, overwrite=True) == path
    assert path.read_bytes().startswith(b"\x89PNG")
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("name", ["grid", "grid.jpg", "grid.exe"])
def test_other_formats_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"cannot save a figure as '{name}': end the name in .png, .pdf, .svg"):
        save_figure(draw(), tmp_path / name)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match=r"cannot write .*grid.png: "):
        save_figure(draw(), tmp_path / "file" / "grid.png")


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "grid.png").write_bytes(b"before")
    monkeypatch.setattr(files, "replace_file", full)
    with pytest.raises(UsageError, match="No space left on device"):
        save_figure(draw(), tmp_path / "grid.png", overwrite=overwrite)
    assert [file.name for file in tmp_path.iterdir()] == ["grid.png"]
    assert (tmp_path / "grid.png").read_bytes() == b"before"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("000000179758", "000000179758-clipscore-0.7150.png"),
        ("../../etc/passwd", "etc_passwd-clipscore-0.7150.png"),
        ("-rf $HOME; `x`", "rf_HOME_x-clipscore-0.7150.png"),
        ("猫の写真", "猫の写真-clipscore-0.7150.png"),
        ("\x1b[31m\n", "31m-clipscore-0.7150.png"),
        ("...", "picture-clipscore-0.7150.png"),
        ("a" * 300, "a" * 80 + "-clipscore-0.7150.png"),
    ],
)
def test_the_name_of_a_grids_file(name: str, expected: str) -> None:
    assert grid_file_name(name, "clipscore", 0.71499) == expected


def test_runs_and_words_in_the_name_of_a_file() -> None:
    words = ["man", "a man", "..", "猫"]
    name = grid_file_name("bike", "diff.cider", -0.25, ".pdf", runs=["large/val", "small/val"], words=words)
    assert name == "bike-large_val-vs-small_val-diff.cider--0.2500-man+a_man+猫.pdf"
    longest = grid_file_name("猫" * 90, "refclipscore", 0.5, runs=["猫" * 90] * 3, words=["猫" * 90] * 3)
    assert len(longest.encode()) < 240
    assert longest.count("-vs-") == 2


def test_the_name_without_a_score() -> None:
    assert grid_file_name("bike") == "bike.png"
    assert grid_file_name("bike", "cider", float("nan"), ".pdf") == "bike-cider-nan.pdf"


# From a cache


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    with Cache.open(make_cache(tmp_path_factory.mktemp("cache") / "run")) as opened:
        yield opened


def test_a_cell_for_each_token_of_a_sample(cache: Cache) -> None:
    sample = cache.sample(0)
    figure = sample_grid(cache, 0)
    labels = [axes.get_title() for axes in figure.axes]
    assert labels == ["<BOS>", *sample.pieces]
    assert labels[-1] == "<EOS>"
    preview = Image.open(io.BytesIO(cache.preview(0))).convert("RGB")
    for token in range(len(sample.pieces)):
        alone = attention_grid(preview, [("x", cache.attention(0).map(token))], sample.view, title="")
        assert np.array_equal(pixels(alone, 1), pixels(figure, token + 1))


def test_the_title_says_which_picture_and_how_good(cache: Cache) -> None:
    written = texts(sample_grid(cache, 0, score="cider"))
    values = cache.scores("cider")
    rank = 1 + int((values > values[0]).sum())
    assert f"{cache.name(0)}: cider {values[0]:.4f} (rank {rank} of 12)" in written
    assert cache.caption(0) in written
    assert "cross-attention, layer 2 of 2, mean over 3 heads" in written
    undefined = int(np.flatnonzero(np.isnan(values))[0])
    assert f"{cache.name(undefined)}: cider undefined" in texts(sample_grid(cache, undefined, score="cider"))
    assert ":" not in texts(sample_grid(cache, 0, score=None)).splitlines()[0]


def test_layer_and_head_are_those_asked_for(cache: Cache) -> None:
    figure = sample_grid(cache, 0, layer=0, head=1)
    assert "cross-attention, layer 1 of 2, head 2 of 3" in texts(figure)
    preview = Image.open(io.BytesIO(cache.preview(0))).convert("RGB")
    values = cache.attention(0).map(0, 0, 1)
    alone = attention_grid(preview, [("x", values)], cache.sample(0).view, title="")
    assert np.array_equal(pixels(alone, 1), pixels(figure, 1))
    assert not np.array_equal(pixels(alone, 1), pixels(sample_grid(cache, 0), 1))
    assert "largest over 3 heads" in texts(sample_grid(cache, 0, head="max"))


def test_a_cell_for_each_word(cache: Cache) -> None:
    sample = cache.sample(0)
    word = next(word for word in range(len(sample.words)) if sample.word_of_piece.count(word) > 1)
    figure = sample_grid(cache, 0, words=[0, word])
    assert [axes.get_title() for axes in figure.axes] == ["<BOS>", sample.words[0], sample.words[word]]
    pieces = [token for token, of in enumerate(sample.word_of_piece) if of == word]
    preview = Image.open(io.BytesIO(cache.preview(0))).convert("RGB")
    values = cache.attention(0).word_map(pieces)
    assert np.array_equal(pixels(attention_grid(preview, [("x", values)], sample.view, title=""), 1), pixels(figure, 2))


def test_cells_may_be_of_several_layers_and_heads(cache: Cache) -> None:
    cells = [Cell((1, 2), "two pieces", 0, 2), Cell((3,), "last", -1, "max"), Cell((3,), "also", 1, "mean")]
    figure = sample_grid(cache, 0, cells=cells)
    assert [axes.get_title() for axes in figure.axes] == ["<BOS>", "two pieces", "last", "also"]
    details = ["layer 1 of 2, head 3 of 3", "layer 2 of 2, largest over 3 heads", "layer 2 of 2, mean over 3 heads"]
    assert [axes.texts[0].get_text() for axes in figure.axes[1:]] == details
    assert "layer" not in texts(figure)
    preview = Image.open(io.BytesIO(cache.preview(0))).convert("RGB")
    attention = cache.attention(0)
    for number, values in enumerate(
        [attention.word_map((1, 2), 0, 2), attention.map(3, 1, "max"), attention.map(3)], 1
    ):
        alone = attention_grid(preview, [("x", values)], cache.sample(0).view, title="")
        assert np.array_equal(pixels(alone, 1), pixels(figure, number))


def test_one_layer_written_in_two_ways_is_one(cache: Cache) -> None:
    figure = sample_grid(cache, 0, cells=[Cell((0,), "a", -1), Cell((1,), "b", 1)])
    assert not any(axes.texts for axes in figure.axes)
    assert "cross-attention, layer 2 of 2, mean over 3 heads" in texts(figure)


def test_colours_opacity_and_columns_are_those_asked_for(cache: Cache) -> None:
    figure = sample_grid(cache, 0, words=[0, 1, 2], colormap="magma", opacity=1.0, columns=2)
    values = cache.attention(0).word_map(word_cells(cache.sample(0), [0])[0].tokens)
    found = pixels(figure, 1)
    placed, seen = cache.sample(0).view.place(values / values.max(), found.shape[1], found.shape[0])
    expected = mpl.colormaps["magma"](np.rint(placed * 255).astype(int))[..., :3]
    assert np.abs(found - expected)[seen].max() <= 0.5 / 255 + 1e-9
    tops = [round(axes.get_position().y1, 6) for axes in figure.axes]
    assert tops[0] == tops[1] > tops[2] == tops[3]


def test_the_pieces_of_some_words(cache: Cache) -> None:
    sample = cache.sample(0)
    word = next(word for word in range(len(sample.words)) if sample.word_of_piece.count(word) > 1)
    cells = token_cells(sample, words=[word])
    assert [cell.tokens for cell in cells] == [(t,) for t, of in enumerate(sample.word_of_piece) if of == word]
    assert len(token_cells(sample)) == len(sample.pieces)


def test_the_blocks_of_two_runs_say_which(cache: Cache) -> None:
    cells = token_cells(cache.sample(0))[:2]
    blocks = [sample_block(cache, 0, cells, Style(), score="clipscore", run=run) for run in ("large", "sm\x1b[1mall")]
    written = texts(draw_blocks(blocks, Style()))
    assert f"{cache.name(0)}, large: clipscore" in written
    assert f"{cache.name(0)}, small: clipscore" in written


# The picture's own file


def own_file(folder: Path, cache: Cache, size: tuple[int, int], index: int = 0) -> None:
    file = folder.parent / "images" / cache.sample(index).path
    file.parent.mkdir(parents=True)
    Image.new("RGB", size, (10, 200, 30)).save(file, "PNG")  # whatever its suffix


@pytest.fixture
def with_file(tmp_path: Path) -> Iterator[Cache]:
    """A cache with a picture of 320 x 240 and a preview of 80 x 60."""
    folder = make_cache(tmp_path / "run", 1)
    small = io.BytesIO()
    Image.new("RGB", (80, 60), (200, 10, 30)).save(small, "JPEG")
    (folder / preview_file(0)).write_bytes(small.getvalue())
    with Cache.open(folder) as opened:
        yield opened


def test_the_pictures_own_file_makes_a_sharper_figure(with_file: Cache) -> None:
    own_file(with_file.folder, with_file, (320, 240))
    assert pixels(sample_grid(with_file, 0), 0)[100, 100] * 255 == pytest.approx([10, 200, 30])
    # A preview that has as many pixels as are shown is as good, and always there.
    assert pixels(sample_grid(with_file, 0, dpi=40), 0)[20, 20] * 255 == pytest.approx([200, 10, 30], abs=3)


@pytest.mark.parametrize("size", [(240, 320), (321, 240)])
def test_another_picture_of_that_name_is_not_drawn(with_file: Cache, size: tuple[int, int]) -> None:
    own_file(with_file.folder, with_file, size)
    assert pixels(sample_grid(with_file, 0), 0)[100, 100] * 255 == pytest.approx([200, 10, 30], abs=3)


def test_a_damaged_file_leaves_the_preview(with_file: Cache) -> None:
    own_file(with_file.folder, with_file, (320, 240))
    file = with_file.image_file(0)
    assert file is not None
    file.write_bytes(file.read_bytes()[:100])
    assert pixels(sample_grid(with_file, 0), 0)[100, 100] * 255 == pytest.approx([200, 10, 30], abs=3)


def test_texts_from_strangers_are_drawn_in_lines_of_plain_text(cache: Cache, tmp_path: Path) -> None:
    for index in range(6, len(cache)):
        figure = sample_grid(cache, index)
        labels = [axes.get_title() for axes in figure.axes]
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", texts(figure) + "".join(labels))
        assert save_figure(figure, tmp_path / f"{index}.png").stat().st_size > 0


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"layer": 2}, "no layer 2, .* has 2 layers, 3 heads and"),
        ({"head": 3}, r"head 3 or token \(0,\): 000000000000 has 2 layers, 3 heads and"),
        ({"cells": [Cell((99,), "x")]}, r"token \(99,\): .* tokens"),
        ({"words": [99]}, "no word 99: 000000000000 has 10 words, from 0"),
        ({"words": [-1]}, "no word -1"),
        ({"score": "clipscor"}, "clipscor"),
    ],
)
def test_what_a_sample_does_not_have(cache: Cache, options: dict[str, object], line: str) -> None:
    with pytest.raises(UsageError, match=line):
        sample_grid(cache, 0, **options)  # type: ignore[arg-type]


def test_a_damaged_preview(tmp_path: Path) -> None:
    folder = make_cache(tmp_path / "run", 1)
    (folder / preview_file(0)).write_bytes(b"\xff\xd8\xff damaged")
    with (
        Cache.open(folder) as opened,
        pytest.raises(CacheDamaged, match=r"the preview of picture 0 in .* is damaged"),
    ):
        sample_grid(opened, 0)


def test_a_preview_that_claims_to_be_huge(tmp_path: Path) -> None:
    folder = make_cache(tmp_path / "run", 1)
    huge = io.BytesIO()
    Image.new("L", (5000, 5000)).save(huge, "JPEG")
    (folder / preview_file(0)).write_bytes(huge.getvalue())
    with Cache.open(folder) as opened, pytest.raises(CacheDamaged, match=r"the preview of picture 0 .* is damaged"):
        sample_grid(opened, 0)


def test_neither_torch_nor_matplotlib_is_imported_before_a_figure_is_drawn(tmp_path: Path) -> None:
    folder = make_cache(tmp_path / "run", 1)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from hw3_browse.core import figures\n"
        "from hw3_browse.cache.reader import Cache\n"
        "assert 'matplotlib' not in sys.modules\n"
        "figure = figures.sample_grid(Cache.open(Path(sys.argv[1])), 0)\n"
        "figures.save_figure(figure, Path(sys.argv[1]).parent / 'a.svg')\n"
        "assert 'torch' not in sys.modules\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code, folder], check=True)
