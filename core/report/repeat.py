"""How to do it again: commands, versions, all settings."""

from __future__ import annotations

import platform
import re
import shlex
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from .document import Code, Commands, Paragraph, Section, Table
from .runs import CaptionRun
from .wording import UNDEFINED, flat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...cache.zeroshot import Manifest
    from .document import Block, Line
    from .runs import ClassRun, OpenRuns

_PUBLISHED: Final = re.compile(r"(imagenet|simple) ensemble \(")
_SEARCH: Final = (
    "beams",
    "length_penalty",
    "max_length",
    "min_length",
    "no_repeat_ngram",
    "sample",
    "temperature",
    "top_p",
    "seed",
    "keep",
)
_DRAWN_BY: Final = ("hw3-browse", "matplotlib", "numpy", "pillow", "pyarrow")


def repeating(runs: OpenRuns, command: str) -> Section:
    """Return the section of commands, versions and all settings.

    Args:
        runs: Of the report.
        command: What made the report; empty if it was no command.
    """
    every: list[CaptionRun | ClassRun] = [*runs.classes, *runs.captions]
    blocks: list[Block] = []
    for run in every:
        blocks += _commands(run)
    blocks += [Paragraph("This report:"), Commands((command,))] if command else []
    blocks.append(_versions(every))
    blocks += [_settings("Settings of the runs of captions", runs.captions)] if runs.captions else []
    blocks += [_settings("Settings of the zero-shot runs", runs.classes)] if runs.classes else []
    return Section("To repeat it", tuple(blocks), "repeat")


def made_by() -> str:
    """Return program and version."""
    return f"hw3-browse {version('hw3-browse')}"


def _commands(run: CaptionRun | ClassRun) -> list[Block]:
    """Return what makes a run; nothing of a run that no command of this version made."""
    plan = run.manifest.plan
    try:
        if isinstance(run, CaptionRun):
            line = precompute_line(plan, run.title)
            said: Line = (f"{run.title}:",)
            if "sha256" in plan["captioner"]:
                what = "captions are the file" if _are_predictions(plan["captioner"]) else "captioner is the checkpoint"
                said = (f"{run.title}; the {what} of sha256 ", Code(plan["captioner"]["sha256"]), ":")
        else:
            line, said = zeroshot_line(run.manifest, run.title), f"{run.title}:"
    except (KeyError, TypeError):
        return []
    return [Paragraph(said), Commands((line,))]


def precompute_line(plan: Mapping[str, Any], out: str) -> str:
    """Return the command that makes a run of this plan.

    Raises:
        KeyError, TypeError: The plan is not one of `hw3 precompute`.
    """
    dataset, decoding, clip = plan["dataset"], plan["decoding"], plan["clip"]
    words = ["hw3", "precompute", dataset["images"]]
    words += [dataset["annotations"]] if dataset["annotations"] else []
    chosen = [name for name in ("split", "columns", "broken") if name in dataset]
    words += [word for name in chosen for word in (f"--{name}", dataset[name])]
    words += _source(plan["captioner"])
    words += ["--clip", _clip(clip)]
    words += ["--prefix", clip["prefix"]] if clip["prefix"] else []
    words += ["--metrics", ",".join(plan["metrics"])]
    words += _search(decoding)
    words += ["--precision", plan["precision"]]
    words += ["--maps", plan["maps"]] if "maps" in plan else []
    words += ["--exact"] if plan["attention"] == "exact" else []
    return shlex.join([*map(str, words), "--out", out])


def _source(captioner: Mapping[str, Any]) -> list[str]:
    if not _are_predictions(captioner):
        return ["--captioner", captioner["name"]]
    reader = ["--captioner", captioner["reader"]["name"]] if "reader" in captioner else []
    return ["--predictions", captioner["name"], *reader]


def _are_predictions(captioner: Mapping[str, Any]) -> bool:
    return captioner.get("kind") == "predictions"


def _search(decoding: Mapping[str, Any]) -> list[str]:
    """Return the options of the caption search, as `core.commands.decoding` has them."""
    words = []
    for name in _SEARCH:
        option, value = f"--{name.replace('_', '-')}", decoding.get(name)
        words += [] if value is None else [option] if value is True else [option, str(value)]
    return words


def zeroshot_line(manifest: Manifest, out: str) -> str:
    """Return the command that makes a zero-shot run; ensembles from a file are left out, since the file has gone.

    Raises:
        KeyError, TypeError: The plan is not one of `hw3 zeroshot`.
    """
    plan = manifest.plan
    words = ["hw3", "zeroshot", plan["dataset"]["images"], plan["labels"] or "LABELS", f"{out}.csv"]
    for prompt in manifest.prompts:
        published = _PUBLISHED.match(prompt.name)
        if len(prompt.templates) == 1:
            words += ["--prompt", prompt.templates[0]]
        elif published:
            words += ["--templates", published[1]]
        elif prompt.name.startswith("ensemble ("):
            words += ["--ensemble"]
    words += ["--articles"] if plan["articles"] else []
    words += ["--clip", _clip(plan["clip"]), "--truth", plan["truth"], "--precision", plan["precision"]]
    return shlex.join([*map(str, words), "--run", out])


def _clip(clip: Mapping[str, Any]) -> str:
    """Return the argument that names a CLIP; of a folder only its name is known."""
    return f"./{clip['model']}" if clip["pretrained"] == "local folder" else f"{clip['model']}:{clip['pretrained']}"


def _versions(runs: Sequence[CaptionRun | ClassRun]) -> Table:
    columns: list[Mapping[str, str]] = [run.manifest.versions for run in runs]
    columns.append({"python": platform.python_version()} | {name: version(name) for name in _DRAWN_BY})
    return _side_by_side("Versions", [*(run.title for run in runs), "this report"], columns)


def _settings(caption: str, runs: Sequence[CaptionRun] | Sequence[ClassRun]) -> Table:
    columns = [flat(run.manifest.plan) for run in runs]
    return _side_by_side(caption, [run.title for run in runs], columns)


def _side_by_side(caption: str, titles: Sequence[str], columns: Sequence[Mapping[str, str]]) -> Table:
    """Return a table with a column for each run and a row for each name that one of them knows."""
    names = dict.fromkeys(name for column in columns for name in column)
    rows = tuple((name, *(column.get(name, UNDEFINED) for column in columns)) for name in names)
    return Table(caption, ("", *titles), rows, frozenset(range(len(titles) + 1)))
