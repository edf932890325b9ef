"""One captioner of several finished ones: an ensemble of their decoders over the encoder that they share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from ..cache.errors import CheckpointError
from .captioner import Captioner, CaptionerConfig
from .ensemble import Ensemble
from .fingerprint import fingerprint


def merged(folders: Sequence[Path]) -> Captioner:
    """The ensemble of the captioners in these folders; one that is an ensemble itself gives all its decoders.

    Args:
        folders: checkpoint folders, two or more, of captioners that were trained with one frozen encoder and one
            tokenizer: other seeds, sizes, phases.

    Raises:
        CheckpointError: one cannot be read, or they do not share encoder, tokenizer and number of heads.
    """
    found = [Captioner.load(folder) for folder in folders]
    first = found[0]
    encoder = fingerprint(first.encoder)
    for folder, other in zip(folders[1:], found[1:], strict=True):
        _require(other.tokenizer.to_json() == first.tokenizer.to_json(), folder, folders[0], "tokenizer")
        same = other.config.encoder == first.config.encoder and fingerprint(other.encoder) == encoder
        _require(same, folder, folders[0], "encoder")
        _require(other.config.decoder.heads == first.config.decoder.heads, folder, folders[0], "number of heads")
    config, *others = [each for one in found for each in (one.config.decoder, *one.config.others)]
    together = Captioner(
        CaptionerConfig(first.config.encoder, config, tuple(others)), first.tokenizer, load_weights=False
    )
    together.encoder.load_state_dict(first.encoder.state_dict())
    decoders = [decoder for one in found for decoder in _decoders(one)]
    for member, decoder in zip(_decoders(together), decoders, strict=True):
        member.load_state_dict(decoder.state_dict())
    return together.eval()


def _decoders(captioner: Captioner) -> list[nn.Module]:
    decoder = captioner.decoder
    return list(decoder.members) if isinstance(decoder, Ensemble) else [decoder]


def _require(alike: bool, folder: Path, first: Path, what: str) -> None:  # noqa: FBT001
    if not alike:
        raise CheckpointError(f"{folder}: has another {what} than {first}; an ensemble needs the same one in all")
