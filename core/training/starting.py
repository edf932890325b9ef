"""The weights of a finished captioner as the beginning of another run.

Contract: the new captioner begins as the old one was. Where it reads the old feature map and others before it
(`EncoderConfig.stages`), the new channels begin with weight zero. Each map is normalised over its channels, as the
decoder does itself, so that the old captioner's words come out unchanged (up to rounding).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ...cache.errors import CheckpointError
from ..captioner import Captioner, CaptionerConfig


def started_from(folder: Path, shape: CaptionerConfig) -> Captioner:
    """A captioner of the given shape with the weights and the tokenizer of a checkpoint.

    Its longest caption may be shorter than the checkpoint's, dropout and preprocessing may differ.

    Raises:
        CheckpointError: the checkpoint cannot be read, or is of another shape.
    """
    found = Captioner.load(folder)
    if found.config.others:
        raise CheckpointError(f"{folder}: an ensemble; start from one of the captioners that it was made of")
    captioner = Captioner(shape, found.tokenizer, load_weights=False)
    try:
        captioner.load_state_dict(_fitted(found, captioner))
    except RuntimeError as error:
        raise CheckpointError(f"{folder}: has another encoder or decoder than these settings (start_from)") from error
    return captioner


def _fitted(found: Captioner, wanted: Captioner) -> dict[str, Tensor]:
    """The weights of `found`, as far as they can be made to fit."""
    state: dict[str, Tensor] = dict(found.state_dict())
    new = wanted.encoder.channels - found.encoder.channels
    if new > 0 and wanted.config.encoder.read_stages[-1:] == found.config.encoder.read_stages:
        norm, bias, projection = (f"decoder.memory_{name}" for name in ("norm.weight", "norm.bias", "proj.weight"))
        state[norm] = torch.cat((state[norm].new_ones(new), state[norm]))
        state[bias] = torch.cat((state[bias].new_zeros(new), state[bias]))
        width = state[projection].shape[0]
        state[projection] = torch.cat((state[projection].new_zeros(width, new), state[projection]), dim=1)
    places = "decoder.token_position"
    state[places] = state[places][: wanted.config.decoder.max_length]
    return state
