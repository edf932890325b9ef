"""``hw3 report``: what runs have shown, as a page and as Markdown."""

from __future__ import annotations

import argparse
import shlex

from .arguments import Subparsers, add_command, cache_argument
from .drawing import add_drawing_arguments, parse_head

_OPTIONS = (
    *("title", "sort", "filter", "top", "last", "judged", "instances"),
    *("layer", "head", "colormap", "opacity", "columns", "dpi"),
)
_EXAMPLES = """examples:
  hw3 report CACHE -o report
  hw3 report CACHE OTHER_CACHE ZEROSHOT_RUN -o report --title "Homework 3"
  hw3 report CACHE -o report --top 5 --last 5 --name bike --name sheep --colormap jet
  hw3 report CACHE -o report --filter 'clipscore > 1 and cider < .2'
  hw3 report CACHE -o report --tables-only

RUN is a cache of captions, finished or not, or a zero-shot run. Runs over the same pictures are compared.
The folder gets report.html, which needs nothing else (mail it, print it), report.md and figures/.
A report that is there already is replaced; a folder with anything else is left alone.
"""


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_command(subparsers, "report", run, "write what runs have shown as a page and as Markdown", _EXAMPLES)
    parser.add_argument("runs", type=cache_argument, nargs="+", metavar="RUN")
    parser.add_argument("-o", "--out", type=cache_argument, required=True, metavar="DIR", help="folder of the report")
    parser.add_argument("--title", default="Report", help="title (default %(default)s)")
    parser.add_argument("--sort", metavar="SCORE", help="ranks the captions (default clipscore, or what there is)")
    parser.add_argument(
        "--filter", metavar="EXPR", default="", help="show only pictures for which this holds (tables stay whole)"
    )
    parser.add_argument("--top", type=natural, default=3, metavar="N", help="best captions shown (default %(default)s)")
    parser.add_argument("--last", type=natural, default=3, metavar="N", help="worst ones shown (default %(default)s)")
    parser.add_argument(
        "--name",
        action="append",
        metavar="NAME",
        help="a picture shown besides; repeatable (default: the assignment's bike, girl, sheep, ski, umbrella)",
    )
    parser.add_argument(
        "--judged", type=natural, default=12, metavar="N", help="judged pictures shown besides (default %(default)s)"
    )
    parser.add_argument(
        "--instances", type=cache_argument, metavar="FILE", help="true boxes (COCO instances) to measure attention by"
    )
    parser.add_argument("--tables-only", action="store_true", help="no figures")
    add_drawing_arguments(parser, colormap="inferno", dpi=120)
    parser.set_defaults(parser=parser)


def run(args: argparse.Namespace) -> int:
    """Write the report and print where it is."""
    from ..figures import Style  # noqa: PLC0415 (numpy)
    from ..report import Options, make_report  # noqa: PLC0415 (numpy, pyarrow)

    options = Options(
        title=args.title,
        sort=args.sort,
        filter=args.filter.strip(),
        top=args.top,
        last=args.last,
        names=None if args.name is None else tuple(args.name),
        judged=args.judged,
        instances=args.instances,
        layer=args.layer,
        head=parse_head(args.head),
        style=Style(args.columns, args.colormap, args.opacity, args.dpi),
        tables_only=args.tables_only,
        command=_line(args),
    )
    for file in make_report(args.runs, args.out, options):
        print(file)
    return 0


def _line(args: argparse.Namespace) -> str:
    """The command that was given, without what goes without saying."""
    words = ["hw3", "report", *args.runs, "-o", args.out]
    for name in _OPTIONS:
        value = getattr(args, name)
        if value != args.parser.get_default(name):
            words += [f"--{name}", value]
    words += [word for name in args.name or () for word in ("--name", name)]
    words += ["--tables-only"] if args.tables_only else []
    return shlex.join(map(str, words))


def natural(text: str) -> int:
    """An argument that is a whole number from 0."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"needs at least 0, found {text}")
    return value
