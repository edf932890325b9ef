"""`evaluate` as a whole: one Java call, pictures without references, notes, and misuse."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from hw3_browse.cache.errors import UsageError
from hw3_browse.core.metrics import ptb
from hw3_browse.core.metrics.evaluate import evaluate

PREDICTIONS = ["a dog runs on the grass", "a red kite", "two men sit on a bench"]
REFERENCES = [
    ["A dog runs on grass.", "A brown dog running."],
    ["A kite in the sky.", "A red kite flies.", "Somebody's kite"],
    ["Two men on a bench."],
]
QUICK = ("bleu", "rouge_l", "cider")


def test_one_java_call_tokenises_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    run = subprocess.run

    def counted(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        return run(*arguments, **options)

    monkeypatch.setattr(ptb.subprocess, "run", counted)
    evaluate(PREDICTIONS, REFERENCES, QUICK)
    assert len(calls) == 1


@pytest.mark.parametrize("mark", ["\n", "\r", "\v", "\f", "\u2028", "\u2029"])
def test_a_separator_in_one_caption_moves_no_score(mark: str) -> None:
    plain = evaluate(PREDICTIONS, REFERENCES, QUICK)
    references = [[f"A dog{mark}runs on grass.{mark}", REFERENCES[0][1]], *REFERENCES[1:]]
    marked = evaluate([f"{mark}a dog runs on{mark}the grass", *PREDICTIONS[1:]], references, QUICK)
    for name, scores in plain.per_image.items():
        np.testing.assert_array_equal(marked.per_image[name], scores)


def test_a_single_picture_comes_with_a_note() -> None:
    found = evaluate(PREDICTIONS[:1], [[PREDICTIONS[0]]], ["cider"])
    assert found.corpus == {"cider": 0.0}
    assert [note for note in found.notes if note.startswith("CIDEr of a single picture is 0 by construction")]
    assert not evaluate(PREDICTIONS, REFERENCES, ["cider"]).notes
    assert not evaluate(PREDICTIONS[:1], REFERENCES[:1], ["bleu"]).notes


def test_pictures_without_references_are_left_out() -> None:
    some = evaluate(["a cat", *PREDICTIONS, "a cow"], [[], *REFERENCES, []], QUICK)
    all_of_them = evaluate(PREDICTIONS, REFERENCES, QUICK)
    assert some.corpus == all_of_them.corpus
    for name, scores in all_of_them.per_image.items():
        np.testing.assert_array_equal(some.per_image[name], [np.nan, *scores, np.nan])
    assert some.notes == ("2 of 5 pictures have no reference: they have no score and count nowhere",)


def test_an_empty_caption_scores_nothing_and_is_told() -> None:
    found = evaluate(["", *PREDICTIONS[1:]], REFERENCES, QUICK)
    assert found.notes == ("1 of 3 captions are empty",)
    assert all(scores[0] < 1e-9 for scores in found.per_image.values())
    assert all(scores[1] > 1e-9 for name, scores in found.per_image.items() if name in {"bleu1", "cider"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["a"], []), "1 captions, but references of 0 pictures"),
        (("a", [["b"]]), "captions: expected a list of strings, found str"),
        (([1], [["b"]]), "captions: expected strings, found int"),
        ((["a"], ["b"]), "references of picture 0: expected a list of strings, found str"),
        ((["a"], [[None]]), "references of picture 0: expected strings, found NoneType"),
        ((["a"], [[]]), "no picture has a reference caption, and bleu, rouge_l, cider, meteor need them"),
        (([], []), "no picture has a reference caption"),
        ((["a"], [["b"]], ["bleu4"]), "unknown metric 'bleu4': did you mean bleu?"),
        ((["a"], [["b"]], ["spice"]), "unknown metric 'spice': choose from bleu, rouge_l, cider, meteor"),
    ],
)
def test_misuse(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        evaluate(*arguments)


def test_metrics_need_no_torch() -> None:
    script = "import sys, hw3_browse.core.metrics.evaluate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
