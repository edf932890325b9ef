"""A zero-shot run as columns by one of its prompts: what the filter language may name, and what it then means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from zeroshot_fakes import NAMES, make_zeroshot_run

from hw3_browse.cache.errors import UsageError
from hw3_browse.cache.judgements import Judgements
from hw3_browse.cache.known import KnownRun, kind_of, runs_in
from hw3_browse.cache.query import QueryError, RunTable, completions, parse
from hw3_browse.cache.zeroshot import ByPrompt, ZeroShotRun


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ZeroShotRun:
    return ZeroShotRun.open(make_zeroshot_run(tmp_path_factory.mktemp("zero") / "run", count=60, unknown=(3, 17)))


def left(run: ZeroShotRun, expression: str, prompt: int = 0) -> list[int]:
    table = ByPrompt(run, prompt)
    query = parse(expression, table.fields)
    assert parse(str(query), table.fields) == query
    found: list[int] = np.flatnonzero(query.mask(RunTable(table, "confidence", text_names=table.searched))).tolist()
    return found


def test_classes_and_predictions_are_texts(run: ZeroShotRun) -> None:
    truth, guessed = run.true_labels(), run.predicted(1)
    assert left(run, "class = cat") == np.flatnonzero(truth == 1).tolist()
    assert left(run, "class ~ e") == [i for i, label in enumerate(truth) if label >= 0 and "e" in NAMES[label]]
    assert left(run, 'class = ""') == [3, 17]
    assert left(run, "prediction = dog", 1) == left(run, "p2.prediction = dog") == np.flatnonzero(guessed == 0).tolist()
    assert left(run, "prediction = class") == left(run, "correct")
    assert left(run, "name = 1_1 or path ~ 2_2.") == [1, 2]
    assert set(left(run, "teddy")) == set(left(run, 'class ~ teddy or prediction ~ teddy or name ~ "teddy"'))


def test_right_and_wrong_are_conditions(run: ZeroShotRun) -> None:
    right = run.values(0, "correct")
    for expression in ("correct", "correct = 1", "correct = yes", "correct != no"):
        assert left(run, expression) == np.flatnonzero(right == 1).tolist()
    for expression in ("correct = no", "correct = 0", "not correct and correct is defined"):
        assert left(run, expression) == np.flatnonzero(right == 0).tolist()
    assert left(run, "not correct") == np.flatnonzero(right != 1).tolist()  # those that nobody knows, too
    both = (run.values(0, "correct") == 1) & (run.values(1, "correct") == 0)
    assert left(run, "p1.correct and p2.correct = no") == np.flatnonzero(both).tolist()


def test_numbers(run: ZeroShotRun) -> None:
    assert left(run, "confidence < .5") == np.flatnonzero(run.values(0, "confidence") < 0.5).tolist()
    assert (
        left(run, "margin > p3.margin", 1) == np.flatnonzero(run.values(1, "margin") > run.values(2, "margin")).tolist()
    )
    assert left(run, "true_rank > 2") == np.flatnonzero(run.true_ranks(0) > 2).tolist()
    assert left(run, "true_probability is undefined") == [3, 17]
    assert left(run, "rank <= 4") == sorted(run.order(0, "confidence")[:4].tolist())
    assert len(left(run, "confidence < p10")) == 6


@pytest.mark.parametrize(
    "expression", ["p4.correct", "p0.correct = 1", "words > 3", "reasonable = yes", "caption ~ dog"]
)
def test_what_there_is_not_is_no_field(run: ZeroShotRun, expression: str) -> None:
    table = ByPrompt(run)
    if expression == "p4.correct":
        assert left(run, expression) == []  # a word to look for, as any other
        with pytest.raises(UsageError, match="there are 3 prompts"):
            table.scores("p4.correct")
        return
    with pytest.raises(QueryError, match="no field"):
        parse(expression, table.fields)


def test_one_prompt_needs_no_numbers(tmp_path: Path) -> None:
    with ZeroShotRun.open(make_zeroshot_run(tmp_path / "run", templates=("a {object}",))) as run:
        assert not [name for name in ByPrompt(run).fields.kinds if "." in name]


def test_notes_are_fields_and_verdicts_are_not(run: ZeroShotRun) -> None:
    store = Judgements.beside(run.folder)
    store.set_tags("1_1.png", ["odd"], ())
    store.close()
    table = ByPrompt(run)
    assert {"tag", "note", "judged", "marked"} <= table.fields.kinds.keys()
    assert not {"reasonable", "fits"} & table.fields.kinds.keys()


def test_completion(run: ZeroShotRun) -> None:
    fields = ByPrompt(run).fields
    assert completions("pred", fields) == ["prediction"]
    assert completions("correct = y", fields) == ["correct = yes"]
    assert "p2.correct" in completions("p2.c", fields)


def test_orders_and_texts(run: ZeroShotRun) -> None:
    table = ByPrompt(run, 9)  # more than there are: the last
    assert table.prompt == 2
    assert table.order("margin").tolist() == run.order(2, "margin").tolist()
    assert table.order("index").tolist() == list(range(60))
    assert [table.run.name(int(index)) for index in table.order("name")] == sorted(map(run.name, range(60)))
    assert table.texts("prediction").to_pylist() == [NAMES[label] for label in run.predicted(2)]
    assert table.texts("class")[3].as_py() == ""
    with pytest.raises(UsageError, match="no column 'caption'"):
        table.texts("caption")


def test_runs_are_known_by_their_manifests(run: ZeroShotRun, tmp_path: Path) -> None:
    make_zeroshot_run(tmp_path / "zero", count=5)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "manifest.json").write_text('{"format": "a plain text"}')
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "manifest.json").write_text("[" * 100_000)
    assert runs_in([tmp_path, tmp_path, tmp_path / "missing"]) == [KnownRun(tmp_path / "zero", "zero-shot", 5)]
    assert kind_of(run.folder) == "zero-shot"
    assert kind_of(tmp_path / "other") is None
