"""Captions that are there already, written by whatever model, as `CaptionModel`s.

`Predicted` knows their text alone. `ReadBy` lets a checkpoint of ours read them: the teacher-forced pass over each
caption, cut into tokens by the checkpoint's tokenizer, gives maps and log-probabilities, which are those of *that*
captioner for *these* words.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...cache.geometry import View
from ...cache.text import printable
from ..attention import Looked
from ..datasets import Dataset
from ..decoding import Decoding
from ..predictions import Predictions, match
from .own import OwnCaptioner
from .protocol import Written, whole_picture

_LISTED: Final = 20  # unknown words that a note names


class Predicted:
    """The captions of a file, found by the picture's path within its dataset; nothing is computed."""

    def __init__(self, source: Path, captions: Mapping[str, str]) -> None:
        """Keep the captions.

        Args:
            source: the file that they came from, for the run's plan.
            captions: by the pictures' paths.
        """
        self._captions = captions
        self._identity = {"name": source.name, "sha256": hashlib.sha256(source.read_bytes()).hexdigest()}

    @property
    def identity(self) -> Mapping[str, Any]:
        """The file's name and hash."""
        return {"kind": "predictions", **self._identity}

    @property
    def prefix(self) -> int:
        """None."""
        return 0

    def input(self, image: Image.Image) -> NDArray[Any]:  # noqa: ARG002 (of the protocol)
        """Nothing: no picture is looked at."""
        return np.empty(0, np.uint8)

    def view(self, size: tuple[int, int]) -> View:
        """The whole picture, as one patch."""
        return whole_picture(size)

    def write(
        self,
        inputs: NDArray[Any],  # noqa: ARG002 (of the protocol)
        decoding: Decoding,  # noqa: ARG002
        *,
        look: bool = True,  # noqa: ARG002
        keys: Sequence[str] = (),
    ) -> list[Written]:
        """The captions of the pictures of these paths."""
        return [Written.of_text(self._captions[key]) for key in keys]


class ReadBy:
    """Captions of a file, read by a checkpoint of ours."""

    def __init__(self, told: Predicted, reader: OwnCaptioner) -> None:
        self._told, self._reader = told, reader

    @property
    def identity(self) -> Mapping[str, Any]:
        """Of the captions, and of the checkpoint that reads them."""
        return {**self._told.identity, "reader": dict(self._reader.identity)}

    @property
    def prefix(self) -> int:
        """The reader's."""
        return self._reader.prefix

    def input(self, image: Image.Image) -> NDArray[np.uint8]:
        """The picture as the reader sees it."""
        return self._reader.input(image)

    def view(self, size: tuple[int, int]) -> View:
        """What the reader sees of a picture."""
        return self._reader.view(size)

    def explain_by(self, maps: str) -> None:
        """Give maps of this kind; as `OwnCaptioner.explain_by`."""
        self._reader.explain_by(maps)

    def write(
        self, inputs: NDArray[np.uint8], decoding: Decoding, *, look: bool = True, keys: Sequence[str] = ()
    ) -> list[Written]:
        """The captions of these paths, with the reader's tokens, log-probabilities and maps."""
        texts = [written.caption for written in self._told.write(inputs, decoding, keys=keys)]
        cuts = [_cut(self._reader, text) for text in texts]
        read = self._reader.read(inputs, [cut.token_ids for cut in cuts])
        return [_written(self._reader, cut, seen, look=look) for cut, seen in zip(cuts, read, strict=True)]

    def notes(self, captions: Iterable[str]) -> list[str]:
        """What a reader of the maps must know of these captions: words that the tokenizer does not know, long ones."""
        cuts = [_cut(self._reader, caption) for caption in captions]
        name = printable(str(self._reader.identity["name"]))
        notes = []
        unknown = sorted({word for cut in cuts for word in cut.unknown.values()})
        if unknown:
            touched = sum(bool(cut.unknown) for cut in cuts)
            shown = ", ".join(map(printable, unknown[:_LISTED])) + (", ..." if len(unknown) > _LISTED else "")
            notes.append(
                f"{touched:,} of {len(cuts):,} captions have words that the tokenizer of {name} does not know; "
                f"they have no log-probability: {shown}"
            )
        long = sum(bool(cut.rest) for cut in cuts)
        if long:
            notes.append(
                f"{long:,} of {len(cuts):,} captions are longer than any that {name} writes; "
                "the rest of them has no maps"
            )
        return notes


def joined(dataset: Dataset, predictions: Predictions, *, partial: bool) -> tuple[Dataset, dict[str, str], list[str]]:
    """Join predictions with a dataset.

    Args:
        dataset: the pictures.
        predictions: the captions.
        partial: leave pictures without a caption out of the dataset, and captions without a picture, with a note; else
            both are errors.

    Returns:
        The dataset of the pictures that have a caption, the captions by the pictures' paths, and notes.

    Raises:
        DatasetError: captions and pictures do not fit.
    """
    found = match(predictions, dataset, partial=partial)
    captions = {item.path: caption for item, caption in zip(found.items, found.captions, strict=True)}
    if len(found.items) == len(dataset):
        return dataset, captions, list(found.notes)
    digest = hashlib.sha256(dataset.fingerprint.encode())
    for item in found.items:
        digest.update(item.index.to_bytes(8))
    kept = replace(
        dataset,
        items=tuple(replace(item, index=index) for index, item in enumerate(found.items)),
        fingerprint=digest.hexdigest(),
    )
    return kept, captions, list(found.notes)


@dataclass(frozen=True, slots=True)
class _Cut:
    """A caption as a reader's tokens.

    Attributes:
        caption: the text.
        token_ids: its tokens, with the final ``[EOS]`` unless they fill the reader's length.
        unknown: what stands in the caption for each token that is ``[UNK]``, by its place.
        rest: what is behind the last token that the reader can take.
    """

    caption: str
    token_ids: tuple[int, ...]
    unknown: Mapping[int, str]
    rest: str


def _cut(reader: OwnCaptioner, caption: str) -> _Cut:
    tokenizer, most = reader.captioner.tokenizer, reader.captioner.decoder.config.max_length - 1
    spans = tokenizer.spans(caption)
    unknown = {
        place: caption[start:end] for place, (token, start, end) in enumerate(spans[:most]) if token == tokenizer.unk_id
    }
    ids = [token for token, _, _ in spans]
    rest = caption[spans[most][1] :] if len(ids) > most else ""
    return _Cut(caption, tuple([*ids, tokenizer.eos_id][:most]), unknown, rest)


def _written(reader: OwnCaptioner, cut: _Cut, seen: Looked, *, look: bool) -> Written:
    decoded = reader.captioner.tokenizer.decode(cut.token_ids)
    pieces, words = list(decoded.pieces), list(decoded.words)
    for place, text in cut.unknown.items():
        word = decoded.word_of_piece[place]
        words[word] = words[word].replace(pieces[place], text, 1)
        pieces[place] = text
    # The reader never writes [UNK], so the word has no probability under it.
    logprobs = [value if math.isfinite(value) else math.nan for value in seen.logprobs.tolist()]
    return Written(
        caption=cut.caption,
        token_ids=cut.token_ids,
        pieces=tuple(pieces),
        word_of_piece=decoded.word_of_piece,
        words=(*words, *cut.rest.split()),
        logprobs=tuple(logprobs),
        attention=seen.attention.float().cpu().numpy() if look else None,
    )
