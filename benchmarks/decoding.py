"""Captions a second: batched decoding over kept keys and values against a plain decode, in the same run.

The plain decode is what scripts do: one picture at a time, the whole prefix through the decoder again for each token,
then a second run of that for the attention. Both give the same captions (checked). The batched ways are then compared
with each other, without attention: what beams, sampling and constraints cost. Run:

    python benchmarks/decoding.py                      the bundled captioner on the bundled pictures
    python benchmarks/decoding.py --captioner FOLDER --images DIR --pictures 64
    python benchmarks/decoding.py --vocabulary 18022   the searches alone, on a decoder of the assignment's size
    python benchmarks/decoding.py --reward             CIDEr rewards a second of self-critical training
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from hw3_browse.core.attention import look
from hw3_browse.core.captioner import Captioner
from hw3_browse.core.cider_reward import CiderReward
from hw3_browse.core.datasets import load_image, open_dataset
from hw3_browse.core.decoder import Decoder, DecoderConfig
from hw3_browse.core.decoding import Decoding, decode
from hw3_browse.core.demo.recipe import ANNOTATIONS, BUNDLE, CAPTIONER, IMAGES
from hw3_browse.core.encoder import Memory
from hw3_browse.core.ptb_like import tokenize

Clock = Callable[[], float]
WAYS = {
    "greedy": {},
    "greedy, no 3-gram twice, 5 tokens or more": {"no_repeat_ngram": 3, "min_length": 5},
    "3 beams": {"beams": 3},
    "3 beams, no 3-gram twice, 5 or more": {"beams": 3, "no_repeat_ngram": 3, "min_length": 5},
    "3 beams, 3 kept": {"beams": 3, "keep": 3},
    "sampling": {"sample": True},
    "sampling, temperature .7": {"sample": True, "temperature": 0.7},
    "sampling, top-p .9": {"sample": True, "top_p": 0.9},
    "sampling, top-p .9, no 3-gram twice": {"sample": True, "top_p": 0.9, "no_repeat_ngram": 3},
}


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


def seconds(work: Callable[[], object], repeat: int, clock: Clock) -> float:
    """Median time of some runs, after one that does not count."""
    work()
    return statistics.median(timed(work, clock) for _ in range(repeat))


def timed(work: Callable[[], object], clock: Clock) -> float:
    """Time of one run."""
    began = clock()
    work()
    return clock() - began


def against_plain(captioner: Captioner, images: torch.Tensor, steps: int, repeat: int, clock: Clock) -> None:
    """Encoder, decoder and attention, batched and plain."""
    greedy, beam = Decoding(max_length=steps), Decoding(beams=3, max_length=steps)
    same = sum(a == b for a, b in zip(plain(captioner, images, steps), ours(captioner, images, greedy), strict=True))
    base = len(images) / seconds(partial(plain, captioner, images, steps), repeat, clock)
    print(f"{len(images)} pictures; greedy captions equal to the plain decode's: {same}")
    print(f"plain, greedy         {base:8.1f} captions/s")
    for name, decoding in (("greedy", greedy), ("beam 3", beam)):
        rate = len(images) / seconds(partial(ours, captioner, images, decoding), repeat, clock)
        print(f"batched, {name}       {rate:8.1f} captions/s   {rate / base:5.1f} times the plain greedy one")


@torch.inference_mode()
def against_greedy(captioner: Captioner, memory: Memory, steps: int, repeat: int, clock: Clock) -> None:
    """The searches alone, each in turn with greedy search, so that a busy machine falls on both."""
    count = len(memory.tokens)
    keys = [str(row).encode() for row in range(count)]
    greedy = partial(decode, captioner, memory, Decoding(max_length=steps), keys)
    greedy()  # does not count
    print(f"\nthe search alone, {count} pictures, {captioner.decoder.bias.shape[0]} tokens in the vocabulary")
    print(f"{'':42}{'captions/s':>12}{'of greedy':>11}{'steps':>7}")
    for name, options in WAYS.items():
        work = partial(decode, captioner, memory, Decoding(max_length=steps, **options), keys)
        found = work()
        pairs = [(timed(greedy, clock), timed(work, clock)) for _ in range(repeat)]
        ratio = statistics.median(base / taken for base, taken in pairs)
        rate = count / statistics.median(taken for _, taken in pairs)
        longest = max(len(hypotheses[0].token_ids) for hypotheses in found)  # a batch goes on until its longest ends
        print(f"{name:42}{rate:12.1f}{ratio:11.2f}{longest:7d}")


def of_size(captioner: Captioner, vocabulary: int, pictures: int) -> tuple[Captioner, Memory]:
    """An untrained decoder of 6 layers and width 768 with so many tokens in the captioner's place, and features."""
    torch.manual_seed(0)
    decoder = Decoder(DecoderConfig(layers=6, heads=8, width=768), vocabulary, 768, 197)
    torch.nn.init.constant_(decoder.norm.weight, 8.0)  # few tokens are likely, as after training
    captioner.decoder = decoder.eval()
    return captioner, Memory(torch.randn(pictures, 197, 768), 14, 14, 1)


def rewards(repeat: int, clock: Clock) -> None:
    """CIDEr of five captions a picture against the bundled references."""
    dataset = open_dataset(BUNDLE / IMAGES, BUNDLE / ANNOTATIONS)
    references = [item.references for item in dataset]
    began = time.perf_counter()
    reward = CiderReward.of_captions(references)
    print(f"references of {len(references)} pictures counted in {time.perf_counter() - began:.1f} s, Java included")
    rows = np.repeat(np.arange(len(references)), 5)
    captions = [references[row][place % len(references[row])] for place, row in enumerate(rows)]

    def work() -> None:
        reward(rows, [tokenize(caption) for caption in captions], np.ones(len(rows), bool))

    print(f"{len(rows) / seconds(work, repeat, clock):.0f} rewards/s in batches of {len(rows)}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captioner", type=Path, default=BUNDLE / CAPTIONER)
    parser.add_argument("--images", type=Path, default=BUNDLE / IMAGES)
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--vocabulary", type=int, help="see above")
    parser.add_argument("--reward", action="store_true", help="see above")
    parser.add_argument("--cpu-time", action="store_true", help="time of one processor: for a busy machine")
    args = parser.parse_args()
    clock = time.process_time if args.cpu_time else time.perf_counter
    if args.cpu_time:
        torch.set_num_threads(1)
    captioner = Captioner.load(args.captioner)
    if args.reward:
        rewards(args.repeat, clock)
    elif args.vocabulary:
        against_greedy(*of_size(captioner, args.vocabulary, args.pictures), args.steps, args.repeat, clock)
    else:
        dataset = open_dataset(args.images)
        items = dataset.items[: args.pictures]
        images = torch.stack([captioner.preprocess(load_image(dataset.file(item))) for item in items])
        against_plain(captioner, images, args.steps, args.repeat, clock)
        with torch.inference_mode():
            memory = captioner.encode(images)
        against_greedy(captioner, memory, args.steps, args.repeat, clock)


if __name__ == "__main__":
    main()
