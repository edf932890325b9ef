"""Folders of Hugging Face captioners as a `CaptionModel`: `VisionEncoderDecoderModel` and BLIP (extra ``hf``).

Contract: everything is read from the local folder, weights from safetensors alone, and no code from it is run. Captions
are those of transformers' own `generate` under our options; maps and log-probabilities come from one teacher-forced
pass with eager attention, so they are what generating saw, whatever the search was. Of the folder's own
``generation_config.json`` what our options do not name stays in force, such as a repetition penalty.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ...cache.errors import CheckpointError
from ...cache.geometry import View
from ...cache.schema import Alternative
from ...cache.text import printable
from ..decoding import Decoding
from .hf_models import KINDS, Blip, EncoderDecoder, Model
from .hf_pictures import Pictures
from .hf_words import Words
from .protocol import Written

_IDENTIFYING: Final = ("*.json", "*.safetensors", "*.txt", "*.model")
_MOST_PREFIX: Final = 16  # class, distillation and register tokens; the most that any model has is far below
_SMALLEST_SIDE: Final = 2


def is_hugging_face(folder: Path) -> bool:
    """Whether a folder has the config of a model of transformers, be it a captioner or not."""
    return bool(_model_type(folder))


class HuggingFaceCaptioner:
    """A captioner of transformers."""

    def __init__(self, folder: Path, device: torch.device, precision: str = "fp32") -> None:
        """Load it.

        Raises:
            CheckpointError: transformers is not installed, a file is missing, or the model cannot be used here.
        """
        self._device, self._precision, self._folder = device, precision, folder
        model, tokenizer, processor = _load(folder)
        self._model = model
        model.model.to(device).eval()
        self._pictures = Pictures(processor, folder)
        self._words = Words(tokenizer, model.end)
        self._rows, self._cols, self._prefix = self._grid()
        self._identity = {
            "name": folder.resolve().name,
            "sha256": _digest(folder),
            "model_type": _model_type(folder),
            "encoder": {"name": str(model.vision_config.model_type)},
            "decoder": _sizes(model.text_config),
        }

    @property
    def identity(self) -> Mapping[str, Any]:
        """The folder's name, the hash of its files, and the kinds of its parts."""
        return self._identity

    @property
    def prefix(self) -> int:
        """Positions before the first patch."""
        return self._prefix

    def input(self, image: Image.Image) -> NDArray[np.float32]:
        """What the folder's image processor makes of the picture, [3, height, width]."""
        return self._pictures.input(image)

    def view(self, size: tuple[int, int]) -> View:
        """What the encoder sees of a picture of (width, height) `size`."""
        return self._pictures.view(size, (self._rows, self._cols))

    @torch.inference_mode()
    def write(
        self,
        inputs: NDArray[np.float32],
        decoding: Decoding,
        *,
        look: bool = True,
        keys: Sequence[str] = (),  # noqa: ARG002 (of the protocol)
    ) -> list[Written]:
        """Caption a batch; a sample depends on the picture's input and the seed alone."""
        from ..device import autocast  # noqa: PLC0415

        with autocast(self._device, self._precision):
            states = self._model.encode(torch.from_numpy(inputs).to(self._device))
            if decoding.sample:
                found = [self._sampled(states[row, None], inputs[row], decoding) for row in range(len(inputs))]
            else:
                found = self._searched(states, decoding)
            logprobs, attention = self._read(states, [captions[0][0] for captions in found], look=look)
        return [
            self._written(captions, likely, seen)
            for captions, likely, seen in zip(found, logprobs, attention, strict=True)
        ]

    def _searched(
        self, states: Float[Tensor, "picture position channel"], decoding: Decoding
    ) -> list[list[tuple[list[int], float]]]:
        """Captions of each picture with the search's scores, best first."""
        found = self._model.generate(states, self._config(decoding))
        ids = [self._cut(row) for row in found.sequences.tolist()]
        beams = getattr(found, "sequences_scores", None)
        scores = beams.tolist() if beams is not None else [0.0] * len(ids)
        pairs = list(zip(ids, scores, strict=True))
        return [pairs[start : start + decoding.keep] for start in range(0, len(pairs), decoding.keep)]

    def _sampled(
        self, states: Float[Tensor, "1 position channel"], pixels: NDArray[np.float32], decoding: Decoding
    ) -> list[tuple[list[int], float]]:
        """Distinct samples of one picture, best first: alone, so that no other picture changes them."""
        digest = hashlib.blake2b(pixels.tobytes(), digest_size=8, key=str(decoding.seed).encode())
        with torch.random.fork_rng(devices=[self._device] if self._device.type == "cuda" else []):
            torch.manual_seed(int.from_bytes(digest.digest()) >> 1)
            found = self._model.generate(states, self._config(decoding))
        ids = list(dict.fromkeys(tuple(self._cut(row)) for row in found.sequences.tolist()))
        logprobs, _ = self._read(states.expand(len(ids), -1, -1), ids, look=False)
        scored = [(list(one), decoding.score(likely)) for one, likely in zip(ids, logprobs, strict=True)]
        return sorted(scored, key=lambda one: -one[1])

    def _read(
        self,
        states: Float[Tensor, "caption position channel"],
        captions: Sequence[Sequence[int]],
        *,
        look: bool,
    ) -> tuple[list[list[float]], list[NDArray[np.float32] | None]]:
        """Log-probabilities and attention of finished captions, by one teacher-forced pass."""
        longest = max(map(len, captions))
        targets = torch.full((len(captions), longest), self._model.pad)
        for row, caption in enumerate(captions):
            targets[row, : len(caption)] = torch.tensor(caption)
        targets = targets.to(self._device)
        inputs = targets.roll(1, dims=1)
        inputs[:, 0] = self._model.start
        logits, layers = self._model.read(states, inputs, attentions=look)
        logprobs = logits.float().log_softmax(-1).gather(-1, targets[:, :, None])[:, :, 0].tolist()
        likely = [row[: len(caption)] for row, caption in zip(logprobs, captions, strict=True)]
        if not look or not layers:
            return likely, [None] * len(captions)
        weights = torch.stack(layers).permute(1, 3, 0, 2, 4).float().cpu().numpy()
        return likely, [weights[row, : len(caption)] for row, caption in enumerate(captions)]

    def _written(
        self, captions: Sequence[tuple[Sequence[int], float]], logprobs: list[float], seen: NDArray[np.float32] | None
    ) -> Written:
        (best, _), *others = captions
        decoded = self._words.decode(best)
        return Written(
            caption=decoded.text,
            token_ids=tuple(best),
            pieces=decoded.pieces,
            word_of_piece=decoded.word_of_piece,
            words=decoded.words,
            logprobs=tuple(logprobs),
            attention=seen,
            alternatives=tuple(Alternative(self._words.text(ids), score) for ids, score in others),
        )

    def _config(self, decoding: Decoding) -> Any:
        """Our options as transformers'; ``never`` stops no sooner than our own beam search does."""
        from transformers import GenerationConfig  # noqa: PLC0415 (an extra)

        room = self._model.room
        common = {
            "max_new_tokens": decoding.steps(room) if room else decoding.max_length,
            "min_new_tokens": decoding.min_length,
            "min_length": 0,
            "no_repeat_ngram_size": decoding.no_repeat_ngram,
            "num_return_sequences": decoding.keep,
            "num_beams": decoding.beams,
            "num_beam_groups": 1,
            "eos_token_id": self._model.end,
            "pad_token_id": self._model.pad,
            "return_dict_in_generate": True,
            "use_cache": True,
        }
        if decoding.sample:
            drawn = {"temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": 0}
            return GenerationConfig(**common, **drawn, do_sample=True)
        beams = {"length_penalty": decoding.length_penalty, "early_stopping": "never", "output_scores": True}
        return GenerationConfig(**common, **(beams if decoding.beams > 1 else {}), do_sample=False)

    def _cut(self, row: Sequence[int]) -> list[int]:
        """A row of `generate` without the start and what is behind its end."""
        ids = list(row[1:])
        ends = (place for place, token in enumerate(ids) if token in self._model.end)
        return ids[: next(ends, len(ids) - 1) + 1]

    @torch.inference_mode()
    def _grid(self) -> tuple[int, int, int]:
        """(rows, cols, prefix) of the encoder's positions: its patches, merged by twos where it has fewer of them."""
        height, width = self._pictures.size
        positions = self._model.encode(torch.zeros(1, 3, height, width, device=self._device)).shape[1]
        patch = getattr(self._model.vision_config, "patch_size", None)
        if isinstance(patch, int):
            rows, cols = height // patch, width // patch
            while rows * cols > positions and min(rows, cols) >= _SMALLEST_SIDE:
                rows, cols = -(-rows // 2), -(-cols // 2)
            if rows * cols <= positions <= rows * cols + _MOST_PREFIX:
                return rows, cols, positions - rows * cols
        raise CheckpointError(
            f"{self._folder}: cannot tell which grid the encoder's {positions} positions form over an input of "
            f"{width} x {height} pixels with patches of {patch}"
        )


def _load(folder: Path) -> tuple[Model, Any, Any]:
    """Model, tokenizer and image processor of a folder; nothing is fetched, and no code of it is run.

    Raises:
        CheckpointError: transformers is not installed, or something is missing or damaged.
    """
    try:
        import transformers  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise CheckpointError(
            f"{folder}: a Hugging Face model needs transformers; pip install 'hw3-browse[models,hf]'"
        ) from error
    name = KINDS.get(_model_type(folder))
    if name is None:
        raise CheckpointError(
            f"{folder / 'config.json'}: a Hugging Face model of the type {printable(_model_type(folder))!r}; the types "
            f"that can be read here are {', '.join(KINDS)}"
        )
    if not any(folder.glob("*.safetensors")):
        raise CheckpointError(f"{folder}: has no .safetensors; weights of other kinds may hold code and are not read")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        model = getattr(transformers, name).from_pretrained(
            folder, **local, use_safetensors=True, attn_implementation="eager", dtype=torch.float32
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **local)
        processor = transformers.AutoImageProcessor.from_pretrained(folder, **local)
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise CheckpointError(f"{folder}: cannot be opened as {name} ({reason})") from error
    return (Blip if name.startswith("Blip") else EncoderDecoder)(model), tokenizer, processor


def _model_type(folder: Path) -> str:
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return str(content.get("model_type", "")) if isinstance(content, dict) else ""
    except (OSError, ValueError):
        return ""


def _digest(folder: Path) -> str:
    """SHA-256 over names and digests of all files that decide what the model says."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in _IDENTIFYING for path in folder.glob(pattern)}):
        with path.open("rb") as file:
            digest.update(path.name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _sizes(config: Any) -> dict[str, Any]:
    names = {"layers": "num_hidden_layers", "heads": "num_attention_heads", "width": "hidden_size"}
    found = {key: getattr(config, name, None) for key, name in names.items()}
    return {key: value for key, value in found.items() if isinstance(value, int)}
