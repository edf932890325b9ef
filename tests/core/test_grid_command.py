"""``hw3 grid``: which maps are drawn, how, and the names of the files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes import make_cache
from PIL import Image

from hw3_browse.cache.reader import Cache
from hw3_browse.core import figures
from hw3_browse.core.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

NAME = "0" * 12  # its caption: a man riding a skateboard under a red umbrella .


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_cache(tmp_path / "cache", count=3)


def saved(folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> tuple[Figure, Path]:
    """Run the command for one picture; return the figure and its file."""
    kept: list[tuple[Figure, Path]] = []
    save = figures.save_figure

    def keep(figure: Figure, path: Path) -> Path:
        kept.append((figure, save(figure, path)))
        return kept[-1][1]

    monkeypatch.setattr(figures, "save_figure", keep)
    assert main(["grid", str(folder), "--name", NAME, "--out", str(folder.parent / "out"), *options]) == 0
    (only,) = kept
    return only


@pytest.mark.parametrize(
    ("options", "labels", "words"),
    [
        ([], ["a", "man", "riding", "a", "skat", "##eboa", "##rd", "under", "a", "red", "umbrella", ".", "<EOS>"], ""),
        (["--words", "all"], ["a", "man", "riding", "a", "skateboard", "under", "a", "red", "umbrella", "."], ""),
        (["--words", "Umbrella, man"], ["umbrella", "man"], "-umbrella+man"),
        (["--words", "1,4"], ["man", "skateboard"], "-man+skateboard"),
        (["--words", "a"], ["a", "a", "a"], "-a+a+a"),
        (["--words", "skateboard", "--pieces"], ["skat", "##eboa", "##rd"], "-skateboard"),
    ],
)
def test_maps(folder: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], labels: list[str], words: str) -> None:
    figure, file = saved(folder, monkeypatch, *options)
    assert [axes.get_title() for axes in figure.axes] == ["<BOS>", *labels]
    head, _, tail = file.stem.partition("-clipscore-")
    assert (head, tail[6:]) == (NAME, words)


def test_style(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["--words", "0,1,2", "--columns", "2", "--dpi", "84", "--colormap", "gray", "--opacity", "1"]
    figure, file = saved(folder, monkeypatch, *options)
    assert len({axes.get_position().x0 for axes in figure.axes}) == 2
    pixels = figure.axes[1].images[0].get_array()
    assert pixels.shape == (126, 168, 3)
    assert (pixels[..., 0] == pixels[..., 1]).all()  # nothing of the picture's colours
    with Image.open(file) as image:
        assert image.width < 400


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--filter", "caption ~ dogs"], ["000000000001"]),
        (["--filter", "words > 0", "--top", "1"], ["best"]),
        (["--filter", "rank > 1", "--last", "1"], ["worst"]),
        (["--filter", "rank = 1", "--top", "2", "--name", "000000000001"], ["000000000001", "best"]),
        (["--top", "1", "--last", "1"], ["best", "worst"]),
    ],
)
def test_choosing(folder: Path, options: list[str], names: list[str]) -> None:
    with Cache.open(folder) as cache:
        order = cache.order("clipscore").tolist()
        ends = {"best": cache.name(order[0]), "worst": cache.name(order[-1])}
    out = folder.parent / "o"
    assert main(["grid", str(folder), "-o", str(out), "--dpi", "40", *options]) == 0
    found = sorted(path.name.partition("-clipscore")[0] for path in out.iterdir())
    assert found == sorted(ends.get(name, name) for name in names)


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_formats(folder: Path, suffix: str) -> None:
    out = folder.parent / "o"
    assert main(["grid", str(folder), "--top", "1", "-o", str(out), "--dpi", "40", "--format", suffix]) == 0
    (file,) = out.iterdir()
    assert file.suffix == f".{suffix}"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--filter", "clipscor < 1"], "did you mean clipscore?"),
        (["--words", "umbrela"], "the caption of 000000000000 has no word 'umbrela'; did you mean umbrella?"),
        (["--words", "zzz"], "it reads: a man riding"),
        (["--words", "10"], "no word 10: 000000000000 has 10 words, from 0"),
        (["--words", ","], "--words: give words of the caption or their places"),
        (["--colormap", "jett"], "unknown colour map 'jett'"),
        (["--opacity", "2"], "opacity 0 to 1"),
        (["--columns", "0"], "columns must be positive"),
        (["--dpi", "5"], "dots per inch, found 5"),
    ],
)
def test_misuse_is_said_in_a_line(
    folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], line: str
) -> None:
    assert main(["grid", str(folder), "--name", NAME, "--out", str(folder.parent / "out"), *options]) == 2
    captured = capsys.readouterr().err.strip()
    assert line in captured
    assert len(captured.splitlines()) == 1
    assert not (folder.parent / "out").exists()


def test_a_filter_may_leave_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grid", str(folder), "--filter", "words > 999", "-o", str(folder.parent / "o")]) == 2
    assert capsys.readouterr().err.strip() == "hw3 grid: --filter leaves no picture"
