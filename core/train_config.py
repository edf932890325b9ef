"""The settings of `hw3 train`: one frozen dataclass a table of the TOML file, each field explained."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .decoder import DecoderConfig
from .encoder import EncoderConfig


@dataclass(frozen=True)
class DataConfig:
    """Pictures and captions.

    Attributes:
        train_images: folder of the training pictures.
        train_annotations: COCO-style json with their captions.
        val_images: folder of the validation pictures.
        val_annotations: COCO-style json with their captions.
        tokenizer: a `tokenizers` file; None to learn a BPE from the training captions.
        vocabulary: most tokens of a learnt BPE.
        mirror: mirror every second picture in training. Captions that say left and right forbid it.
        shift: move a picture by up to this many input pixels in training (not with a frozen encoder).
    """

    train_images: Path
    train_annotations: Path
    val_images: Path
    val_annotations: Path
    tokenizer: Path | None = None
    vocabulary: int = 10_000
    mirror: bool = True
    shift: int = 0


@dataclass(frozen=True)
class OptimConfig:
    """How the weights are learnt.

    Attributes:
        epochs: passes over the training pictures.
        batch: pictures a step.
        captions: captions of each picture a step; the picture is encoded once for all of them.
        lr: peak learning rate of AdamW.
        encoder_lr: the same for the encoder, where it is trained; None for `lr`.
        weight_decay: of matrices; biases, norms and embeddings have none.
        warmup: share of all steps in which the rate rises; it then falls as a cosine to a hundredth.
        label_smoothing: share of probability given to all tokens alike in the loss.
        clip_norm: bound on the gradient's norm.
        average: decay of the exponential moving average of the weights, which is what is validated and kept; 0: none.
            Early in a run it forgets faster.
        freeze_encoder: keep the encoder as it is; its features are then computed once.
        precision: "fp32", or "bf16" for autocast.
        seed: of everything random.
        threads: torch threads on CPU; 0 leaves torch's choice.
        device: "auto", "cpu" or "cuda".
        save_minutes: how often the resumable state is written.
        validate_every: epochs between validations (greedy captions, CIDEr).
        validate_pictures: at most so many validation pictures, 0 for all.
    """

    epochs: int = 10
    batch: int = 100
    captions: int = 1
    lr: float = 5e-5
    encoder_lr: float | None = None
    weight_decay: float = 0.01
    warmup: float = 0.05
    label_smoothing: float = 0.0
    clip_norm: float = 1.0
    average: float = 0.0
    freeze_encoder: bool = True
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0
    threads: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    save_minutes: float = 5.0
    validate_every: int = 1
    validate_pictures: int = 0


@dataclass(frozen=True)
class TrainConfig:
    """A whole training run."""

    data: DataConfig
    encoder: EncoderConfig
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
