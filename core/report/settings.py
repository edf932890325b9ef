"""What was run on what, in words, and which settings differ between runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...cache.schema import RAW_MAPS
from .document import Code, Facts, Section
from .runs import CaptionRun, part_of
from .wording import UNDEFINED, count, flat, moment, setting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...cache.schema import AttentionShape
    from .document import Line
    from .runs import ClassRun, OpenRuns

# What tells runs apart without saying how, and where things lay on one machine.
_CHECKSUMS: Final = (".sha256", ".fingerprint")
_NO_SETTINGS: Final = (*_CHECKSUMS, "dataset.images", "dataset.annotations", "dataset.count")
_OUTER: Final = ("captioner.", "decoding.")
_CHECKSUM_SHOWN: Final = 12  # hexadecimal digits

Rows = list[tuple[str, "Line"]]


def data_and_models(runs: OpenRuns) -> Section:
    """Return the section that says what was run on what."""
    every: list[CaptionRun | ClassRun] = [*runs.classes, *runs.captions]
    blocks = (Section(run.title, (Facts(tuple(_facts(run))),)) for run in every)
    return Section("Data and models", tuple(blocks), "data")


def differing(runs: Sequence[CaptionRun]) -> list[tuple[str, list[str]]]:
    """Return the settings that differ between runs, and their values; checksums only where nothing else differs."""
    plans = [flat(run.manifest.plan) for run in runs]
    names = dict.fromkeys(name for plan in plans for name in plan)
    values = {name: [plan.get(name, UNDEFINED) for plan in plans] for name in names}
    unlike = [name for name in names if len(set(values[name])) > 1]
    settings = [(_short(name), values[name]) for name in unlike if not name.endswith(_NO_SETTINGS)]
    checksums = [
        (_short(name), [value[:_CHECKSUM_SHOWN] for value in values[name]])
        for name in unlike
        if name.endswith(_CHECKSUMS)
    ]
    return settings or checksums


def _short(name: str) -> str:
    """Return a setting's name without the part that goes without saying."""
    return next((name.removeprefix(outer) for outer in _OUTER if name.startswith(outer)), name)


def _facts(run: CaptionRun | ClassRun) -> Rows:
    plan = run.manifest.plan
    own = _of_captions(run) if isinstance(run, CaptionRun) else _of_classes(run)
    rows = [("Pictures", _pictures(run)), *own, ("CLIP", _clip(part_of(plan, "clip")))]
    rows.append(("Computed", moment(run.manifest.created)))
    rows += [("Note", note) for note in run.manifest.notes]
    return [(name, line) for name, line in rows if line]


def _pictures(run: CaptionRun | ClassRun) -> Line:
    total = count(run.manifest.count, "picture")
    if isinstance(run, CaptionRun) and run.unfinished:
        total = f"{len(run.cache):,} of {total} so far: the run is not finished"
    checksum = str(part_of(run.manifest.plan, "dataset").get("fingerprint") or "")
    return (f"{run.dataset}, {total}", *_checksum("fingerprint", checksum))


def _of_captions(run: CaptionRun) -> Rows:
    captioner, shape = part_of(run.manifest.plan, "captioner"), run.manifest.attention
    return [
        ("Captioner", _captioner(captioner)),
        ("Captions of" if captioner.get("kind") == "predictions" else "Checkpoint", _checkpoint(captioner)),
        ("Decoding", _decoding(part_of(run.manifest.plan, "decoding"))),
        ("Attention" if run.manifest.maps == RAW_MAPS else "Maps", _attention(shape, run.manifest.maps)),
    ]


def _attention(shape: AttentionShape | None, maps: str) -> str:
    if shape is None:
        return "none: the captioner told nothing of it"
    kind = "" if maps == RAW_MAPS else f"{maps}, "
    return f"{kind}{shape.layers} layers, {count(shape.heads, 'head')}, {shape.rows} x {shape.cols} patches"


def _of_classes(run: ClassRun) -> Rows:
    return [
        ("Classes", count(len(run.run.labels), "class", "classes")),
        ("Prompts", count(len(run.run.prompts), "prompt")),
        ("Logit scale", f"{run.manifest.logit_scale:.4g}: probabilities are the softmax of this times the cosine"),
    ]


def _captioner(captioner: Mapping[str, Any]) -> str:
    encoder, decoder = part_of(captioner, "encoder"), part_of(captioner, "decoder")
    found = [str(encoder["name"])] if encoder.get("name") else []
    size = part_of(captioner, "preprocess").get("input_size")
    if isinstance(size, list):
        found.append(f"input {' x '.join(map(setting, size))}")
    amounts = [f"{setting(decoder[key])} {key}" for key in ("layers", "heads") if key in decoder]
    amounts += [f"width {setting(decoder['width'])}"] if "width" in decoder else []
    others = captioner.get("others")
    more = f", and {count(len(others), 'further decoder')}" if isinstance(others, list) else ""
    return "; ".join([", ".join(found), f"decoder of {', '.join(amounts)}{more}"] if amounts else found)


def _checkpoint(captioner: Mapping[str, Any]) -> Line:
    name = str(captioner.get("name") or "")
    return (name, *_checksum("sha256", str(captioner.get("sha256") or ""))) if name else ""


def _decoding(decoding: Mapping[str, Any]) -> str:
    if "beams" not in decoding:
        return ", ".join(f"{name.replace('_', ' ')} {setting(value)}" for name, value in decoding.items())
    parts = ["greedy"] if decoding["beams"] == 1 else [f"beam search, {setting(decoding['beams'])} beams"]
    parts = ["sampling"] if decoding.get("sample") else parts
    others = {name: value for name, value in decoding.items() if name not in {"beams", "sample"}}
    return ", ".join(parts + [f"{name.replace('_', ' ')} {setting(value)}" for name, value in others.items()])


def _clip(clip: Mapping[str, Any]) -> Line:
    names = [str(clip[key]) for key in ("model", "pretrained") if clip.get(key)]
    if not names:
        return ""
    prefix = f', captions after "{clip["prefix"]}"' if clip.get("prefix") else ""
    return (", ".join(names) + prefix, *_checksum("sha256", str(clip.get("sha256") or "")))


def _checksum(name: str, value: str) -> tuple[str | Code, ...]:
    return (f" ({name} ", Code(value[:_CHECKSUM_SHOWN]), ")") if value else ()
