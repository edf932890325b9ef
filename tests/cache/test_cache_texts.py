"""Whole columns of texts, and the path of a picture."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hw3_browse.cache.errors import CacheDamaged, CacheError
from hw3_browse.cache.reader import Cache


def test_texts_are_those_of_the_samples(cache: Cache) -> None:
    samples = [cache.sample(index) for index in range(len(cache))]
    for column in ("name", "path", "caption"):
        assert cache.texts(column).type == pa.string()
        assert cache.texts(column).to_pylist() == [getattr(sample, column) for sample in samples]
    assert cache.texts("references").type == pa.list_(pa.string())
    assert cache.texts("references").to_pylist() == [list(sample.references) for sample in samples]


def test_path(cache: Cache) -> None:
    assert [cache.path(index) for index in range(len(cache))] == cache.texts("path").to_pylist()
    with pytest.raises(IndexError):
        cache.path(len(cache))


def test_texts_are_read_once(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    plain = pq.ParquetFile.iter_batches

    def counted(self: pq.ParquetFile, *arguments: object, **options: object) -> object:
        reads.append(options)
        return plain(self, *arguments, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", counted)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: cache.texts("caption"), range(8)))
    assert all(column is found[0] for column in found)
    assert len(reads) == 1


def test_there_are_no_other_texts(cache: Cache) -> None:
    with pytest.raises(KeyError):
        cache.texts("captions")


def test_closed(finished: Path) -> None:
    with Cache.open(finished) as cache:
        pass
    with pytest.raises(CacheError, match="closed"):
        cache.texts("caption")


def test_a_damaged_column(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: pq.ParquetFile, *arguments: object, **options: object) -> object:
        raise pa.ArrowInvalid("page is corrupt\nand more")

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", broken)
    with pytest.raises(CacheDamaged, match=r"samples.parquet cannot be read \(page is corrupt\)"):
        cache.texts("caption")
