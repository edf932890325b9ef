"""What an evaluation cache holds: its records and its manifest. On disk: `docs/cache-format.md`.

Tokens are the generated ones: without <BOS>, with the final <EOS> if it was emitted. Everything that has one
entry a token (`token_ids`, `pieces`, `word_of_piece`, `logprobs`, the first axis of the attention) agrees in
length, and row t of the attention is the query position that *predicted* token t.

Texts are kept as the dataset and the model gave them; `text.printable` makes them safe for a terminal.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, Self, cast, get_args

from .checked import natural, number, typed
from .codec import Codec
from .errors import CacheDamaged, CacheError, CacheNewer, CacheNotFound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from .geometry import View

FORMAT: Final = "hw3-browse cache"
ZEROSHOT_FORMAT: Final = "hw3-browse zeroshot"
FORMAT_VERSION: Final = 2
"""The latest that this program reads; see `Manifest.format_version`."""
WORK_FORMAT_VERSION: Final = 1
"""Of the files of an unfinished run."""
_WITH_MAPS, _WITHOUT_MAPS = 1, 2

RAW_MAPS: Final = "attention"
"""What a plan says nothing of; see `Manifest.maps`."""

MANIFEST_FILE: Final = "manifest.json"
SAMPLES_FILE: Final = "samples.parquet"
ATTENTION_FILE: Final = "attention.sqlite"
EMBEDDINGS_FILE: Final = "embeddings.parquet"
WORK_FILE: Final = "work.sqlite"
PREVIEWS_DIR: Final = "previews"

SCORE_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_PREVIEWS_A_FOLDER: Final = 1000


@dataclass(frozen=True, slots=True)
class Alternative:
    """A further caption of a picture that the search has found.

    Attributes:
        caption: Its text.
        score: What the search ranked it by, higher is better; comparable within one picture only.
    """

    caption: str
    score: float


@dataclass(frozen=True, slots=True)
class CaptionRow:
    """One picture with its generated caption.

    Attributes:
        index: Position in the dataset, from 0.
        name: File stem.
        path: File, relative to the dataset's image folder, with "/" between its parts.
        view: What of the picture the model saw.
        caption: The generated caption.
        references: Captions written by people; may be empty.
        token_ids: Generated tokens.
        pieces: Display text of each token; "<EOS>" for the end.
        word_of_piece: For each token the index into `words`, -1 for special tokens.
        words: The words of the caption.
        logprobs: Natural log-probability of each token, NaN where it is not known.
        alternatives: Further captions that the search has found, best first.

    A caption of which only the text is known has words, but no tokens.
    """

    index: int
    name: str
    path: str
    view: View
    caption: str
    references: tuple[str, ...]
    token_ids: tuple[int, ...]
    pieces: tuple[str, ...]
    word_of_piece: tuple[int, ...]
    words: tuple[str, ...]
    logprobs: tuple[float, ...]
    alternatives: tuple[Alternative, ...] = field(default=(), kw_only=True)

    def check(self) -> None:
        """Check that the fields agree with each other.

        Raises:
            ValueError: They do not; the message names the picture.
            CacheError: The path would leave the dataset's folder.
        """
        where = f"picture {self.index} ({self.name!r})"
        lengths = {len(self.token_ids), len(self.pieces), len(self.word_of_piece), len(self.logprobs)}
        if len(lengths) != 1:
            raise ValueError(f"{where}: token ids, pieces, words of pieces and log-probabilities differ in length")
        if any(not -1 <= word < len(self.words) for word in self.word_of_piece):
            raise ValueError(f"{where}: word_of_piece points outside of its {len(self.words)} words")
        if not is_inside(self.path):
            raise CacheError(f"{where}: the path {self.path!r} leaves the dataset's image folder")


@dataclass(frozen=True, slots=True)
class Captioned(CaptionRow):
    """What the captioning stage hands over for one picture. Numbers are plain ones, not numpy's.

    Attributes:
        attention: float [tokens, layers, heads, positions]: cross-attention; prefix tokens first, then rows x
            cols patches in row-major order. None for all pictures of a run whose model tells nothing of it.
        prefix: Number of prefix tokens among the positions.
        preview: A small JPEG of the whole picture.
    """

    attention: NDArray[np.floating[Any]] | None
    prefix: int
    preview: bytes

    def check(self) -> None:
        """Check also that attention and preview fit; raises as `CaptionRow.check`."""
        CaptionRow.check(self)  # super() misses: slots make the decorated class a new one
        where = f"picture {self.index} ({self.name!r})"
        positions = self.prefix + self.view.rows * self.view.cols
        shape = None if self.attention is None else self.attention.shape
        if shape is not None and (len(shape) != 4 or shape[0] != len(self.token_ids) or shape[3] != positions):  # noqa: PLR2004
            raise ValueError(
                f"{where}: expected attention [{len(self.token_ids)} tokens, layers, heads, "
                f"{positions} positions], found shape {shape}"
            )
        if not self.preview.startswith(b"\xff\xd8\xff"):
            raise ValueError(f"{where}: the preview is not a JPEG")


@dataclass(frozen=True, slots=True)
class Sample(CaptionRow):
    """One picture of a finished cache.

    Attributes:
        scores: Every score by name; NaN where it is undefined for this picture.
    """

    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Score:
    """What one column of scores means.

    Attributes:
        name: Column name: clipscore, refclipscore, cider, bleu1 ... bleu4, rouge_l, meteor, logprob, or
            another in lower case.
        higher_is_better: Which end of the list is the good one.
        description: One line for the reader.
    """

    name: str
    higher_is_better: bool
    description: str


@dataclass(frozen=True, slots=True)
class AttentionShape:
    """The shape of the attention, the same for all pictures of a run but for the number of tokens.

    Attributes:
        layers: Decoder layers.
        heads: Heads of each layer.
        prefix: Prefix tokens (class, registers) before the patches.
        rows: Patches from top to bottom.
        cols: Patches from left to right.
        codec: How the weights are packed, see `codec`.
    """

    layers: int
    heads: int
    prefix: int
    rows: int
    cols: int
    codec: Codec

    @property
    def positions(self) -> int:
        """Prefix tokens and patches together."""
        return self.prefix + self.rows * self.cols


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a finished cache says about itself; kept in `manifest.json`, which is written last.

    Attributes:
        format_version: Version of the layout on disk: the earliest that tells what is here, 1 for a run with
            attention, 2 for one without.
        created: When it was finished, ISO 8601 in UTC.
        plan: What identifies the run: dataset, captioner, decoding, clip, metrics. Equal plans resume each
            other.
        count: Number of pictures.
        scores: The columns of scores, in display order.
        corpus: Scores of the whole set, such as CIDEr; NaN where undefined.
        versions: Versions of the packages that computed it.
        attention: Shape and codec of the attention; None where the run has no maps.
        files: Size in bytes of each data file, so that a cut file is found at once.
        notes: Remarks for the reader, such as captions cut short for CLIP.
    """

    format_version: int
    created: str
    plan: Mapping[str, Any]
    count: int
    scores: tuple[Score, ...]
    corpus: Mapping[str, float]
    versions: Mapping[str, str]
    attention: AttentionShape | None
    files: Mapping[str, int]
    notes: tuple[str, ...]

    @property
    def maps(self) -> str:
        """How the maps were made: "attention" as it is, "rollout" or "relevance"."""
        return str(self.plan.get("maps", RAW_MAPS))

    def to_json(self) -> str:
        """Return the manifest as indented JSON; NaN becomes null."""
        content = {"format": FORMAT} | asdict(self)
        content["corpus"] = {name: None if math.isnan(value) else value for name, value in self.corpus.items()}
        return json.dumps(content, indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> Self:
        """Read and check a manifest.

        Args:
            text: The JSON.
            where: The folder, for messages.

        Raises:
            CacheNotFound: It belongs to another program.
            CacheNewer: It was written by a later version of this one.
            CacheDamaged: A field is missing or of another kind.
        """
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CacheDamaged(f"{where}: {MANIFEST_FILE} is not valid JSON ({error})") from error
        if isinstance(content, dict) and content.get("format") == ZEROSHOT_FORMAT:
            raise CacheNotFound(
                f"{where} is a zero-shot run and has no captions; "
                "hw3 topfive draws it, hw3 report and hw3-browse show it"
            )
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise CacheNotFound(f"{where}: {MANIFEST_FILE} was not written by hw3 precompute; this is no cache")
        version = content.get("format_version")
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise CacheNewer(
                f"{where}: the cache has format {version}, this program reads up to {FORMAT_VERSION}; "
                "upgrade with: pip install -U hw3-browse"
            )
        try:
            return cls._from_mapping(content)
        except (KeyError, TypeError, ValueError) as error:
            problem = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise CacheDamaged(f"{where}: {MANIFEST_FILE} is damaged: {problem}") from error

    @classmethod
    def _from_mapping(cls, content: Mapping[str, Any]) -> Self:
        plan, corpus, versions, files = (typed(content, key, dict) for key in ("plan", "corpus", "versions", "files"))
        version = natural(content, "format_version", least=1)
        return cls(
            format_version=version,
            created=typed(content, "created", str),
            plan=plan,
            count=natural(content, "count"),
            scores=_scores(typed(content, "scores", list)),
            corpus={name: math.nan if value is None else number(name, value) for name, value in corpus.items()},
            versions={name: str(value) for name, value in versions.items()},
            attention=None if content["attention"] is None else _attention_shape(typed(content, "attention", dict)),
            files={name: natural(files, name) for name in files},
            notes=tuple(str(note) for note in typed(content, "notes", list)),
        )


def format_version(attention: AttentionShape | None) -> int:
    """Return the version of the layout that a finished run is written in; see `Manifest`."""
    return _WITHOUT_MAPS if attention is None else _WITH_MAPS


def total(logprobs: Sequence[float]) -> float:
    """Return the log-probability of a caption; NaN where its tokens are not known."""
    return float(sum(logprobs)) if logprobs else math.nan


def is_inside(path: str) -> bool:
    """Tell whether a relative path names something inside of its folder, whatever the folder is.

    >>> [is_inside(path) for path in ("a/b.jpg", "../b.jpg", "/etc/passwd", "a/../../b")]
    [True, False, False, False]
    """
    whole = PurePosixPath(path)
    return bool(whole.parts) and not whole.is_absolute() and ".." not in whole.parts and "\0" not in path


def preview_file(index: int) -> PurePosixPath:
    """Return where a preview is, relative to the cache; made of the index alone, never of a name."""
    return PurePosixPath(PREVIEWS_DIR, f"{index // _PREVIEWS_A_FOLDER:04d}", f"{index:07d}.jpg")


def _scores(entries: list[Any]) -> tuple[Score, ...]:
    scores = tuple(
        Score(
            typed(entry, "name", str),
            typed(entry, "higher_is_better", bool),
            typed(entry, "description", str),
        )
        for entry in entries
    )
    names = [score.name for score in scores]
    if len(set(names)) != len(names) or not all(SCORE_NAME.fullmatch(name) for name in names):
        raise ValueError("the names of the scores are not distinct words in lower case")
    return scores


def _attention_shape(content: Mapping[str, Any]) -> AttentionShape:
    codec = typed(content, "codec", str)
    if codec not in get_args(Codec):
        raise ValueError(f"unknown attention codec {codec!r}")
    return AttentionShape(
        layers=natural(content, "layers", 1),
        heads=natural(content, "heads", 1),
        prefix=natural(content, "prefix"),
        rows=natural(content, "rows", 1),
        cols=natural(content, "cols", 1),
        codec=cast("Codec", codec),
    )
