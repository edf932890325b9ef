"""The options of all commands that let a captioner write, and the search that they name."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .arguments import positive

if TYPE_CHECKING:
    from ..decoding import Decoding


def add_decoding_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how captions are searched."""
    group = parser.add_argument_group("decoding")
    group.add_argument("--beams", type=positive, default=1, help="beam search with so many beams; 1 is greedy")
    group.add_argument(
        "--length-penalty",
        type=float,
        default=1.0,
        metavar="X",
        help="rank captions by log-probability / length ** X; 0 favours short ones (%(default)s)",
    )
    group.add_argument("--max-length", type=positive, default=40, metavar="N", help="most tokens of a caption")
    group.add_argument("--min-length", type=int, default=0, metavar="N", help="fewest tokens before the end")
    group.add_argument(
        "--no-repeat-ngram", type=int, default=0, metavar="N", help="no N tokens in a row come twice in a caption"
    )
    group.add_argument("--sample", action="store_true", help="draw tokens by chance in place of a search")
    group.add_argument(
        "--temperature", type=float, default=1.0, metavar="T", help="of --sample: below 1 bolder, above 1 wilder"
    )
    group.add_argument(
        "--top-p",
        type=float,
        default=1.0,
        metavar="P",
        help="of --sample: draw from the likeliest tokens that have P of the probability together",
    )
    group.add_argument("--seed", type=int, default=0, help="of --sample: another seed, other captions")
    group.add_argument(
        "--keep", type=positive, default=1, metavar="N", help="keep the N best captions of the beams, or of N samples"
    )


def decoding_of(args: argparse.Namespace) -> Decoding:
    """The search that the options describe.

    Raises:
        UsageError: A value is out of its range, or two options exclude each other.
    """
    from ..decoding import Decoding  # noqa: PLC0415 (torch)

    return Decoding(
        beams=args.beams,
        length_penalty=args.length_penalty,
        max_length=args.max_length,
        temperature=args.temperature,
        top_p=args.top_p,
        sample=args.sample,
        seed=args.seed,
        no_repeat_ngram=args.no_repeat_ngram,
        min_length=args.min_length,
        keep=args.keep,
    )
