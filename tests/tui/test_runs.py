"""Several runs as one list: which pictures, in which order, under which names."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from fakes import make_cache
from hypothesis import given
from hypothesis import strategies as st

from hw3_browse.cache.errors import UsageError
from hw3_browse.cache.reader import Cache
from hw3_browse.cache.schema import AttentionShape, Manifest, Score
from hw3_browse.tui.runs import Runs
from hw3_browse.tui.titles import titles_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAN = float("nan")
CLIP = Score("clipscore", True, "")
ERRORS = Score("errors", False, "")


class Memory:
    """A run in memory, with a caption that tells run and row."""

    def __init__(
        self,
        title: str,
        names: Sequence[str],
        scores: dict[Score, Sequence[float]] | None = None,
        paths: Sequence[str] | None = None,
        corpus: dict[str, float] | None = None,
    ) -> None:
        self.folder = Path("/runs") / title
        self.names = list(names)
        self.paths = list(paths or (f"{name}.jpg" for name in names))
        self.columns = {score.name: np.asarray(values, np.float64) for score, values in (scores or {}).items()}
        self.manifest = Manifest(
            1, "", {}, len(names), tuple(scores or ()), corpus or {}, {}, AttentionShape(1, 1, 0, 1, 1, "u8"), {}, ()
        )
        self.read: list[str] = []
        self.closed = self.is_replaced = False

    def __len__(self) -> int:
        return len(self.names)

    @property
    def score_names(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def name(self, index: int, /) -> str:
        return self.names[index]

    def path(self, index: int, /) -> str:
        return self.paths[index]

    def caption(self, index: int, /) -> str:
        return f"{self.folder.name} {index}"

    def texts(self, column: str, /) -> pa.ChunkedArray:
        self.read.append(column)
        texts = {
            "name": self.names,
            "path": self.paths,
            "caption": [self.caption(index) for index in range(len(self))],
            "references": [[name] for name in self.names],
        }[column]
        kind = pa.list_(pa.string()) if column == "references" else pa.string()
        half = len(texts) // 2
        return pa.chunked_array([texts[:half], texts[half:]], kind)

    def find(self, name: str, /) -> int | None:
        return self.names.index(name) if name in self.names else None

    def scores(self, name: str, /) -> np.ndarray:
        self.read.append(name)
        return self.columns[name]

    def order(self, name: str, /) -> np.ndarray:
        if name == "name":
            return np.asarray(sorted(range(len(self)), key=lambda index: (self.names[index], index)))
        return np.arange(len(self))

    def sample(self, index: int, /) -> Any:
        raise NotImplementedError

    attention = preview = image_file = sample

    def replaced(self) -> bool:
        return self.is_replaced

    def close(self) -> None:
        self.closed = True


class Growing(Memory):
    """A run that is going on: `coming` arrives at the next refresh."""

    coming: tuple[str, ...] = ()

    def refresh(self) -> int:
        self.names += self.coming
        self.paths += [f"{name}.jpg" for name in self.coming]
        arrived, self.coming = len(self.coming), ()
        return arrived

    @property
    def progress(self) -> tuple[int, int]:
        return len(self), 5000

    is_running = True


def joined_rows(runs: Runs) -> list[tuple[int, ...]]:
    runs.join()
    return [tuple(runs.at(run, index) for run in range(len(runs.sources))) for index in range(len(runs))]


# -- One run ---------------------------------------------------------------------------------------------------------


def test_one_run_is_passed_through_and_nothing_is_read() -> None:
    source = Memory("val", "abc", {CLIP: [1, 2, 3]})
    runs = Runs([source])
    runs.join()
    assert (len(runs), runs.labels, runs.titles, runs.dropped, runs.notice) == (3, ("a",), ("val",), 0, "")
    assert runs.manifest is source.manifest
    assert runs.score_names == ("clipscore",)
    assert runs.at(0, 2) == 2
    assert source.read == []
    assert runs.scores("clipscore") is source.columns["clipscore"]
    assert [runs.name(1), runs.path(1), runs.caption(1), runs.find("c")] == ["b", "b.jpg", "val 1", 2]
    assert not runs.refresh()


def test_a_cache_is_a_source_for_one_run(cache_folder: Path) -> None:
    with Cache.open(cache_folder) as cache:
        runs = Runs([cache])
        assert runs.sample(3) == cache.sample(3)
        assert runs.preview(3) == cache.preview(3)
        assert runs.order("clipscore").tolist() == cache.order("clipscore").tolist()


# -- The join --------------------------------------------------------------------------------------------------------


def test_runs_join_by_name_in_the_order_of_the_first() -> None:
    runs = Runs([Memory("one", "dacb"), Memory("two", "abxcd", paths=["p/1", "p/2", "p/3", "p/4", "p/5"])])
    assert joined_rows(runs) == [(0, 4), (1, 0), (2, 3), (3, 1)]
    assert runs.dropped == 1
    assert runs.missing == (0, 1)
    assert runs.notice == "only pictures that all runs have are shown; left out: 1 of two"
    assert [runs.name(index) for index in range(4)] == list("dacb")
    assert runs.caption(2) == "one 2"
    assert runs.texts("caption").to_pylist() == ["one 0", "one 1", "one 2", "one 3"]
    assert runs.texts("b.caption").to_pylist() == ["two 4", "two 0", "two 3", "two 1"]
    assert runs.texts("b.references").to_pylist() == [["d"], ["a"], ["c"], ["b"]]
    assert (runs.find("c"), runs.find("x")) == (2, None)


def test_before_the_join_the_first_run_counts() -> None:
    sources = [Memory("one", "abc"), Memory("two", "bc")]
    runs = Runs(sources)
    assert len(runs) == runs.manifest.count == 3
    assert runs.dropped == 0
    assert sources[0].read == sources[1].read == []
    assert runs.name(0) == "b"  # a question about a row joins
    assert len(runs) == runs.manifest.count == 2


def test_a_name_that_comes_twice_is_no_name() -> None:
    one = Memory("one", ["x", "x", "y"], paths=["cats/x.jpg", "dogs/x.jpg", "y.jpg"])
    two = Memory("two", ["y", "x", "x"], paths=["other/y.jpg", "dogs/x.jpg", "birds/x.jpg"])
    runs = Runs([one, two])
    assert joined_rows(runs) == [(1, 1), (2, 0)]
    assert runs.dropped == 2
    assert runs.missing == (1, 1)


def test_of_a_path_that_comes_twice_the_first_row_counts() -> None:
    runs = Runs([Memory("one", ["x", "x"], paths=["x.jpg", "x.jpg"]), Memory("two", "x", paths=["x.jpg"])])
    assert joined_rows(runs) == [(0, 0)]
    assert runs.dropped == 0
    assert runs.missing == (1, 0)


NAMES = st.lists(st.sampled_from("abcdefgh"), max_size=12)


@given(st.lists(NAMES, min_size=2, max_size=4))
def test_a_join_is_what_dictionaries_say(names: list[list[str]]) -> None:
    sources = [Growing(str(run), own) for run, own in enumerate(names)]  # growing: nothing in common is no error
    runs = Runs(sources)
    places = [{name: own.index(name) for name in own} for own in names]
    common = [name for name in dict.fromkeys(names[0]) if all(name in own for own in names)]
    assert joined_rows(runs) == [tuple(place[name] for place in places) for name in common]
    assert runs.dropped == len({name for own in names for name in own}) - len(common)


def test_runs_without_a_common_picture_are_refused() -> None:
    runs = Runs([Memory("one", "abc"), Memory("two", "xy")])
    with pytest.raises(UsageError, match=r"no picture in common, by name \(file stem\): one has 'a', two has 'x'"):
        runs.join()


def test_how_many_runs_there_can_be() -> None:
    for count in (0, 27):
        with pytest.raises(UsageError, match=f"cannot show {count} runs"):
            Runs([Memory("one", "a")] * count)


def test_there_is_no_row_outside() -> None:
    runs = Runs([Memory("one", "abc"), Memory("two", "abc")])
    for index in (-1, 3):
        with pytest.raises(IndexError):
            runs.at(1, index)


# -- Scores ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def three() -> Runs:
    return Runs(
        [
            Memory("one", "abc", {CLIP: [0.5, 0.25, NAN], ERRORS: [1, 2, 3]}, corpus={"clipscore": 0.5, "errors": 2}),
            Memory("two", "cba", {ERRORS: [9, 5, 1], CLIP: [1, 1, 1]}, corpus={"clipscore": 0.75}),
            Memory("three", "xbca", {CLIP: [0, 0.5, 0.5, 0.5], Score("cider", True, ""): [0, 1, 2, 3]}),
        ]
    )


def test_the_columns_of_several_runs(three: Runs) -> None:
    assert three.score_names == (
        *("clipscore", "diff.clipscore", "b.clipscore", "diff.c.clipscore", "c.clipscore"),
        *("errors", "diff.errors", "b.errors"),
        "c.cider",
    )
    assert tuple(score.name for score in three.manifest.scores) == three.score_names
    assert three.scores("b.errors").tolist() == [1, 5, 9]
    assert three.scores("c.cider").tolist() == [3, 1, 2]
    np.testing.assert_equal(three.scores("diff.clipscore"), [0.5, 0.75, NAN])
    np.testing.assert_equal(three.scores("diff.c.clipscore"), [0, 0.25, NAN])


def test_the_orders_of_several_runs(three: Runs) -> None:
    assert three.order("diff.clipscore").tolist() == [1, 0, 2]
    assert three.order("errors").tolist() == [0, 1, 2]  # lower is better
    assert three.order("diff.errors").tolist() == [2, 1, 0]  # the highest difference first, whatever the score
    assert three.order("b.clipscore").tolist() == [0, 1, 2]
    assert three.order("index").tolist() == [0, 1, 2]
    assert Runs([Memory("one", "dxacb"), Memory("two", "abcd")]).order("name").tolist() == [1, 3, 2, 0]


def test_the_columns_of_one_score(three: Runs) -> None:
    group = ("clipscore", "diff.clipscore", "b.clipscore", "diff.c.clipscore", "c.clipscore")
    assert three.beside("clipscore") == three.beside("diff.clipscore") == three.beside("c.clipscore") == group
    assert three.beside("c.cider") == ("c.cider",)
    assert three.beside("name") == ()
    assert Runs([three.sources[0]]).beside("errors") == ("errors",)


def test_one_value_is_that_of_the_column(three: Runs) -> None:
    for name in three.score_names:
        np.testing.assert_equal([three.value(name, index) for index in range(3)], three.scores(name))
    assert Runs([three.sources[0]]).value("errors", 1) == 2
    with pytest.raises(UsageError, match="no column 'meteor'"):
        three.value("meteor", 0)


def test_the_columns_of_texts(three: Runs) -> None:
    assert Runs([three.sources[0]]).text_names == ("name", "path", "caption", "references")
    assert three.text_names[4:8] == ("b.name", "b.path", "b.caption", "b.references")
    assert [len(three.texts(name)) for name in three.text_names] == [3] * 12


def test_corpus_scores_of_several_runs(three: Runs) -> None:
    expected = {"clipscore": 0.5, "diff.clipscore": 0.25, "b.clipscore": 0.75, "errors": 2}
    assert dict(three.manifest.corpus) == expected


def test_unknown_columns_of_several_runs(three: Runs) -> None:
    with pytest.raises(UsageError, match=r"did you mean 'diff\.clipscore'"):
        three.scores("diff.clipscores")
    with pytest.raises(UsageError, match=r"did you mean 'b\.errors'"):
        three.order("b.error")
    for column in ("words", "d.caption", "b.words"):
        with pytest.raises(UsageError, match="no column"):
            three.texts(column)


def test_a_difference_of_infinities_warns_nobody() -> None:
    runs = Runs([Memory("one", "a", {CLIP: [-np.inf]}), Memory("two", "a", {CLIP: [-np.inf]})])
    assert np.isnan(runs.scores("diff.clipscore")).all()


# -- Real caches -----------------------------------------------------------------------------------------------------


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Runs]:
    folders = [make_cache(tmp_path / name, count, seed) for name, count, seed in (("one", 7, 0), ("two", 5, 1))]
    runs = Runs([Cache.open(folder) for folder in folders])
    yield runs
    runs.close()


def test_a_sample_of_two_caches(pair: Runs) -> None:
    pair.join()
    one, two = (source.sample(4) for source in pair.sources)
    sample = pair.sample(4)
    assert replace(sample, scores={}) == replace(one, scores={})
    assert list(sample.scores) == list(pair.score_names)
    assert sample.scores["b.clipscore"] == two.scores["clipscore"]
    assert sample.scores["diff.clipscore"] == two.scores["clipscore"] - one.scores["clipscore"]
    assert np.isnan(sample.scores["diff.cider"])  # the fifth has no references
    assert len(pair) == pair.manifest.count == 5
    assert pair.preview(4) == pair.sources[0].preview(4)
    assert np.array_equal(pair.attention(4).weights, pair.sources[0].attention(4).weights)
    assert pair.image_file(4) is None


def test_a_sample_has_its_index_in_the_list(pair: Runs) -> None:
    runs = Runs([pair.sources[0], Memory("some", ["000000000006", "000000000002"])])
    runs.join()
    assert [runs.sample(index).index for index in range(2)] == [0, 1]
    assert [runs.sample(index).name for index in range(2)] == ["000000000002", "000000000006"]


def test_a_join_imports_no_pandas(pair: Runs) -> None:
    """It takes half a second and 50 MB, and Arrow's own conversions would import it."""
    questions = "runs.join(), runs.texts('b.caption'), runs.order('name'), runs.order('diff.cider'), runs.sample(2)"
    folders = ", ".join(f"Cache.open(Path({str(source.folder)!r}))" for source in pair.sources)
    code = (
        "import sys; from pathlib import Path; from hw3_browse.cache.reader import Cache;"
        f"from hw3_browse.tui.runs import Runs; runs = Runs([{folders}]);"
        f"assert 'pyarrow' not in sys.modules; {questions}; assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# -- Runs that go on -------------------------------------------------------------------------------------------------


def test_a_picture_keeps_its_index_when_more_come() -> None:
    growing = Growing("live", ["c", "a"])
    runs = Runs([Memory("one", "abcd"), growing])
    assert joined_rows(runs) == [(0, 1), (2, 0)]
    assert not runs.refresh()
    growing.coming = ("b", "x")
    assert runs.refresh()
    assert joined_rows(runs) == [(0, 1), (2, 0), (1, 2)]
    assert runs.missing == (1, 1)
    assert runs.dropped == 2


def test_the_first_run_may_go_on_too() -> None:
    growing = Growing("live", [])
    runs = Runs([growing, Memory("two", "ba")])
    assert joined_rows(runs) == []
    growing.coming = ("a", "b")
    assert runs.refresh()
    assert joined_rows(runs) == [(0, 1), (1, 0)]


def test_one_run_that_goes_on() -> None:
    growing = Growing("live", "a")
    runs = Runs([growing])
    growing.coming = ("b",)
    assert runs.is_live
    assert runs.progress == "1 of 5,000 pictures, running"
    assert runs.refresh()
    growing.is_running = False
    assert runs.progress == "2 of 5,000 pictures, stopped"
    assert len(runs) == 2


def test_a_finished_run_has_no_progress() -> None:
    runs = Runs([Memory("one", "abc")])
    assert not runs.is_live
    assert runs.progress == "3 pictures"
    assert Runs([Memory("one", "ab"), Growing("live", "a")]).is_live


def test_all_are_closed_and_any_is_replaced() -> None:
    sources = [Memory("one", "a"), Memory("two", "a")]
    runs = Runs(sources)
    assert not runs.replaced()
    sources[1].is_replaced = True
    assert runs.replaced()
    runs.close()
    assert all(source.closed for source in sources)


# -- Titles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folders", "titles"),
    [
        (["/r/val"], ["val"]),
        (["/r/one", "/r/two"], ["one", "two"]),
        (["/r/large/val", "/r/small/val", "/r/test"], ["large/val", "small/val", "test"]),
        (["/r/x/a/val", "/r/y/a/val"], ["x/a/val", "y/a/val"]),
        (["/val", "/r/val"], ["/val", "r/val"]),
        (["/r/val", "/r/val"], ["val", "val"]),  # the same run twice
        (["/r/v\x1b[31mal"], ["val"]),
    ],
)
def test_titles_tell_runs_apart(folders: list[str], titles: list[str]) -> None:
    assert titles_of([Path(folder) for folder in folders]) == tuple(titles)
