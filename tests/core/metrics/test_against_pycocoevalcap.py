"""Every score equals the reference implementation's to 1e-9: of the corpus and of each picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor as ReferenceMeteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from hw3_browse.core.metrics import bleu, cider, rouge
from hw3_browse.core.metrics.evaluate import METRICS, evaluate
from hw3_browse.core.metrics.meteor import Meteor
from hw3_browse.core.metrics.ngrams import count_ngrams
from hw3_browse.core.metrics.ptb import tokenize

EQUAL: Any = {"rtol": 0, "atol": 1e-9}
SCORES = ("bleu1", "bleu2", "bleu3", "bleu4", "rouge_l", "cider", "meteor")

Set = tuple[list[str], list[list[str]]]


def _pycocoevalcap(predictions: list[str], references: list[list[str]]) -> dict[str, tuple[float, np.ndarray]]:
    """Name to corpus score and pictures' scores, computed as pycocoevalcap's own example does."""
    meteor = ReferenceMeteor()  # reads its tables while the rest runs
    tokenizer = PTBTokenizer()
    truth = tokenizer.tokenize({i: [{"caption": c} for c in group] for i, group in enumerate(references)})
    found = tokenizer.tokenize({i: [{"caption": caption}] for i, caption in enumerate(predictions)})
    together, each = Bleu(4).compute_score(truth, found, verbose=0)
    scores = {f"bleu{order + 1}": (together[order], each[order]) for order in range(4)}
    scores["rouge_l"] = Rouge().compute_score(truth, found)
    scores["cider"] = Cider().compute_score(truth, found)
    scores["meteor"] = meteor.compute_score(truth, found)
    _end(meteor.meteor_p)
    return {name: (corpus, np.asarray(values)) for name, (corpus, values) in scores.items()}


def _end(process: Any) -> None:
    """Close what pycocoevalcap leaves open."""
    process.kill()
    process.communicate()


def test_equal_on_hard_captions(captions: Any, java_on_path: None) -> None:
    # One test, not one for each score: METEOR takes seconds to start, on either side.
    expected = _pycocoevalcap(captions.predictions, captions.references)
    found = evaluate(captions.predictions, captions.references)
    assert tuple(found.corpus) == tuple(found.per_image) == SCORES
    for name, (corpus, scores) in expected.items():
        np.testing.assert_allclose(found.per_image[name], scores, **EQUAL, err_msg=name)
        np.testing.assert_allclose(found.corpus[name], corpus, **EQUAL, err_msg=name)
        assert corpus > 0


# Few words, so that they meet; captions may be empty.
_caption = st.lists(st.sampled_from("abcd"), max_size=9).map(" ".join)
_pictures = st.lists(st.tuples(_caption, st.lists(_caption, min_size=1, max_size=4)), min_size=1, max_size=6)
_sets = _pictures.map(lambda rows: ([prediction for prediction, _ in rows], [group for _, group in rows]))


def _reference(scorer: Any, predictions: list[str], references: list[list[str]], **options: Any) -> Any:
    return scorer.compute_score(
        dict(enumerate(references)),
        {index: [caption] for index, caption in enumerate(predictions)},
        **options,
    )


@given(_sets)
def test_cider_of_any_tokens(captions: Set) -> None:
    assume(any(map(any, captions[1])))  # pycocoevalcap fails where all references are empty
    counts = count_ngrams(*captions)
    corpus, scores = cider.compute(counts, cider.update(counts))
    expected, each = _reference(Cider(), *captions)
    np.testing.assert_allclose(scores, each, **EQUAL)
    np.testing.assert_allclose(corpus, expected, **EQUAL)


@given(_sets)
def test_bleu_of_any_tokens(captions: Set) -> None:
    corpus, scores = bleu.compute(bleu.update(count_ngrams(*captions)))
    expected, each = _reference(Bleu(4), *captions, verbose=0)
    np.testing.assert_allclose(scores.T, each, **EQUAL)
    np.testing.assert_allclose(corpus, expected, **EQUAL)


@given(_sets)
def test_rouge_of_any_tokens(captions: Set) -> None:
    scores = rouge.update(*captions)
    expected, each = _reference(Rouge(), *captions)
    np.testing.assert_allclose(scores, each, **EQUAL)
    np.testing.assert_allclose(rouge.compute(scores), expected, **EQUAL)


LANGUAGE_EVALUATION: Set = (["i am a boy", "she is a girl"], [["am i a boy ?"], ["is she a girl ?"]])
AAC_README: Set = (
    ["a man is speaking", "rain falls"],
    [
        [
            "a man speaks.",
            "someone speaks.",
            "a man is speaking while a bird is chirping in the background",
        ],
        ["rain is falling hard on a surface"],
    ],
)


@pytest.fixture(scope="module")
def golden(golden_dir: Path) -> Callable[[str], tuple[Set, dict[str, Any]]]:
    """Name of a published example to its captions and to the scores that the golden data give for it."""
    folder = golden_dir / "clipscore_example"
    truth = json.loads((folder / "refs.json").read_text())

    def clipscore(which: str) -> Set:
        captions = json.loads((folder / f"{which}_captions.json").read_text())
        return [captions[name] for name in truth], list(truth.values())

    sets = {
        "language_evaluation_README": LANGUAGE_EVALUATION,
        "aac_README": AAC_README,
        "clipscore_good": clipscore("good"),
        "clipscore_bad": clipscore("bad"),
    }
    scores = json.loads((golden_dir / "golden_reproduced.json").read_text())
    return lambda name: (sets[name], scores[name]["got"])


# The golden files' name for each score, in either of their spellings.
_BLEU = {f"bleu{order}": (f"Bleu_{order}", f"BLEU{order}", f"bleu_{order}") for order in range(1, 5)}
_SPELLINGS = {
    **_BLEU,
    "rouge_l": ("ROUGE_L", "ROUGE"),
    "cider": ("CIDEr", "CIDER", "cider_d"),
    "meteor": ("METEOR",),
}


@pytest.mark.parametrize("name", ["language_evaluation_README", "aac_README", "clipscore_good", "clipscore_bad"])
def test_published_examples(golden: Callable[[str], tuple[Set, dict[str, Any]]], name: str) -> None:
    captions, expected = golden(name)
    found = evaluate(*captions, metrics=[metric for metric in METRICS if metric != "meteor"]).corpus
    compared = 0
    for score, spellings in _SPELLINGS.items():
        for spelling in spellings:
            if score in found and spelling in expected:
                assert found[score] == pytest.approx(expected[spelling], abs=1e-9), score
                compared += 1
    assert compared >= 2


@pytest.mark.parametrize("name", ["aac_README", "clipscore_good", "clipscore_bad"])
def test_published_cider_of_each_picture(golden: Callable[[str], tuple[Set, dict[str, Any]]], name: str) -> None:
    captions, expected = golden(name)
    scores = evaluate(*captions, metrics=["cider"]).per_image["cider"]
    np.testing.assert_allclose(scores, expected.get("CIDER_per") or expected["per"], **EQUAL)


def test_published_meteor(golden: Callable[[str], tuple[Set, dict[str, Any]]]) -> None:
    names = ["language_evaluation_README", "clipscore_good", "clipscore_bad"]
    with Meteor() as meteor:
        for name in names:
            (predictions, references), expected = golden(name)
            tokens = iter(tokenize([*predictions, *(caption for group in references for caption in group)]))
            found = [next(tokens) for _ in predictions]
            statistics = meteor.update(found, [[next(tokens) for _ in group] for group in references])
            assert meteor.compute(statistics)[0] == pytest.approx(expected["METEOR"], abs=1e-9), name
