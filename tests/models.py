"""Tiny models and datasets for tests: random weights, but of the product's own classes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hw3_browse.core.captioner import Captioner, CaptionerConfig
from hw3_browse.core.clip_config import ClipDataConfig, ClipModelConfig, ClipTrainConfig
from hw3_browse.core.clip_training import build_model, save_folder
from hw3_browse.core.decoder import DecoderConfig
from hw3_browse.core.encoder import EncoderConfig
from hw3_browse.core.tokenizer import CaptionTokenizer

SENTENCES = (
    "a dog runs on the green grass",
    "two cats sit on a red chair",
    "a man rides a bicycle in the snow",
    "three apples on the table",
    "a dog and a cat in the street",
)

VIT = EncoderConfig(
    name="vit_tiny_patch16_224",
    args={"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 2, "reg_tokens": 2},
    preprocess={"crop_pct": 1.0},
)


def tiny_tokenizer() -> CaptionTokenizer:
    """A BPE learnt from `SENTENCES`, so small that some words fall into pieces."""
    return CaptionTokenizer.train(SENTENCES * 3, 60)


def tiny_captioner(
    encoder: EncoderConfig = VIT, *, layers: int = 2, heads: int = 3, norm_first: bool = True, seed: int = 0
) -> Captioner:
    """An untrained captioner whose logits are spread enough that its captions are not all alike."""
    torch.manual_seed(seed)
    decoder = DecoderConfig(layers=layers, heads=heads, width=24, max_length=16, norm_first=norm_first, dropout=0.1)
    captioner = Captioner(CaptionerConfig(encoder, decoder), tiny_tokenizer()).eval()
    with torch.no_grad():
        for name, parameter in captioner.decoder.named_parameters():
            if "position" in name or parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.3)
            else:
                parameter.mul_(1.5)
    return captioner


def write_clip(folder: Path) -> Path:
    """An untrained CLIP's folder: both towers tiny, our own tokenizer."""
    torch.manual_seed(0)
    nowhere = {f"{split}_{what}": folder for split in ("train", "val") for what in ("images", "annotations")}
    model = ClipModelConfig(
        embed_dim=16,
        vision={"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
        text={"context_length": 32, "width": 32, "heads": 2, "layers": 1},
    )
    folder.mkdir(parents=True)
    tokenizer = tiny_tokenizer()
    save_folder(build_model(model, tokenizer), tokenizer, ClipTrainConfig(ClipDataConfig(**nowhere), model), folder)
    return folder


def write_dataset(
    folder: Path, count: int = 6, captions: Sequence[str] = SENTENCES, seed: int = 0
) -> tuple[Path, Path]:
    """Pictures of random colours in several shapes, each with two captions: (image folder, annotations)."""
    rng = np.random.default_rng(seed)
    images = folder / "images"
    images.mkdir(parents=True)
    data: dict[str, list[dict[str, object]]] = {"images": [], "annotations": []}
    for number in range(count):
        width, height = ((60, 40), (40, 60), (48, 48))[number % 3]
        blocks = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        name = f"{number:06d}.png"
        Image.fromarray(blocks).resize((width, height), Image.Resampling.BICUBIC).save(images / name)
        data["images"].append({"id": number, "file_name": name})
        for turn in range(2):
            caption = captions[(number + turn) % len(captions)]
            data["annotations"].append({"id": 2 * number + turn, "image_id": number, "caption": caption})
    annotations = folder / "captions.json"
    annotations.write_text(json.dumps(data))
    return images, annotations
