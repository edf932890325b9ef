"""Many classified pictures as one figure: rows, texts, signs that need no colour, sharp pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from zeroshot_fakes import NAMES, make_zeroshot_run

from hw3_browse.cache.errors import UsageError
from hw3_browse.cache.zeroshot import ZeroShotRun
from hw3_browse.core.figures import Shot, gallery, run_shot
from hw3_browse.core.figures.originals import enlarged

if TYPE_CHECKING:
    from pathlib import Path

RED = Image.new("RGB", (32, 20), (255, 0, 0))


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 5, 1), (5, 5, 1), (6, 5, 2), (13, 4, 4)])
def test_pictures_stand_in_rows(count: int, columns: int, rows: int) -> None:
    shots = [Shot(RED, [f"picture {number}", "a text too long for its place " * 3]) for number in range(count)]
    figure = gallery(shots, "a title " * 20, columns, dpi=168)
    places = [axes.get_position() for axes in figure.axes]
    assert len(places) == count
    assert len({round(place.y1, 4) for place in places}) == rows
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    width, height = canvas.get_width_height()
    for text in figure.texts:
        box = text.get_window_extent()
        assert 0 <= box.x0 <= box.x1 <= width
        assert 0 <= box.y0 <= box.y1 <= height
        assert not any(axes.get_window_extent().overlaps(box) for axes in figure.axes)


def test_a_picture_says_what_it_was_taken_for(tmp_path: Path) -> None:
    with ZeroShotRun.open(make_zeroshot_run(tmp_path / "run", count=40, unknown=(3,))) as run:
        for index in range(40):
            first, second, name = run_shot(run, index, 1).lines
            guess, probability = run.top(index, 1)[0]
            truth = run.true_label(index)
            assert name == run.name(index)
            assert first.endswith(f"{NAMES[guess]}, {100 * probability:.1f} %")
            assert first[0] == ("✓" if truth == guess else "✗") or truth is None
            assert second.startswith(f"is: {NAMES[truth]}, ") if truth not in {None, guess} else not second


def test_tiny_pictures_keep_sharp_pixels() -> None:
    tiny = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    pixels = np.asarray(enlarged(tiny, 128))
    assert np.array_equal(pixels[::4, ::4], np.asarray(tiny))
    assert np.array_equal(np.repeat(np.repeat(np.asarray(tiny), 4, 0), 4, 1), pixels)
    assert enlarged(tiny.resize((300, 150)), 128).size == (128, 64)


def test_the_resolution_is_checked() -> None:
    with pytest.raises(UsageError, match="dots per inch"):
        gallery([Shot(RED, ["a"])], "", dpi=5)
