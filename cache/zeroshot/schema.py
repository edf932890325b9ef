"""What a zero-shot run says about itself: labels, prompts, and how well each prompt did.

A *prompt* is a template with a place for the class ("This is a photo of {object}"), or several of them whose text
embeddings are averaged (an ensemble). Labels are numbered from 0 in the order of `Manifest.labels`; prompts likewise.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from ..checked import natural, number, optional_number, typed
from ..errors import CacheDamaged, CacheNewer, CacheNotFound
from ..schema import FORMAT, MANIFEST_FILE, ZEROSHOT_FORMAT

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT_VERSION: Final = 1
MOST_GUESSES: Final = 5
"""Labels that are kept for each picture and prompt, best first."""


@dataclass(frozen=True, slots=True)
class Label:
    """A class.

    Attributes:
        id: What the CSV of predictions and file names call it, such as "17".
        name: What prompts call it, such as "teddy bear".
    """

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Tally:
    """How a class fared.

    Attributes:
        label: The class.
        correct: Its pictures that were recognised.
        count: Its pictures; at least one.
    """

    label: int
    correct: int
    count: int


@dataclass(frozen=True, slots=True)
class Confusion:
    """A mistake that was made `count` times: pictures of class `label` were taken for class `guess`."""

    label: int
    guess: int
    count: int


@dataclass(frozen=True, slots=True)
class Bin:
    """Pictures of like confidence.

    Attributes:
        low: Confidence from which they are, exclusive; a confidence of 0 is in the first bin.
        high: Confidence up to which they are, inclusive.
        count: How many.
        confidence: Their mean confidence, NaN where there is none.
        accuracy: The share of them that was recognised, NaN where there is none.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Summary:
    """How well a prompt did on the pictures whose class is known; shares are from 0 to 1.

    Attributes:
        count: Pictures whose class is known; at least one.
        correct: Those that were recognised.
        top5: Share of those whose class is among the five most probable ones.
        class_mean: Mean over the classes of the share that was recognised.
        low: Lower end of Wilson's 95 % interval of the accuracy.
        high: Upper end of it.
        calibration_error: Expected calibration error over `bins`.
        bins: Confidence against accuracy.
        tallies: Each class that has pictures, worst first.
        confusions: The most frequent mistakes, most frequent first.
    """

    count: int
    correct: int
    top5: float
    class_mean: float
    low: float
    high: float
    calibration_error: float
    bins: tuple[Bin, ...]
    tallies: tuple[Tally, ...]
    confusions: tuple[Confusion, ...]

    @property
    def accuracy(self) -> float:
        """The share of the pictures that was recognised."""
        return self.correct / self.count


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt and what came of it.

    Attributes:
        name: What it is called: the template itself, or the ensemble's name.
        templates: One, or those whose text embeddings are averaged; the class goes to `{object}`.
        texts: For each label what a chart writes beside its bar: the whole prompt, or the class of an ensemble.
        summary: How well it did; None where no picture's class is known.
    """

    name: str
    templates: tuple[str, ...]
    texts: tuple[str, ...]
    summary: Summary | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether two prompts differ beyond chance (McNemar's exact test).

    Attributes:
        first: A prompt.
        second: Another.
        only_first: Pictures that the first alone recognised.
        only_second: Pictures that the second alone recognised.
        p: Two-sided probability of a difference at least as large if both were equally good.
    """

    first: int
    second: int
    only_first: int
    only_second: int
    p: float


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a zero-shot run says about itself; kept in `manifest.json`, which is written last.

    Attributes:
        format_version: Version of the layout on disk.
        created: When it was finished, ISO 8601 in UTC.
        plan: What was run on what: dataset, clip, articles, command.
        count: Number of pictures.
        labels: The classes.
        prompts: The prompts, in the order in which they were given.
        comparisons: Every two prompts; empty where no class is known.
        logit_scale: What a cosine was multiplied by before the softmax.
        versions: Versions of the packages that computed it.
        files: Size in bytes of each data file.
        notes: Remarks for the reader.
    """

    format_version: int
    created: str
    plan: Mapping[str, Any]
    count: int
    labels: tuple[Label, ...]
    prompts: tuple[Prompt, ...]
    comparisons: tuple[Comparison, ...]
    logit_scale: float
    versions: Mapping[str, str]
    files: Mapping[str, int]
    notes: tuple[str, ...]

    @property
    def guesses(self) -> int:
        """Labels that are kept for each picture and prompt."""
        return min(MOST_GUESSES, len(self.labels))

    def to_json(self) -> str:
        """Return the manifest as indented JSON; NaN becomes null."""
        return json.dumps(_without_nan({"format": ZEROSHOT_FORMAT} | asdict(self)), indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> Self:
        """Read and check a manifest.

        Args:
            text: The JSON.
            where: The folder, for messages.

        Raises:
            CacheNotFound: It belongs to a cache of captions, or to another program.
            CacheNewer: It was written by a later version of this one.
            CacheDamaged: A field is missing or of another kind.
        """
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CacheDamaged(f"{where}: {MANIFEST_FILE} is not valid JSON ({error})") from error
        if not isinstance(content, dict) or content.get("format") != ZEROSHOT_FORMAT:
            raise _foreign(where, content)
        version = content.get("format_version")
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise CacheNewer(
                f"{where}: the zero-shot run has format {version}, this program reads up to {FORMAT_VERSION}; "
                "upgrade with: pip install -U hw3-browse"
            )
        try:
            manifest = cls._from_mapping(content)
            manifest._check()  # noqa: SLF001 (its own)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problem = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise CacheDamaged(f"{where}: {MANIFEST_FILE} is damaged: {problem}") from error
        return manifest

    @classmethod
    def _from_mapping(cls, content: Mapping[str, Any]) -> Self:
        versions, files = typed(content, "versions", dict), typed(content, "files", dict)
        return cls(
            format_version=natural(content, "format_version", least=1),
            created=typed(content, "created", str),
            plan=typed(content, "plan", dict),
            count=natural(content, "count", least=1),
            labels=tuple(
                Label(typed(entry, "id", str), typed(entry, "name", str)) for entry in typed(content, "labels", list)
            ),
            prompts=tuple(_prompt(entry) for entry in typed(content, "prompts", list)),
            comparisons=tuple(_comparison(entry) for entry in typed(content, "comparisons", list)),
            logit_scale=number("logit_scale", content["logit_scale"]),
            versions={name: str(value) for name, value in versions.items()},
            files={name: natural(files, name) for name in files},
            notes=tuple(str(note) for note in typed(content, "notes", list)),
        )

    def _check(self) -> None:
        """Raise ValueError where a number points outside of its list."""
        labels, prompts = range(len(self.labels)), range(len(self.prompts))
        if not labels or not prompts:
            raise ValueError("there are no labels or no prompts")
        if any(len(prompt.texts) != len(labels) or not prompt.templates for prompt in self.prompts):
            raise ValueError("a prompt has no templates, or another number of texts than there are labels")
        for prompt in self.prompts:
            if prompt.summary is not None:
                wrong = [entry.label for entry in prompt.summary.tallies]
                wrong += [place for entry in prompt.summary.confusions for place in (entry.label, entry.guess)]
                if any(place not in labels for place in wrong):
                    raise ValueError("a summary speaks of a label that there is not")
        if any(place not in prompts for entry in self.comparisons for place in (entry.first, entry.second)):
            raise ValueError("a comparison speaks of a prompt that there is not")


def _foreign(where: str, content: object) -> CacheNotFound:
    """Return the error for the manifest of something else."""
    if isinstance(content, dict) and content.get("format") == FORMAT:
        return CacheNotFound(f"{where} is a cache of captions, no zero-shot run; open it with hw3-browse")
    return CacheNotFound(f"{where}: {MANIFEST_FILE} was not written by hw3 zeroshot; this is no zero-shot run")


def _prompt(entry: Mapping[str, Any]) -> Prompt:
    summary = entry["summary"]
    return Prompt(
        name=typed(entry, "name", str),
        templates=_texts(entry, "templates"),
        texts=_texts(entry, "texts"),
        summary=None if summary is None else _summary(summary),
    )


def _texts(entry: Mapping[str, Any], key: str) -> tuple[str, ...]:
    texts = tuple(typed(entry, key, list))
    if not all(isinstance(text, str) for text in texts):
        raise TypeError(f"{key!r} holds something else than text")
    return texts


def _summary(entry: Mapping[str, Any]) -> Summary:
    return Summary(
        count=natural(entry, "count", least=1),
        correct=natural(entry, "correct"),
        **{key: optional_number(entry, key) for key in ("top5", "class_mean", "low", "high", "calibration_error")},
        bins=tuple(
            Bin(
                optional_number(found, "low"),
                optional_number(found, "high"),
                natural(found, "count"),
                optional_number(found, "confidence"),
                optional_number(found, "accuracy"),
            )
            for found in typed(entry, "bins", list)
        ),
        tallies=tuple(
            Tally(natural(found, "label"), natural(found, "correct"), natural(found, "count", least=1))
            for found in typed(entry, "tallies", list)
        ),
        confusions=tuple(
            Confusion(natural(found, "label"), natural(found, "guess"), natural(found, "count", least=1))
            for found in typed(entry, "confusions", list)
        ),
    )


def _comparison(entry: Mapping[str, Any]) -> Comparison:
    first, second, only_first, only_second = (
        natural(entry, key) for key in ("first", "second", "only_first", "only_second")
    )
    return Comparison(first, second, only_first, only_second, number("p", entry["p"]))


def _without_nan(value: Any) -> Any:
    """Replace NaN by None, which JSON can say."""
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value
