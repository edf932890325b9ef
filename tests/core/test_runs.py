"""`hw3 runs`: training runs and caches find each other, and the table says what differs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from fakes import make_cache
from hypothesis import given
from hypothesis import strategies as st
from models import tiny_captioner

from hw3_browse.cache.errors import UsageError
from hw3_browse.core.cli import main
from hw3_browse.core.experiments.found import Experiment, find
from hw3_browse.core.experiments.table import Runs


def training(folder: Path, sha256: str | None = None, cider: float = 0.5, **settings: Any) -> Path:
    folder.mkdir(parents=True)
    record = {
        "format": "hw3-training",
        "settings": {"encoder": {"name": "vit", "weights": "/far/away/vit.bin"}, "optim": {"threads": 1}} | settings,
        "checkpoints": {"best": {"step": 8, "cider": cider, "sha256": sha256 or folder.name * 4}},
    }
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def cache_of(folder: Path, sha256: str, cider: float | None, **parts: Any) -> Path:
    """A cache that was made from the checkpoint of that hash."""
    make_cache(folder, count=3)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["plan"]["captioner"] = {"name": "best", "sha256": sha256}
    manifest["plan"] |= parts
    manifest["corpus"]["cider"] = cider
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_a_cache_finds_its_training_run(tmp_path: Path) -> None:
    training(tmp_path / "runs" / "six", "66", decoder={"layers": 6})
    training(tmp_path / "runs" / "eight", "88", decoder={"layers": 8})
    cache_of(tmp_path / "caches" / "a", "66", 0.7)
    cache_of(tmp_path / "caches" / "b", "88", 0.9)
    runs = Runs.of(find([tmp_path]))
    assert [(each.name, each.scores["cider"]) for each in runs.experiments] == [("eight", 0.9), ("six", 0.7)]
    assert runs.differing == {"decoder.layers": ("8", "6")}
    assert not any(each.validation for each in runs.experiments)


def test_two_caches_of_a_run_differ_in_decoding(tmp_path: Path) -> None:
    training(tmp_path / "run", "11")
    cache_of(tmp_path / "greedy", "11", 0.7, decoding={"beams": 1, "max_length": 40})
    cache_of(tmp_path / "beams", "11", 0.8, decoding={"beams": 3, "max_length": 40})
    assert Runs.of(find([tmp_path])).differing == {"decoding.beams": ("3", "1")}


def test_an_ensemble_shows_how_many_decoders_it_has(tmp_path: Path) -> None:
    one = {"name": "best", "sha256": "11", "decoder": {"layers": 2}}
    cache_of(tmp_path / "one", "11", 0.5, captioner=one)
    cache_of(tmp_path / "both", "22", 0.6, captioner=one | {"sha256": "22", "others": [{"layers": 3}]})
    assert Runs.of(find([tmp_path])).differing == {"decoders": ("2", "1")}


def test_what_is_unknown_of_a_run_is_no_difference(tmp_path: Path) -> None:
    training(tmp_path / "run", "11", data={"views": 4})
    cache_of(tmp_path / "mine", "11", 0.7)
    cache_of(tmp_path / "theirs", "99", 0.6)
    runs = Runs.of(find([tmp_path]))
    assert [each.name for each in runs.experiments] == ["run", "theirs"]
    assert "data.views" not in runs.differing


def test_runs_without_a_cache_have_their_validation_score(tmp_path: Path) -> None:
    training(tmp_path / "a", cider=0.3)
    cache_of(tmp_path / "b", "xx", None)  # undefined: last
    tiny_captioner().save(tmp_path / "old" / "best")  # a run of before there were records
    (tmp_path / "old" / "log.jsonl").write_text('{"epoch": 1, "cider": 0.2}\n{"epoch": 2, "cider": 0.4}\n')
    runs = Runs.of(find([tmp_path]))
    assert [each.name for each in runs.experiments] == ["old", "a", "b"]
    scores = [row[runs.grids()[0].heads.index("CIDEr")] for row in runs.grids()[0].rows]
    assert scores == ["0.4000*", "0.3000*", "\N{EN DASH}"]
    assert runs.remark().startswith("* of validation in training")
    assert [row["scored"] for row in csv.DictReader(io.StringIO(runs.csv()))] == ["validation", "validation", "cache"]


def test_a_given_run_is_not_found_twice(tmp_path: Path) -> None:
    training(tmp_path / "runs" / "a", "1")
    assert len(find([tmp_path, tmp_path / "runs"])) == 1


def test_many_settings_are_a_table_of_their_own() -> None:
    few, many = ({f"s{n}": str(turn + n) for n in range(count)} for turn, count in ((0, 6), (0, 7)))
    other_few, other_many = ({name: f"other {value}" for name, value in each.items()} for each in (few, many))
    one = Runs.of([Experiment("a", few, {"cider": 1.0}), Experiment("b", other_few, {"cider": 2.0})]).grids()
    two = Runs.of([Experiment("a", many, {"cider": 1.0}), Experiment("b", other_many, {"cider": 2.0})]).grids()
    assert [grid.heads for grid in one] == [("run", *few, "CIDEr")]
    assert [grid.heads for grid in two] == [("run", "CIDEr"), ("setting", "b", "a")]
    assert one[0].best == {(0, 7)}


def test_names_of_strangers_are_one_safe_cell() -> None:
    evil = Experiment("a|b\x1b[31m\n[x]", {"k": "<b>"}, {"cider": 1.0})
    runs = Runs.of([evil, Experiment("b", {"k": "c"}, {"cider": 0.5})])
    table = runs.markdown()
    assert len(table.splitlines()) == 4
    assert "\x1b" not in table
    assert "a\\|b" in table
    assert "\\<b\\>" in table
    assert "**1.0000**" in table


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    training(tmp_path / "six", decoder={"layers": 6})
    training(tmp_path / "eight", cider=0.6, decoder={"layers": 8})
    assert main(["runs", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.strip()][::2][:1] == ["run"]
    assert [line.split() for line in lines[3:5]] == [["eight", "8", "0.6000*"], ["six", "6", "0.5000*"]]
    assert main(["runs", str(tmp_path), "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == {"run": "eight", "decoder.layers": "8", "cider": "0.6", "scored": "validation"}
    assert main(["runs", str(tmp_path), "--markdown"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "| --- | --- | ---: |"
    assert main(["runs", str(tmp_path), "--sort", "bleu9"]) == 2
    assert "no run has the score 'bleu9'; there are cider" in capsys.readouterr().err


def test_nothing_to_compare_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no training run"):
        find([tmp_path])
    with pytest.raises(UsageError, match="no such folder"):
        find([tmp_path / "nowhere"])


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"settings": 3, "checkpoints": {}}', "\xff"])
def test_a_damaged_record_has_one_clear_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(UsageError, match=r"run\.json") as caught:
        find([tmp_path])
    assert "\n" not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(settings=JSON, checkpoints=JSON | st.fixed_dictionaries({"best": JSON}))
def test_any_record_makes_a_table_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, settings: Any, checkpoints: Any
) -> None:
    folder = tmp_path_factory.mktemp("run")
    (folder / "run.json").write_text(json.dumps({"settings": settings, "checkpoints": checkpoints}))
    try:
        runs = Runs.of(find([folder]))
    except UsageError:
        return
    assert runs.markdown()
    assert runs.csv()
