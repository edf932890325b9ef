"""The image encoder: any timm backbone that gives a grid of features.

Contract: `Encoder(images)` returns a `Memory`: the positions that the decoder may look at, prefix tokens (class,
registers) first, then the patches in row-major order, and the grid that they form. ViT-like models (those with
``num_prefix_tokens``) give their normalised output tokens; all others (EfficientNet, ConvNeXt, Swin, ...) their last
feature map, or the maps of chosen stages through timm's `forward_intermediates`. Maps of several stages are brought
to the coarsest grid and laid channel behind channel: one grid stays, so that attention still maps to the picture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import timm
import torch
import torch.nn.functional as F
from jaxtyping import Float
from timm.data.config import resolve_model_data_config
from torch import Tensor, nn

from ..cache.errors import CheckpointError
from .preprocess import Preprocess


@dataclass(frozen=True)
class EncoderConfig:
    """How to build an encoder.

    Attributes:
        name: timm model name, such as ``vit_large_patch16_224``.
        args: further keyword arguments of `timm.create_model`.
        pretrained: start from timm's pretrained weights (fetched from the hub by timm).
        weights: start from this local file of timm weights (``.safetensors`` or a ``.pth`` without code) instead.
        prefix_tokens: whether the decoder may look at class and register tokens too.
        stage: for backbones without tokens, the feature stage to read; None for the final feature map.
        stages: several of them instead, such as ``(-2, -1)``. Each map is normalised over its channels, so that none
            drowns another, and averaged down to the grid of the coarsest.
        preprocess: fields of `Preprocess` that differ from timm's data config.
    """

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)
    pretrained: bool = False
    weights: str | None = None
    prefix_tokens: bool = True
    stage: int | None = None
    preprocess: Mapping[str, Any] = field(default_factory=dict)
    stages: tuple[int, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values; `stages` only where it is used, as checkpoints before it have none."""
        fields = asdict(self)
        if self.stages is None:
            del fields["stages"]
        return fields

    @property
    def read_stages(self) -> tuple[int, ...]:
        """The feature stages that are read; none for the final feature map."""
        if self.stages is not None:
            return tuple(self.stages)
        return () if self.stage is None else (self.stage,)


@dataclass(frozen=True, slots=True)
class Memory:
    """What the decoder looks at.

    Attributes:
        tokens: ``[batch, position, channel]``, prefix tokens first, then rows x cols patches, row by row.
        rows: patches from top to bottom.
        cols: patches from left to right.
        prefix: number of positions before the first patch.
    """

    tokens: Float[Tensor, "batch position channel"]
    rows: int
    cols: int
    prefix: int


class Encoder(nn.Module):
    """A timm backbone without its head.

    Raises:
        CheckpointError: timm does not know the name or the arguments, or the weights cannot be had or do not fit.
    """

    def __init__(self, config: EncoderConfig, *, load_weights: bool = True) -> None:
        super().__init__()
        self.config = config
        self.model = _create(config, load_weights=load_weights)
        self.preprocess = _preprocess(self.model, config)
        self._has_tokens = hasattr(self.model, "num_prefix_tokens")
        if not self._has_tokens and config.read_stages:
            self._drop_unused(config.read_stages)
        memory = self._probe()
        self.rows, self.cols, self.prefix = memory.rows, memory.cols, memory.prefix
        self.channels = memory.tokens.shape[-1]
        self.positions = memory.tokens.shape[1]

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Memory:
        """Features of a batch of preprocessed images."""
        return self._from_tokens(images) if self._has_tokens else self._from_map(images)

    def _from_tokens(self, images: Float[Tensor, "batch 3 height width"]) -> Memory:
        tokens = self.model.forward_features(images)
        rows, cols = self._token_grid(images)
        prefix = tokens.shape[1] - rows * cols
        if not self.config.prefix_tokens:
            tokens, prefix = tokens[:, prefix:], 0
        return Memory(tokens, rows, cols, prefix)

    def _token_grid(self, images: Float[Tensor, "batch 3 height width"]) -> tuple[int, int]:
        height, width = self.model.patch_embed.patch_size
        return images.shape[-2] // height, images.shape[-1] // width

    def _from_map(self, images: Float[Tensor, "batch 3 height width"]) -> Memory:
        stages = self.config.read_stages
        if stages:
            maps = self.model.forward_intermediates(
                images, indices=list(stages), output_fmt="NCHW", intermediates_only=True
            )
            features = maps[0] if len(maps) == 1 else _on_one_grid(maps)
        else:
            features = self.model.forward_features(images)
            if features.shape[1] != self.model.num_features:  # Swin and others keep channels last
                features = features.permute(0, 3, 1, 2)
        rows, cols = features.shape[-2:]
        return Memory(features.flatten(2).transpose(1, 2), rows, cols, 0)

    def _drop_unused(self, stages: Sequence[int]) -> None:
        """Free the blocks behind the last of `stages`."""
        try:
            self.model.prune_intermediate_layers(list(stages), prune_norm=True)
        except (AttributeError, AssertionError, IndexError, TypeError, ValueError) as error:
            which = ", ".join(map(str, stages))
            raise CheckpointError(f"encoder {self.config.name}: has no feature stage {which} ({error})") from error

    @torch.no_grad()
    def _probe(self) -> Memory:
        """Run a black image once: the only way to know grid and channels that holds for every family."""
        training = self.model.training
        self.model.eval()
        memory: Memory = self(torch.zeros(1, 3, *self.preprocess.input_size))
        self.model.train(training)
        return memory


def _on_one_grid(maps: Sequence[Float[Tensor, "batch channel height width"]]) -> Float[Tensor, "batch all rows cols"]:
    """Several maps of one picture as one: averaged down to the coarsest grid, each normalised over its channels."""
    rows, cols = min((each.shape[-2:] for each in maps), key=math.prod)
    pooled = [F.adaptive_avg_pool2d(each, (rows, cols)) for each in maps]
    normal = [F.layer_norm(each.movedim(1, -1), each.shape[1:2]).movedim(-1, 1) for each in pooled]
    return torch.cat(normal, dim=1)


def _create(config: EncoderConfig, *, load_weights: bool) -> Any:
    pretrained = load_weights and (config.pretrained or config.weights is not None)
    overlay = {"file": config.weights} if config.weights is not None else None
    if pretrained and config.weights is not None and not Path(config.weights).is_file():
        raise CheckpointError(f"encoder weights {config.weights}: no such file")
    # A ViT keeps its tokens: pooling and head are never run.
    try:
        return timm.create_model(
            config.name,
            pretrained=pretrained,
            pretrained_cfg_overlay=overlay if pretrained else None,
            num_classes=0,
            **dict(config.args),
        )
    except Exception as error:
        what = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        advice = (
            "the hub must be reachable, or give a local file as encoder.weights"
            if pretrained and config.weights is None
            else "check encoder.name, encoder.args and encoder.weights (`hw3 train --help`)"
        )
        raise CheckpointError(f"encoder {config.name}: timm could not make it ({what}); {advice}") from error


def _preprocess(model: Any, config: EncoderConfig) -> Preprocess:
    """Preprocessing from timm's data config, with the model's true input size and the user's overrides."""
    data: dict[str, Any] = dict(resolve_model_data_config(model))
    size = getattr(getattr(model, "patch_embed", None), "img_size", None)
    if size is not None:
        data["input_size"] = (3, *size)
    overrides = dict(config.preprocess)
    if "input_size" in overrides:
        overrides["input_size"] = (3, *overrides["input_size"][-2:])
    data.update(overrides)
    return Preprocess.from_timm(data)
