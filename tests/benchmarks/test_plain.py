"""The benchmarks' plain script says, sees and scores what the product does, and a difference ends a benchmark."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from models import VIT, tiny_captioner, write_clip, write_dataset

from hw3_browse.core.captioners import OwnCaptioner
from hw3_browse.core.clip import Clip, ClipSpec
from hw3_browse.core.clip_scores import clipscore, refclipscore
from hw3_browse.core.datasets import load_image
from hw3_browse.core.decoding import Decoding
from hw3_browse.core.encoder import EncoderConfig


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    images, _ = write_dataset(tmp_path / "data", 5)
    return sorted(images.iterdir())


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("prefix_tokens", [True, False])
def test_captions_and_attention_are_the_products(
    files: list[Path], tmp_path: Path, norm_first: bool, prefix_tokens: bool
) -> None:
    encoder = EncoderConfig(VIT.name, VIT.args, prefix_tokens=prefix_tokens, preprocess={"crop_pct": 0.8})
    tiny_captioner(encoder, norm_first=norm_first).save(tmp_path / "captioner")
    plain = import_module("plain").PlainCaptioner(tmp_path / "captioner")
    ours = OwnCaptioner(tmp_path / "captioner", torch.device("cpu"))
    inputs = np.stack([ours.input(load_image(file)) for file in files])
    for beams in (1, 3):
        written = ours.write(inputs, Decoding(beams=beams, max_length=9))
        for file, found in zip(files, written, strict=True):
            caption = plain.caption(file, beams, 9)
            assert (caption.tokens, caption.text) == (found.token_ids, found.caption)
            assert caption.score == pytest.approx(np.mean(found.logprobs), abs=1e-5)
            np.testing.assert_allclose(plain.attention(file, caption), found.attention, atol=1e-5)


def test_clip_scores_are_the_products(files: list[Path], tmp_path: Path) -> None:
    made = import_module("measuring.made")
    captions, references = ["a dog runs", "two cats"], [["a dog", "a man in the snow"], ["three apples"]]
    for folder in (write_clip(tmp_path / "own"), made.write_clip(tmp_path / "open_clip", "tiny")):
        plain, ours = import_module("plain").PlainClip(folder), Clip.load(ClipSpec(str(folder)))
        images = ours.embed_images(torch.stack([ours.preprocess(load_image(file)) for file in files[:2]]))
        texts, known = ours.embed_texts(captions), [ours.embed_texts(group) for group in references]
        for index, file in enumerate(files[:2]):
            found = plain.score(file, captions[index], references[index])
            wanted = clipscore(images, texts)[index], refclipscore(images, texts, known)[index]
            assert found == pytest.approx([float(value) for value in wanted], abs=1e-5)


def test_another_caption_ends_the_benchmark() -> None:
    plain, parts, clocks = (import_module(name) for name in ("plain", "comparing.parts", "measuring.clocks"))

    def timed(caption: Any, text: str, tokens: tuple[int, ...], logprob: float) -> dict[str, Any]:
        protocol = import_module("hw3_browse.core.captioners.protocol")
        words = tuple(text.split())
        written = protocol.Written(text, tokens, words, tuple(range(len(words))), words, (logprob,) * len(tokens))
        return {"plain": clocks.Timed((1.0,), (1.0,), [caption]), "ours": clocks.Timed((1.0,), (1.0,), [written])}

    caption = plain.Caption((5, 6), "a dog", -0.5)
    assert parts.same_captions(timed(caption, "a dog", (5, 6), -0.5)) == "1 of 1"
    assert parts.same_captions(timed(caption, "a cat", (5, 7), -0.50001)) == "0 of 1"  # a tie
    with pytest.raises(SystemExit, match="captions differ"):
        parts.same_captions(timed(caption, "a cat", (5, 7), -0.7))


def test_a_difference_beyond_its_tolerance_ends_the_benchmark() -> None:
    within = import_module("comparing.work").within
    assert within("scores", 2e-7, 1e-6) == "2e-07"
    for difference in (1e-5, float("nan")):
        with pytest.raises(SystemExit, match="scores"):
            within("scores", difference, 1e-6)
