"""``hw3 precompute``: captions, attention, CLIPScore and reference metrics of a dataset into a cache."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ...cache.errors import UsageError
from ...cache.places import caches_dir, remember_cache
from .arguments import Subparsers, add_command, batch_size, cache_argument, positive
from .data import ANNOTATIONS_HELP, add_data_arguments, dataset_of
from .decoding import add_decoding_arguments, decoding_of

if TYPE_CHECKING:
    from ..captioners import CaptionModel
    from ..datasets import Dataset

_METRICS = ("bleu", "rouge_l", "cider", "meteor")
_MAPS = ("attention", "rollout", "relevance")
_EXAMPLES = """examples:
  hw3 precompute p2_data/images/val p2_data/val.json --captioner runs/best
  hw3 precompute holiday/ --captioner runs/best --clip models/my_clip --beams 5 --out holiday.cache
  hw3 precompute p2_data/images/val p2_data/val.json --predictions theirs.json

Interrupted, even by kill -9, the same command goes on behind the last batch. While it runs, hw3-browse CACHE in
another terminal shows the pictures that are captioned.
"""


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers, "precompute", run, "caption, look, score: write the cache that hw3-browse opens", _EXAMPLES
    )
    parser.add_argument("images", type=Path, metavar="IMAGES", help="folder of pictures")
    parser.add_argument(
        "annotations", type=Path, nargs="?", metavar="ANNOTATIONS", help=f"if there are any, {ANNOTATIONS_HELP}"
    )
    add_data_arguments(parser)
    add_decoding_arguments(parser)
    parser.add_argument(
        "--captioner",
        type=Path,
        metavar="FOLDER",
        help="checkpoint of `hw3 train`, a Hugging Face model's folder, or package.module:factory (docs/captioners.md)",
    )
    parser.add_argument(
        "--predictions",
        type=Path,
        metavar="PRED.json",
        help="browse these captions, of whatever model; with --captioner too, maps are that checkpoint's, reading them",
    )
    parser.add_argument(
        "--clip",
        default="ViT-B-32-quickgelu:openai",
        metavar="MODEL",
        help="open_clip's MODEL:PRETRAINED, from the hub, or a folder (its local-dir layout); default %(default)s",
    )
    parser.add_argument("--prefix", default="", help='put before captions for CLIP; the paper has "A photo depicts"')
    parser.add_argument("--metrics", default=",".join(_METRICS), help="reference metrics, by comma (%(default)s)")
    parser.add_argument(
        "--maps",
        choices=_MAPS,
        default=_MAPS[0],
        help="raw cross-attention, its rollout through the encoder, or gradient-based relevance (%(default)s)",
    )
    parser.add_argument("--exact", action="store_true", help="keep attention in fp16 instead of 8 bits")
    parser.add_argument("--batch", type=batch_size, default=32, help="pictures at once, or auto: what memory takes")
    parser.add_argument("--workers", type=positive, default=2, help="threads that read pictures")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1")
    parser.add_argument("--precision", choices=("fp32", "fp16", "bf16"), default="fp32")
    parser.add_argument(
        "--out", type=cache_argument, metavar="CACHE", help="folder of the cache; default: one in your data folder"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a finished cache")


def run(args: argparse.Namespace) -> int:
    """Compute, and say where the cache is and what the corpus scores are."""
    from ..clip import ClipSpec  # noqa: PLC0415 (torch)
    from ..device import keep_freed_memory  # noqa: PLC0415
    from ..precompute import Options, Precompute  # noqa: PLC0415

    keep_freed_memory()
    dataset, captioner, notes = _dataset_and_captioner(args)
    options = Options(
        decoding=decoding_of(args),
        prefix=args.prefix,
        metrics=tuple(name for name in args.metrics.split(",") if name),
        exact=args.exact,
        batch=args.batch,
        workers=args.workers,
        device=args.device,
        precision=args.precision,
        overwrite=args.overwrite,
        maps=args.maps,
        notes=tuple(notes),
    )
    search = "predictions" if args.predictions else options.decoding.name
    out = args.out or caches_dir() / default_name(dataset.name, _source(args), search, args.maps)
    folder = Precompute(dataset, captioner, ClipSpec.parse(args.clip), options).run(out, say_where_to_look)
    if options.world.is_first:
        report(folder)
    return 0


def _dataset_and_captioner(args: argparse.Namespace) -> tuple[Dataset, Path | CaptionModel, list[str]]:
    """What is captioned by what, and what a reader of the cache must know of it."""
    if args.predictions is None:
        if args.captioner is None:
            raise UsageError("which captions? Give --captioner FOLDER, or --predictions PRED.json, or both")
        return dataset_of(args), args.captioner, []
    from ..captioners import OwnCaptioner, Predicted, ReadBy, joined  # noqa: PLC0415 (torch)
    from ..decoding import Decoding  # noqa: PLC0415
    from ..device import choose_device  # noqa: PLC0415
    from ..predictions import read_predictions  # noqa: PLC0415

    if decoding_of(args) != Decoding():
        raise UsageError("--predictions are finished captions: leave --beams and other options of the search out")
    predictions = read_predictions(args.predictions)
    dataset, captions, notes = joined(dataset_of(args), predictions, partial=args.broken == "skip")
    told = Predicted(args.predictions, captions)
    if args.captioner is None:
        return dataset, told, notes
    reading = ReadBy(told, OwnCaptioner(args.captioner, choose_device(args.device), args.precision))
    return dataset, reading, notes + reading.notes(captions.values())


def _source(args: argparse.Namespace) -> Path:
    """Where the captions come from, for the name of the run's folder."""
    source: Path = args.captioner if args.predictions is None else args.predictions.with_suffix("")
    return source


def default_name(dataset: str, captioner: Path, search: str, maps: str = _MAPS[0]) -> str:
    """A folder name made of what was run on what; only letters, digits, dot, dash and underscore."""
    parts = [dataset, captioner.resolve().name, search, *([] if maps == _MAPS[0] else [maps])]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(parts)).strip(".-")


def say_where_to_look(folder: Path) -> None:
    """Say how to see the captions while the rest is computed."""
    command = f"hw3-browse {shlex.quote(str(folder.absolute()))}"  # that terminal may be in another folder
    print(f"look at it while it runs, from another terminal: {command}", file=sys.stderr)


def report(folder: Path) -> None:
    """Remember the cache as the last one and print its corpus scores."""
    from ...cache.reader import Cache  # noqa: PLC0415

    remember_cache(folder)
    with Cache.open(folder) as cache:
        print(f"{len(cache)} pictures | {corpus_line(cache.manifest.corpus)}")
        for note in cache.manifest.notes:
            print(f"note: {note}")
    print(f"cache: {folder}\nopen it: hw3-browse {shlex.quote(str(folder))}", file=sys.stderr)


def corpus_line(corpus: Mapping[str, float]) -> str:
    """Corpus scores in one line, CIDEr and CLIPScore first."""
    from ..report.wording import digits_of, number  # noqa: PLC0415

    order = sorted(corpus, key=lambda name: (name != "cider", name != "clipscore"))
    return " | ".join(f"{name} {number(corpus[name], digits_of(name))}" for name in order)
