"""``hw3 experiments``: the report's four settings, trained for real and small on the bundled world."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from .arguments import Subparsers, add_command, positive

_SCENES = 2000
_EXAMPLES = """examples:
  hw3 experiments                          train and compare all four (about ten minutes on two quiet cores)
  hw3 experiments --scenes 200 --set optim.epochs=1 --out /tmp/trial

best: the bundled encoder, frozen, 6 decoder layers, 8 heads. not_pretrained: a random encoder. eight_layers: 8 decoder
layers. encoder_not_frozen: the encoder learns too. Interrupted, the same command goes on where it stopped.
The same settings on the assignment's data: configs/best.toml and its fellows.
"""


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers, "experiments", run, "train the report's four settings on the bundled scenes and compare", _EXAMPLES
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where all is kept; default: in your data folder")
    parser.add_argument("--scenes", type=positive, default=_SCENES, help="scenes to learn from (%(default)s)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="A.B=VALUE", dest="overrides", help="change a setting of all four"
    )


def run(args: argparse.Namespace) -> int:
    """Train and evaluate what is not there yet, and print the table of `hw3 runs`."""
    from ...cache.places import caches_dir  # noqa: PLC0415
    from ..cli import main  # noqa: PLC0415 (imports this module)
    from ..device import keep_freed_memory  # noqa: PLC0415 (torch)
    from ..experiments.running import run_experiments  # noqa: PLC0415
    from ..progress import duration  # noqa: PLC0415

    keep_freed_memory()
    started = time.monotonic()
    folder = (args.out or caches_dir().parent / "experiments").expanduser()
    found = run_experiments(folder, args.scenes, args.overrides, main)
    print(f"experiments: {duration(time.monotonic() - started)}, {folder}", file=sys.stderr)
    return main(["runs", *map(str, found)])
