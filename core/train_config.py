"""The settings of `hw3 train`: one frozen dataclass a table of the TOML file, each field explained."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..cache.errors import UsageError
from .decoder import DecoderConfig
from .encoder import EncoderConfig


@dataclass(frozen=True)
class DataConfig:
    """Pictures and captions.

    Attributes:
        train_images: folder of the training pictures.
        train_annotations: their captions, in any layout of ``docs/datasets.md``.
        val_images: folder of the validation pictures.
        val_annotations: their captions.
        train_split: which split of its annotations to learn from, where they have several.
        val_split: which split of its annotations to validate on.
        tokenizer: a `tokenizers` file; None to learn a BPE from the training captions.
        vocabulary: most tokens of a learnt BPE.
        mirror: mirror every second picture in training. Captions that say left and right forbid it.
        shift: move a picture by up to this many input pixels in training (not with a frozen encoder).
        views: with a frozen encoder, how many views of each picture are kept and drawn from: the plain one, with
            `mirror` its mirror image, all others random crops with a little colour. 0 adds none to the first ones.
    """

    train_images: Path
    train_annotations: Path
    val_images: Path
    val_annotations: Path
    train_split: str | None = None
    val_split: str | None = None
    tokenizer: Path | None = None
    vocabulary: int = 10_000
    mirror: bool = True
    shift: int = 0
    views: int = 0


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
        accumulate: parts that a step's batch is worked through in; their gradients add up to those of the batch.
            Where GPU memory runs out, there are more parts from then on.
        precision: "fp32", or "bf16" or (on a GPU, with scaled gradients) "fp16" for autocast.
        seed: of everything random.
        threads: torch threads on CPU; 0 leaves torch's choice.
        device: "auto", "cpu" or "cuda".
        save_minutes: how often the resumable state is written.
        validate_every: epochs between validations by CIDEr; the end of a phase has one always.
        validate_steps: steps between them instead, where it is not 0.
        validate_pictures: at most so many validation pictures, 0 for all.
        validate_beams: beams of their captions, 1 is greedy search.
        tensorboard: write event files for TensorBoard too, which must be installed.
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
    accumulate: int = 1
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    seed: int = 0
    threads: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    save_minutes: float = 5.0
    validate_every: int = 1
    validate_steps: int = 0
    validate_pictures: int = 0
    validate_beams: int = 1
    tensorboard: bool = False


@dataclass(frozen=True)
class SelfCriticalConfig:
    """The last phase: reward captions that are drawn, by their CIDEr (`core.self_critical`).

    Attributes:
        epochs: passes over the training pictures; 0 leaves the phase out.
        lr: peak learning rate, far below the first phase's (an eighth of it harmed, docs/training.md); the encoder's,
            where it is trained, in the proportion of that phase.
        samples: captions drawn of each picture; the others' mean reward is what each is compared with.
        temperature: of drawing.
        max_length: most tokens of a drawn caption.
    """

    epochs: int = 0
    lr: float = 1e-5
    samples: int = 5
    temperature: float = 1.0
    max_length: int = 30

    def __post_init__(self) -> None:
        if self.epochs and self.samples < 2:  # noqa: PLR2004 (one is compared with the others)
            raise UsageError(f"setting self_critical.samples: {self.samples}; samples are compared, so it needs 2")


@dataclass(frozen=True)
class TrainConfig:
    """A whole training run.

    Attributes:
        data: pictures and captions.
        encoder: the image encoder.
        decoder: size of the decoder.
        optim: how the weights are learnt.
        self_critical: the last phase, if any.
        start_from: folder of a captioner of the same shape whose weights and tokenizer training starts from; one that
            reads the last of `encoder.stages` alone will do.
    """

    data: DataConfig
    encoder: EncoderConfig
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    self_critical: SelfCriticalConfig = field(default_factory=SelfCriticalConfig)
    start_from: Path | None = None
