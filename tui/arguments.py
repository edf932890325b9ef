"""The command line of ``hw3-browse``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from ..cache.completion import SHELLS
from .settings import AUTO, FIGURE_FORMATS, GRAPHICS, THEMES

_EXAMPLES: Final = """\
examples:
  hw3-browse                                    the cache written last, or the bundled demo
  hw3-browse runs/val --sort cider              another cache, sorted by CIDEr
  hw3-browse runs/val --reverse                 worst first
  hw3-browse runs/a runs/b --sort diff.cider    two runs as one list: where is b better?
  hw3-browse runs/val --filter 'clipscore < 0.5 and caption ~ "dog"'
  hw3-browse runs/val --graphics half           pictures in cells, whatever the terminal can do
  hw3-browse runs/val --print | head            the best ten as text
  hw3-browse runs/val --json | jq '.[0]'        the best one for a program
  hw3-browse runs/val --filter 'tag:bad' --csv  what was tagged bad, with all scores and notes
  hw3-browse runs/zeroshot --prompt 2 --filter 'class = dog and not correct'
  hw3-browse --doctor                           what this terminal can do
  hw3-browse --config-default                   a config file to begin with: all settings and keys, explained
  eval "$(hw3-browse --completion bash)"        completion of hw3-browse and hw3; put it into ~/.bashrc
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser. Settings that nobody gave are None, so that the config file can have its say."""
    parser = argparse.ArgumentParser(
        prog="hw3-browse",
        description="Browse captions by score, and see where the model looked at each word; or what a zero-shot "
        "classifier took pictures for.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "cache",
        nargs="*",
        type=Path,
        metavar="CACHE",
        help="folder that hw3 precompute has written, or is still writing (several are compared), or hw3 zeroshot",
    )
    _add_list(parser.add_argument_group("the list"))
    _add_screen(parser.add_argument_group("the screen"))
    _add_output(parser.add_argument_group("without the browser"))
    return parser


def _add_list(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--sort",
        metavar="SCORE",
        help="score to sort by, or name or index (default: clipscore; of a zero-shot run confidence)",
    )
    group.add_argument(
        "--reverse", action=argparse.BooleanOptionalAction, help="worst first; --no-reverse if the config file says so"
    )
    group.add_argument("--filter", metavar="EXPR", default="", help="show only what fits: 'cider < 0.2 and words > 9'")
    group.add_argument("--prompt", type=_count, metavar="N", help="of a zero-shot run: by which prompt, from 1")


def _add_screen(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--graphics", choices=GRAPHICS, help="how pictures are drawn (default: auto)")
    group.add_argument(
        "--theme", choices=(AUTO, *THEMES), metavar="NAME", help="colours: auto, textual-light, nord, gruvbox, ..."
    )
    group.add_argument("--out", type=Path, metavar="DIR", help="folder for saved grids (default: ./hw3-figures)")
    group.add_argument("--figure-format", choices=FIGURE_FORMATS, help="format of saved grids (default: png)")


def _add_output(group: argparse._ArgumentGroup) -> None:
    form = group.add_mutually_exclusive_group()
    for name, meaning in (("print", "print the list as text"), ("json", "as JSON"), ("csv", "as CSV")):
        form.add_argument(f"--{name}", dest="format", action="store_const", const=name, help=meaning)
    form.add_argument("--doctor", action="store_true", help="say what the terminal can do, and why, and exit")
    form.add_argument("--config-path", action="store_true", help="say where the config file is, or would be, and exit")
    form.add_argument("--config-default", action="store_true", help="print a config file that explains all, and exit")
    form.add_argument("--completion", choices=SHELLS, help="print the completion script of a shell, and exit")
    group.add_argument("--limit", type=_count, metavar="N", help="print only the first N rows")
    group.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")


def _count(text: str) -> int:
    number = int(text) if text.isdecimal() else -1
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0, found {text!r}")
    return number


class _Version(argparse.Action):
    """Prints the version; looks it up only then, since package metadata is slow to import."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print it and end the process."""
        from importlib.metadata import version  # noqa: PLC0415

        print(f"hw3-browse {version('hw3-browse')}")
        parser.exit()
