"""Training a small CLIP: two towers, contrastive loss, R@1 on held-out pictures.

Contract of the output folder: it is a CLIP folder in open_clip's local-dir layout (`open_clip_config.json`,
`open_clip_model.safetensors`, `tokenizer.json`), so that `Clip.load` and open_clip itself open it; beside
them `log.jsonl`, a line a validation, and until the end `state.pt`, the resumable state. The weights are those of the
last validation, never picked by their validation score: the validation pictures teach nothing.

Every step draws its randomness (order, captions, mirroring, shifts, dropout) from (seed, step) alone, so a
run that was killed goes on with the very steps that were left. A frozen vision tower runs once a picture:
its pooled features are kept.

Loss: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021
(open_clip's ClipLoss); frozen towers: Zhai et al., "LiT: Zero-Shot Transfer with Locked-image text Tuning",
2022.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from numpy.typing import NDArray
from open_clip.transform import PreprocessCfg
from safetensors.torch import load_file, save
from tokenizers import Tokenizer
from torch import Tensor, nn

from ..cache.errors import CheckpointError, DatasetError, UsageError
from ..cache.files import replace_file, replacing
from . import store
from .clip import CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE, ClipPreprocess, read_folder_config
from .clip_config import ClipModelConfig, ClipOptimConfig, ClipTrainConfig
from .clip_scores import Retrieval, retrieval
from .clip_text import CaptionTokens, Model, encode_text
from .datasets import Dataset, open_dataset
from .device import autocast, choose_device
from .fingerprint import fingerprint
from .loop import Log, learning_rate, read_state, recipe, seeded
from .progress import Progress
from .tokenizer import CaptionTokenizer

_MAX_LOGIT_SCALE: Final = math.log(100)  # as in the CLIP paper: sharper makes training unstable
_VALIDATION_BATCH: Final = 128
_STATE_FILE: Final = "state.pt"
_LOG_FILE: Final = "log.jsonl"


def train_clip(config: ClipTrainConfig, out: Path) -> Path:
    """Train as `config` says into `out`, going on where an interrupted run with equal settings stopped.

    Returns:
        The folder, ready for `Clip.load`; at once, if such a run has already finished there.

    Raises:
        UsageError: a setting does not fit, or `out` holds a CLIP or a run with other settings.
        DatasetError, CheckpointError: data or weights cannot be read.
    """
    if _is_finished(config, out):
        return out
    return _Run(config, out).train()


def _is_finished(config: ClipTrainConfig, out: Path) -> bool:
    """Whether `out` holds the CLIP that `config` makes; a run that goes on there has its `state.pt` still."""
    if not (out / CONFIG_FILE).exists() or (out / _STATE_FILE).exists():
        return False
    if read_folder_config(out).get("recipe") != recipe(config):
        raise UsageError(f"{out}: holds a CLIP that other settings made; choose another folder or remove it")
    return True


# --- the model ------------------------------------------------------------------------------------


def model_config(config: ClipModelConfig, tokenizer: CaptionTokenizer) -> dict[str, Any]:
    """The `model_cfg` of open_clip_config.json: the settings with vocabulary and pooling filled in."""
    text = {
        "context_length": 32,
        **config.text,
        "vocab_size": tokenizer.vocab_size,
        "pool_type": "eos",
        "eos_id": tokenizer.eos_id,
        "pad_id": tokenizer.pad_id,
    }
    vision = dict(config.vision)
    return {"embed_dim": config.embed_dim, "vision_cfg": vision, "text_cfg": text, "custom_text": True}


def build_model(config: ClipModelConfig, tokenizer: CaptionTokenizer) -> Model:
    """An open_clip model with fresh weights, but for the vision tower's where a file gives them.

    Raises:
        UsageError: open_clip or timm cannot build it.
        CheckpointError: the weight file cannot be read or does not fit.
    """
    settings = model_config(config, tokenizer)
    del settings["custom_text"]
    try:
        model: Model = open_clip.CustomTextCLIP(**settings)
        preprocess = PreprocessCfg(size=model.visual.image_size, **config.preprocess)
    except Exception as error:  # open_clip and timm raise anything for settings that they do not know
        reason = " ".join(str(error).split())
        raise UsageError(f"setting model: open_clip cannot build this ({reason})") from error
    open_clip.set_model_preprocess_cfg(model, dataclasses.asdict(preprocess))
    if config.vision_weights is not None:
        _load_vision(model, config.vision_weights)
    if config.freeze_vision:
        _timm_trunk(model).requires_grad_(requires_grad=False)
    return model


def _load_vision(model: Model, path: Path) -> None:
    """Load a vision tower's own weights (timm's names), the classifier left out."""
    tower: nn.Module = getattr(model.visual, "trunk", model.visual)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file of vision weights (setting model.vision_weights)")
    try:
        weights = load_file(path)
    except Exception as error:  # safetensors raises its own error type, and OSError
        raise CheckpointError(f"{path}: not a safetensors file ({error})") from error
    counters = {name: value for name, value in tower.state_dict().items() if name.endswith("num_batches_tracked")}
    weights = counters | weights
    wanted = tower.state_dict()
    missing = sorted(name for name in wanted if name not in weights)
    unfit = sorted(name for name in wanted if name in weights and weights[name].shape != wanted[name].shape)
    if missing or unfit:
        what = f"lacks {missing[0]}" if missing else f"has another shape of {unfit[0]}"
        raise CheckpointError(f"{path}: {what}, so it does not belong to this vision tower (setting model.vision)")
    tower.load_state_dict({name: weights[name] for name in wanted})


def _timm_trunk(model: Model) -> nn.Module:
    trunk = getattr(model.visual, "trunk", None)
    if not isinstance(trunk, nn.Module):
        raise UsageError("setting model.freeze_vision: needs a timm tower (model.vision.timm_model_name)")
    return trunk


def save_folder(model: Model, tokenizer: CaptionTokenizer, config: ClipTrainConfig, out: Path) -> None:
    """Write the CLIP folder: matrices in fp16, vectors and scalars (norms, biases, logit scale) in fp32."""
    preprocess = {key: value for key, value in model.visual.preprocess_cfg.items() if key != "size"}
    described = {
        "model_cfg": model_config(config.model, tokenizer),
        "preprocess_cfg": preprocess,
        "recipe": recipe(config),
    }
    weights = {
        name: (value.half() if value.ndim > 1 and value.is_floating_point() else value).cpu().contiguous()
        for name, value in model.state_dict().items()
    }
    replace_file(out / TOKENIZER_FILE, tokenizer.to_json().encode())
    replace_file(out / WEIGHTS_FILE, save(weights, metadata={"format": "pt"}))
    replace_file(out / CONFIG_FILE, (json.dumps(described, indent=2) + "\n").encode())


# --- pictures and captions ------------------------------------------------------------------------


def moved(
    pixels: UInt8[Tensor, "batch height width 3"], rng: np.random.Generator, *, shift: int, mirror: bool
) -> UInt8[Tensor, "batch height width 3"]:
    """Move each picture by its own random offset (edges repeated), mirror every second one: one gather."""
    count, height, width, _ = pixels.shape
    down, right = torch.from_numpy(rng.integers(-shift, shift + 1, size=(2, count, 1)))
    rows = (torch.arange(height) - down).clamp(0, height - 1)
    cols = (torch.arange(width) - right).clamp(0, width - 1)
    if mirror:
        flips = torch.from_numpy(rng.random((count, 1)) < 0.5)  # noqa: PLR2004 (a coin)
        cols = torch.where(flips, cols.flip(1), cols)
    return pixels[torch.arange(count)[:, None, None], rows[:, :, None], cols[:, None, :]]


class _Captions:
    """Token ids of all captions of a dataset, those of one picture side by side."""

    def __init__(self, dataset: Dataset, tokenizer: CaptionTokenizer, context: int) -> None:
        texts = [text for item in dataset for text in item.references]
        self.ids, cut = CaptionTokens(tokenizer, context)(texts)
        self.truncated = sum(cut)
        self.counts = np.array([len(item.references) for item in dataset])
        self._first = np.cumsum(self.counts) - self.counts
        self.pictures = np.flatnonzero(self.counts)

    def of(self, pictures: NDArray[np.intp], number: NDArray[np.intp]) -> Int[Tensor, "batch context"]:
        """Caption `number` (modulo how many there are) of each picture."""
        return self.ids[torch.from_numpy(self._first[pictures] + number % self.counts[pictures])]


class _Pictures:
    """What the vision tower, or the projection behind a frozen one, reads of each picture."""

    def __init__(self, dataset: Dataset, run: _Run, *, mirrored: bool) -> None:
        self._run = run
        self._preprocess = ClipPreprocess(run.model.visual.preprocess_cfg)
        self._kept: NDArray[Any] = store.pixels(
            dataset,
            self._preprocess,  # type: ignore[arg-type]  # has all that pixels asks of a Preprocess
            store.kept_dir(),
        )
        if run.config.model.freeze_vision:
            self._kept = self._features(dataset, views=2 if mirrored else 1)

    def _features(self, dataset: Dataset, views: int) -> NDArray[np.float16]:
        """Pooled features of a frozen tower, `[picture, view, channel]`; view 1 is mirrored."""
        trunk: Any = _timm_trunk(self._run.model).eval()
        pixels, device = self._kept, self._run.device

        @torch.inference_mode()
        def chunk(start: int, stop: int) -> NDArray[Any]:
            images = self._preprocess.normalise(torch.from_numpy(pixels[start:stop].copy()).to(device))
            images = images.contiguous(memory_format=torch.channels_last)  # a third faster for convolutions
            with self._run.autocast():
                kept = [trunk(images), trunk(images.flip(-1))] if views > 1 else [trunk(images)]
            return np.asarray(torch.stack(kept, dim=1).half().cpu().numpy())

        shape = (len(dataset), views, trunk.num_features)
        precision = self._run.config.optim.precision
        key = store.key(dataset.fingerprint, self._preprocess.to_json(), fingerprint(trunk), views, precision)
        path = store.kept_dir() / f"pooled-{key}.npy"
        return store.filled(path, shape, np.dtype(np.float16), chunk, "encoding pictures")

    def embed(self, pictures: NDArray[np.intp], rng: np.random.Generator | None) -> Float[Tensor, "batch dim"]:
        """Image embeddings (not normalised); augmented where `rng` is given."""
        visual, data = self._run.model.visual, self._run.config.data
        if self._run.config.model.freeze_vision:
            views = rng.integers(self._kept.shape[1], size=len(pictures)) if rng else 0
            features = torch.from_numpy(self._kept[pictures, views]).to(self._run.device)
            found: Tensor = visual.head(features.float())
            return found
        pixels = torch.from_numpy(self._kept[pictures])
        if rng is not None:
            pixels = moved(pixels, rng, shift=data.shift, mirror=data.mirror)
        embedded: Tensor = visual(self._preprocess.normalise(pixels.to(self._run.device)))
        return embedded


# --- the run --------------------------------------------------------------------------------------


class _Run:
    """One training run: the model, its optimizer, and where it stands."""

    def __init__(self, config: ClipTrainConfig, out: Path) -> None:
        self.config, self.out = config, out
        data, optim = config.data, config.optim
        if optim.threads:
            torch.set_num_threads(optim.threads)
        self.device = choose_device(optim.device)
        out.mkdir(parents=True, exist_ok=True)
        state = self._read_state()
        seeded(optim.seed, 0)
        train_set = open_dataset(data.train_images, data.train_annotations)
        val_set = open_dataset(data.val_images, data.val_annotations)
        self.tokenizer = _tokenizer(config.model, train_set, state)
        self.model = build_model(config.model, self.tokenizer).to(self.device)
        self.model.visual.to(memory_format=torch.channels_last)
        context = self.model.context_length
        self.captions = _captions(train_set, self.tokenizer, context)
        self.val_captions = _captions(val_set, self.tokenizer, context)
        self.pictures = _Pictures(train_set, self, mirrored=data.mirror)
        self.val_pictures = _Pictures(val_set, self, mirrored=False)
        self.loss = open_clip.ClipLoss()
        self.optimizer = torch.optim.AdamW(_groups(self.model, optim), lr=optim.lr, betas=(0.9, 0.98), eps=1e-6)
        self.steps_an_epoch = max(1, len(self.captions.pictures) // optim.batch)
        self.total = self.steps_an_epoch * optim.epochs
        self.step = 0
        if state:
            self._restore(state)
        self.log = Log(out / _LOG_FILE, self.step)

    def autocast(self) -> torch.autocast:
        """Mixed precision, where the settings ask for it."""
        return autocast(self.device, self.config.optim.precision)

    def train(self) -> Path:
        """Run to the end."""
        saved = began = time.monotonic()
        losses: list[float] = []
        found = ""
        with Progress("training CLIP", self.total, unit="steps") as progress:
            progress.restart_from(self.step)
            while self.step < self.total:
                losses.append(self._one_step())
                self.step += 1
                progress.update(1, f"loss {sum(losses) / len(losses):.3f}{found}")
                if self.step % self.steps_an_epoch == 0:
                    found = self._end_of_epoch(losses, time.monotonic() - began) or found
                    losses = []
                if time.monotonic() - saved > 60 * self.config.optim.save_minutes:
                    self._save()
                    saved = time.monotonic()
        (self.out / _STATE_FILE).unlink(missing_ok=True)
        return self.out

    def _one_step(self) -> float:
        optim = self.config.optim
        epoch, place = divmod(self.step, self.steps_an_epoch)
        order = np.random.default_rng([optim.seed, epoch]).permutation(self.captions.pictures)
        chosen = order[place * optim.batch : (place + 1) * optim.batch]
        rng = seeded(optim.seed, self.step + 1)
        ids = self.captions.of(chosen, rng.integers(2**31, size=len(chosen)))
        for group in self.optimizer.param_groups:
            group["lr"] = optim.lr * learning_rate(self.step, self.total, optim.warmup)
        self._training_mode()
        with self.autocast():
            image = self.pictures.embed(chosen, rng)
            text = encode_text(self.model, ids.to(self.device))
        unit_image, unit_text = F.normalize(image.float(), dim=-1), F.normalize(text.float(), dim=-1)
        loss: Tensor = self.loss(unit_image, unit_text, self.model.logit_scale.exp())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), optim.clip_norm)
        self.optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, _MAX_LOGIT_SCALE)
        return float(loss.detach())

    def _training_mode(self) -> None:
        self.model.train()
        if self.config.model.freeze_vision:
            _timm_trunk(self.model).eval()

    def _end_of_epoch(self, losses: Sequence[float], seconds: float) -> str:
        """Validate where it is due; what to show beside the loss from now on."""
        epoch = self.step // self.steps_an_epoch
        if epoch % self.config.optim.validate_every and self.step < self.total:
            return ""
        score = self.validate()
        self._save()  # before the folder: while a run is not over, there is a state in it
        save_folder(self.model, self.tokenizer, self.config, self.out)
        row = {
            "epoch": epoch,
            "step": self.step,
            "loss": round(sum(losses) / len(losses), 4),
            "text_to_image_r1": round(score.text_to_image, 4),
            "image_to_text_r1": round(score.image_to_text, 4),
            "logit_scale": round(float(self.model.logit_scale.detach().exp()), 2),
            "truncated_captions": self.captions.truncated,
            "seconds": round(seconds),
        }
        self.log.add(row)
        return f", R@1 {score.text_to_image:.1%} text to image, {score.image_to_text:.1%} image to text"

    @torch.inference_mode()
    def validate(self) -> Retrieval:
        """R@1 over the validation pictures with one caption each, averaged over the captions."""
        self.model.eval()
        captions = self.val_captions
        chunks = np.array_split(captions.pictures, math.ceil(len(captions.pictures) / _VALIDATION_BATCH))
        images = F.normalize(torch.cat([self.val_pictures.embed(chunk, None) for chunk in chunks]), dim=-1)
        scores = []
        for number in range(int(captions.counts.max())):
            ids = captions.of(captions.pictures, np.full(len(captions.pictures), number))
            texts = F.normalize(encode_text(self.model, ids.to(self.device)), dim=-1)
            scores.append(retrieval(images, texts))
        return Retrieval(
            text_to_image=sum(score.text_to_image for score in scores) / len(scores),
            image_to_text=sum(score.image_to_text for score in scores) / len(scores),
        )

    def _save(self) -> None:
        state = {
            "recipe": recipe(self.config),
            "step": self.step,
            "tokenizer": self.tokenizer.to_json(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        with replacing(self.out / _STATE_FILE) as temporary:
            torch.save(state, temporary)

    def _read_state(self) -> dict[str, Any] | None:
        """What an interrupted run has left, None where there is none."""
        return read_state(self.out / _STATE_FILE, recipe(self.config), self.device)

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]


def _tokenizer(config: ClipModelConfig, dataset: Dataset, state: Mapping[str, Any] | None) -> CaptionTokenizer:
    """The settings' tokenizer, that of an interrupted run (learnt anew it would differ: the library breaks ties
    at random), or one learnt now.
    """
    if config.tokenizer is not None:
        return CaptionTokenizer.from_file(config.tokenizer)
    if state is not None:
        return CaptionTokenizer(Tokenizer.from_str(state["tokenizer"]))
    return CaptionTokenizer.train((text for item in dataset for text in item.references), config.vocabulary)


def _captions(dataset: Dataset, tokenizer: CaptionTokenizer, context: int) -> _Captions:
    if not dataset.has_references:
        where = dataset.annotations or dataset.root
        raise DatasetError(f"{where}: no captions, and a CLIP learns from pairs of pictures and captions")
    return _Captions(dataset, tokenizer, context)


def _groups(model: nn.Module, optim: ClipOptimConfig) -> list[dict[str, Any]]:
    """Matrices and kernels with weight decay; norms, biases, embeddings and the logit scale without."""
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            matrix = parameter.ndim > 1 and "embedding" not in name
            (decayed if matrix else plain).append(parameter)
    return [{"params": decayed, "weight_decay": optim.weight_decay}, {"params": plain, "weight_decay": 0.0}]
