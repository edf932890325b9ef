"""A checkpoint folder of ours as a `CaptionModel`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ...cache.geometry import View
from ...cache.schema import RAW_MAPS, Alternative
from ..attention import Looked
from ..attribution import attribute, require_maps
from ..captioner import Captioner
from ..decoding import Decoding, Hypothesis, decode
from ..device import autocast
from ..encoder import Memory
from ..identity import checkpoint_identity
from .protocol import Written


class OwnCaptioner:
    """Captions by a checkpoint of `hw3 train`; attention by a teacher-forced pass over each finished caption."""

    def __init__(self, folder: Path, device: torch.device, precision: str = "fp32") -> None:
        """Load it.

        Args:
            folder: the checkpoint folder.
            device: where it runs.
            precision: fp32, fp16 or bf16.

        Raises:
            CheckpointError: it cannot be used.
        """
        self.captioner = Captioner.load(folder, device)
        self._device, self._precision = device, precision
        self._maps = RAW_MAPS
        self._identity = {
            **checkpoint_identity(folder),
            **self.captioner.config.to_json(),
            "preprocess": dict(self.captioner.preprocess.to_json()),
        }

    @property
    def identity(self) -> Mapping[str, Any]:
        """The folder's name and hash, its config and its preprocessing."""
        return self._identity

    @property
    def prefix(self) -> int:
        """Class and register tokens that the decoder looks at."""
        return self.captioner.encoder.prefix

    def input(self, image: Image.Image) -> NDArray[np.uint8]:
        """The picture resized and cropped, [height, width, 3] of 0 to 255."""
        return self.captioner.preprocess.pixels(image)

    def view(self, size: tuple[int, int]) -> View:
        """What the encoder sees of a picture of (width, height) `size`."""
        encoder = self.captioner.encoder
        return self.captioner.preprocess.view(size, (encoder.rows, encoder.cols))

    def explain_by(self, maps: str) -> None:
        """Give maps of this kind (`core.attribution.METHODS`) in place of raw attention.

        Raises:
            UsageError: there is no such kind, or this captioner cannot be explained so.
        """
        require_maps(self.captioner, maps)
        self._maps = maps

    @torch.inference_mode()
    def write(
        self,
        inputs: NDArray[np.uint8],
        decoding: Decoding,
        *,
        look: bool = True,
        keys: Sequence[str] = (),  # noqa: ARG002 (of the protocol)
    ) -> list[Written]:
        """Caption a batch of pixels [picture, height, width, 3]; a sample depends on these and the seed alone."""
        captioner = self.captioner
        with autocast(self._device, self._precision):
            images, memory = self._encoded(inputs)
            found = decode(captioner, memory, decoding, [row.tobytes() for row in inputs] if decoding.sample else None)
            best = [hypotheses[0].token_ids for hypotheses in found]
            looked = attribute(captioner, images, memory, best, self._maps) if look else [None] * len(best)
        return [self._written(hypotheses, seen) for hypotheses, seen in zip(found, looked, strict=True)]

    @torch.inference_mode()
    def read(self, inputs: NDArray[np.uint8], captions: Sequence[Sequence[int]]) -> list[Looked]:
        """Maps and log-probabilities of finished captions, one a picture: token ids, without ``[BOS]``."""
        with autocast(self._device, self._precision):
            images, memory = self._encoded(inputs)
            return attribute(self.captioner, images, memory, captions, self._maps)

    def _encoded(self, inputs: NDArray[np.uint8]) -> tuple[Float[Tensor, "batch 3 height width"], Memory]:
        images = self.captioner.preprocess.normalise(torch.from_numpy(inputs).to(self._device))
        return images, self.captioner.encode(images)

    def _written(self, hypotheses: Sequence[Hypothesis], seen: Looked | None) -> Written:
        best, *others = hypotheses
        tokenizer = self.captioner.tokenizer
        decoded = tokenizer.decode(best.token_ids)
        return Written(
            caption=decoded.text,
            token_ids=best.token_ids,
            pieces=decoded.pieces,
            word_of_piece=decoded.word_of_piece,
            words=decoded.words,
            logprobs=tuple(seen.logprobs.tolist()) if seen else best.logprobs,
            attention=seen.attention.float().cpu().numpy() if seen else None,
            alternatives=tuple(Alternative(tokenizer.decode(one.token_ids).text, one.score) for one in others),
        )
