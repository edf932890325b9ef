"""The settings of `hw3 train-clip`: one frozen dataclass a table of the TOML file, each field explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .config import build


@dataclass(frozen=True)
class ClipDataConfig:
    """Pictures and captions.

    Attributes:
        train_images: folder of the training pictures.
        train_annotations: COCO-style json with their captions.
        val_images: folder of the validation pictures.
        val_annotations: COCO-style json with their captions.
        mirror: mirror every second picture in training. Captions that say left and right forbid it.
        shift: move each picture by up to this many input pixels in training (not with a frozen vision tower).
    """

    train_images: Path
    train_annotations: Path
    val_images: Path
    val_annotations: Path
    mirror: bool = True
    shift: int = 0


@dataclass(frozen=True)
class ClipModelConfig:
    """The two towers, in open_clip's own words.

    Attributes:
        vision: open_clip's `vision_cfg`, as `{layers = [1, 1, 1, 1], width = 16, image_size = 112}` (CLIP's
            ResNet) or `{timm_model_name = "...", timm_proj = "linear", image_size = 112}`.
        text: open_clip's `text_cfg` (context_length, width, heads, layers); vocabulary, pooling are filled
            in.
        preprocess: open_clip's `preprocess_cfg` (mean, std, interpolation, resize_mode).
        embed_dim: length of an embedding.
        vocabulary: most tokens of the BPE learnt from the training captions.
        tokenizer: a `tokenizers` file to use instead of learning one.
        vision_weights: safetensors of the vision tower (timm's names), classifier allowed and left out.
        freeze_vision: keep those weights; only the projection behind a timm tower is trained.
    """

    vision: Mapping[str, Any]
    text: Mapping[str, Any]
    preprocess: Mapping[str, Any] = field(default_factory=dict)
    embed_dim: int = 192
    vocabulary: int = 400
    tokenizer: Path | None = None
    vision_weights: Path | None = None
    freeze_vision: bool = False


@dataclass(frozen=True)
class ClipOptimConfig:
    """How the weights are learnt.

    Attributes:
        epochs: passes over the training pictures; each pass takes one caption of every picture.
        batch: pairs a step; each picture is told from batch - 1 others.
        lr: peak learning rate of AdamW.
        weight_decay: of matrices; biases, norms and embeddings have none.
        warmup: share of all steps in which the rate rises; it then falls as a cosine to a hundredth.
        clip_norm: bound on the gradient's norm.
        precision: "fp32", or "bf16" for autocast.
        seed: of everything random.
        threads: torch threads on CPU; 0 leaves torch's choice.
        device: "auto", "cpu", "cuda" or "cuda:1".
        save_minutes: how often the resumable state is written.
        validate_every: epochs between validations.
    """

    epochs: int = 20
    batch: int = 256
    lr: float = 1e-3
    weight_decay: float = 0.1
    warmup: float = 0.05
    clip_norm: float = 1.0
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0
    threads: int = 0
    device: str = "auto"
    save_minutes: float = 3.0
    validate_every: int = 1


@dataclass(frozen=True)
class ClipTrainConfig:
    """A whole training run."""

    data: ClipDataConfig
    model: ClipModelConfig
    optim: ClipOptimConfig = field(default_factory=ClipOptimConfig)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> ClipTrainConfig:
        """Read the tables of a TOML file.

        Raises:
            UsageError: a setting is unknown, missing or of the wrong type.
        """
        return build(cls, mapping)
