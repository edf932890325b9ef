"""``hw3 grounding``: how much of a word's attention falls on the thing that it names."""

from __future__ import annotations

import argparse
from pathlib import Path

from .arguments import Subparsers, add_command, cache_argument

_EXAMPLES = """example:
  hw3 grounding CACHE core/demo/bundle/scenes/instances_val.json
"""


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers, "grounding", run, "measure attention against true boxes (COCO instances)", _EXAMPLES
    )
    parser.add_argument("cache", type=cache_argument, metavar="CACHE")
    parser.add_argument("instances", type=Path, metavar="INSTANCES.json")


def run(args: argparse.Namespace) -> int:
    """Print a line for the default map and a table of layers and heads."""
    print("\n".join(grounding_lines(args.cache, args.instances)))
    return 0


def grounding_lines(folder: Path, instances: Path) -> list[str]:
    """The figures as text: the last layer's mean over heads first, then each layer and head."""
    from ...cache.reader import Cache  # noqa: PLC0415
    from ..grounding import grounding, read_boxes  # noqa: PLC0415

    with Cache.open(folder) as cache:
        found = grounding(cache, read_boxes(instances))
    last = found.mass_of_mean[-1]
    lines = [
        (
            f"attention of object words in their boxes: {last:.3f}, by chance {found.chance:.3f} "
            f"({last / found.chance:.1f} times), pointing {found.pointing_of_mean[-1]:.3f}; "
            f"{found.words} words, {found.unseen} more with all boxes outside the crop"
        )
    ]
    for layer, (mean, heads) in enumerate(zip(found.mass_of_mean, found.mass, strict=True)):
        each = " ".join(f"{mass:.3f}" for mass in heads)
        lines.append(f"  layer {layer + 1}: mean over heads {mean:.3f} | heads {each}")
    return lines
