"""``hw3 grid``: attention grids of chosen pictures as figures."""

from __future__ import annotations

import argparse
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from ...cache.codec import Head
from ...cache.errors import UsageError
from ...cache.reader import Cache
from ...cache.text import printable
from ..choosing import FILTER_HELP, filtered
from .arguments import Subparsers, add_command, cache_argument
from .drawing import add_drawing_arguments, parse_head

if TYPE_CHECKING:
    from ...cache.schema import Sample
    from ..figures import Cell

_ALL: Final = "all"
_EXAMPLES = """examples:
  hw3 grid CACHE --top 1 --last 1 -o figures
  hw3 grid CACHE --filter 'caption ~ dog and cider < 0.2' --top 5
  hw3 grid CACHE --name bike --name sheep --out figures --format pdf
  hw3 grid CACHE --name bike --words bicycle,wall --colormap viridis --dpi 300
"""


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_command(subparsers, "grid", run, "save attention grids of chosen pictures", _EXAMPLES)
    parser.add_argument("cache", type=cache_argument, metavar="CACHE")
    parser.add_argument("--name", action="append", default=[], help="a picture's name; repeatable")
    parser.add_argument("--top", type=int, default=0, metavar="N", help="the N best by the score")
    parser.add_argument("--last", type=int, default=0, metavar="N", help="the N worst by the score")
    parser.add_argument("--filter", metavar="EXPR", help=f"{FILTER_HELP}; all of them without --top and --last")
    parser.add_argument("--sort", default="clipscore", help="the score (default %(default)s)")
    parser.add_argument(
        "--words",
        metavar="LIST",
        help="a map for each of these words of the caption, or their places from 0, comma-separated; or all "
        "(default: a map for each token, <EOS> included)",
    )
    parser.add_argument("--pieces", action="store_true", help="with --words, a map for each token of these words")
    add_drawing_arguments(parser, colormap="jet", dpi=168)
    parser.add_argument("--format", choices=("png", "pdf", "svg"), default="png")
    parser.add_argument("-o", "--out", type=cache_argument, default=Path("hw3-figures"), metavar="DIR")


def run(args: argparse.Namespace) -> int:
    """Save each figure and print its path."""
    from ..figures import grid_file_name, sample_grid, save_figure  # noqa: PLC0415 (matplotlib)

    head = parse_head(args.head)
    with Cache.open(args.cache) as cache:
        chosen = _chosen(cache, args)
        if not chosen:
            raise UsageError(_nothing(args))
        if cache.manifest.attention is None:
            _without_maps(args)
        for index in chosen:
            sample = cache.sample(index)
            words = None if args.words is None else _words(sample, args.words)
            figure = sample_grid(
                cache,
                index,
                cells=_cells(sample, words, args.layer, head, pieces=args.pieces) if cache.manifest.attention else [],
                score=args.sort,
                columns=args.columns,
                colormap=args.colormap,
                opacity=args.opacity,
                dpi=args.dpi,
            )
            shown = [] if words is None or args.words == _ALL else [sample.words[word] for word in words]
            value = cache.scores(args.sort)[index]
            name = grid_file_name(sample.name, args.sort, value, f".{args.format}", words=shown)
            print(save_figure(figure, args.out / name))
    return 0


def _without_maps(args: argparse.Namespace) -> None:
    """Say what becomes of the figures of a run that has no maps."""
    if args.words is not None:
        raise UsageError(f"{args.cache}: this run has no attention maps, so there are none of --words")
    print("note: this run has no attention maps; figures show pictures and captions alone", file=sys.stderr)


def _chosen(cache: Cache, args: argparse.Namespace) -> list[int]:
    """Indices of the pictures asked for: named, then top, then last, of those that the filter leaves."""
    chosen = []
    for name in args.name:
        index = cache.find(name)
        if index is None:
            raise UsageError(f"{args.cache}: has no picture named {name}")
        chosen.append(index)
    order = cache.order(args.sort)
    ranked = order[~np.isnan(cache.scores(args.sort)[order])]  # last is the last of the browser's list
    if args.filter is not None:
        left = filtered(cache, args.filter, args.sort)
        if args.top <= 0 and args.last <= 0:
            return list(dict.fromkeys([*chosen, *order[left[order]].tolist()]))
        ranked = ranked[left[ranked]]
    return [*chosen, *ranked[: max(0, args.top)].tolist(), *ranked[::-1][: max(0, args.last)].tolist()]


def _nothing(args: argparse.Namespace) -> str:
    """What to say where no picture is chosen."""
    if args.filter is not None:
        return "--filter leaves no picture"
    return "nothing chosen: give --name NAME, --top N, --last N or --filter EXPR"


def _cells(sample: Sample, words: list[int] | None, layer: int, head: Head, *, pieces: bool) -> list[Cell]:
    """What the figure shows."""
    from ..figures import token_cells, word_cells  # noqa: PLC0415

    if words is None or pieces:
        return token_cells(sample, layer, head, words)
    return word_cells(sample, words, layer, head)


def _words(sample: Sample, text: str) -> list[int]:
    """The argument of ``--words`` for a caption: indices into its words, in the order asked for."""
    if text == _ALL:
        return sorted({word for word in sample.word_of_piece if word >= 0})
    places = [place for wanted in text.split(",") if wanted.strip() for place in _places(sample, wanted.strip())]
    if not places:
        raise UsageError("--words: give words of the caption or their places from 0, comma-separated, or all")
    return list(dict.fromkeys(places))


def _places(sample: Sample, wanted: str) -> list[int]:
    """Each place of a word in the caption, upper and lower case alike; a number is a place itself."""
    if wanted.isdecimal():
        return [int(wanted)]
    words = [word.casefold() for word in sample.words]
    places = [place for place, word in enumerate(words) if word == wanted.casefold()]
    if not places:
        close = get_close_matches(wanted.casefold(), words, n=1)
        hint = f"did you mean {printable(close[0])}?" if close else f"it reads: {printable(sample.caption)}"
        raise UsageError(f"the caption of {printable(sample.name)} has no word {printable(wanted)!r}; {hint}")
    return places
