"""Score captions as coco-caption does: tokenise everything in one Java call, then score the tokens."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice

import numpy as np
from jaxtyping import Float

from ...cache.errors import UsageError
from . import bleu, cider, meteor, ptb, rouge
from .java import jar, java_command
from .meteor import Meteor
from .ngrams import count_ngrams
from .ptb import tokenize

METRICS = ("bleu", "rouge_l", "cider", "meteor")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What `evaluate` found.

    Attributes:
        corpus: Score name (bleu1 to bleu4, rouge_l, cider, meteor) to the score of all pictures together.
        per_image: Score name to the score of each picture, NaN where the picture has no reference.
        notes: What a reader must know about these figures, a sentence each.
        tokens: Each prediction's tokens, joined by single spaces: what `diversity.diversity` takes.
    """

    corpus: dict[str, float]
    per_image: dict[str, Float[np.ndarray, " picture"]]
    notes: tuple[str, ...]
    tokens: tuple[str, ...]


def evaluate(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    metrics: Sequence[str] = METRICS,
) -> Evaluation:
    """Score one caption for each picture against the picture's references, as pycocoevalcap does (to 1e-9).

    Args:
        predictions: A caption for each picture, as written; an empty one is allowed.
        references: The captions to compare it with. Pictures without any are left out of the corpus scores.
        metrics: Names out of `METRICS`; METEOR takes some seconds to start.

    Raises:
        UsageError: Unequal numbers, captions that are no strings, no reference at all, or an unknown metric.
        JavaError: Java is missing or broken.
    """
    _check(predictions, references, metrics)
    scored = [index for index, group in enumerate(references) if group]
    others = [index for index, group in enumerate(references) if not group]
    order = np.argsort([*scored, *others])
    corpus, scores, tokens = _score(
        [predictions[i] for i in scored],
        [references[i] for i in scored],
        [predictions[i] for i in others],
        metrics,
    )
    per_image = {name: np.full(len(predictions), np.nan) for name in corpus}
    for name, values in scores.items():
        per_image[name][scored] = values
    notes = tuple(_notes(predictions, len(scored), metrics))
    return Evaluation(corpus, per_image, notes, tuple(tokens[place] for place in order))


def require(metrics: Sequence[str]) -> None:
    """Check at once what `evaluate` would need: known names, Java and the jars.

    Raises:
        UsageError: A metric is unknown.
        JavaError: Java or a jar is missing.
    """
    _check_names(metrics)
    if metrics:
        java_command()
        jar(ptb.JAR)
    if "meteor" in metrics:
        jar(meteor.JAR)


def _score(
    predictions: Sequence[str], references: Sequence[Sequence[str]], others: Sequence[str], metrics: Sequence[str]
) -> tuple[dict[str, float], dict[str, Float[np.ndarray, " picture"]], list[str]]:
    """Corpus scores, the pictures' scores, and the tokens of predictions and `others`, which have no reference."""
    corpus: dict[str, float] = {}
    scores: dict[str, Float[np.ndarray, " picture"]] = {}
    with ExitStack() as stack:
        # First of all: it reads its tables while the rest is computed.
        meteor = stack.enter_context(Meteor()) if "meteor" in metrics else None
        predictions, references, others = _tokenize(predictions, references, others)
        if "bleu" in metrics or "cider" in metrics:
            counts = count_ngrams(predictions, references)
        if "bleu" in metrics:
            together, each = bleu.compute(bleu.update(counts))
            for order, score in enumerate(together):
                corpus[f"bleu{order + 1}"], scores[f"bleu{order + 1}"] = float(score), each[:, order]
        if "rouge_l" in metrics:
            scores["rouge_l"] = rouge.update(predictions, references)
            corpus["rouge_l"] = rouge.compute(scores["rouge_l"])
        if "cider" in metrics:
            corpus["cider"], scores["cider"] = cider.compute(counts, cider.update(counts))
        if meteor:
            corpus["meteor"], scores["meteor"] = meteor.compute(meteor.update(predictions, references))
    return corpus, scores, [*predictions, *others]


def _tokenize(
    predictions: Sequence[str], references: Sequence[Sequence[str]], others: Sequence[str]
) -> tuple[list[str], list[list[str]], list[str]]:
    """Tokenise all references, all predictions and all others at once, an empty line between (`ptb` says why so)."""
    flat = [caption for group in references for caption in group]
    lines = iter(tokenize([*flat, "", *predictions, "", *others]))
    grouped = [list(islice(lines, len(group))) for group in references]
    next(lines)
    scored = list(islice(lines, len(predictions)))
    next(lines)
    return scored, grouped, list(lines)


def _notes(predictions: Sequence[str], scored: int, metrics: Sequence[str]) -> Iterator[str]:
    total = len(predictions)
    if scored < total:
        yield f"{total - scored} of {total} pictures have no reference: they have no score and count nowhere"
    if empty := sum(not caption.strip() for caption in predictions):
        yield f"{empty} of {total} captions are empty"
    if scored == 1 and "cider" in metrics:
        yield "CIDEr of a single picture is 0 by construction (its weights come from a set of pictures)"


def _check(predictions: Sequence[str], references: Sequence[Sequence[str]], metrics: Sequence[str]) -> None:
    _check_names(metrics)
    if len(predictions) != len(references):
        raise UsageError(f"{len(predictions)} captions, but references of {len(references)} pictures")
    _check_strings(predictions, "captions")
    for index, group in enumerate(references):
        _check_strings(group, f"references of picture {index}")
    if not any(references):
        raise UsageError(f"no picture has a reference caption, and {', '.join(metrics)} need them")


def _check_names(metrics: Sequence[str]) -> None:
    for metric in metrics:
        if metric not in METRICS:
            near = difflib.get_close_matches(metric, METRICS, 1)
            hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(METRICS)}"
            raise UsageError(f"unknown metric {metric!r}: {hint}")


def _check_strings(captions: object, what: str) -> None:
    if isinstance(captions, str) or not isinstance(captions, Sequence):
        raise UsageError(f"{what}: expected a list of strings, found {type(captions).__name__}")
    for caption in captions:
        if not isinstance(caption, str):
            raise UsageError(f"{what}: expected strings, found {type(caption).__name__}")
