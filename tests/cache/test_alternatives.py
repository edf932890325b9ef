"""Further captions of the search: through the cache, for those who read it without us, and on the screen."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import SCORES, fake_embedding, fake_plan, fake_row, fake_scores

from hw3_browse.cache import table, work
from hw3_browse.cache.errors import CacheDamaged
from hw3_browse.cache.live import LiveCache
from hw3_browse.cache.reader import Cache
from hw3_browse.cache.schema import Alternative
from hw3_browse.cache.writer import CacheWriter
from hw3_browse.core import export
from hw3_browse.tui import describing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from textual.content import Content

    from hw3_browse.cache.schema import Captioned

OTHERS = (
    (Alternative("a man on a skate\x1b[31mboard", -0.5), Alternative("", -0.75)),
    (),
    (Alternative("יד with \ud800 a lone half", math.nan), Alternative("x" * 90 + " 一只猫", -12.5)),
)


def rows() -> list[Captioned]:
    return [
        replace(fake_row(index, f"a man at place {index}"), alternatives=others) for index, others in enumerate(OTHERS)
    ]


def write(writer: CacheWriter) -> Path:
    writer.add_captioned(rows())
    writer.add_embeddings([(index, fake_embedding(index)) for index in range(3)])
    return writer.finish(fake_scores(rows()), SCORES, {}, {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with CacheWriter(tmp_path / "run", fake_plan(3), 3) as writer:
        return write(writer)


def same(found: tuple[Alternative, ...], given: tuple[Alternative, ...]) -> None:
    assert [one.caption for one in found] == [one.caption.replace("\ud800", "\ufffd") for one in given]
    assert [one.score for one in found] == pytest.approx([one.score for one in given], nan_ok=True)


def test_they_come_back(folder: Path) -> None:
    with Cache.open(folder) as cache:
        for index, others in enumerate(OTHERS):
            same(cache.sample(index).alternatives, others)


def test_they_are_there_while_the_run_goes_on(tmp_path: Path) -> None:
    with CacheWriter(tmp_path / "run", fake_plan(4), 4) as writer:
        writer.add_captioned(rows())
        with LiveCache.open(tmp_path / "run", tmp_path / "run") as live:
            for index, others in enumerate(OTHERS):
                same(live.sample(index).alternatives, others)


def test_a_record_without_any_is_that_of_older_versions() -> None:
    plain, rich = work.to_json(rows()[1]), work.to_json(rows()[0])
    assert "alternatives" not in json.loads(plain)
    assert work.from_json(plain).alternatives == ()
    assert work.from_json(rich).alternatives == OTHERS[0]
    with pytest.raises((TypeError, ValueError)):
        work.from_json(json.dumps(json.loads(rich) | {"alternatives": [{"caption": "a"}]}))


def replaced(folder: Path, column: pa.Array | None) -> None:
    """Write the table again with another column of alternatives, or none, and the manifest that fits."""
    path = folder / "samples.parquet"
    plain = pq.read_table(path).drop_columns(["alternatives"])
    pq.write_table(plain if column is None else plain.append_column("alternatives", column), path)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["samples.parquet"] = path.stat().st_size
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_an_older_cache_has_none(folder: Path) -> None:
    replaced(folder, None)
    with Cache.open(folder) as cache:
        assert [cache.sample(index).alternatives for index in range(3)] == [()] * 3
        assert "alternatives" not in next(export.tables(cache)).column_names


@pytest.mark.parametrize(
    "value",
    ["text", [1, 2], ["text"], [{"score": 0.5}]],
    ids=str,
)
def test_a_column_of_something_else_is_damage(folder: Path, value: Any) -> None:
    replaced(folder, pa.array([value] * 3))
    with Cache.open(folder) as cache, pytest.raises(CacheDamaged, match="'alternatives' of another type, "):
        cache.sample(0)


@pytest.mark.parametrize("value", [[{"caption": None, "score": 0.5}], [None]], ids=str)
def test_an_alternative_without_a_caption_is_damage(folder: Path, value: Any) -> None:
    replaced(folder, pa.array([value] * 3, table.schema(()).field("alternatives").type))
    with Cache.open(folder) as cache, pytest.raises(CacheDamaged, match="row 0 makes no sense"):
        cache.sample(0)


def test_they_are_exported(folder: Path, tmp_path: Path) -> None:
    with Cache.open(folder) as cache:
        lines, cells = io.StringIO(), io.StringIO()
        export.write_jsonl(lines, export.tables(cache))
        export.write_csv(cells, export.tables(cache))
        export.write_parquet(tmp_path / "out.parquet", export.tables(cache))
    records = [json.loads(line)["alternatives"] for line in lines.getvalue().splitlines()]
    assert records[0] == [
        {"caption": "a man on a skate\x1b[31mboard", "score": -0.5},
        {"caption": "", "score": -0.75},
    ]
    assert records[1] == []
    assert records[2][0]["score"] is None
    cell = next(csv.DictReader(io.StringIO(cells.getvalue())))["alternatives"]
    assert "\x1b" not in cell
    assert json.loads(cell)[1] == {"caption": "", "score": -0.75}
    assert pq.read_table(tmp_path / "out.parquet").column("alternatives").to_pylist()[0] == records[0]


def styled(line: Content, style: str) -> list[str]:
    return [line.plain[span.start : span.end] for span in line.spans if style in str(span.style)]


def test_the_details_list_them_with_their_scores(folder: Path) -> None:
    with Cache.open(folder) as cache:
        samples = [cache.sample(index) for index in range(3)]
    title, first, second = describing.alternatives(samples[0], 60)
    assert title.plain == "2 other captions of the search"
    assert first.plain.startswith("-0.5000 a man on a skate")
    assert "\x1b" not in first.plain
    assert styled(first, "bold") == ["on", "skateboard"]  # the caption has all the others
    assert second.plain == "-0.7500 (empty)"
    assert describing.alternatives(samples[1], 60) == []
    one = replace(samples[0], alternatives=samples[0].alternatives[:1])
    assert describing.alternatives(one, 60)[0].plain == "1 other caption of the search"


@pytest.mark.parametrize("width", [12, 20, 33, 80])
def test_they_fit(folder: Path, width: int) -> None:
    with Cache.open(folder) as cache:
        lines = list(longer(describing.alternatives(cache.sample(2), width)))
    assert all(line.cell_length <= width for line in lines)
    assert "".join(line.plain[8:] for line in lines).replace(" ", "").count("x") == 90


def longer(block: list[Content]) -> Iterator[Content]:
    """All lines but the title, which wraps as any text does."""
    yield from block[1:]
