"""``hw3 demo``: the whole way on the bundled world, then the browser."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from ...cache.errors import CacheError
from ...cache.places import caches_dir, remember_cache
from ...cache.reader import Cache
from ..identity import checkpoint_identity
from .arguments import Subparsers, add_command, cache_argument
from .grounding import grounding_line
from .precompute import report
from .zeroshot import print_table

_BEAMS = 3
_EXAMPLES = """examples:
  hw3 demo                      compute (under a minute on two cores) and open the browser
  hw3 demo --no-browse          compute and print
  hw3 demo --rebuild new-world  draw the scenes and train both models anew (over an hour on two cores)
"""


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers, "demo", run, "caption, score and browse the bundled pictures with the bundled models", _EXAMPLES
    )
    parser.add_argument("--out", type=cache_argument, metavar="CACHE", help="folder of the cache")
    parser.add_argument("--fresh", action="store_true", help="compute again even if it is done")
    parser.add_argument("--no-browse", action="store_true", help="do not open the browser")
    parser.add_argument("--rebuild", type=Path, metavar="FOLDER", help="make the bundled world anew below FOLDER")


def run(args: argparse.Namespace) -> int:
    """Compute what is not there yet, print what came out, open the browser."""
    from ..demo import recipe  # noqa: PLC0415 (numpy, pillow)

    if args.rebuild:
        from ..device import keep_freed_memory  # noqa: PLC0415

        keep_freed_memory()
        print(f"bundle: {recipe.rebuild(args.rebuild)}")
        return 0
    folder = args.out or caches_dir() / "demo"
    if args.fresh or not _is_done(folder, recipe.BUNDLE / recipe.CAPTIONER):
        _compute(folder, overwrite=args.fresh or args.out is None)  # our own folder may hold an older demo
    remember_cache(folder)
    report(folder)
    print(grounding_line(folder, recipe.BUNDLE / recipe.INSTANCES))
    classified = _classify(folder, fresh=args.fresh)
    print(f"the zero-shot run: b in the browser, or hw3-browse {shlex.quote(str(classified))}", file=sys.stderr)
    if args.no_browse:
        return 0
    print("the same list again: hw3-browse --sort clipscore", file=sys.stderr)
    return subprocess.call([sys.executable, "-m", "hw3_browse.tui.cli", str(folder), "--sort", "clipscore"])  # noqa: S603


def _classify(captions: Path, *, fresh: bool) -> Path:
    """The assignment's problem 1 beside the cache of captions: pictures of single things by three prompts."""
    from ...cache.zeroshot import ZeroShotRun  # noqa: PLC0415
    from ..demo.classifying import classify_things  # noqa: PLC0415

    folder, things = (captions.with_name(f"{captions.name}-{what}") for what in ("zeroshot", "things"))
    with ZeroShotRun.open(classify_things(folder, things, fresh=fresh)) as found:
        print(f"zero-shot: {len(found)} pictures of {len(found.labels)} things, {folder}")
        print_table(found)
    return folder


def _is_done(folder: Path, captioner: Path) -> bool:
    """Whether `folder` is a finished cache of this very captioner."""
    try:
        with Cache.open(folder) as cache:
            return bool(cache.manifest.plan["captioner"]["sha256"] == checkpoint_identity(captioner)["sha256"])
    except (CacheError, KeyError):
        return False


def _compute(folder: Path, *, overwrite: bool) -> None:
    from ..clip import ClipSpec  # noqa: PLC0415 (torch)
    from ..datasets import open_dataset  # noqa: PLC0415
    from ..decoding import Decoding  # noqa: PLC0415
    from ..demo import recipe  # noqa: PLC0415
    from ..device import keep_freed_memory  # noqa: PLC0415
    from ..precompute import Options, Precompute  # noqa: PLC0415

    keep_freed_memory()
    here = recipe.BUNDLE
    dataset = open_dataset(here / recipe.IMAGES, here / recipe.ANNOTATIONS)
    options = Options(decoding=Decoding(beams=_BEAMS, keep=_BEAMS), overwrite=overwrite)
    Precompute(dataset, here / recipe.CAPTIONER, ClipSpec(str(here / recipe.CLIP)), options).run(folder)
