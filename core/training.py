"""Training a captioner: cross-entropy on the next token, AdamW, validation by greedy captions and CIDEr.

Contract of the output folder: ``best/`` and ``last/`` are captioner checkpoints, ``log.jsonl`` has a line an epoch,
``state.pt`` is the resumable state, ``tokenizer.json`` the tokenizer learnt from the captions. Every step draws its
randomness (order, captions, mirroring, dropout) from (seed, step) alone, so that a run that was killed goes on with
the very steps that were left.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from ..cache.errors import UsageError
from ..cache.files import replace_file, replacing
from . import store
from .captioner import Captioner, CaptionerConfig
from .datasets import Dataset, open_dataset
from .decoding import Decoding, decode
from .device import autocast, choose_device
from .encoder import Memory
from .loop import Log, learning_rate, moving_average, read_state, recipe, seeded
from .metrics.evaluate import evaluate
from .progress import Progress
from .tokenizer import CaptionTokenizer
from .train_config import OptimConfig, TrainConfig

_IGNORED = -100
_VALIDATION_BATCH = 100


class Pictures:
    """What a training step reads of each picture: uint8 pixels, or a frozen encoder's kept features."""

    def __init__(self, dataset: Dataset, captioner: Captioner, config: TrainConfig) -> None:
        self._captioner = captioner
        self._data = config.data
        self._frozen = config.optim.freeze_encoder
        folder, encoder = store.kept_dir(), captioner.encoder
        if self._frozen:
            encoder.eval()
            identity = store.encoder_identity(encoder)
            self._kept: NDArray[Any] = store.features(
                dataset, encoder, identity, folder, mirrored=config.data.mirror, precision=config.optim.precision
            )
        else:
            self._kept = store.pixels(dataset, encoder.preprocess, folder)

    def memory(self, indices: Int[np.ndarray, " image"], rng: np.random.Generator | None) -> Memory:
        """The encoder's memory of some pictures; augmented where `rng` is given."""
        encoder, device = self._captioner.encoder, self._captioner.device
        order = np.argsort(indices)  # read the memory map forwards
        back = np.argsort(order)
        flips = np.zeros(len(indices), bool)
        if self._data.mirror and rng is not None:
            flips = rng.integers(2, size=len(indices)).astype(bool)
        if self._frozen:
            kept = self._kept[indices[order], flips[order].astype(int)][back]
            tokens = torch.from_numpy(kept).to(device).float()
            return Memory(tokens, encoder.rows, encoder.cols, encoder.prefix)
        batch = torch.from_numpy(self._kept[indices[order]][back])
        if rng is not None:
            batch = _shifted(batch, self._data.shift, rng)
        images = encoder.preprocess.normalise(batch.to(device))
        flip = torch.from_numpy(flips).to(device)[:, None, None, None]
        return self._captioner.encode(torch.where(flip, images.flip(-1), images))


class Run:
    """One training run: the captioner, its optimizer, and where it stands."""

    def __init__(self, config: TrainConfig, out: Path) -> None:
        self.config, self.out = config, out
        optim = config.optim
        if optim.threads:
            torch.set_num_threads(optim.threads)
        self.device = choose_device(optim.device)
        seeded(optim.seed, 0)
        self.train_set = open_dataset(config.data.train_images, config.data.train_annotations)
        self.val_set = open_dataset(config.data.val_images, config.data.val_annotations)
        captions = [caption for item in self.train_set for caption in item.references]
        if not captions:
            raise UsageError(f"{config.data.train_annotations}: no captions to learn from")
        tokenizer = _tokenizer(config, captions, out)
        self.captioner = Captioner(CaptionerConfig(config.encoder, config.decoder), tokenizer).to(self.device)
        if optim.freeze_encoder:
            self.captioner.encoder.requires_grad_(requires_grad=False)
        self.encoded = _encode_captions(self.train_set, tokenizer, config.decoder.max_length)
        self.steps_an_epoch = max(1, len(self.encoded) // optim.batch)
        self.total = self.steps_an_epoch * optim.epochs
        self.optimizer = torch.optim.AdamW(_groups(self.captioner, optim), lr=optim.lr, betas=(0.9, 0.98))
        self.average = (
            torch.optim.swa_utils.AveragedModel(self.captioner, multi_avg_fn=moving_average(optim.average))
            if optim.average
            else None
        )
        self.step, self.best = 0, -math.inf
        self._restore()
        self.log = Log(out / "log.jsonl", self.step)

    @property
    def judged(self) -> Captioner:
        """The captioner that is validated and kept: the averaged one, if there is one."""
        return cast("Captioner", self.average.module) if self.average is not None else self.captioner

    def train(self) -> Path:
        """Run to the end; the folder of the best checkpoint."""
        pictures = Pictures(self.train_set, self.captioner, self.config)
        saved = time.monotonic()
        loss_sum, count = 0.0, 0
        with Progress("training", self.total, unit="steps") as progress:
            progress.restart_from(self.step)
            while self.step < self.total:
                loss_sum, count = loss_sum + self._one_step(pictures), count + 1
                self.step += 1
                progress.update(1, f"loss {loss_sum / count:.3f}")
                if self.step % self.steps_an_epoch == 0:
                    self._end_of_epoch(loss_sum / count)
                    loss_sum, count = 0.0, 0
                if time.monotonic() - saved > 60 * self.config.optim.save_minutes or self.step == self.total:
                    self._save()
                    saved = time.monotonic()
        return self.out / "best"

    def _one_step(self, pictures: Pictures) -> float:
        optim = self.config.optim
        epoch, place = divmod(self.step, self.steps_an_epoch)
        order = np.random.default_rng([optim.seed, epoch]).permutation(len(self.encoded))
        rows = order[place * optim.batch : (place + 1) * optim.batch]
        rng = seeded(optim.seed, self.step + 1)
        chosen = [rng.permutation(len(self.encoded[row][1]))[: optim.captions] for row in rows]
        width = min(len(choice) for choice in chosen)
        captions = [
            self.encoded[row][1][pick] for row, choice in zip(rows, chosen, strict=True) for pick in choice[:width]
        ]
        tokens = _padded(captions, self.captioner.tokenizer.pad_id).to(self.device)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * learning_rate(self.step, self.total, optim.warmup)
        self.captioner.train()
        if optim.freeze_encoder:
            self.captioner.encoder.eval()
        indices = np.array([self.encoded[row][0] for row in rows])
        with autocast(self.device, optim.precision):
            memory = pictures.memory(indices, rng)
            logits = self.captioner.decoder(memory.tokens, tokens[:, :-1])
        loss = caption_loss(logits, tokens[:, 1:], self.captioner.tokenizer.pad_id, optim.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.captioner.parameters(), optim.clip_norm)
        self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.captioner)
        return loss.item()

    def _end_of_epoch(self, loss: float) -> None:
        epoch = self.step // self.steps_an_epoch
        row: dict[str, Any] = {"epoch": epoch, "step": self.step, "loss": round(loss, 4)}
        if epoch % self.config.optim.validate_every == 0 or self.step == self.total:
            cider = self.validate()
            row["cider"] = round(cider, 4)
            self.judged.save(self.out / "last")
            if cider > self.best:
                self.best = cider
                self.judged.save(self.out / "best")
        self.log.add(row)

    def validate(self) -> float:
        """Corpus CIDEr of greedy captions of the validation pictures."""
        items = self.val_set.items[: self.config.optim.validate_pictures or None]
        captioner = self.judged.eval()
        kept = store.pixels(self.val_set, captioner.preprocess, store.kept_dir())
        texts: list[str] = []
        for start in range(0, len(items), _VALIDATION_BATCH):
            batch = torch.from_numpy(kept[start : min(start + _VALIDATION_BATCH, len(items))].copy())
            with torch.inference_mode():
                memory = captioner.encode(captioner.preprocess.normalise(batch.to(self.device)))
            best = [found[0] for found in decode(captioner, memory, Decoding())]
            texts += [captioner.tokenizer.decode(hypothesis.token_ids).text for hypothesis in best]
        references = [item.references for item in items]
        return float(evaluate(texts, references, metrics=("cider",)).corpus["cider"])

    def _save(self) -> None:
        state: dict[str, Any] = {
            "recipe": recipe(self.config),
            "step": self.step,
            "best": self.best,
            "captioner": self.captioner.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict() if self.average is not None else None,
        }
        with replacing(self.out / "state.pt") as temporary:
            torch.save(state, temporary)

    def _restore(self) -> None:
        state = read_state(self.out / "state.pt", recipe(self.config), self.device)
        if state is None:
            return
        self.captioner.load_state_dict(state["captioner"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.step, self.best = state["step"], state["best"]


def train(config: TrainConfig, out: Path) -> Path:
    """Train as `config` says into `out`, going on where an interrupted run with equal settings stopped.

    Returns:
        The folder of the best checkpoint by validation CIDEr.

    Raises:
        UsageError: `out` holds a run with other settings, or there is nothing to learn from.
        DatasetError, CheckpointError: data or weights cannot be read.
    """
    return Run(config, out).train()


def caption_loss(
    logits: Float[Tensor, "caption token vocabulary"],
    targets: Int[Tensor, "caption token"],
    pad_id: int,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Mean cross-entropy of the next token, padding left out."""
    wanted = targets.masked_fill(targets == pad_id, _IGNORED)
    return F.cross_entropy(
        logits.float().flatten(0, 1), wanted.flatten(), ignore_index=_IGNORED, label_smoothing=label_smoothing
    )


def _tokenizer(config: TrainConfig, captions: Sequence[str], out: Path) -> CaptionTokenizer:
    """The tokenizer of the settings, or one learnt here: once, since the library breaks ties differently each time."""
    if config.data.tokenizer:
        return CaptionTokenizer.from_file(config.data.tokenizer)
    kept = out / "tokenizer.json"
    if not kept.is_file():
        out.mkdir(parents=True, exist_ok=True)
        replace_file(kept, CaptionTokenizer.train(captions, config.data.vocabulary).to_json().encode())
    return CaptionTokenizer.from_file(kept)


def _encode_captions(
    dataset: Dataset, tokenizer: CaptionTokenizer, max_length: int
) -> list[tuple[int, list[list[int]]]]:
    """(index, token ids of each caption) of every picture that has captions, cut to what the decoder can hold."""
    flat = iter(tokenizer.encode_batch([text for item in dataset for text in item.references]))
    encoded = []
    for item in dataset:
        captions = [next(flat) for _ in item.references]
        if captions:
            encoded.append((item.index, [ids[: max_length - 1] + ids[-1:] if len(ids) > max_length else ids
                                         for ids in captions]))  # fmt: skip
    return encoded


def _padded(captions: Sequence[Sequence[int]], pad_id: int) -> Int[Tensor, "caption token"]:
    tokens = torch.full((len(captions), max(map(len, captions))), pad_id)
    for row, caption in enumerate(captions):
        tokens[row, : len(caption)] = torch.tensor(caption)
    return tokens


def _groups(captioner: Captioner, optim: OptimConfig) -> list[dict[str, Any]]:
    """Parameter groups: encoder and decoder with their own rates, matrices with weight decay."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in captioner.named_parameters():
        if not parameter.requires_grad:
            continue
        encoder = name.startswith("encoder.")
        peak = optim.encoder_lr if encoder and optim.encoder_lr is not None else optim.lr
        plain = parameter.ndim <= 1 or "position" in name or "embed" in name
        groups.setdefault((peak, 0.0 if plain else optim.weight_decay), []).append(parameter)
    return [{"params": params, "peak": peak, "weight_decay": decay} for (peak, decay), params in groups.items()]


def _shifted(
    batch: Int[Tensor, "image height width 3"], most: int, rng: np.random.Generator
) -> Int[Tensor, "image height width 3"]:
    """Move the whole batch by one random offset, edges repeated."""
    if not most:
        return batch
    down, right = rng.integers(-most, most + 1, size=2)
    rows = (torch.arange(batch.shape[1]) - int(down)).clamp(0, batch.shape[1] - 1)
    cols = (torch.arange(batch.shape[2]) - int(right)).clamp(0, batch.shape[2] - 1)
    return batch[:, rows][:, :, cols]
