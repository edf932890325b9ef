"""Seconds of a training step with the features of a frozen encoder kept, and without: the encoder runs in each step.

    python benchmarks/training.py [--encoder tf_efficientnet_lite2] [--batch 32] [--steps 3]

A third way keeps features, too, but takes torch's own dropout and fused attention, in place of what this project has
for a CPU. All train the same decoder on the same drawn scenes, in turn. On a CPU processor seconds count, so that other
programs on the machine play no part. What keeping costs once, and how many epochs it takes to pay, is printed too.
Weights are random, which changes nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

from torch import nn

from hw3_browse.core import store
from hw3_browse.core.config import build
from hw3_browse.core.demo.dataset import write_dataset
from hw3_browse.core.device import keep_freed_memory
from hw3_browse.core.dropout import Dropout
from hw3_browse.core.train_config import TrainConfig
from hw3_browse.core.training import Pictures, Run, objectives


def settings(scenes: Path, args: argparse.Namespace) -> TrainConfig:
    """A run on drawn scenes with a frozen encoder."""
    data = {f"{split}_images": str(scenes / "images" / "train") for split in ("train", "val")}
    data |= {f"{split}_annotations": str(scenes / "train.json") for split in ("train", "val")}
    return build(
        TrainConfig,
        {
            "data": data | {"vocabulary": 400, "mirror": False},
            "encoder": {"name": args.encoder},
            "decoder": {"layers": args.layers, "heads": 8, "width": args.width, "max_length": 32},
            "optim": {
                "batch": args.batch,
                "captions": args.captions,
                "precision": args.precision,
                "threads": args.threads,
                "device": args.device,
            },
        },
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="tf_efficientnet_lite2", help="timm model, random weights")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--captions", type=int, default=5, help="of each picture")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_dataset(folder / "scenes", args.batch * 2, 0, seed=0, workers=1)
        store.kept_dir = lambda: folder / "kept"
        measure(settings(folder / "scenes", args), folder / "run", args.steps)


def measure(config: TrainConfig, out: Path, steps: int) -> None:
    """Train some steps in each way, in turn."""
    run = Run(config, out)
    whole = Pictures(run.train_set, run.captioner, _unfrozen(config))  # reads the pictures; not measured
    clock = time.process_time if run.device.type == "cpu" else time.perf_counter
    started = clock()
    kept = Pictures(run.train_set, run.captioner, config)
    once = (clock() - started) / len(run.train_set)
    ways = {"without kept features": (whole, nullcontext()), "with them": (kept, nullcontext())}
    ways["with them, torch's dropout and attention"] = (kept, torchs_own())
    took: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(steps + 1):
        for way, (pictures, context) in ways.items():
            run._objective = None  # noqa: SLF001 (holds the pictures of the other way)
            run.step = 0
            with context:
                started = clock()
                run.one_step(pictures)
                took[way].append(clock() - started)
    medians = {way: statistics.median(seconds[1:]) for way, seconds in took.items()}  # the first one warms up
    batch = config.optim.batch
    print(f"{config.encoder.name}, decoder of {config.decoder.layers} layers of {config.decoder.width}, batch {batch}")
    for way, seconds in medians.items():
        print(f"a step {way:42} {seconds:7.3f} s   {batch / seconds:7.1f} pictures/s")
    without, with_features, plain = medians.values()
    print(f"with kept features an epoch is {without / with_features:.1f} times as quick; dropout and attention of our "
          f"own make it {plain / with_features:.1f} times as quick as torch's")  # fmt: skip
    saved = (without - with_features) / batch
    if saved > 0:
        print(f"keeping a picture costs {once:.3f} s once; paid back after {once / saved:.1f} epochs")


class torchs_own:  # noqa: N801 (a context, as nullcontext)
    """Training as it would be with torch's own dropout and fused attention."""

    def __enter__(self) -> None:
        self._ours = Dropout.forward, objectives.PlainProducts
        Dropout.forward, objectives.PlainProducts = nn.Dropout.forward, nullcontext  # type: ignore[method-assign, misc, assignment]

    def __exit__(self, *_: object) -> None:
        Dropout.forward, objectives.PlainProducts = self._ours  # type: ignore[method-assign, misc]


def _unfrozen(config: TrainConfig) -> TrainConfig:
    """Settings that make `Pictures` give pixels; the encoder's weights are frozen all the same."""
    return dataclasses.replace(config, optim=dataclasses.replace(config.optim, freeze_encoder=False))


if __name__ == "__main__":
    main()
