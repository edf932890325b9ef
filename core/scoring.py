"""The scores of captions, one a picture: each picture's, and those of all together.

Contract: whoever has the same captions, references and embeddings of pictures gets the same figures: `hw3 precompute`
for a cache, `hw3 evaluate` for a file of captions. What is missing (references, a Java) is left out, and said in the
notes where nothing else says it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float

from .clip import Clip
from .clip_scores import clipscore, refclipscore
from .clip_text import prefixed
from .embedding import embed_texts
from .kept_clip import KeptClip
from .metrics.diversity import diversity
from .metrics.evaluate import evaluate
from .metrics.java import JavaError
from .metrics.ptb import tokenize
from .progress import Progress

DESCRIPTIONS: Final = {
    "clipscore": "2.5 * max(cos(image, caption), 0) by CLIP (Hessel et al. 2021)",
    "refclipscore": "harmonic mean of clipscore and the closest reference's cosine (Hessel et al. 2021)",
    "cider": "consensus with the references, tf-idf weighted n-grams (Vedantam et al. 2015)",
    "bleu1": "BLEU-1, precision of words (Papineni et al. 2002)",
    "bleu2": "BLEU-2, precision of words and pairs",
    "bleu3": "BLEU-3, precision of n-grams up to 3",
    "bleu4": "BLEU-4, precision of n-grams up to 4",
    "rouge_l": "ROUGE-L, longest common subsequence (Lin 2004)",
    "meteor": "METEOR, aligned words, stems, synonyms and paraphrases (Denkowski and Lavie 2014)",
    "logprob": "log-probability of the caption under the captioner, natural log, summed over its tokens",
}
"""What each score of a picture means, in display order. The last is the captioner's own, and not made here."""


@dataclass(frozen=True)
class Texts:
    """Captions and what people wrote.

    Attributes:
        captions: One a picture.
        references: Those of each picture; may be none.
        training: Captions that the captioner has learnt from: the others are novel. None where they are not known.
    """

    captions: Sequence[str]
    references: Sequence[Sequence[str]]
    training: Sequence[str] | None = None


@dataclass(frozen=True)
class Seen:
    """The pictures as a CLIP sees them, and how it reads.

    Attributes:
        clip: The model.
        images: The pictures' unit-norm embeddings.
        prefix: Put before captions and references; the CLIPScore paper has "A photo depicts".
        precision: Of the text tower: fp32, fp16 or bf16.
    """

    clip: Clip
    images: Float[np.ndarray, "picture dim"]
    prefix: str = ""
    precision: str = "fp32"


@dataclass(frozen=True)
class Scores:
    """What was found.

    Attributes:
        corpus: Score name to the score of all captions together.
        per_picture: Score name to the score of each picture, NaN where it is undefined; in the order of `DESCRIPTIONS`.
        notes: What a reader must know about these figures, a sentence each.
    """

    corpus: Mapping[str, float]
    per_picture: Mapping[str, Float[np.ndarray, " picture"]]
    notes: tuple[str, ...]


def score(texts: Texts, metrics: Sequence[str], seen: Seen | None) -> Scores:
    """Score captions by CLIP, against the references, and by themselves.

    Args:
        texts: The captions; at least one.
        metrics: Reference metrics, of `metrics.evaluate.METRICS`; left out where no picture has a reference.
        seen: The pictures; None leaves CLIPScore out.

    Raises:
        CacheError: The kept embeddings of texts cannot be read or written.
        JavaError: Java is missing or broken, and there are references to compare with.
    """
    columns: dict[str, Float[np.ndarray, " picture"]] = {}
    notes: list[str] = []
    if seen is not None:
        columns = _by_clip(texts, seen)
        notes += _cut(texts.captions, seen)
    corpus = {name: float(np.nanmean(values)) for name, values in columns.items()}
    tokens = None
    with Progress("scores", None, unit="captions") as progress:
        if metrics and any(texts.references):
            found = evaluate(texts.captions, texts.references, metrics)
            columns |= found.per_image
            corpus |= found.corpus
            notes += found.notes
            tokens = found.tokens
        spread, remarks = _diversity(tokens, texts)
        progress.update(len(texts.captions))
    ordered = {name: columns[name] for name in DESCRIPTIONS if name in columns}
    return Scores(corpus | spread, ordered, (*notes, *remarks))


def _by_clip(texts: Texts, seen: Seen) -> dict[str, Float[np.ndarray, " picture"]]:
    """Return CLIPScore and, with references, RefCLIPScore."""
    captions = prefixed(texts.captions, seen.prefix)
    references = [prefixed(group, seen.prefix) for group in texts.references]
    flat = [text for group in references for text in group]
    # A cache keeps pictures in half precision: so rounded, they give its very scores to whoever has them in full.
    images = torch.from_numpy(seen.images).half().float()
    with KeptClip(seen.clip, seen.precision) as kept:
        embed_texts([*captions, *flat], seen.clip, kept, precision=seen.precision, what="captions")
        written = torch.from_numpy(kept.text_vectors(captions))
        columns = {"clipscore": clipscore(images, written).double().numpy()}
        if flat:
            known = torch.from_numpy(kept.text_vectors(flat)).split([len(group) for group in references])
            columns["refclipscore"] = refclipscore(images, written, list(known)).double().numpy()
    return columns


def _cut(captions: Sequence[str], seen: Seen) -> list[str]:
    """Return a note about captions that were too long for CLIP, if there are any."""
    cut = len(seen.clip.too_long(captions, seen.prefix))
    were = "caption was" if cut == 1 else "captions were"
    return [f"{cut:,} {were} too long for CLIP and cut"] if cut else []


def _diversity(tokens: Sequence[str] | None, texts: Texts) -> tuple[dict[str, float], list[str]]:
    """Return the figures of the captions alone, and a note where there are none.

    Args:
        tokens: Those of each caption, where they are known.
        texts: The captions.
    """
    try:
        known = None if texts.training is None else tokenize(texts.training)
        return diversity(tokenize(texts.captions) if tokens is None else tokens, known), []
    except JavaError as error:
        return {}, [f"no figures of diversity: {error}"]
