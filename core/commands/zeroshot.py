"""``hw3 zeroshot``: classify pictures by CLIP, without training, and compare prompts."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ...cache.errors import UsageError
from ...cache.places import caches_dir, remember_cache
from ...cache.text import printable
from .arguments import Subparsers, add_command, cache_argument, positive
from .topfive import add_choice, prompt_number, save_figures

if TYPE_CHECKING:
    from ...cache.zeroshot import ZeroShotRun
    from ..zeroshot.prompts import PromptSpec

_EXAMPLES = """examples:
  hw3 zeroshot p1_data/val p1_data/id2label.json out.csv
  hw3 zeroshot p1_data/val p1_data/id2label.json out.csv --prompt "This is a photo of {object}" \\
      --prompt "This is a {object} image." --prompt "No {object}, no score." --figures figures --mistakes 5
  hw3 zeroshot photos photos out.csv --templates imagenet --articles --clip ViT-L-14:openai
                                    (the classes are the sub-folders of photos)

OUT.csv has the predictions of the first prompt (--csv-prompt takes another), the table all prompts. Where each file
name begins with its class id (17_452.png), or folders are called by classes, accuracies are shown. Embeddings are kept:
other prompts on the same pictures take seconds, and what was interrupted goes on.
"""


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_command(subparsers, "zeroshot", run, "classify pictures by CLIP and compare prompts", _EXAMPLES)
    parser.add_argument("images", type=Path, metavar="IMAGES", help="folder of pictures, or of class folders")
    parser.add_argument(
        "labels",
        type=Path,
        metavar="LABELS",
        help="id2label.json, a list (json, or text with one a line), a CSV, or a folder with a sub-folder a class",
    )
    parser.add_argument("out", type=Path, metavar="OUT.csv", help="gets `filename,label`, the label being the id")
    prompts = parser.add_argument_group("prompts", "in this order in the table; without any: 'A photo of a {object}.'")
    prompts.add_argument("--prompt", action="append", default=[], metavar="TEXT", help="with {object}; repeatable")
    prompts.add_argument(
        "--prompts", type=Path, metavar="FILE", help="one a line; or json, a list or ensembles {name: [prompt, ...]}"
    )
    prompts.add_argument(
        "--templates", choices=("imagenet", "simple"), help="OpenAI's published ensemble of 80 prompts, or of 7"
    )
    prompts.add_argument("--ensemble", action="store_true", help="also all of the above averaged")
    prompts.add_argument("--articles", action="store_true", help='make "a {object}" right: "an apple"')
    prompts.add_argument(
        "--csv-prompt", type=positive, default=1, metavar="N", help="whose predictions OUT.csv and figures show"
    )
    parser.add_argument(
        "--clip",
        default="ViT-B-32:openai",
        metavar="MODEL",
        help="open_clip's MODEL:PRETRAINED, from the hub, or a folder (its local-dir layout); default %(default)s",
    )
    parser.add_argument(
        "--truth",
        choices=("auto", "name", "folder", "none"),
        default="auto",
        help="where the true classes are: in file names, in folders' names, or nowhere",
    )
    parser.add_argument("--details", action="store_true", help="print worst classes, mistakes, calibration as well")
    parser.add_argument(
        "--run", dest="folder", type=cache_argument, metavar="FOLDER", help="of the run; default: in your data folder"
    )
    parser.add_argument("--batch", type=positive, default=64, help="pictures at once")
    parser.add_argument("--workers", type=positive, default=2, help="threads that read pictures")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1")
    parser.add_argument("--precision", choices=("fp32", "fp16", "bf16"), default="fp32")
    parser.add_argument(
        "--figures", type=cache_argument, metavar="DIR", help="save figures of pictures and their bars here"
    )
    add_choice(parser)


def run(args: argparse.Namespace) -> int:
    """Classify, write CSV and run, print the table."""
    from ...cache.zeroshot import ZeroShotRun  # noqa: PLC0415
    from ..clip import ClipSpec  # noqa: PLC0415 (torch)
    from ..datasets import open_folders  # noqa: PLC0415
    from ..device import keep_freed_memory  # noqa: PLC0415
    from ..zeroshot.labels import read_labels  # noqa: PLC0415
    from ..zeroshot.run import Options, Task, classify, write_csv  # noqa: PLC0415
    from ..zeroshot.table import detail_lines  # noqa: PLC0415

    _check_out(args.out)
    prompts = _prompts(args)
    prompt = prompt_number(args.csv_prompt, len(prompts), "--csv-prompt")
    task = Task(open_folders(args.images), read_labels(args.labels), tuple(prompts), args.labels)
    keep_freed_memory()
    options = Options(
        articles=args.articles,
        truth=args.truth,
        batch=args.batch,
        workers=args.workers,
        device=args.device,
        precision=args.precision,
    )
    folder = args.folder or caches_dir() / _default_name(task.dataset.name, args.clip)
    folder = classify(task, ClipSpec.parse(args.clip), folder, options)
    with ZeroShotRun.open(folder) as found:
        write_csv(found, prompt, args.out)
        print_table(found, prompt)
        if args.details:
            print("\n".join(detail_lines(found.manifest, prompt)))
        if args.figures:
            for path in save_figures(found, prompt, args, args.figures):
                print(path)
    remember_cache(folder)
    quoted = shlex.quote(str(folder))
    print(f"predictions: {args.out}\nrun: {folder}", file=sys.stderr)
    print(f"open it: hw3-browse {quoted}\nfigures of it: hw3 topfive {quoted}", file=sys.stderr)
    return 0


def print_table(found: ZeroShotRun, prompt: int = 0) -> None:
    """Print the accuracy of one prompt as the assignment's report does, the table of all, and the remarks."""
    from ..zeroshot.table import accuracy, prompt_lines  # noqa: PLC0415

    summary = found.prompts[prompt].summary
    if summary is None:
        print(f"{len(found)} pictures; no accuracy, since neither file names nor folders say their classes")
    else:
        print(f"Accuracy: {accuracy(summary)}")
    print("\n".join(prompt_lines(found)))
    for note in found.manifest.notes:
        print(f"note: {printable(note)}")


def _prompts(args: argparse.Namespace) -> list[PromptSpec]:
    """The prompts asked for, in the order of the table."""
    from ..zeroshot import prompts  # noqa: PLC0415

    asked = [prompts.single(template) for template in args.prompt]
    if args.prompts:
        asked += prompts.read_prompts(args.prompts)
    if args.templates:
        asked.append(prompts.published(args.templates))
    asked = prompts.distinct(asked or [prompts.single(prompts.DEFAULT)])
    if args.ensemble:
        together = prompts.together(asked)
        if not together.is_ensemble:
            raise UsageError("--ensemble: averages several prompts; give more of them with --prompt or --prompts")
        asked = prompts.distinct([*asked, together])
    return asked


def _check_out(out: Path) -> None:
    """Find out now, not behind an hour of work, that the CSV cannot be written."""
    if out.is_dir():
        raise UsageError(f"{printable(str(out))} is a folder; give a file for the predictions")
    if out.parent.exists() and not out.parent.is_dir():
        raise UsageError(f"{printable(str(out.parent))} is a file, so {printable(out.name)} cannot be in it")


def _default_name(dataset: str, clip: str) -> str:
    """A folder name made of what was classified by what; only letters, digits, dot, dash and underscore."""
    model = Path(clip).name or clip
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"zeroshot-{dataset}-{model}").strip(".-")
