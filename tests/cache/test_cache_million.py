"""A cache of a million pictures: opened without reading it, read at random places in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from fakes import CAPTIONS, SCORES, fake_row, make_cache

from hw3_browse.cache import table
from hw3_browse.cache.reader import Cache
from hw3_browse.cache.schema import CaptionRow

COUNT = 1_000_000


def scores() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {score.name: rng.permutation(COUNT).astype(np.float64) for score in SCORES}


def tables(values: dict[str, np.ndarray]) -> Iterator[pa.Table]:
    """Yield row groups: one real row again and again, with index, name, caption and scores of its own."""
    full = fake_row(0, CAPTIONS[0])
    row = CaptionRow(**{field.name: getattr(full, field.name) for field in fields(CaptionRow)})
    size = table.rows_a_group(COUNT)
    template = table.to_table([row] * size, {name: column[:size] for name, column in values.items()})
    for start in range(0, COUNT, size):
        stop = min(start + size, COUNT)
        index = pa.array(np.arange(start, stop, dtype=np.int32))
        digits = index.cast(pa.string())
        own = {
            "index": index,
            "name": pc.utf8_lpad(digits, 12, "0"),
            "caption": pc.binary_join_element_wise("caption of picture", digits, " "),
        } | {name: pa.array(column[start:stop]) for name, column in values.items()}
        group = template.slice(0, stop - start)
        for name, column in own.items():
            group = group.set_column(group.schema.get_field_index(name), name, column)
        yield group.cast(template.schema)


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache whose samples.parquet has a million rows; attention and previews exist for the first few."""
    folder = make_cache(tmp_path_factory.mktemp("million") / "run", 3)
    table.write(folder / "samples.parquet", tables(scores()), [score.name for score in SCORES])
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["count"] = COUNT
    manifest["files"]["samples.parquet"] = (folder / "samples.parquet").stat().st_size
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_random_access(million: Path) -> None:
    with Cache.open(million) as cache:
        assert len(cache) == COUNT
        for index in (0, 2047, 2048, 999_999, *np.random.default_rng(1).integers(0, COUNT, 300).tolist()):
            assert cache.caption(index) == f"caption of picture {index}"
            assert cache.name(index) == f"{index:012d}"
        sample = cache.sample(765_432)
        assert sample.index == 765_432
        assert replace(sample, index=0).view == fake_row(0, CAPTIONS[0]).view
        assert cache.find("000000765432") == 765_432
        assert cache.find("765432") is None
        expected = scores()
        for name in ("clipscore", "logprob"):
            np.testing.assert_array_equal(cache.scores(name), expected[name])
            best = cache.order(name)[:3]
            assert expected[name][best].tolist() == [COUNT - 1, COUNT - 2, COUNT - 3]
        assert cache.order("name", reverse=True)[:2].tolist() == [COUNT - 1, COUNT - 2]


def test_one_row_group_and_one_column_are_read_for_a_caption(million: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[tuple[int, object]] = []
    plain = pq.ParquetFile.read_row_group

    def counted(self: pq.ParquetFile, group: int, columns: object = None, **options: object) -> pa.Table:
        reads.append((group, columns))
        return plain(self, group, columns=columns, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    with Cache.open(million) as cache:
        assert reads == []
        for index in (500_000, 500_001, 500_000, 999_999, 500_002):
            cache.caption(index)
    assert reads == [(500_000 // 2048, ["caption"]), (999_999 // 2048, ["caption"])]


def test_memory_stays_flat(million: Path) -> None:
    """Thousands of random rows take a small part of what the file holds."""
    script = """
import sys
from pathlib import Path
from random import Random
from hw3_browse.cache.reader import Cache

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

cache = Cache.open(Path(sys.argv[1]))
cache.caption(0)
before = resident()
random = Random(0)
for _ in range(3000):
    cache.caption(random.randrange(len(cache)))
for _ in range(60):
    cache.sample(random.randrange(len(cache)))
print(resident() - before)
"""
    if not Path("/proc/self/statm").exists():
        pytest.skip("resident memory is read from /proc")
    found = subprocess.run([sys.executable, "-c", script, million], capture_output=True, text=True, check=True)
    metadata = pq.read_metadata(million / "samples.parquet")
    held = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    assert held > 500e6
    assert int(found.stdout) < 150e6
