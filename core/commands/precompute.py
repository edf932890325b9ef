"""``hw3 precompute``: captions, attention, CLIPScore and reference metrics of a dataset into a cache."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from ...cache.places import caches_dir, remember_cache
from .arguments import Subparsers, add_command, cache_argument, positive

_METRICS = ("bleu", "rouge_l", "cider", "meteor")
_EXAMPLES = """examples:
  hw3 precompute p2_data/images/val p2_data/val.json --captioner runs/best
  hw3 precompute holiday/ --captioner runs/best --clip models/my_clip --beams 5 --out holiday.cache

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
        "annotations", type=Path, nargs="?", metavar="ANNOTATIONS", help="COCO-style json with the references, if any"
    )
    parser.add_argument("--captioner", type=Path, required=True, metavar="FOLDER", help="checkpoint of `hw3 train`")
    parser.add_argument(
        "--clip",
        default="ViT-B-32-quickgelu:openai",
        metavar="MODEL",
        help="open_clip's MODEL:PRETRAINED, from the hub, or a folder (its local-dir layout); default %(default)s",
    )
    parser.add_argument("--prefix", default="", help='put before captions for CLIP; the paper has "A photo depicts"')
    parser.add_argument("--metrics", default=",".join(_METRICS), help="reference metrics, by comma (%(default)s)")
    parser.add_argument("--beams", type=positive, default=1, help="beam search with so many beams; 1 is greedy")
    parser.add_argument("--length-penalty", type=float, default=1.0, help="exponent of the length in beam search")
    parser.add_argument("--max-length", type=positive, default=40, help="most tokens of a caption")
    parser.add_argument("--exact", action="store_true", help="keep attention in fp16 instead of 8 bits")
    parser.add_argument("--batch", type=positive, default=32, help="pictures at once")
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
    from ..datasets import open_dataset  # noqa: PLC0415
    from ..decoding import Decoding  # noqa: PLC0415
    from ..device import keep_freed_memory  # noqa: PLC0415
    from ..precompute import Options, Precompute  # noqa: PLC0415

    keep_freed_memory()
    dataset = open_dataset(args.images, args.annotations)
    options = Options(
        decoding=Decoding(args.beams, args.length_penalty, args.max_length),
        prefix=args.prefix,
        metrics=tuple(name for name in args.metrics.split(",") if name),
        exact=args.exact,
        batch=args.batch,
        workers=args.workers,
        device=args.device,
        precision=args.precision,
        overwrite=args.overwrite,
    )
    out = args.out or caches_dir() / default_name(dataset.name, args.captioner, args.beams)
    folder = Precompute(dataset, args.captioner, ClipSpec.parse(args.clip), options).run(out, say_where_to_look)
    report(folder)
    return 0


def default_name(dataset: str, captioner: Path, beams: int) -> str:
    """A folder name made of what was run on what; only letters, digits, dot, dash and underscore."""
    search = "greedy" if beams == 1 else f"beam{beams}"
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{dataset}-{captioner.resolve().name}-{search}").strip(".-")


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
    order = sorted(corpus, key=lambda name: (name != "cider", name != "clipscore"))
    return " | ".join(f"{name} {corpus[name]:.4f}" for name in order)
