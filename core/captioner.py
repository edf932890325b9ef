"""A captioner: encoder, decoder and tokenizer as one thing, and its checkpoint folder.

Contract of the folder: ``config.json`` (how to build it), ``model.safetensors`` (all weights, fp16 or fp32),
``tokenizer.json`` (a `tokenizers` file). Nothing in it is code; nothing is fetched to load it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..cache.errors import CheckpointError
from ..cache.files import replace_file, replacing
from .decoder import Decoder, DecoderConfig
from .encoder import Encoder, EncoderConfig, Memory
from .ensemble import Ensemble
from .preprocess import Preprocess
from .tokenizer import CaptionTokenizer

FORMAT = "hw3-captioner"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class CaptionerConfig:
    """How to build a captioner, beside its tokenizer.

    Attributes:
        encoder: the image encoder.
        decoder: the decoder, or the first of several.
        others: the further decoders of an ensemble (`core.ensemble`).
    """

    encoder: EncoderConfig
    decoder: DecoderConfig
    others: tuple[DecoderConfig, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The content of ``config.json``."""
        parts = {"encoder": self.encoder.to_json(), "decoder": self.decoder.to_json()}
        others = {"others": [other.to_json() for other in self.others]} if self.others else {}
        return {"format": FORMAT, "version": FORMAT_VERSION, **parts, **others}

    @classmethod
    def from_json(cls, data: Any, origin: str) -> CaptionerConfig:
        """Check and read the content of a ``config.json``.

        Raises:
            CheckpointError: not ours, of a newer version, or a field is unknown or missing.
        """
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise CheckpointError(f'{origin}: not a captioner\'s config (no "format": "{FORMAT}")')
        if data.get("version") != FORMAT_VERSION:
            raise CheckpointError(
                f"{origin}: version {data.get('version')} of the checkpoint format; this program reads {FORMAT_VERSION}"
            )
        try:
            others = tuple(DecoderConfig(**other) for other in data.get("others", ()))
            return cls(EncoderConfig(**data["encoder"]), DecoderConfig(**data["decoder"]), others)
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"{origin}: {error}") from error


class Captioner(nn.Module):
    """Encoder and decoder with the tokenizer that they were trained with."""

    def __init__(self, config: CaptionerConfig, tokenizer: CaptionTokenizer, *, load_weights: bool = True) -> None:
        super().__init__()
        self.config = config
        self.tokenizer = tokenizer
        self.encoder = Encoder(config.encoder, load_weights=load_weights)
        sizes = tokenizer.vocab_size, self.encoder.channels, self.encoder.positions
        self.decoder = (
            Ensemble((config.decoder, *config.others), *sizes) if config.others else Decoder(config.decoder, *sizes)
        )

    @property
    def preprocess(self) -> Preprocess:
        """How a picture becomes the encoder's input."""
        return self.encoder.preprocess

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.decoder.parameters()).device

    def encode(self, images: Float[Tensor, "batch 3 height width"]) -> Memory:
        """Features of preprocessed images."""
        memory: Memory = self.encoder(images)
        return memory

    def log_probs(self, logits: Float[Tensor, "*batch vocabulary"]) -> Float[Tensor, "*batch vocabulary"]:
        """Log-probabilities in float32 over the tokens that a caption may contain: never PAD, UNK or BOS."""
        never = [self.tokenizer.pad_id, self.tokenizer.unk_id, self.tokenizer.bos_id]
        masked = logits.float().index_fill(-1, torch.tensor(never, device=logits.device), -torch.inf)
        return masked.log_softmax(dim=-1)

    def save(self, folder: Path, *, half: bool = False) -> None:
        """Write the checkpoint folder; each file whole or not at all, the weights last."""
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / "config.json", json.dumps(self.config.to_json(), indent=1).encode())
        replace_file(folder / "tokenizer.json", self.tokenizer.to_json().encode())
        state = {name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()}
        if half:
            state = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
        with replacing(folder / "model.safetensors") as temporary:
            save_file(state, temporary, metadata={"format": FORMAT})

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu") -> Captioner:
        """Read a checkpoint folder, ready to caption (evaluation mode, float32).

        Raises:
            CheckpointError: a file is missing or damaged, or the weights do not fit the config.
        """
        config = CaptionerConfig.from_json(_read_json(folder / "config.json"), str(folder / "config.json"))
        captioner = cls(config, CaptionTokenizer.from_file(folder / "tokenizer.json"), load_weights=False)
        weights = folder / "model.safetensors"
        if not weights.is_file():
            raise CheckpointError(f"{weights}: missing; a captioner's folder holds config, tokenizer and weights")
        try:
            state = {name: value.float() if value.is_floating_point() else value
                     for name, value in load_file(weights).items()}  # fmt: skip
            captioner.load_state_dict(state)
        except (SafetensorError, RuntimeError, OSError) as error:
            first = str(error).splitlines()[0]
            raise CheckpointError(f"{weights}: cannot be used with {folder / 'config.json'} ({first})") from error
        return captioner.to(device).eval()


def _read_json(path: Path) -> Any:
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; give the folder of a captioner (`hw3 train` makes one)")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path}: not readable as JSON ({error})") from error
