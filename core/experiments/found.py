"""Finds training runs and caches on disk, and which belong together.

Contract: a training run is a folder that `hw3 train` wrote, a cache one that `hw3 precompute` has finished. A cache
knows the SHA-256 of the checkpoint that it was made from, and a run those of its checkpoints, so that they find each
other wherever they lie. Needs no torch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...cache.errors import CacheError, CheckpointError, UsageError
from ...cache.folders import read_manifest
from ...cache.schema import MANIFEST_FILE, Manifest
from ..identity import checkpoint_identity
from ..report.runs import part_of as _part
from ..report.wording import flat

_DEPTH: Final = 3  # folders below a given one in which runs are looked for
_CHECKPOINTS: Final = ("best", "last")
_RUN_FILE: Final = "run.json"
_LARGEST: Final = 16 << 20  # bytes of a run.json or log.jsonl
# What has no part in the outcome, or is said otherwise.
_NO_SETTINGS: Final = frozenset(
    {f"optim.{name}" for name in ("threads", "device", "save_minutes", "tensorboard", "validate_every")}
    | {f"optim.validate_{name}" for name in ("steps", "pictures", "beams")}
    | {"decoding.max_length", "clip.sha256", "clip.prefix", "encoder.preprocess"}
)
_OF_CACHE: Final = ("decoding", "clip", "precision")


@dataclass(frozen=True)
class Training:
    """A training run.

    Attributes:
        folder: where it lies.
        settings: of the run, flat; those of the checkpoint alone where the run has no record.
        checkpoints: SHA-256 of each of its checkpoints, and their validation CIDEr where it is known.
    """

    folder: Path
    settings: Mapping[str, str]
    checkpoints: Mapping[str, tuple[str, float | None]]


@dataclass(frozen=True)
class Experiment:
    """A row of the table.

    Attributes:
        name: of the training run where it is known, else of the cache.
        settings: flat names and values.
        scores: corpus scores by name.
        validation: whether the only score is that of validation in training.
    """

    name: str
    settings: Mapping[str, str]
    scores: Mapping[str, float]
    validation: bool = False


def find(folders: Sequence[Path]) -> list[Experiment]:
    """The experiments in and below some folders: a row a cache, and a row a training run that no cache was made of.

    Raises:
        UsageError: a folder does not exist, or there is nothing in any of them.
    """
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder")
    found = dict.fromkeys(each for folder in folders for each in _walk(folder.resolve(), _DEPTH))
    trainings = [_training(path) for kind, path in found if kind == "training"]
    opened = [(path, _manifest(path)) for kind, path in found if kind == "cache"]
    caches = [(path, manifest) for path, manifest in opened if manifest is not None]
    if not trainings and not caches:
        where = ", ".join(map(str, folders))
        raise UsageError(f"{where}: no training run (hw3 train) and no finished cache (hw3 precompute) in there")
    of_checkpoint: dict[str, tuple[Training | None, str]] = {
        sha: (run, name) for run in trainings for name, (sha, _) in run.checkpoints.items()
    }
    rows = [_of_cache(path, manifest, of_checkpoint) for path, manifest in caches]
    captioned = {_part(manifest.plan, "captioner").get("sha256") for _, manifest in caches}
    alone = [run for run in trainings if not captioned & {sha for sha, _ in run.checkpoints.values()}]
    return rows + [_of_training(run) for run in alone]


def _walk(folder: Path, depth: int) -> Iterator[tuple[str, Path]]:
    if (folder / MANIFEST_FILE).is_file():
        yield "cache", folder
    elif (folder / _RUN_FILE).is_file() or (folder / "best" / "config.json").is_file():
        yield "training", folder
    elif depth:
        for inner in sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()):
            yield from _walk(inner, depth - 1)


def _manifest(folder: Path) -> Manifest | None:
    """The manifest of a cache of captions; None for anything else, such as a zero-shot run."""
    try:
        return Manifest.from_json(read_manifest(folder)[0], str(folder))
    except CacheError:
        return None


def _training(folder: Path) -> Training:
    if not (folder / _RUN_FILE).is_file():
        return _without_record(folder)
    record = _json(folder / _RUN_FILE)
    settings, noted = record.get("settings"), record.get("checkpoints")
    if not isinstance(settings, dict) or not isinstance(noted, dict):
        raise UsageError(f"{folder / _RUN_FILE}: damaged (no settings or no checkpoints)")
    checkpoints = {
        name: (str(each.get("sha256")), _number(each.get("cider")))
        for name, each in noted.items()
        if isinstance(each, dict)
    }
    return Training(folder, _settings(settings), checkpoints)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _without_record(folder: Path) -> Training:
    """A run of an earlier version, or checkpoints that were copied: what they say themselves."""
    config = _json(folder / "best" / "config.json")
    settings = _settings({name: config.get(name) or {} for name in ("encoder", "decoder")})
    checkpoints: dict[str, tuple[str, float | None]] = {}
    for name in _CHECKPOINTS:
        try:
            checkpoints[name] = (checkpoint_identity(folder / name)["sha256"], _best_logged(folder))
        except CheckpointError:
            continue
    return Training(folder, settings, checkpoints)


def _best_logged(folder: Path) -> float | None:
    """The highest validation CIDEr in a run's log."""
    try:
        lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
        found = [float(row["cider"]) for row in map(json.loads, lines) if isinstance(row, dict) and "cider" in row]
    except (OSError, ValueError, TypeError):
        return None
    return max(found, default=None)


def _of_cache(path: Path, manifest: Manifest, known: Mapping[str, tuple[Training | None, str]]) -> Experiment:
    plan = manifest.plan
    captioner = _part(plan, "captioner")
    run, checkpoint = known.get(str(captioner.get("sha256")), (None, "best"))
    own = run.settings if run else _settings({name: captioner.get(name) or {} for name in ("encoder", "decoder")})
    settings = dict(own) | _settings({name: plan[name] for name in _OF_CACHE if name in plan})
    if "decoder" in captioner:  # more than one in an ensemble, whose other settings are those of the first
        others = captioner.get("others")
        settings["decoders"] = str(1 + len(others) if isinstance(others, list) else 1)
    settings["pictures"] = f"{_part(plan, 'dataset').get('name', '')} ({manifest.count:,})"
    if checkpoint != "best":
        settings["checkpoint"] = checkpoint
    return Experiment(run.folder.name if run else path.name, settings, manifest.corpus)


def _of_training(run: Training) -> Experiment:
    _, cider = run.checkpoints.get("best", ("", None))
    return Experiment(run.folder.name, run.settings, {} if cider is None else {"cider": cider}, validation=True)


def _settings(nested: Mapping[str, Any]) -> dict[str, str]:
    """Flat settings that may matter; a path by its last name."""
    lines = flat(nested)
    kept = {name: value for name, value in lines.items() if not name.startswith(tuple(_NO_SETTINGS))}
    return {name: Path(value).name if value.startswith("/") else value for name, value in kept.items()}


def _json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        UsageError: there is none.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise UsageError(f"{path}: too large to be what its name says")
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path}: holds no object")
    return content
