"""``hw3 train-clip``: train a small CLIP, for CLIPScores where no pretrained one can be had."""

from __future__ import annotations

import argparse

from .arguments import Subparsers, add_command
from .train import add_training_arguments

_EXAMPLES = """examples:
  hw3 train-clip configs/flickr8k_clip.toml --out models/flickr8k_clip
  hw3 precompute IMAGES ANNOTATIONS --captioner runs/best --clip models/flickr8k_clip
"""


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_command(subparsers, "train-clip", run, "train a small CLIP on a dataset's own captions", _EXAMPLES)
    add_training_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Train, and say where the model is."""
    from ..clip_config import ClipTrainConfig  # noqa: PLC0415
    from ..clip_training import train_clip  # noqa: PLC0415 (torch)
    from ..config import read_toml  # noqa: PLC0415
    from ..device import keep_freed_memory  # noqa: PLC0415

    keep_freed_memory()
    config = ClipTrainConfig.from_mapping(read_toml(args.config, args.overrides))
    print(f"CLIP: {train_clip(config, args.out)}")
    return 0
