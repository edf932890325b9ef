"""The whole way from pictures to a cache against a plain script (plain.py), part by part, in one run.

    python benchmarks/pipeline.py                            the bundled captioner and CLIP on the bundled pictures
    python benchmarks/pipeline.py --models base --pictures 16    ViT-B/16 and a decoder of 6 layers, d=768; ViT-B/32
    python benchmarks/pipeline.py --small                    a smoke test: a few pictures, one round, one process

Both sides work in turn, read the pictures from the disk, use the same threads of torch and give the same captions,
attention, CLIPScores and metrics: the run ends where they differ. Times are medians over the rounds, ratios medians of
the rounds' ratios. Whole runs, and what memory they take, are measured in processes of their own, their start included.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import metrics
import torch
from comparing.left import left_on_disk
from comparing.parts import captions_and_attention, clip_scores, reference_metrics
from comparing.whole import do, whole_runs
from comparing.work import Work
from measuring import made
from measuring.processes import CHILD, answer

from hw3_browse.core.demo.recipe import ANNOTATIONS, BUNDLE, CAPTIONER, CLIP, IMAGES
from hw3_browse.core.device import keep_freed_memory


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == [CHILD]:
        answer(do, sys.argv[2])
        return
    options = _parser().parse_args()
    keep_freed_memory()  # as `hw3 precompute` does; here both sides gain by it
    metrics.java_on_path()
    with tempfile.TemporaryDirectory(prefix="hw3-benchmark-") as name:
        folder = Path(name)
        work = _work(options, folder)
        print(f"{len(work.files)} pictures, {options.models} models, batch {work.batch}, {work.rounds} rounds, "
              f"{torch.get_num_threads()} threads of torch on {os.cpu_count()} cores\n", flush=True)  # fmt: skip
        captions = captions_and_attention(work)
        texts = [caption.text for caption in captions]
        clip_scores(work, texts)
        reference_metrics(work, texts)
        theirs, ours = whole_runs(work, folder, captions, None if options.small else Path(__file__).resolve())
        left_on_disk(work, theirs, ours, captions)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", choices=("bundled", "base", "tiny"), default="bundled", help="default: %(default)s")
    parser.add_argument("--pictures", type=int, default=200, help="the bundled ones, again and again if more than 200")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=30, help="most tokens of a caption")
    parser.add_argument("--metrics", nargs="+", choices=metrics.ALL, default=metrics.ALL, help="default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="a smoke test")
    return parser


def _work(options: argparse.Namespace, folder: Path) -> Work:
    small = options.small
    count, rounds = (4, 1) if small else (options.pictures, options.rounds)
    used = ("cider",) if small else tuple(options.metrics)
    images, annotations = made.repeat_dataset(BUNDLE / IMAGES, BUNDLE / ANNOTATIONS, folder / "data", count)
    captioner, clip = BUNDLE / CAPTIONER, BUNDLE / CLIP
    if options.models != "bundled":
        captioner = made.write_captioner(folder / "captioner", options.models)
        clip = made.write_clip(folder / "clip", "tiny" if options.models == "tiny" else "ViT-B-32-quickgelu")
    return Work(images, annotations, captioner, clip, options.batch, options.steps, rounds, used)


if __name__ == "__main__":
    main()
