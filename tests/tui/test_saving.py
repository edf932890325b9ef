"""Saved figures: the same maps as in the panels, in files with the names that one expects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from fakes import make_cache
from PIL import Image

from hw3_browse.cache.errors import UsageError
from hw3_browse.cache.reader import Cache
from hw3_browse.cache.schema import preview_file
from hw3_browse.core import figures
from hw3_browse.tui import raster
from hw3_browse.tui.colormap import names, table
from hw3_browse.tui.runs import Runs
from hw3_browse.tui.saving import Look, Outcome, Panel, Target, save_grid, save_many
from hw3_browse.tui.units import units_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

    from hw3_browse.cache.codec import Head

LOOK = Look(1, "mean")
SIDE = (336, 252)  # pixels of a figure's picture, of 320 x 240


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cache(tmp_path_factory.mktemp("first") / "large")


@pytest.fixture
def one(folder: Path) -> Iterator[Runs]:
    runs = Runs([Cache.open(folder)])
    yield runs
    runs.close()


@pytest.fixture
def two(folder: Path, tmp_path: Path) -> Iterator[Runs]:
    """A second run of one layer and two heads."""
    words = ["a woman riding a skateboard", *["nothing of the sort"] * 11]
    second = make_cache(tmp_path / "small", seed=1, layers=1, heads=2, words=words)
    runs = Runs([Cache.open(folder), Cache.open(second)])
    yield runs
    runs.close()


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved, in order."""
    kept: list[Figure] = []
    save = figures.save_figure

    def keep(figure: Figure, path: Path) -> Path:
        kept.append(figure)
        return save(figure, path)

    monkeypatch.setattr(figures, "save_figure", keep)
    return kept


def panel(runs: Runs, index: int, unit: int, layer: int = 1, head: Head = "mean", *, by_pieces: bool = False) -> Panel:
    chosen = units_of(runs.sample(index), by_pieces=by_pieces)[unit]
    return Panel(chosen.tokens, chosen.text, layer, head)


def labels(figure: Figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes]


# What is in the file


@pytest.mark.parametrize("colormap", names())
@pytest.mark.parametrize(
    ("layer", "head", "opacity", "by_pieces"),
    [(1, "mean", 0.5, False), (0, 2, 0.8, True), (1, "max", 1.0, False)],
)
def test_a_figure_has_the_colours_of_the_panel(
    one: Runs,
    tmp_path: Path,
    drawn: list[Figure],
    layer: int,
    head: Head,
    opacity: float,
    by_pieces: bool,
    colormap: str,
) -> None:
    """To within one of 256 levels: the screen's colours are rounded, then blended and cut to a whole number."""
    look = Look(layer, head, colormap, opacity, by_pieces=by_pieces)
    shown = panel(one, 0, 4, layer, head, by_pieces=by_pieces)
    save_grid(one, 0, Target(tmp_path), look, panels=[shown])
    grid = one.attention(0).word_map(shown.tokens, layer, head)
    values, seen = one.sample(0).view.place(raster.levels(grid), *SIDE)
    photo = raster.scale(raster.decode(one.preview(0)), SIDE)
    on_screen = raster.blend(photo, values, seen, colours=table(colormap), opacity=opacity)
    plain, in_figure = (np.asarray(axes.images[0].get_array()).astype(int) for axes in drawn[0].axes)
    assert np.array_equal(plain, photo)
    assert 0.4 < seen.mean() < 1
    assert np.abs(in_figure - on_screen)[seen].max() <= 1
    # What was cut off is without colour in both, in the same place.
    for pixels in (in_figure, on_screen):
        assert (np.ptp(pixels, axis=-1) == 0)[~seen].all()


def test_the_saved_png_shows_these_pixels(one: Runs, tmp_path: Path, drawn: list[Figure]) -> None:
    file = save_grid(one, 0, Target(tmp_path), LOOK, panels=[panel(one, 0, 1)])
    (_, axes), image = drawn[0].axes, np.asarray(Image.open(file).convert("RGB")).astype(int)
    pixels = np.asarray(axes.images[0].get_array()).astype(int)
    place = axes.get_position()
    left, top = round(place.x0 * image.shape[1]), round((1 - place.y1) * image.shape[0])
    part = image[top : top + pixels.shape[0], left : left + pixels.shape[1]]
    same = np.abs(part - pixels).max(axis=-1) <= 2
    assert same.mean() > 0.9  # a row or a column may fall on its neighbour


def test_all_words_where_none_is_marked(one: Runs, tmp_path: Path, drawn: list[Figure]) -> None:
    sample = one.sample(0)
    save_grid(one, 0, Target(tmp_path), LOOK)
    save_grid(one, 0, Target(tmp_path), Look(1, "mean", by_pieces=True))
    assert labels(drawn[0]) == ["<BOS>", *sample.words]
    assert labels(drawn[1]) == ["<BOS>", *sample.pieces]
    assert len(sample.pieces) > len(sample.words)


def test_marked_words_in_their_order_and_their_layers(one: Runs, tmp_path: Path, drawn: list[Figure]) -> None:
    panels = [panel(one, 0, 8), panel(one, 0, 1, 0, 2), panel(one, 0, 8, 0, "max")]
    save_grid(one, 0, Target(tmp_path), LOOK, panels=panels)
    assert labels(drawn[0]) == ["<BOS>", "umbrella", "man", "umbrella"]
    places = [axes.texts[0].get_text() for axes in drawn[0].axes[1:]]
    expected = ["layer 2 of 2, mean over 3 heads", "layer 1 of 2, head 3 of 3", "layer 1 of 2, largest over 3 heads"]
    assert places == expected


def test_two_runs_one_below_the_other(two: Runs, tmp_path: Path, drawn: list[Figure]) -> None:
    save_grid(two, 0, Target(tmp_path, score="clipscore"), LOOK)
    first, second = (source.sample(two.at(run, 0)) for run, source in enumerate(two.sources))
    assert labels(drawn[0]) == ["<BOS>", *first.words, "<BOS>", *second.words]
    written = "\n".join(text.get_text() for text in drawn[0].texts)
    assert "large: clipscore" in written
    assert "small: clipscore" in written
    assert "layer 1 of 1, mean over 2 heads" in written  # the second run has no second layer


def test_a_marked_word_in_both_runs(two: Runs, tmp_path: Path, drawn: list[Figure]) -> None:
    panels = [panel(two, 0, 1, 1, 2), panel(two, 0, 4, 1, 2), panel(two, 0, 8, 1, 2)]
    file = save_grid(two, 0, Target(tmp_path), LOOK, panels=panels)
    # "umbrella" has no counterpart in "a woman riding a skateboard".
    assert labels(drawn[0]) == ["<BOS>", "man", "skateboard", "umbrella", "<BOS>", "woman", "skateboard"]
    assert file.name == f"{two.name(0)}-large-vs-small-man+skateboard+umbrella.png"


def test_the_words_of_the_second_run_may_be_the_marked_ones(two: Runs, tmp_path: Path, drawn: list[Figure]) -> None:
    unit = units_of(two.sources[1].sample(two.at(1, 0)), by_pieces=False)[1]
    save_grid(two, 0, Target(tmp_path), LOOK, panels=[Panel(unit.tokens, unit.text, 0, 1)], run=1)
    assert labels(drawn[0]) == ["<BOS>", "man", "<BOS>", "woman"]


# The file


def test_the_file_is_named_by_picture_score_and_words(one: Runs, tmp_path: Path) -> None:
    name, value = one.name(0), one.scores("cider")[0]
    target = Target(tmp_path / "new" / "folder", "svg", "cider")
    files = [save_grid(one, 0, target, LOOK, panels=panels) for panels in ([], [panel(one, 0, 1)], [])]
    expected = [f"{name}-cider-{value:.4f}{rest}.svg" for rest in ("", "-man", "-2")]
    assert [file.name for file in files] == expected
    assert sorted(target.folder.iterdir()) == sorted(files)


def test_the_score_of_a_difference(two: Runs, tmp_path: Path, drawn: list[Figure]) -> None:
    file = save_grid(two, 1, Target(tmp_path, score="diff.clipscore"), LOOK)
    assert file.name == f"{two.name(1)}-large-vs-small-diff.clipscore-{two.scores('diff.clipscore')[1]:.4f}.png"
    title = drawn[0].texts[0].get_text()
    assert f"clipscore {two.sources[0].scores('clipscore')[1]:.4f} (rank" in title


def test_a_list_by_name_has_no_score(one: Runs, tmp_path: Path) -> None:
    assert save_grid(one, 0, Target(tmp_path, score="name"), LOOK).name == f"{one.name(0)}.png"


@pytest.mark.parametrize(("target", "problem"), [(Target(Path(), "gif"), "end the name in .png"), (None, "write")])
def test_what_cannot_be_saved(one: Runs, tmp_path: Path, target: Target | None, problem: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match=problem):
        save_grid(one, 0, target or Target(tmp_path / "file"), LOOK)


# Many


def test_many_samples_and_how_far_it_is(one: Runs, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    outcome = save_many(one, [2, 0], Target(tmp_path), LOOK, on_progress=lambda *step: told.append(step))
    assert [file.name for file in outcome.files] == [f"{one.name(2)}.png", f"{one.name(0)}.png"]
    assert not outcome.problems
    assert told == [(0, 2), (1, 2)]


def test_a_damaged_sample_is_passed_over_and_said(tmp_path: Path) -> None:
    folder = make_cache(tmp_path / "run", 3)
    (folder / preview_file(1)).write_bytes(b"\xff\xd8\xff damaged")
    runs = Runs([Cache.open(folder)])
    outcome = save_many(runs, [0, 1, 2], Target(tmp_path / "out"), LOOK)
    assert [file.name for file in outcome.files] == [f"{runs.name(0)}.png", f"{runs.name(2)}.png"]
    (problem,) = outcome.problems
    assert "picture 1" in problem
    runs.close()


def test_a_full_disk_ends_it_and_the_files_stay(one: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = figures.files.replace_file

    def full(path: Path, content: bytes) -> None:
        if path.stem == one.name(1):
            raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr(figures.files, "replace_file", full)
    outcome = save_many(one, [0, 1, 2, 3], Target(tmp_path), LOOK)
    assert [file.name for file in outcome.files] == [f"{one.name(0)}.png"]
    assert len(outcome.problems) == 1
    assert "No space left on device" in outcome.problems[0]


def test_cancelling(one: Runs, tmp_path: Path) -> None:
    outcome = save_many(one, [0, 1, 2], Target(tmp_path), LOOK, is_cancelled=lambda: bool(list(tmp_path.iterdir())))
    assert outcome == Outcome((tmp_path / f"{one.name(0)}.png",), ())


def test_a_picture_without_words(tmp_path: Path, drawn: list[Figure]) -> None:
    runs = Runs([Cache.open(make_cache(tmp_path / "run", 1, words=[""]))])
    save_grid(runs, 0, Target(tmp_path), LOOK)
    assert labels(drawn[0]) == ["<BOS>"]
    runs.close()
