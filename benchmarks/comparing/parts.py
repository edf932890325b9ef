"""Captions, attention, CLIPScores and reference metrics, each by itself, models loaded before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final, TypeVar

import metrics
import numpy as np
import plain
import torch
from measuring.clocks import Timed, in_turn
from measuring.tables import markdown

from hw3_browse.core.captioners import CaptionModel, Written, open_captioner
from hw3_browse.core.clip import Clip, ClipSpec
from hw3_browse.core.clip_scores import clipscore
from hw3_browse.core.datasets import load_image
from hw3_browse.core.decoding import Decoding

from .work import Work, rates_row, seconds_row, within

Row = TypeVar("Row")
ATTENTION_TOLERANCE: Final = 1e-4  # of a weight between 0 and 1, before it is packed
CLIP_TOLERANCE: Final = 1e-4
METRIC_TOLERANCE: Final = 1e-9
TIE: Final = 1e-4  # two captions whose scores are that near are equally right


def captions_and_attention(work: Work) -> list[plain.Caption]:
    """Captions a second by both searches, with attention and without; the plain script's captions by 3 beams."""
    theirs, ours = plain.PlainCaptioner(work.captioner), open_captioner(work.captioner, torch.device("cpu"))
    rows, captions = [], []
    for beams, search in ((1, "greedy"), (3, "3 beams")):
        decoding = Decoding(beams=beams, max_length=work.steps)

        def plainly(beams: int = beams) -> list[plain.Caption]:
            return [theirs.caption(file, beams, work.steps) for file in work.files]

        def batched(decoding: Decoding = decoding, *, look: bool = False) -> list[Written]:
            return _write(ours, work, decoding, look=look)

        timed = in_turn({"plain": plainly, "ours": batched}, work.rounds)
        captions = timed["plain"].found
        rows.append(rates_row(search, timed, len(work.files), same_captions(timed)))
        timed = in_turn(
            {
                "plain": lambda: _plain_attention(theirs, work, plainly()),
                "ours": lambda: batched(look=True),
            },
            work.rounds,
        )
        rows.append(rates_row(f"{search}, and attention", timed, len(work.files), _same_attention(timed)))
    print(
        markdown(("captions a second", "plain", "ours", "times (processor)", "same, or differ by"), rows),
        "\n",
        flush=True,
    )
    return captions


def _write(model: CaptionModel, work: Work, decoding: Decoding, *, look: bool) -> list[Written]:
    """All pictures by the product: read in two threads, a batch while the one before is captioned."""
    with ThreadPoolExecutor(2) as pool:
        inputs = pool.map(lambda file: model.input(load_image(file)), work.files)
        found: list[Written] = []
        for batch in _batches(inputs, work.batch):
            found += model.write(np.stack(batch), decoding, look=look)
    return found


def _batches(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    while batch := list(islice(rows, size)):
        yield batch


def _plain_attention(
    captioner: plain.PlainCaptioner, work: Work, captions: Sequence[plain.Caption]
) -> list[tuple[plain.Caption, np.ndarray]]:
    return [(caption, captioner.attention(file, caption)) for file, caption in zip(work.files, captions, strict=True)]


def same_captions(timed: dict[str, Timed]) -> str:
    """How many captions are the same; ends the run where one differs by more than a tie of two scores."""
    pairs = list(zip(timed["plain"].found, timed["ours"].found, strict=True))
    same = sum(a.tokens == b.token_ids and a.text == b.caption for a, b in pairs)
    for a, b in pairs:
        score = sum(b.logprobs) / len(b.logprobs)
        if a.tokens != b.token_ids and abs(a.score - score) > TIE:
            raise SystemExit(f"captions differ: {a.text!r} ({a.score:.5f}) and {b.caption!r} ({score:.5f})")
    return f"{same} of {len(pairs)}"


def _same_attention(timed: dict[str, Timed]) -> str:
    """The largest difference of a weight, where the captions are the same."""
    pairs = zip(timed["plain"].found, timed["ours"].found, strict=True)
    largest = max(
        float(np.abs(attention - written.attention).max())
        for (caption, attention), written in pairs
        if caption.tokens == written.token_ids
    )
    return within("attention", largest, ATTENTION_TOLERANCE)


def clip_scores(work: Work, captions: Sequence[str]) -> None:
    """CLIPScores a second, pictures read, encoded, and captions encoded."""
    theirs, ours = plain.PlainClip(work.clip), Clip.load(ClipSpec(str(work.clip)))

    def plainly() -> list[float]:
        return [theirs.score(file, caption)[0] for file, caption in zip(work.files, captions, strict=True)]

    def batched() -> list[float]:
        with ThreadPoolExecutor(2) as pool:
            inputs = pool.map(lambda file: ours.preprocess(load_image(file)), work.files)
            batches = [ours.embed_images(torch.stack(batch)) for batch in _batches(inputs, work.batch)]
        found: list[float] = clipscore(torch.cat(batches), ours.embed_texts(captions)).tolist()
        return found

    timed = in_turn({"plain": plainly, "ours": batched}, work.rounds)
    differences = np.abs(np.array(timed["plain"].found) - np.array(timed["ours"].found))
    same = within("CLIPScores", float(differences.max()), CLIP_TOLERANCE)
    rows = [rates_row("pictures and captions encoded", timed, len(work.files), same)]
    print(markdown(("CLIPScores a second", "plain", "ours", "times (processor)", "differ by"), rows), "\n", flush=True)


def reference_metrics(work: Work, captions: Sequence[str]) -> None:
    """Seconds of the reference metrics against pycocoevalcap."""
    rows = []
    for used in dict.fromkeys((("cider",), work.metrics)):
        sides = {
            "plain": lambda used=used: metrics.theirs(list(captions), work.references, list(used)),
            "ours": lambda used=used: metrics.ours(list(captions), work.references, list(used)),
        }
        timed = in_turn(sides, work.rounds)
        largest = metrics.largest_difference(timed["ours"].found, timed["plain"].found)
        same = within("metrics", largest, METRIC_TOLERANCE)
        rows.append(seconds_row(", ".join(used), timed, same))
    print(markdown(("seconds", "pycocoevalcap", "ours", "times (processor)", "differ by"), rows), "\n", flush=True)
