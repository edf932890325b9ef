"""``hw3 grounding``: how much of a word's map falls on the thing that it names."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import Subparsers, add_command, cache_argument
from .tabulating import add_format_arguments, aligned, names_of, print_rows

if TYPE_CHECKING:
    from ..grounding import Boxes, Grounding

_EXAMPLES = """examples:
  hw3 grounding CACHE core/demo/bundle/scenes/instances_val.json
  hw3 grounding raw.cache rollout.cache relevance.cache instances_val.json
  hw3 grounding raw.cache relevance.cache instances_val.json --csv > by_head.csv

Mass is the share of a word's map inside the boxes of what it names; pointing is how often the strongest patch lies in
one. Of several caches a line each is compared: the last layer's mean over heads, with 95 % intervals, and the best
single map. --json and --csv have all layers and heads, counted from 1.
"""


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers, "grounding", run, "measure attention and other maps against true boxes (COCO instances)", _EXAMPLES
    )
    parser.add_argument("caches", type=cache_argument, nargs="+", metavar="CACHE")
    parser.add_argument("instances", type=Path, metavar="INSTANCES.json")
    add_format_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print one cache's layers and heads, or a line for each of several caches."""
    from ..grounding import read_boxes  # noqa: PLC0415

    boxes = read_boxes(args.instances)
    measured = [
        (name, *_measured(folder, boxes)) for name, folder in zip(names_of(args.caches), args.caches, strict=True)
    ]
    if args.json or args.csv:
        print_rows([row for name, maps, found in measured for row in _rows(name, maps, found)], args, sys.stdout)
    elif len(measured) == 1:
        print("\n".join([_first_line(measured[0][2], measured[0][1]), *_by_head(measured[0][2])]))
    else:
        print("\n".join(_compared(measured)))
    return 0


def grounding_line(folder: Path, instances: Path) -> str:
    """The figures of the last layer's mean over heads, as one line."""
    from ..grounding import read_boxes  # noqa: PLC0415

    maps, found = _measured(folder, read_boxes(instances))
    return _first_line(found, maps)


def _measured(folder: Path, boxes: Boxes) -> tuple[str, Grounding]:
    """What the maps are, and what was measured."""
    from ...cache.reader import Cache  # noqa: PLC0415
    from ...cache.text import printable  # noqa: PLC0415
    from ..grounding import grounding  # noqa: PLC0415

    with Cache.open(folder) as cache:
        return printable(cache.manifest.maps), grounding(cache, boxes)


def _first_line(found: Grounding, maps: str) -> str:
    last = found.mass_of_mean[-1]
    return (
        f"{maps} of object words in their boxes: {last:.3f}, by chance {found.chance:.3f} "
        f"({last / found.chance:.1f} times), pointing {found.pointing_of_mean[-1]:.3f}; "
        f"{found.words} words, {found.unseen} more with all boxes outside the crop"
    )


def _by_head(found: Grounding) -> list[str]:
    heads = [f"head {head + 1}" for head in range(found.mass.shape[1])]
    lines = [["", "", "mean over heads", *heads]]
    measures = (("mass", found.mass_of_mean, found.mass), ("pointing", found.pointing_of_mean, found.pointing))
    for what, of_mean, of_heads in measures:
        for layer, (mean, each) in enumerate(zip(of_mean, of_heads, strict=True)):
            lines.append([what, f"layer {layer + 1}", *(f"{value:.3f}" for value in (mean, *each))])
    return aligned(lines, "  ")


def _compared(measured: Sequence[tuple[str, str, Grounding]]) -> list[str]:
    lines = [["run", "maps", "words", "by chance", "mass", "pointing", "best mass", "best pointing"]]
    for name, maps, found in measured:
        mass = _with_interval(found.mass_of_mean[-1], found.mass_interval)
        pointing = _with_interval(found.pointing_of_mean[-1], found.pointing_interval)
        best = [_best(of_heads) for of_heads in (found.mass, found.pointing)]
        lines.append([name, maps, str(found.words), f"{found.chance:.3f}", mass, pointing, *best])
    return aligned(lines)


def _with_interval(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def _best(of_heads: Any) -> str:
    layer, head = divmod(int(of_heads.argmax()), of_heads.shape[1])
    return f"{of_heads[layer, head]:.3f}, layer {layer + 1} head {head + 1}"


def _rows(name: str, maps: str, found: Grounding) -> list[Mapping[str, Any]]:
    """A row for each layer's mean over heads and for each head."""
    rows: list[Mapping[str, Any]] = []
    for layer in range(len(found.mass)):
        values = [("mean", found.mass_of_mean[layer], found.pointing_of_mean[layer])]
        values += [
            (str(head + 1), *pair)
            for head, pair in enumerate(zip(found.mass[layer], found.pointing[layer], strict=True))
        ]
        rows += [
            {
                "run": name, "maps": maps, "layer": layer + 1, "head": head, "mass": float(mass),
                "pointing": float(pointing), "chance": found.chance, "words": found.words, "unseen": found.unseen,
            }
            for head, mass, pointing in values
        ]  # fmt: skip
    return rows
