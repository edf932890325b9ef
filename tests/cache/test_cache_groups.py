"""Row groups of `samples.parquet`: how long they are, and that a reader takes them as they come."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import make_cache

from hw3_browse.cache import samples, table
from hw3_browse.cache.reader import Cache

COUNT = 300
FILE = "samples.parquet"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cache(tmp_path_factory.mktemp("groups") / "run", COUNT, layers=1, heads=1, grid=(2, 2))


def in_groups_of(rows: int, folder: Path, copy: Path) -> Path:
    """A copy of a cache with other row groups, as versions before this one and other programs write them."""
    shutil.copytree(folder, copy)
    pq.write_table(pq.read_table(folder / FILE), copy / FILE, row_group_size=rows, write_page_checksum=True)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"][FILE] = (copy / FILE).stat().st_size
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy


@pytest.mark.parametrize(
    ("count", "rows"),
    [(1, 256), (32_768, 256), (32_769, 512), (65_537, 1024), (131_072, 1024), (131_073, 2048), (10_000_000, 2048)],
)
def test_groups_are_small_where_few_are_enough(count: int, rows: int) -> None:
    assert table.rows_a_group(count) == rows


def test_a_cache_is_written_in_them(folder: Path) -> None:
    footer = pq.read_metadata(folder / FILE)
    assert [footer.row_group(group).num_rows for group in range(footer.num_row_groups)] == [256, 44]


@pytest.mark.parametrize("rows", [7, 2048])
def test_a_cache_of_other_groups_is_read(folder: Path, tmp_path: Path, rows: int) -> None:
    with Cache.open(folder) as wanted, Cache.open(in_groups_of(rows, folder, tmp_path / "copy")) as found:
        for index in range(COUNT):
            assert repr(found.sample(index)) == repr(wanted.sample(index))  # NaN is not equal to itself
            assert found.caption(index) == wanted.caption(index)
        assert found.scores("logprob").tolist() == wanted.scores("logprob").tolist()


@pytest.mark.parametrize(("rows", "read"), [(100, [0, 1, 2, 0]), (2048, [0])])
def test_rows_are_kept_by_their_number(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, read: list[int]
) -> None:
    """Two small groups are as many rows as may be kept; of a group that has more, one is kept all the same."""
    groups: list[int] = []
    plain = pq.ParquetFile.read_row_group

    def counted(self: pq.ParquetFile, group: int, **options: object) -> pa.Table:
        groups.append(group)
        return plain(self, group, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    monkeypatch.setattr(samples, "_WHOLE_ROWS", 200)
    with Cache.open(in_groups_of(rows, folder, tmp_path / "copy")) as cache:
        for index in (0, 150, 1, 149, 250, 151, 2):
            cache.sample(index)
    assert groups == read
