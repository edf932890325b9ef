"""``hw3 ensemble``: one captioner of several, each token by the mean of their probabilities."""

from __future__ import annotations

import argparse

from ...cache.errors import UsageError
from .arguments import Subparsers, add_command, cache_argument

_EXAMPLES = """examples:
  hw3 train configs/best.toml --out runs/a
  hw3 train configs/best.toml --out runs/b --set optim.seed=1 --set data.tokenizer=runs/a/best/tokenizer.json
  hw3 ensemble runs/a/best runs/b/best --out runs/both
  hw3 precompute IMAGES val.json --captioner runs/both

The captioners share encoder (a frozen one) and tokenizer; layers and width of their decoders may differ.
"""


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_command(subparsers, "ensemble", run, "make one captioner of several that decide together", _EXAMPLES)
    parser.add_argument(
        "captioners", type=cache_argument, nargs="+", metavar="CAPTIONER", help="checkpoint folders, at least two"
    )
    parser.add_argument(
        "--out", type=cache_argument, required=True, metavar="FOLDER", help="the new captioner's folder"
    )


def run(args: argparse.Namespace) -> int:
    """Merge and say what it became."""
    from ..merging import merged  # noqa: PLC0415 (torch)

    if len(args.captioners) == 1:
        raise UsageError("an ensemble needs two captioners or more")
    if args.out.exists() and any(args.out.iterdir()):
        raise UsageError(f"{args.out}: is there already; give a new folder")
    captioner = merged(args.captioners)
    captioner.save(args.out)
    decoders = (captioner.config.decoder, *captioner.config.others)
    layers = " + ".join(str(decoder.layers) for decoder in decoders)
    print(f"{args.out}: {captioner.config.encoder.name}, {len(decoders)} decoders of {layers} layers")
    return 0
