"""``hw3 train``: train a captioner as a TOML file says."""

from __future__ import annotations

import argparse
from pathlib import Path

from .arguments import Subparsers, add_command

_EXAMPLES = """examples:
  hw3 train configs/flickr8k.toml --out runs/flickr8k
  hw3 train configs/best.toml --set decoder.layers=8 --set optim.epochs=20 --out runs/eight-layers

The folder gets best/ and last/ (checkpoints for `hw3 precompute --captioner`), log.jsonl, and run.json with all
settings, by which `hw3 runs` compares it with others. Settings may extend others: extends = "best.toml".
Interrupted, the same command goes on where the last saved step was.
"""


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_command(subparsers, "train", run, "train a captioner", _EXAMPLES)
    add_training_arguments(parser)


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """What `train` and `train-clip` take alike."""
    parser.add_argument("config", type=Path, metavar="CONFIG.toml", help="settings")
    parser.add_argument(
        "--set", action="append", default=[], metavar="A.B=VALUE", dest="overrides", help="change one setting"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the run is kept")


def run(args: argparse.Namespace) -> int:
    """Train, and say where the best checkpoint is."""
    from ..config import build, read_toml  # noqa: PLC0415
    from ..device import keep_freed_memory  # noqa: PLC0415 (torch)
    from ..distributed import world  # noqa: PLC0415
    from ..train_config import TrainConfig  # noqa: PLC0415
    from ..training import train  # noqa: PLC0415 (torch)

    keep_freed_memory()
    config = build(TrainConfig, read_toml(args.config, args.overrides))
    best = train(config, args.out)
    if world().is_first:
        print(f"best checkpoint: {best}")
    return 0
