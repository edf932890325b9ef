"""Captions a second: batched decoding over kept keys and values against a plain decode, in the same run.

The plain decode is what scripts do: one picture at a time, the whole prefix through the decoder again for each token,
then a second run of that for the attention. Both give the same captions (checked). Run:

    python benchmarks/decoding.py                      the bundled captioner on the bundled pictures
    python benchmarks/decoding.py --captioner FOLDER --images DIR --pictures 64
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from hw3_browse.core.attention import look
from hw3_browse.core.captioner import Captioner
from hw3_browse.core.datasets import load_image, open_dataset
from hw3_browse.core.decoding import Decoding, decode
from hw3_browse.core.demo.recipe import BUNDLE, CAPTIONER, IMAGES
from hw3_browse.core.encoder import Memory


@torch.inference_mode()
def plain(captioner: Captioner, images: torch.Tensor, steps: int) -> list[tuple[int, ...]]:
    """Greedy captions and attention without batch, without kept keys, the picture encoded again for the attention."""
    captions = []
    for image in images:
        memory = captioner.encode(image[None])
        tokens = [captioner.tokenizer.bos_id]
        while len(tokens) <= steps and tokens[-1] != captioner.tokenizer.eos_id:
            logits = captioner.decoder(memory.tokens, torch.tensor([tokens]))
            tokens.append(int(captioner.log_probs(logits[0, -1]).argmax()))
        memory = captioner.encode(image[None])
        for length in range(1, len(tokens)):
            captioner.decoder.forward_with_attention(memory.tokens, torch.tensor([tokens[:length]]))
        captions.append(tuple(tokens[1:]))
    return captions


@torch.inference_mode()
def ours(captioner: Captioner, images: torch.Tensor, decoding: Decoding) -> list[tuple[int, ...]]:
    """Captions and attention as `hw3 precompute` makes them."""
    memory: Memory = captioner.encode(images)
    best = [found[0].token_ids for found in decode(captioner, memory, decoding)]
    look(captioner, memory, best)
    return best


def seconds(work: Callable[[], object], repeat: int) -> float:
    """Median time of some runs, after one that does not count."""
    work()
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captioner", type=Path, default=BUNDLE / CAPTIONER)
    parser.add_argument("--images", type=Path, default=BUNDLE / IMAGES)
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    captioner = Captioner.load(args.captioner)
    dataset = open_dataset(args.images)
    items = dataset.items[: args.pictures]
    images = torch.stack([captioner.preprocess(load_image(dataset.file(item))) for item in items])
    greedy, beam = Decoding(max_length=args.steps), Decoding(beams=3, max_length=args.steps)
    same = sum(
        a == b for a, b in zip(plain(captioner, images, args.steps), ours(captioner, images, greedy), strict=True)
    )
    base = len(items) / seconds(lambda: plain(captioner, images, args.steps), args.repeat)
    print(f"{len(items)} pictures; greedy captions equal to the plain decode's: {same}")
    print(f"plain, greedy         {base:8.1f} captions/s")
    for name, decoding in (("greedy", greedy), ("beam 3", beam)):
        rate = len(items) / seconds(lambda decoding=decoding: ours(captioner, images, decoding), args.repeat)  # type: ignore[misc]
        print(f"batched, {name}       {rate:8.1f} captions/s   {rate / base:5.1f} times the plain greedy one")


if __name__ == "__main__":
    main()
