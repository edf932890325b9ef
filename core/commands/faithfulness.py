"""``hw3 faithfulness``: which kind of map to believe, by deletion and insertion."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import Subparsers, add_command, cache_argument, positive
from .tabulating import add_format_arguments, aligned, names_of, print_rows

if TYPE_CHECKING:
    from ..attribution.faithfulness import Mean, Words

_INTERRUPTED = 130
_RANDOM = "random order"
_GROUPS = ("all words", "words that need the picture (at least twice as likely with it as without)")
_EXAMPLES = """examples:
  hw3 precompute IMAGES val.json --captioner runs/best --out raw.cache
  hw3 precompute IMAGES val.json --captioner runs/best --maps relevance --out relevance.cache
  hw3 faithfulness raw.cache relevance.cache --captioner runs/best --images IMAGES --sample 200

Deletion removes the patches of a picture in the order of a word's map, strongest first, and asks the captioner after
each step how likely the word still is: the mean log-probability on the way is the lower, the better the map knows what
the word hangs on. Insertion shows them in that order: the higher the better. Random orders are what a map has to beat.
"""


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers, "faithfulness", run, "judge kinds of maps by a deletion and insertion test", _EXAMPLES
    )
    parser.add_argument("caches", type=cache_argument, nargs="+", metavar="CACHE", help="runs with the same captions")
    parser.add_argument(
        "--captioner", type=Path, required=True, metavar="FOLDER", help="the checkpoint that made the maps"
    )
    parser.add_argument("--images", type=Path, metavar="DIR", help="folder of the pictures; default: the cache's")
    parser.add_argument("--sample", type=positive, default=100, metavar="N", help="pictures, at random (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample and of the random orders")
    parser.add_argument("--steps", type=positive, default=16, help="questions on the way (%(default)s)")
    parser.add_argument(
        "--fill", choices=("mean", "blur"), default="mean", help="what removed patches show (the picture's mean colour)"
    )
    parser.add_argument("--layer", type=positive, metavar="N", help="decoder layer of the maps; default: the last")
    parser.add_argument("--batch", type=positive, default=64, help="variants of a picture at once")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1")
    parser.add_argument("--precision", choices=("fp32", "fp16", "bf16"), default="fp32")
    add_format_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, and print for all words and for those that need the picture how well each map knows it."""
    from ..attribution.faithfulness import Options, faithfulness  # noqa: PLC0415 (torch)
    from ..device import keep_freed_memory  # noqa: PLC0415

    keep_freed_memory()
    options = Options(
        sample=args.sample,
        seed=args.seed,
        steps=args.steps,
        fill=args.fill,
        layer=-1 if args.layer is None else args.layer - 1,
        batch=args.batch,
        device=args.device,
        precision=args.precision,
    )
    words, left_out = faithfulness(args.caches, args.captioner, args.images, options)
    names = [*_names(args.caches), _RANDOM]
    groups = [(_GROUPS[0], words), (_GROUPS[1], words.only(words.need_the_picture))]
    groups = [(title, some) for title, some in groups if len(some.pictures)]
    if args.json or args.csv:
        print_rows(
            [row for title, some in groups for row in _rows(title.partition(" (")[0], names, some)], args, sys.stdout
        )
    else:
        print("\n".join(line for title, some in groups for line in _lines(title, names, some)))
    if left_out:
        print(f"hw3 faithfulness: interrupted; {left_out} pictures of the sample are left out", file=sys.stderr)
    return _INTERRUPTED if left_out else 0


def _names(folders: Sequence[Path]) -> list[str]:
    """What the maps are; with the run's name where two are of a kind."""
    from ...cache.reader import Cache  # noqa: PLC0415
    from ...cache.text import printable  # noqa: PLC0415

    kinds = []
    for folder in folders:
        with Cache.open(folder) as cache:
            kinds.append(printable(cache.manifest.maps))
    if len(set(kinds)) == len(kinds):
        return kinds
    return [f"{kind} ({name})" for kind, name in zip(kinds, names_of(folders), strict=True)]


def _lines(title: str, names: Sequence[str], words: Words) -> Iterator[str]:
    """A line a map, then how any two of them differ."""
    pictures = len(set(words.pictures.tolist()))
    yield f"{title}: {len(words.pictures)} words of {pictures} pictures"
    yield (
        f"  mean log-probability: {words.intact.mean():.3f} with the picture, {words.nothing.mean():.3f} without; "
        "the mean on the way:"
    )
    rows = [["maps", "deletion (low is good)", "insertion (high is good)", "deletion, probability", "insertion, p."]]
    for place, name in enumerate(names):
        areas = [_text(mean) for mean in _means(words, place)]
        likely = (f"{value:.3f}" for value in words.likelihoods[:, place].mean(axis=0))
        rows.append([name, *areas, *likely])
    yield from aligned(rows, "  ")
    yield "  differences, first minus second:"
    differing = [["maps", "deletion", "insertion", "closer to what the word hangs on"]]
    for first, second in combinations(range(len(names)), 2):
        deletion, insertion = _differences(words, first, second)
        verdict = _better(names[first], names[second], deletion, insertion)
        differing.append([f"{names[first]} - {names[second]}", _signed(deletion), _signed(insertion), verdict])
    yield from aligned(differing, "  ")


def _means(words: Words, place: int) -> list[Mean]:
    from ..attribution.faithfulness import means  # noqa: PLC0415

    return means(words.areas[:, place], words.pictures)


def _differences(words: Words, first: int, second: int) -> list[Mean]:
    from ..attribution.faithfulness import means  # noqa: PLC0415

    return means(words.areas[:, first] - words.areas[:, second], words.pictures)


def _better(first: str, second: str, deletion: Mean, insertion: Mean) -> str:
    """Which of two maps is the better one, where both ways say so and neither by chance."""
    if not deletion.is_sure and not insertion.is_sure:
        return "no difference"
    wins = {first if deletion.value < 0 else second} if deletion.is_sure else set()
    wins |= {first if insertion.value > 0 else second} if insertion.is_sure else set()
    return wins.pop() if len(wins) == 1 else "deletion and insertion disagree"


def _text(mean: Mean) -> str:
    return f"{mean.value:.3f} ({mean.interval[0]:.3f} to {mean.interval[1]:.3f})"


def _signed(mean: Mean) -> str:
    return f"{mean.value:+.3f} ({mean.interval[0]:+.3f} to {mean.interval[1]:+.3f})"


def _rows(group: str, names: Sequence[str], words: Words) -> list[Mapping[str, Any]]:
    """A row a map, the random order last."""
    rows: list[Mapping[str, Any]] = []
    for place, name in enumerate(names):
        row: dict[str, Any] = {"group": group, "maps": name, "words": len(words.pictures)}
        against = _differences(words, place, len(names) - 1)
        for way, what in enumerate(("deletion", "insertion")):
            mean = _means(words, place)[way]
            row |= {what: mean.value, f"{what}_low": mean.interval[0], f"{what}_high": mean.interval[1]}
            row[f"{what}_probability"] = float(words.likelihoods[:, place, way].mean())
            row |= {
                f"{what}_minus_random": against[way].value,
                f"{what}_minus_random_low": against[way].interval[0],
                f"{what}_minus_random_high": against[way].interval[1],
            }
        row |= {"intact": float(words.intact.mean()), "nothing": float(words.nothing.mean())}
        rows.append(row)
    return rows
