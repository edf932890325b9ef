"""``hw3 evaluate``: CIDEr, CLIPScore and their kin of a file of captions, whatever wrote it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...cache.errors import DatasetError, UsageError
from ...cache.text import printable
from .arguments import Subparsers, add_command, cache_argument, positive
from .data import ANNOTATIONS_HELP, add_data_arguments, dataset_of

if TYPE_CHECKING:
    from ..clip import Clip
    from ..datasets import Dataset
    from ..predictions import Matched

_METRICS: Final = ("bleu", "rouge_l", "cider", "meteor")
_LONGEST_NOTE: Final = 400  # characters
_FIRST: Final = ("cider", "clipscore")
_ORDER: Final = (
    "bleu1", "bleu2", "bleu3", "bleu4", "rouge_l", "meteor", "cider", "clipscore", "refclipscore",
    "distinct1", "distinct2", "vocabulary", "mean_length", "unique", "novel",
)  # fmt: skip
_EXAMPLES: Final = """examples:
  hw3 evaluate out.json --images p2_data/images/val --annotations p2_data/val.json
  hw3 evaluate results.json --annotations dataset_coco.json --split test --json scores.json
  hw3 evaluate out.json --images val/ --annotations val.json --clip models/my_clip --train-annotations train.json

PRED.json is {"name": "caption"}, names with or without extension, or COCO results [{image_id, caption}].
Captions and pictures must fit; with --partial those that do are scored, and a note names the others.
"""


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_command(subparsers, "evaluate", run, "score a file of captions", _EXAMPLES)
    parser.add_argument("predictions", type=Path, metavar="PRED.json", help="the captions")
    parser.add_argument("--images", type=Path, metavar="DIR", help="the pictures; without them there is no CLIPScore")
    parser.add_argument("--annotations", type=Path, metavar="FILE", help=ANNOTATIONS_HELP)
    parser.add_argument(
        "--clip",
        default="ViT-B-32-quickgelu:openai",
        metavar="MODEL",
        help="open_clip's MODEL:PRETRAINED, from the hub, or a folder (its local-dir layout), or none; "
        "default %(default)s",
    )
    parser.add_argument("--prefix", default="", help='put before captions for CLIP; the paper has "A photo depicts"')
    parser.add_argument("--metrics", default=",".join(_METRICS), help="reference metrics, by comma (%(default)s)")
    parser.add_argument(
        "--train-annotations",
        type=Path,
        metavar="FILE",
        help="what the captioner has learnt from: other captions are novel",
    )
    parser.add_argument("--partial", action="store_true", help="score what fits, and name what does not")
    parser.add_argument("--json", type=cache_argument, metavar="OUT", help="write the scores of the whole set")
    parser.add_argument("--csv", type=cache_argument, metavar="OUT", help="write a row a picture")
    parser.add_argument("--batch", type=positive, default=64, help="pictures at once")
    parser.add_argument("--workers", type=positive, default=2, help="threads that read pictures")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1")
    parser.add_argument("--precision", choices=("fp32", "fp16", "bf16"), default="fp32")
    add_data_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Score, print, and write what was asked for."""
    from ..datasets import Columns  # noqa: PLC0415 (Pillow)
    from ..predictions import MisfitError, match, read_predictions  # noqa: PLC0415

    metrics = tuple(name for name in args.metrics.split(",") if name)
    _check(args)
    predictions = read_predictions(args.predictions)
    dataset = dataset_of(args)
    try:
        matched = match(predictions, dataset, partial=args.partial)
    except MisfitError as error:
        raise DatasetError(f"{error}; --partial scores what fits") from error

    from ..device import keep_freed_memory  # noqa: PLC0415 (torch)
    from ..evaluating import Options, score, training_captions, write_csv, write_json  # noqa: PLC0415
    from ..metrics.evaluate import require  # noqa: PLC0415

    if dataset.has_references:
        require(metrics)
    columns = Columns.parse(args.columns) if args.columns else None
    training = training_captions(args.train_annotations, columns) if args.train_annotations else None
    keep_freed_memory()
    clip = _clip(args)
    options = Options(metrics, args.prefix, args.precision, args.batch, args.workers)
    scores = score(matched, dataset, clip, options, training)
    missing = list(_missing(args, dataset))
    print("\n".join([headline(scores.corpus), *table(scores.corpus)]))
    print(f"{len(matched.items):,} pictures of {printable(dataset.name)}")
    for note in (*missing, *scores.notes):
        print(f"note: {_shortened(printable(note))}")
    if args.json:
        write_json(args.json, scores, _about(args, dataset, clip, matched))
    if args.csv:
        write_csv(args.csv, matched, scores)
    return 0


def headline(corpus: Mapping[str, float]) -> str:
    """Return the assignment's two scores, as far as they are known."""
    from ..report.wording import number, score_label  # noqa: PLC0415

    parts = [f"{score_label(name)}: {number(corpus[name])}" for name in _FIRST if name in corpus]
    return " | ".join(parts) or "neither CIDEr nor CLIPScore"


def table(corpus: Mapping[str, float]) -> list[str]:
    """Return a line a score: its name, its value, what it is."""
    from ..metrics.diversity import DESCRIPTIONS as OF_ALL  # noqa: PLC0415
    from ..report.wording import digits_of, number, score_label  # noqa: PLC0415
    from ..scoring import DESCRIPTIONS  # noqa: PLC0415

    about = {**DESCRIPTIONS, **OF_ALL}
    names = [name for name in _ORDER if name in corpus]
    labels = [score_label(name) for name in names]
    values = [number(corpus[name], digits_of(name)) for name in names]
    wide, long = max(map(len, labels), default=0), max(map(len, values), default=0)
    return [
        f"{label:<{wide}}  {value:>{long}}  {about.get(name, '')}"
        for name, label, value in zip(names, labels, values, strict=True)
    ]


def _check(args: argparse.Namespace) -> None:
    """Find out now, not behind minutes of work, what is missing."""
    if args.images is None and args.annotations is None:
        raise UsageError("what are the captions of? Give --images DIR, --annotations FILE, or both")
    if args.broken == "skip" and args.images is None:
        raise UsageError("--broken skip looks at the pictures: give --images DIR")
    for out in (args.json, args.csv):
        if out is not None and out.is_dir():
            raise UsageError(f"{printable(str(out))} is a folder; give a file")


def _clip(args: argparse.Namespace) -> Clip | None:
    if args.images is None or args.clip == "none":
        return None
    from ..clip import Clip, ClipSpec  # noqa: PLC0415 (torch)
    from ..device import choose_device  # noqa: PLC0415

    return Clip.load(ClipSpec.parse(args.clip), choose_device(args.device))


def _missing(args: argparse.Namespace, dataset: Dataset) -> Iterator[str]:
    """Say which scores there are not, and why."""
    if args.images is None:
        yield "no CLIPScore, which needs the pictures: --images DIR"
    elif args.clip == "none":
        yield "no CLIPScore: --clip none"
    if not dataset.has_references:
        yield "no CIDEr, BLEU, ROUGE-L, METEOR, which need references: " + (
            "the annotations have no captions" if args.annotations else "--annotations FILE"
        )


def _shortened(note: str) -> str:
    """Return a note with as many of its names as a reader will read; `--json` has all."""
    if len(note) <= _LONGEST_NOTE:
        return note
    return f"{note[:_LONGEST_NOTE].rpartition(',')[0]}, ... (all of them: --json)"


def _about(args: argparse.Namespace, dataset: Dataset, clip: Clip | None, matched: Matched) -> dict[str, Any]:
    """Return what the scores are of."""
    return {
        "predictions": str(args.predictions.resolve()),
        "pictures": len(matched.items),
        "dataset": {
            "name": dataset.name,
            "images": None if args.images is None else str(args.images.resolve()),
            "annotations": None if args.annotations is None else str(args.annotations.resolve()),
            "split": args.split,
            "fingerprint": dataset.fingerprint,
        },
        "clip": None if clip is None else {**clip.identity, "prefix": args.prefix},
        "left_out": [{"path": one.path, "why": one.why} for one in dataset.skipped],
        "without_caption": list(matched.missing),
        "without_picture": list(matched.unknown),
    }
