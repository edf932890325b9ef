"""``hw3 topfive``: pictures of a zero-shot run beside the bars of their five most probable prompts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from ...cache.errors import UsageError
from ...cache.text import printable
from ...cache.zeroshot import ZeroShotRun
from .arguments import Subparsers, add_command, cache_argument, positive

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EXAMPLES = """examples:
  hw3 topfive RUN                                  three random pictures, as in the assignment's report
  hw3 topfive RUN --name 17_452 --mistakes 5       one by name, and the five mistakes that it was surest of
  hw3 topfive RUN --prompt 2 --random 6 --seed 1 --together --format pdf -o figures
  hw3 topfive RUN --mistakes 20 --gallery --filter 'class = dog or confidence > .9'
"""
_FEW: Final = 3  # the assignment shows so many


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers, "topfive", run, "draw pictures of a zero-shot run with their five likeliest prompts", _EXAMPLES
    )
    parser.add_argument("run_folder", type=cache_argument, metavar="RUN", help="folder that hw3 zeroshot wrote")
    parser.add_argument(
        "--prompt", type=positive, default=1, metavar="N", help="by which prompt, as the table counts (default 1)"
    )
    parser.add_argument("-o", "--out", type=cache_argument, default=Path("hw3-figures"), metavar="DIR")
    add_choice(parser)


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which pictures are drawn, and how."""
    group = parser.add_argument_group("figures")
    group.add_argument("--name", action="append", default=[], help="draw the picture of this name; repeatable")
    group.add_argument("--random", type=positive, metavar="N", help=f"N at random (default {_FEW}, if nothing else)")
    group.add_argument("--seed", type=int, default=0, help="of --random; the same one gives the same pictures")
    group.add_argument("--mistakes", type=positive, metavar="N", help="the N mistakes that it was surest of")
    group.add_argument(
        "--filter", metavar="EXPR", default="", help="of random ones and mistakes only those for which this holds"
    )
    group.add_argument("--together", action="store_true", help="one figure of all instead of one a picture")
    group.add_argument("--gallery", action="store_true", help="one figure of all pictures side by side, without bars")
    group.add_argument("--dpi", type=int, default=168, metavar="N", help="dots per inch (default %(default)s)")
    group.add_argument("--format", choices=("png", "pdf", "svg"), default="png")


def run(args: argparse.Namespace) -> int:
    """Save the figures and print their paths."""
    with ZeroShotRun.open(args.run_folder) as found:
        prompt = prompt_number(args.prompt, len(found.prompts), "--prompt")
        for path in save_figures(found, prompt, args, args.out):
            print(path)
    return 0


def prompt_number(number: int, count: int, option: str) -> int:
    """Return a prompt's place from 0.

    Raises:
        UsageError: There is none of that number, from 1.
    """
    if not 1 <= number <= count:
        raise UsageError(f"{option} {number}: there are {count} prompts")
    return number - 1


def save_figures(found: ZeroShotRun, prompt: int, args: argparse.Namespace, folder: Path) -> list[Path]:
    """Save the figures that the options of `add_choice` ask for; their files."""
    from ..choosing import filtered_classes  # noqa: PLC0415 (pyarrow)
    from ..figures import (  # noqa: PLC0415 (matplotlib)
        gallery,
        grid_file_name,
        run_panel,
        run_shot,
        save_figure,
        top_five,
    )

    suffix = f".{args.format}"
    left = filtered_classes(found, args.filter, prompt)
    chosen = choose(
        found, prompt, names=args.name, random=args.random, seed=args.seed, mistakes=args.mistakes, left=left
    )
    if not chosen:
        return []
    if args.gallery:
        shots = [run_shot(found, index, prompt, args.dpi) for index in chosen]
        figure = gallery(shots, f"By prompt {prompt + 1}: {found.prompts[prompt].name}", dpi=args.dpi)
        return [save_figure(figure, folder / grid_file_name(f"gallery-prompt{prompt + 1}", suffix=suffix))]
    if args.together:
        figure = top_five([run_panel(found, index, prompt, args.dpi) for index in chosen], args.dpi)
        return [save_figure(figure, folder / grid_file_name(f"top5-prompt{prompt + 1}", suffix=suffix))]
    return [
        save_figure(
            top_five([run_panel(found, index, prompt, args.dpi)], args.dpi),
            folder / grid_file_name(f"{found.name(index)}-top5-prompt{prompt + 1}", suffix=suffix),
        )
        for index in chosen
    ]


def choose(
    found: ZeroShotRun,
    prompt: int,
    *,
    names: Sequence[str] = (),
    random: int | None = None,
    seed: int = 0,
    mistakes: int | None = None,
    left: NDArray[np.bool_] | None = None,
) -> list[int]:
    """Return pictures, each once: those named, then the surest mistakes, then random ones.

    Args:
        found: The run.
        prompt: Whose mistakes.
        names: File stems.
        random: How many at random; three where nothing else is asked for.
        seed: Of the random ones.
        mistakes: How many mistakes, the surest first.
        left: Which pictures [count] mistakes and random ones are taken from; None is all.

    Raises:
        UsageError: There is no picture of that name; or no picture's class is known, so none is a mistake.
    """
    chosen = [_named(found, name) for name in names]
    if mistakes:
        chosen += [index for index in surest_mistakes(found, prompt) if left is None or left[index]][:mistakes]
    if random is None:
        random = 0 if names or mistakes else _FEW
    drawn = np.random.default_rng(seed).permutation(len(found)).tolist()
    return list(dict.fromkeys([*chosen, *[index for index in drawn if left is None or left[index]][:random]]))


def surest_mistakes(found: ZeroShotRun, prompt: int) -> list[int]:
    """Return the pictures that a prompt takes for another class, the most probable guess first.

    Raises:
        UsageError: No picture's class is known.
    """
    right = found.values(prompt, "correct")
    if np.isnan(right).all():
        raise UsageError(f"--mistakes: no picture's class is known in {printable(str(found.folder))}")
    order = found.order(prompt, "confidence")
    wrong: list[int] = order[right[order] == 0].tolist()
    return wrong


def _named(found: ZeroShotRun, name: str) -> int:
    index = found.find(name)
    if index is None:
        index = found.find(Path(name).stem)
    if index is None:
        close = get_close_matches(name, found.texts("name").to_pylist(), n=1)
        hint = f"; did you mean {printable(close[0])}?" if close else ""
        raise UsageError(f"{printable(str(found.folder))} has no picture named {printable(name)}{hint}")
    return index
