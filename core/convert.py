"""A checkpoint made elsewhere as one of our folders: a timm encoder and a `torch.nn.TransformerDecoder`'s state dict.

Contract: a mapping (TOML, see `docs/captioners.md`) says where in the file each part is; every key of the file is
used, named as one to leave out, or an error, and so is every parameter of ours that finds none. The weights are copied
as they are, but for what our decoder does to them: it multiplies the embedding by the square root of its width, so the
file's is divided by it; a decoder without a projection of the encoder's channels gets the identity. Logits and
attention stay equal up to rounding (the tests compare with torch's own classes). Nothing in the file is run.
"""

from __future__ import annotations

import difflib
import fnmatch
import math
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..cache.errors import CheckpointError, UsageError
from ..cache.text import printable
from .captioner import Captioner, CaptionerConfig
from .decoder import DecoderConfig
from .encoder import EncoderConfig
from .tokenizer import CaptionTokenizer

State = Mapping[str, Tensor]

_PARALLEL: Final = "module."  # what DataParallel puts before every key
_SHOWN: Final = 4
_LONGEST: Final = 512  # tokens, for sinusoids, which have no table that would say


@dataclass(frozen=True)
class Keys:
    """Where the parts are among the keys of the file; a weight's key whole, a module's without ``weight`` and ``bias``.

    Attributes:
        encoder: what stands before timm's own keys; empty where the file has none of them, and the weights are those of
            ``encoder.pretrained`` or ``encoder.weights``.
        layers: what stands before the keys of a `TransformerDecoderLayer`, ``{}`` for its number.
        embedding: the table of the tokens' embeddings.
        head: the module that projects to the vocabulary; empty where it is the embedding's table, without a bias.
        positions: the table of the tokens' positions; empty for sinusoids.
        projection: the module that brings the encoder's channels to the decoder's width; empty for none.
        projection_norm: a layer norm before it; empty for none.
        memory_positions: a table of positions added to what is projected; empty for none.
        final_norm: the layer norm behind the last layer; empty for none.
    """

    encoder: str = "encoder."
    layers: str = "decoder.layers.{}."
    embedding: str = "embedding.weight"
    head: str = "head"
    positions: str = ""
    projection: str = ""
    projection_norm: str = ""
    memory_positions: str = ""
    final_norm: str = ""


@dataclass(frozen=True)
class DecoderKind:
    """What of a decoder cannot be read from its weights.

    Attributes:
        heads: attention heads a layer.
        norm_first: of `torch.nn.TransformerDecoderLayer`, whose default it has.
        activation: the same.
        scaled_embedding: whether the embedding is multiplied by the square root of the width, as in the first paper.
        max_length: longest caption, for sinusoids; else the table of positions says.
    """

    heads: int
    norm_first: bool = False
    activation: Literal["relu", "gelu"] = "relu"
    scaled_embedding: bool = False
    max_length: int = 64


@dataclass(frozen=True)
class Mapped:
    """What the mapping file says.

    Attributes:
        encoder: as in `hw3 train`; only the sizes count, weights come from the checkpoint.
        decoder: what its weights do not say.
        keys: where the parts are.
        tokenizer: the `tokenizers` file, beside the mapping.
        inside: the entry of the checkpoint that is the state dict, such as ``model``; empty where it is the checkpoint.
        ignore: patterns of keys that are left out, such as ``encoder.head.*``.
    """

    encoder: EncoderConfig
    decoder: DecoderKind
    tokenizer: str
    keys: Keys = field(default_factory=Keys)
    inside: str = ""
    ignore: tuple[str, ...] = ()


def read_state(path: Path, inside: str = "") -> State:
    """The tensors of a ``.safetensors`` file, or of a ``.pth`` without code.

    Raises:
        CheckpointError: it cannot be read, holds other things than tensors, or has no such entry.
    """
    try:
        found: Any = load_file(path) if path.suffix == ".safetensors" else _plain(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such checkpoint") from error
    except (OSError, SafetensorError, RuntimeError, EOFError, ValueError) as error:
        raise CheckpointError(f"{path}: not readable as a checkpoint ({str(error).partition(chr(10))[0]})") from error
    if inside:
        if not isinstance(found, Mapping) or inside not in found:
            raise CheckpointError(f"{path}: has no entry {inside!r}{_entries(found)}")
        found = found[inside]
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        raise CheckpointError(
            f'{path}: is no state dict{_entries(found)}; name the entry that is one as inside = "..."'
        )
    if found and all(str(name).startswith(_PARALLEL) for name in found):
        found = {name.removeprefix(_PARALLEL): value for name, value in found.items()}
    return {str(name): value for name, value in found.items()}


def convert(state: State, mapped: Mapped, tokenizer: CaptionTokenizer, origin: str) -> Captioner:
    """Make a captioner of a state dict.

    Args:
        state: the checkpoint's tensors.
        mapped: where is what.
        tokenizer: the one that it was trained with.
        origin: the checkpoint's name, for messages.

    Raises:
        CheckpointError: a key is missing or left over, or a tensor has another shape than its place.
    """
    parts = _Parts(dict(state), mapped, origin)
    config = CaptionerConfig(mapped.encoder, parts.decoder_config(tokenizer.vocab_size))
    captioner = Captioner(config, tokenizer, load_weights=not mapped.keys.encoder).eval()
    captioner.config = replace(config, encoder=replace(mapped.encoder, pretrained=False, weights=None))
    wanted = captioner.state_dict()
    found = parts.encoder(captioner) | parts.decoder(captioner)
    parts.check_all_used()
    missing = [name for name in wanted if name not in found]
    if missing:
        raise CheckpointError(f"{origin}: nothing for {len(missing)} parameters ({_first(missing)}); check [keys]")
    unknown = [name for name in found if name not in wanted]
    if unknown:
        raise CheckpointError(
            f"{origin}: {mapped.encoder.name} has no {_first(unknown)}; check encoder.name, or add them to ignore"
        )
    for name, value in found.items():
        if value.shape != wanted[name].shape:
            raise CheckpointError(
                f"{origin}: {name} has the shape {list(value.shape)} there, {list(wanted[name].shape)} here; check "
                "[encoder] and [decoder]"
            )
    captioner.load_state_dict(found)
    return captioner


class _Parts:
    """The tensors of a checkpoint, each taken once."""

    def __init__(self, state: dict[str, Tensor], mapped: Mapped, origin: str) -> None:
        self._left, self._mapped, self._origin = state, mapped, origin
        self._keys = mapped.keys
        if "{}" not in self._keys.layers:
            raise UsageError(f"keys.layers = {self._keys.layers!r}: needs {{}} where the layer's number stands")
        if not self._keys.encoder and not (mapped.encoder.pretrained or mapped.encoder.weights):
            raise UsageError("keys.encoder is empty: then encoder.weights or encoder.pretrained must say whose it has")
        self._known = tuple(state)

    def decoder_config(self, vocabulary: int) -> DecoderConfig:
        """The sizes that the weights say."""
        kind, keys = self._mapped.decoder, self._keys
        words, width = self._shape(keys.embedding, 2)
        if words != vocabulary:
            raise CheckpointError(
                f"{self._origin}: {keys.embedding} has {words:,} tokens, the tokenizer {vocabulary:,}: is it another's?"
            )
        if width % kind.heads:
            raise UsageError(f"decoder.heads = {kind.heads}: the decoder's width of {width} is no multiple of it")
        layers = 0
        while any(name.startswith(keys.layers.replace("{}", str(layers))) for name in self._known):
            layers += 1
        if not layers:
            raise self._lacks(keys.layers.replace("{}", "0"), "keys.layers")
        hidden, _ = self._shape(f"{keys.layers.replace('{}', '0')}linear1.weight", 2)
        positions = _table(self._peek(keys.positions)).shape[0] if keys.positions else min(kind.max_length, _LONGEST)
        return DecoderConfig(
            layers=layers,
            heads=kind.heads,
            width=width,
            feedforward=hidden,
            max_length=positions,
            norm_first=kind.norm_first,
            activation=kind.activation,
            tied=False,
            memory_norm=bool(keys.projection_norm),
            final_norm=bool(keys.final_norm),
        )

    def encoder(self, captioner: Captioner) -> dict[str, Tensor]:
        """The encoder's own parameters under our names; those that it has already, where the file has none."""
        before = self._keys.encoder
        if not before:
            return {name: value for name, value in captioner.state_dict().items() if name.startswith("encoder.")}
        names = [name for name in self._left if name.startswith(before) and not self._is_ignored(name)]
        if not names:
            raise self._lacks(before, "keys.encoder")
        return {f"encoder.model.{name.removeprefix(before)}": self._take(name) for name in names}

    def decoder(self, captioner: Captioner) -> dict[str, Tensor]:
        """The decoder's parameters under our names."""
        keys, config = self._keys, captioner.config.decoder
        embedding = self._take(keys.embedding)
        found = {
            "embedding.weight": embedding * (1.0 if self._mapped.decoder.scaled_embedding else config.width**-0.5),
            "head": self._take(f"{keys.head}.weight") if keys.head else embedding,
            "bias": self._optional(f"{keys.head}.bias", torch.zeros(len(embedding))),
            "token_position": self._positions(config),
            "memory_position": torch.zeros(captioner.encoder.positions, config.width),
        }
        if keys.memory_positions:
            found["memory_position"] = _table(self._take(keys.memory_positions))
        if keys.projection:
            found |= self._module(keys.projection, "memory_proj", config.width)
        else:
            found["memory_proj.weight"] = torch.eye(config.width, captioner.encoder.channels)
            found["memory_proj.bias"] = torch.zeros(config.width)
            if captioner.encoder.channels != config.width:
                raise CheckpointError(
                    f"{self._origin}: the encoder has {captioner.encoder.channels} channels, the decoder "
                    f"{config.width}; name what projects them as keys.projection"
                )
        found |= self._module(keys.projection_norm, "memory_norm") if keys.projection_norm else {}
        found |= self._module(keys.final_norm, "norm") if keys.final_norm else {}
        for layer in range(config.layers):
            before = keys.layers.replace("{}", str(layer))
            for name in [name for name in self._left if name.startswith(before)]:
                found[f"layers.{layer}.{name.removeprefix(before)}"] = self._take(name)
        return {f"decoder.{name}": value.contiguous() for name, value in found.items()}

    def check_all_used(self) -> None:
        """Every key was taken, or is to be left out.

        Raises:
            CheckpointError: some are left over.
        """
        left = [name for name in self._left if not self._is_ignored(name)]
        if left:
            raise CheckpointError(
                f"{self._origin}: {len(left)} keys are left over ({_first(left)}); name their part in [keys], or add "
                "them to ignore"
            )

    def _positions(self, config: DecoderConfig) -> Tensor:
        """The table of the tokens' positions; without one the sinusoids of Vaswani et al. 2017."""
        if self._keys.positions:
            return _table(self._take(self._keys.positions))
        places = torch.arange(config.max_length)[:, None]
        rates = torch.exp(torch.arange(0, config.width, 2) * (-math.log(10_000.0) / config.width))
        table = torch.zeros(config.max_length, config.width)
        table[:, 0::2], table[:, 1::2] = torch.sin(places * rates), torch.cos(places * rates)[:, : config.width // 2]
        return table

    def _module(self, key: str, name: str, width: int | None = None) -> dict[str, Tensor]:
        """Weight and bias of a module; `width` fills in for a bias that it does not have."""
        weight = self._take(f"{key}.weight")
        bias = self._take(f"{key}.bias") if width is None else self._optional(f"{key}.bias", torch.zeros(width))
        return {f"{name}.weight": weight, f"{name}.bias": bias}

    def _is_ignored(self, name: str) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self._mapped.ignore)

    def _shape(self, name: str, axes: int) -> Sequence[int]:
        shape = self._peek(name).shape
        if len(shape) != axes:
            raise CheckpointError(f"{self._origin}: {name} has the shape {list(shape)}, expected {axes} axes")
        return shape

    def _peek(self, name: str) -> Tensor:
        if name not in self._left:
            raise self._lacks(name, "[keys]")
        return self._left[name]

    def _take(self, name: str) -> Tensor:
        value = self._peek(name)
        del self._left[name]
        return value.float() if value.is_floating_point() else value

    def _optional(self, name: str, otherwise: Tensor) -> Tensor:
        return self._take(name) if name in self._left else otherwise

    def _lacks(self, name: str, setting: str) -> CheckpointError:
        close = difflib.get_close_matches(name, self._known, n=1)
        hint = f"did you mean {printable(close[0])}?" if close else f"it begins with {_first(self._known)}"
        return CheckpointError(f"{self._origin}: has no {name} ({setting}); {hint}")


def _plain(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path}: holds more than tensors and plain values, which could be code, and is not read; save its "
            "state_dict() alone"
        ) from error


def _table(value: Tensor) -> Tensor:
    """A table of positions without axes of length one: [1, positions, width] is usual."""
    return value.reshape(-1, value.shape[-1])


def _entries(found: Any) -> str:
    return f"; it has {_first([str(name) for name in found])}" if isinstance(found, Mapping) and found else ""


def _first(names: Sequence[str]) -> str:
    return ", ".join(map(printable, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")
