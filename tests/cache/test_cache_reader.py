"""Reading: orders, maps, threads, lazy imports, and every kind of folder that is no good cache."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import CAPTIONS, fake_plan, fake_row, make_cache
from PIL import Image

from hw3_browse.cache.errors import (
    CacheDamaged,
    CacheError,
    CacheNewer,
    CacheNotFound,
    CacheUnfinished,
    Hw3Error,
    UsageError,
)
from hw3_browse.cache.reader import Cache
from hw3_browse.cache.schema import Score
from hw3_browse.cache.writer import CacheWriter


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A finished cache that the test may damage."""
    return shutil.copytree(finished, tmp_path / "copy")


def edit_manifest(folder: Path, **changes: object) -> None:
    file = folder / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def accept_sizes(folder: Path) -> None:
    """Make the manifest agree with damaged files, so that the damage is met later."""
    names = ("samples.parquet", "attention.sqlite")
    edit_manifest(folder, files={name: (folder / name).stat().st_size for name in names})


def scored(folder: Path, values: list[float], *, higher: bool = True) -> Path:
    with CacheWriter(folder, {}, len(values)) as writer:
        writer.add_captioned([replace(fake_row(index, "x"), name=f"n{index % 2}") for index in range(len(values))])
        return writer.finish({"s": np.asarray(values)}, [Score("s", higher, "")], {}, {})


# Orders


@pytest.mark.parametrize(
    ("higher", "reverse", "expected"),
    [
        (True, False, [1, 4, 0, 3, 2, 5]),
        (True, True, [0, 3, 1, 4, 2, 5]),
        (False, False, [0, 3, 1, 4, 2, 5]),
        (False, True, [1, 4, 0, 3, 2, 5]),
    ],
)
def test_order(tmp_path: Path, higher: bool, reverse: bool, expected: list[int]) -> None:
    """Best first, undefined last whichever way, equal ones by index."""
    folder = scored(tmp_path / "run", [0.0, 1.0, np.nan, 0.0, 1.0, np.nan], higher=higher)
    with Cache.open(folder) as cache:
        found = cache.order("s", reverse=reverse)
        assert found.tolist() == expected
        assert found.dtype == np.int64


def test_order_of_infinite_scores(tmp_path: Path) -> None:
    with Cache.open(scored(tmp_path / "run", [np.nan, -np.inf, np.inf, 0.0])) as cache:
        assert cache.order("s").tolist() == [2, 3, 1, 0]
        assert cache.order("s", reverse=True).tolist() == [1, 3, 2, 0]


def test_order_of_names_and_indices(tmp_path: Path) -> None:
    with Cache.open(scored(tmp_path / "run", [0.0] * 4)) as cache:  # names n0 n1 n0 n1
        assert cache.order("name").tolist() == [0, 2, 1, 3]
        assert cache.order("name", reverse=True).tolist() == [1, 3, 0, 2]
        assert cache.order("index").tolist() == [0, 1, 2, 3]
        assert cache.order("index", reverse=True).tolist() == [3, 2, 1, 0]


def test_scores_cannot_be_changed_by_a_caller(cache: Cache) -> None:
    with pytest.raises(ValueError, match="read-only"):
        cache.scores("cider")[0] = 9.0
    assert cache.scores("cider").shape == (len(cache),)
    assert np.isnan(cache.scores("cider")).tolist() == [index % 5 == 4 for index in range(12)]


def test_unknown_scores_give_a_hint(cache: Cache) -> None:
    with pytest.raises(UsageError, match=r"no score 'clipscor' in this cache; did you mean 'clipscore'\?"):
        cache.order("clipscor")
    with pytest.raises(UsageError, match=r"it has: clipscore, refclipscore, cider, bleu4, logprob$"):
        cache.scores("xyz")
    with pytest.raises(UsageError, match=r"name, index$"):
        cache.order("path!")


# Rows


def test_rows(cache: Cache) -> None:
    assert len(cache) == 12
    assert [cache.caption(index) for index in range(12)] == list(CAPTIONS)
    assert cache.find("000000000007") == 7
    assert cache.find("000000000012") is None
    assert cache.find("nam\udce9") is None
    sample = cache.sample(3)
    assert sample.references == ("a bicycle leaning against a wall number 0",
                                 "a bicycle leaning against a wall number 1",
                                 "a bicycle leaning against a wall number 2",
                                 "a bicycle leaning against a wall number 3")  # fmt: skip
    assert sample.pieces == ("a", "bicycle", "leaning", "against", "a", "wall", "<EOS>")
    assert cache.sample(5).words[5] == "snowcovered"
    assert cache.sample(5).pieces[5:8] == ("snow", "##cove", "##red")
    assert cache.sample(5).word_of_piece == (0, 1, 2, 3, 4, 5, 5, 5, 6, -1)
    assert sample.scores.keys() == set(cache.score_names)


def test_the_first_of_equal_names_is_found(tmp_path: Path) -> None:
    with Cache.open(scored(tmp_path / "run", [0.0] * 4)) as cache:
        assert cache.find("n1") == 1


def test_indices_from_an_order_can_be_used(cache: Cache) -> None:
    """They are numpy's integers, which SQLite takes for blobs."""
    for index in cache.order("clipscore")[:2]:
        plain = int(index)
        np.testing.assert_array_equal(cache.attention(index).weights, cache.attention(plain).weights)
        np.testing.assert_array_equal(cache.mean_map(index, [0]), cache.mean_map(plain, [0]))
        assert cache.preview(index) == cache.preview(plain)
        assert cache.sample(index).index == plain
        assert cache.caption(index) == cache.caption(plain)
        assert cache.image_file(index) is None


def test_the_examples_of_the_format_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page shows how others read a cache; its Python blocks run as printed."""
    pytest.importorskip("pandas")
    page = Path(__file__).parents[2] / "docs" / "cache-format.md"
    make_cache(tmp_path / "RUN")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        exec(block, names)
    with Cache.open(tmp_path / "RUN") as cache:
        np.testing.assert_allclose(names["weights"], cache.attention(0).weights, atol=1e-6)
        assert cache.caption(int(cache.order("clipscore")[0])) in capsys.readouterr().out


@pytest.mark.parametrize("index", [-1, 12, 10**9])
def test_rows_that_are_not_there(cache: Cache, index: int) -> None:
    for read in (cache.name, cache.caption, cache.sample, cache.attention, cache.preview):
        with pytest.raises(IndexError, match="is not among the 12"):
            read(index)
    with pytest.raises(IndexError):
        cache.mean_map(index, [0])


def test_mean_map_is_the_quick_way_to_the_same(cache: Cache) -> None:
    attention = cache.attention(11)
    tokens = len(cache.sample(11).token_ids)
    for pieces in ([0], [1, 2, 3], [tokens - 1]):
        for layer in (0, 1, -1):
            expected = attention.word_map(pieces, layer)
            np.testing.assert_allclose(cache.mean_map(11, pieces, layer), expected, atol=0.01)
    with pytest.raises(IndexError):
        cache.mean_map(11, [tokens])
    with pytest.raises(IndexError):
        cache.mean_map(11, [0], layer=2)
    with pytest.raises(ValueError, match="at least one piece"):
        cache.mean_map(11, [])


def test_many_threads_read_the_same(finished: Path) -> None:
    def everything(cache: Cache, index: int) -> tuple[object, ...]:
        found = (
            cache.caption(index),
            cache.sample(index),
            cache.preview(index),
            cache.order("cider").tolist(),
        )
        return (*found, cache.attention(index).weights.tobytes(), cache.find(cache.name(index)))

    work = [index % 12 for index in range(120)]
    with Cache.open(finished) as cache:
        expected = {index: everything(cache, index) for index in range(12)}
    with Cache.open(finished) as cache, ThreadPoolExecutor(8) as pool:  # nothing opened yet: all race to it
        found = list(pool.map(lambda index: everything(cache, index), work))
    for index, values in zip(work, found, strict=True):
        assert repr(values) == repr(expected[index])  # repr: NaN is not equal to itself


def test_a_closed_cache_says_so(finished: Path) -> None:
    for warm in (False, True):
        cache = Cache.open(finished)
        if warm:
            cache.caption(0)
            cache.attention(0)
        cache.close()
        for read in (cache.caption, cache.attention, cache.sample):
            with pytest.raises(CacheError, match="was closed"):
                read(0)


def test_imports_come_when_they_are_needed(finished: Path) -> None:
    """The first frame waits for `Cache.open`; pandas, where installed, would cost more than all else."""
    script = """
import sys
from pathlib import Path
from hw3_browse.cache.reader import Cache
cache = Cache.open(Path(sys.argv[1]))
len(cache), cache.score_names, cache.manifest
def loaded(): return sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[2:]))
print(loaded())
cache.caption(0), cache.sample(0), cache.order("name"), cache.order("cider"), cache.find("x")
cache.attention(0), cache.preview(0), cache.image_file(0)
print(loaded())
"""
    watched = [
        "pyarrow",
        "sqlite3",
        "zstandard",
        "pandas",
        "torch",
        "textual",
        "matplotlib",
        "platformdirs",
        "PIL",
    ]
    found = subprocess.run(
        [sys.executable, "-c", script, finished, *watched], capture_output=True, text=True, check=True
    )
    assert found.stdout.splitlines() == ["[]", "['pyarrow', 'sqlite3', 'zstandard']"]


# Pictures


def test_the_pictures_own_file(tmp_path: Path) -> None:
    folder = make_cache(tmp_path / "run", 4)
    images = tmp_path / "images"
    (images / "part0").mkdir(parents=True)
    (images / "part1").mkdir()
    Image.new("RGB", (4, 4)).save(images / "part0" / "000000000000.jpg")
    (tmp_path / "secret.jpg").write_text("")
    (images / "part1" / "000000000001.jpg").symlink_to(tmp_path / "secret.jpg")
    (images / "part0" / "000000000002.jpg").mkdir()
    with Cache.open(folder) as cache:
        assert cache.image_file(0) == (images / "part0" / "000000000000.jpg").resolve()
        assert [cache.image_file(index) for index in (1, 2, 3)] == [None, None, None]


@pytest.mark.parametrize("dataset", [None, [], {}, {"images": 5}, {"images": "relative"}, {"images": "/a\0b"}])
def test_a_manifest_without_a_dataset(copy: Path, dataset: object) -> None:
    edit_manifest(copy, plan={"dataset": dataset})
    with Cache.open(copy) as cache:
        assert cache.image_file(0) is None


def test_a_forged_path_never_leaves_the_dataset(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "secret.jpg").write_text("")
    table = pq.read_table(copy / "samples.parquet")
    column = table.schema.get_field_index("path")
    for path in ("../secret.jpg", str(tmp_path / "secret.jpg"), "a/../../secret.jpg"):
        forged = table.set_column(column, "path", pa.array([path] * len(table)))
        pq.write_table(forged, copy / "samples.parquet")
        accept_sizes(copy)
        with Cache.open(copy) as cache:
            with pytest.raises(CacheDamaged, match="leaves the dataset's image folder"):
                cache.image_file(0)
            with pytest.raises(CacheDamaged, match="row 0 makes no sense"):
                cache.sample(0)


def test_damaged_previews(copy: Path) -> None:
    (copy / "previews/0000/0000001.jpg").unlink()
    (copy / "previews/0000/0000002.jpg").write_bytes(b"")
    with Cache.open(copy) as cache:
        with pytest.raises(CacheDamaged, match=r"0000001.jpg: the preview cannot be read \(No such file"):
            cache.preview(1)
        with pytest.raises(CacheDamaged, match=r"0000002.jpg: the preview is not a JPEG"):
            cache.preview(2)


# Folders that are no good cache


def expect(error: type[CacheError], folder: Path, *parts: str) -> None:
    """`Cache.open` fails with exactly this class and one line that names the folder."""
    with pytest.raises(CacheError) as caught:
        Cache.open(folder)
    line = str(caught.value)
    assert type(caught.value) is error
    assert isinstance(caught.value, Hw3Error)
    assert "\n" not in line
    assert str(folder) in line
    for part in parts:
        assert part in line


def test_nothing_there(tmp_path: Path) -> None:
    expect(CacheNotFound, tmp_path / "nowhere", "no such folder")
    expect(CacheNotFound, tmp_path, "is not a cache (no manifest.json)")
    (tmp_path / "file").write_text("")
    expect(CacheNotFound, tmp_path / "file", "is a file; give the folder")


def test_the_folder_above_gives_a_hint(finished: Path) -> None:
    expect(CacheNotFound, finished.parent, f"did you mean {finished}?")


def test_foreign_folders(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "a web app", "icons": []}')
    expect(CacheNotFound, tmp_path, "was not written by hw3 precompute")


def test_unfinished_folder(tmp_path: Path) -> None:
    with CacheWriter(tmp_path / "run", fake_plan(3), 3) as writer:
        writer.add_captioned([fake_row(0, "x")])
        expect(CacheUnfinished, tmp_path / "run", "the run is not finished; hw3 precompute")  # being written
    expect(CacheUnfinished, tmp_path / "run", "goes on where it stopped")


def test_newer_folder(copy: Path) -> None:
    edit_manifest(copy, format_version=7)
    expect(CacheNewer, copy, "format 7", "upgrade")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b" " * ((16 << 20) + 1)])
def test_damaged_manifest(copy: Path, content: bytes) -> None:
    (copy / "manifest.json").write_bytes(content)
    expect(CacheDamaged, copy, "manifest.json")


@pytest.mark.parametrize("name", ["samples.parquet", "attention.sqlite"])
def test_missing_and_cut_files(copy: Path, name: str) -> None:
    file = copy / name
    content = file.read_bytes()
    file.write_bytes(content[:-100])
    expect(
        CacheDamaged,
        copy,
        f"{name} has {len(content) - 100} bytes, {len(content)} expected",
        "copy the cache",
    )
    file.unlink()
    expect(CacheDamaged, copy, f"{name} is missing")
    file.write_bytes(content)
    files = json.loads((copy / "manifest.json").read_text())["files"]
    del files[name]
    edit_manifest(copy, files=files)
    expect(CacheDamaged, copy, f"no size of {name}")


def test_a_folder_without_permission(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)  # chmod does not stop root
    expect(CacheError, copy, "Permission denied")


def read_everything(folder: Path) -> None:
    with Cache.open(folder) as cache:
        for index in range(len(cache)):
            cache.caption(index)
            cache.sample(index)
            cache.attention(index)
            cache.mean_map(index, [0])
        for name in (*cache.score_names, "name"):
            cache.order(name)
        cache.find("x")


@pytest.mark.parametrize("name", ["samples.parquet", "attention.sqlite"])
@pytest.mark.parametrize("kind", ["zeros", "other", "half"])
def test_altered_files_are_damage_when_read(copy: Path, name: str, kind: str) -> None:
    size = (copy / name).stat().st_size
    content = {"zeros": bytes(size), "other": b"hello " * (size // 6 + 1), "half": b""}[kind][:size]
    (copy / name).write_bytes(content or (copy / name).read_bytes()[: size // 2])
    accept_sizes(copy)
    with pytest.raises(CacheDamaged) as caught:
        read_everything(copy)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["samples.parquet", "attention.sqlite"])
def test_flipped_bytes_are_damage_or_harmless(copy: Path, name: str) -> None:
    """Never a traceback of another library, and never a wrong number read in silence."""
    good = (copy / name).read_bytes()
    rng = np.random.default_rng(0)
    lines: list[str] = []
    with Cache.open(copy) as cache:
        expected = [repr(cache.sample(index)) for index in range(len(cache))]
        weights = [cache.attention(index).weights.tobytes() for index in range(len(cache))]
    for place in rng.integers(0, len(good), 60):
        bad = bytearray(good)
        bad[place] ^= 0x55
        (copy / name).write_bytes(bad)
        try:
            read_everything(copy)
        except CacheDamaged as error:
            lines.append(str(error))
            continue
        with Cache.open(copy) as cache:
            assert [repr(cache.sample(index)) for index in range(len(cache))] == expected
            assert [cache.attention(index).weights.tobytes() for index in range(len(cache))] == weights
    assert lines
    assert not [line for line in lines if "\n" in line]


def test_rows_and_columns_that_do_not_fit_the_manifest(copy: Path) -> None:
    edit_manifest(copy, count=13)
    with Cache.open(copy) as cache, pytest.raises(CacheDamaged, match="has 12 rows, 13 expected"):
        cache.caption(0)
    scores = [{"name": "spice", "higher_is_better": True, "description": ""}]
    edit_manifest(copy, count=12, scores=scores)
    with Cache.open(copy) as cache, pytest.raises(CacheDamaged, match="has no column 'spice'"):
        cache.caption(0)


def test_attention_that_does_not_fit_the_manifest(copy: Path) -> None:
    shape = json.loads((copy / "manifest.json").read_text())["attention"]
    edit_manifest(copy, attention=shape | {"heads": 4})
    with Cache.open(copy) as cache, pytest.raises(CacheDamaged, match="picture 2 has another shape"):
        cache.attention(2)
    edit_manifest(copy, attention=shape | {"rows": 5, "cols": 4})
    with Cache.open(copy) as cache, pytest.raises(CacheDamaged, match="another grid of patches"):
        cache.sample(2)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("DELETE FROM attention WHERE idx = 2", "has no picture 2"),
        ("UPDATE attention SET tokens = 'many'", "another shape"),
        ("UPDATE attention SET tokens = -1", "another shape"),
        ("UPDATE attention SET tokens = 1000000000000", "picture 2: attention of"),
        ("UPDATE attention SET weights = x'00', mean = x'00'", "picture 2: attention cannot be decompressed"),
        ("UPDATE attention SET weights = 'text'", "another shape"),
        ("DROP TABLE attention", "cannot be read"),
    ],
)
def test_forged_attention(copy: Path, change: str, line: str) -> None:
    database = sqlite3.connect(copy / "attention.sqlite")
    database.execute(change)
    database.commit()
    database.close()
    accept_sizes(copy)
    with Cache.open(copy) as cache, pytest.raises(CacheDamaged, match=line):
        cache.attention(2)


def test_strange_folder_names(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "a b?c#d%20é'\n")
    with Cache.open(folder) as cache:
        assert cache.attention(0).weights.size
        assert cache.caption(0) == CAPTIONS[0]


def test_reading_leaves_no_trace(finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    read_everything(finished)
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before
