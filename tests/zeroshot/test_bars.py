"""The top-five figure: true lengths, the right one told without colour, nothing outside of its place."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle
from PIL import Image
from zeroshot_fakes import make_zeroshot_run

from hw3_browse.cache.errors import CacheDamaged, UsageError
from hw3_browse.cache.schema import preview_file
from hw3_browse.cache.zeroshot import ZeroShotRun
from hw3_browse.core.figures import Bar, Panel, run_panel, save_figure, top_five

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RED = Image.new("RGB", (32, 32), (255, 0, 0))
BARS = (
    Bar("This is a photo of dog", 0.9731, right=False),
    Bar("This is a photo of cat", 0.0211, right=True),
    Bar("$x^2$ {object}", 0.0042, right=False),
    Bar("", 0.0, right=False),
    Bar("a very long prompt " * 30, 0.0000004, right=False),
)


def rectangles(axes: Axes) -> list[Rectangle]:
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def texts(figure: Figure) -> str:
    own = [text.get_text() for text in figure.texts]
    return "\n".join([*own, *(text.get_text() for axes in figure.axes for text in axes.texts)])


@pytest.fixture
def figure() -> Figure:
    return top_five([Panel(RED, "a title", BARS, "a note")], dpi=60)


def test_bars_are_as_long_as_probabilities(figure: Figure) -> None:
    _, chart = figure.axes
    assert [bar.get_width() for bar in rectangles(chart)] == [bar.probability for bar in BARS]
    assert chart.get_xlim() == (0, 1)
    places = [bar.get_y() for bar in rectangles(chart)]
    assert places == sorted(places)  # the axis points down: the best is on top
    assert chart.yaxis_inverted()


def test_the_right_one_is_told_without_colour(figure: Figure) -> None:
    hatches = [bar.get_hatch() for bar in rectangles(figure.axes[1])]
    assert [bool(hatch) for hatch in hatches] == [bar.right for bar in BARS]
    assert "✓ This is a photo of cat" in texts(figure)
    assert texts(figure).count("✓") == 2  # and in the small print
    assert "✓ hatched: the true class; a note" in texts(figure)


def test_numbers_and_whole_prompts_stand_there(figure: Figure) -> None:
    shown = texts(figure)
    for expected in ("97.3 %", "2.1 %", "0.42 %", "0 %", "< 0.01 %", "$x^2$ {object}", "a title"):
        assert expected in shown
    assert "a very long prompt a very long prompt" in shown
    assert "…" in shown


def test_nothing_leaves_the_figure(figure: Figure) -> None:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    edges = figure.bbox
    for axes in figure.axes:
        for text in (*axes.texts, *axes.get_xticklabels()):
            box = text.get_window_extent(canvas.get_renderer())
            assert edges.x0 <= box.x0
            assert box.x1 <= edges.x1 + 1
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in figure.axes[1].texts if text.get_text()]
    overlaps = [(one, two) for place, one in enumerate(boxes) for two in boxes[place + 1 :] if one.overlaps(two)]
    assert not overlaps


@pytest.mark.parametrize("size", [(32, 32), (300, 100), (100, 300), (1, 400)])
def test_pictures_keep_their_shape(size: tuple[int, int]) -> None:
    figure = top_five([Panel(Image.new("RGB", size, (255, 0, 0)), "t", BARS[:1])], dpi=100)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
    red = (pixels[..., 0] > 200) & (pixels[..., 1] < 60)
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert max(height, width) == pytest.approx(240, abs=3)
    assert width / height == pytest.approx(size[0] / size[1], rel=0.05, abs=0.02)


def test_panels_stand_one_below_the_other() -> None:
    figure = top_five([Panel(RED, f"title {number}", BARS[:number]) for number in (1, 3, 5)], dpi=60)
    assert len(figure.axes) == 6
    tops = [axes.get_position().y1 for axes in figure.axes[::2]]  # of the pictures
    assert tops == sorted(tops, reverse=True)
    assert [axes.get_position().y1 for axes in figure.axes[1::2]] == pytest.approx(tops)
    assert min(axes.get_position().y0 for axes in figure.axes) > 0


def test_the_panel_of_a_run(tmp_path: Path) -> None:
    with ZeroShotRun.open(make_zeroshot_run(tmp_path / "run", count=30, unknown=[29])) as run:
        for index in range(30):
            panel = run_panel(run, index, 2)
            truth, rank = run.true_label(index), run.true_rank(index, 2)
            top = run.top(index, 2)
            assert [bar.probability for bar in panel.bars] == [chance for _, chance in top]
            assert [bar.text for bar in panel.bars] == [f"No {run.labels[label]}, no score." for label, _ in top]
            assert sum(bar.right for bar in panel.bars) == (rank is not None and rank <= 5)
            if truth is None:
                assert "the true class is not known" in panel.note
                continue
            assert ("(right)" in panel.title) == (rank == 1)
            assert (f"it is: {run.labels[truth]})" in panel.title) == (rank != 1)
            assert (f"at place {rank}" in panel.note) == (rank is not None and rank > 5)
            assert panel.image.size == run.size(index)


def test_an_ensemble_is_named(tmp_path: Path) -> None:
    from dataclasses import replace

    with ZeroShotRun.open(make_zeroshot_run(tmp_path / "run")) as run:
        mine = replace(run.prompts[0], name="mine", templates=("a {object}", "the {object}"))
        run.manifest = replace(run.manifest, prompts=(mine, *run.prompts[1:]))
        assert run_panel(run, 0, 0).note == "the 5 most probable of 7 classes; mine"


def test_the_same_figure_gives_the_same_bytes(tmp_path: Path) -> None:
    for suffix in (".png", ".pdf", ".svg"):
        files = [
            save_figure(top_five([Panel(RED, "t", BARS)], dpi=60), tmp_path / f"{turn}{suffix}") for turn in range(2)
        ]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_bad_numbers_and_damage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="40 to 600 dots per inch"):
        top_five([Panel(RED, "t", BARS)], dpi=5)
    run_folder = make_zeroshot_run(tmp_path / "run")
    (run_folder / preview_file(0)).write_bytes(b"\xff\xd8\xffnothing")
    with ZeroShotRun.open(run_folder) as run, pytest.raises(CacheDamaged, match=re.escape("preview of picture 0")):
        run_panel(run, 0, 0)


def test_no_torch_and_no_pyplot(tmp_path: Path) -> None:
    folder = make_zeroshot_run(tmp_path / "run")
    program = (
        "import sys; from pathlib import Path\n"
        "from hw3_browse.cache.zeroshot import ZeroShotRun\n"
        "from hw3_browse.core.figures import run_panel, save_figure, top_five\n"
        "run = ZeroShotRun.open(Path(sys.argv[1]))\n"
        "save_figure(top_five([run_panel(run, 0, 0)], 50), Path(sys.argv[2]))\n"
        "print([name for name in ('torch', 'matplotlib.pyplot') if name in sys.modules])\n"
    )
    arguments = [sys.executable, "-c", program, str(folder), str(tmp_path / "f.png")]
    assert subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.strip() == "[]"
