"""Models with random weights and pictures of no meaning, for where speed does not depend on what they say."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import open_clip
import torch
from PIL import Image
from safetensors.torch import save_file

from hw3_browse.core.captioner import Captioner, CaptionerConfig
from hw3_browse.core.decoder import DecoderConfig
from hw3_browse.core.encoder import EncoderConfig
from hw3_browse.core.tokenizer import CaptionTokenizer

_SYLLABLES: Final = "ba ce di fo gu ka le mi no pu ra se ti vo zu sha tre plo gri sna".split()  # noqa: SIM905
_COCO: Final = (640, 480)

# A captioner by its size: encoder, decoder, tokens of its vocabulary (the assignment's has 18,022).
CAPTIONERS: Final[Mapping[str, tuple[EncoderConfig, DecoderConfig, int]]] = {
    "tiny": (
        EncoderConfig(
            "vit_tiny_patch16_224",
            {"img_size": 112, "patch_size": 14, "embed_dim": 32, "depth": 1, "num_heads": 2},
            preprocess={"crop_pct": 1.0},
        ),
        DecoderConfig(layers=2, heads=2, width=32, max_length=24),
        200,
    ),
    "base": (EncoderConfig("vit_base_patch16_224"), DecoderConfig(layers=6, heads=8, width=768), 18_000),
    "large": (EncoderConfig("vit_large_patch16_224"), DecoderConfig(layers=6, heads=8, width=1024), 18_000),
}
_TINY_CLIP: Final = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 64, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


def write_captioner(folder: Path, size: str) -> Path:
    """A captioner's folder with random weights, of a size of `CAPTIONERS`.

    It never says ``[EOS]``: each caption is as long as the search allows, so that the work is known beforehand.
    """
    encoder, decoder, vocabulary = CAPTIONERS[size]
    torch.manual_seed(0)
    captioner = Captioner(CaptionerConfig(encoder, decoder), _tokenizer(vocabulary))
    with torch.no_grad():
        # A tied decoder with small weights repeats its input: let the place in the caption and the picture say more.
        captioner.decoder.token_position.normal_(std=2.0)
        for name, parameter in captioner.decoder.named_parameters():
            if "multihead_attn" in name and parameter.ndim > 1:
                parameter.mul_(4.0)
        captioner.decoder.bias[captioner.tokenizer.eos_id] = -1e3
    captioner.save(folder, half=True)
    return folder


def write_clip(folder: Path, name: str) -> Path:
    """A CLIP's folder with random weights: a model of open_clip, or "tiny"."""
    torch.manual_seed(0)
    settings = _TINY_CLIP if name == "tiny" else open_clip.get_model_config(name)
    model = open_clip.CLIP(**settings)
    preprocess = {
        "mean": open_clip.OPENAI_DATASET_MEAN,
        "std": open_clip.OPENAI_DATASET_STD,
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }
    folder.mkdir(parents=True)
    config = {"model_cfg": settings, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file({key: value.contiguous() for key, value in model.state_dict().items()},
              folder / "open_clip_model.safetensors")  # fmt: skip
    return folder


def write_photographs(folder: Path, count: int, size: tuple[int, int] = _COCO, distinct: int = 64) -> Path:
    """Write JPEGs like COCO's: their size, detail at all scales, about 100 KB each.

    There are `count` names and files, with no more than `distinct` contents.
    """
    folder.mkdir(parents=True)
    blobs = [_photograph(number, size) for number in range(min(count, distinct))]
    for number in range(count):
        (folder / f"{number:012d}.jpg").write_bytes(blobs[number % len(blobs)])
    return folder


def repeat_dataset(images: Path, annotations: Path, folder: Path, count: int) -> tuple[Path, Path]:
    """A dataset of `count` pictures, those of another one again and again under new names: images, annotations.

    Names are hard links where the file system has them: a picture kept by its path is another picture then.
    """
    data = json.loads(annotations.read_text(encoding="utf-8"))
    captions: dict[Any, list[str]] = {}
    for annotation in data["annotations"]:
        captions.setdefault(annotation["image_id"], []).append(annotation["caption"])
    (folder / "images").mkdir(parents=True)
    repeated: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": []}
    for number in range(count):
        image = data["images"][number % len(data["images"])]
        name = f"{number:012d}.jpg"
        _link(images / image["file_name"], folder / "images" / name)
        repeated["images"].append({"id": number, "file_name": name})
        repeated["annotations"] += [{"image_id": number, "caption": caption} for caption in captions[image["id"]]]
    for number, annotation in enumerate(repeated["annotations"]):
        annotation["id"] = number
    (folder / "captions.json").write_text(json.dumps(repeated), encoding="utf-8")
    return folder / "images", folder / "captions.json"


def words(count: int, seed: int = 0) -> Sequence[str]:
    """Made-up words of one to four syllables."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    return ["".join(draw.choices(_SYLLABLES, k=draw.randint(1, 4))) for _ in range(count)]


def _tokenizer(vocabulary: int) -> CaptionTokenizer:
    made = words(4 * vocabulary)
    return CaptionTokenizer.train((" ".join(made[start : start + 10]) for start in range(0, len(made), 5)), vocabulary)


def _photograph(seed: int, size: tuple[int, int]) -> bytes:
    """Noise at several scales, the coarse stronger than the fine, as in photographs."""
    rng = np.random.default_rng(seed)
    total = np.zeros((size[1], size[0], 3))
    for cells, strength in ((4, 70), (16, 40), (64, 20), (size[0] // 2, 12)):
        coarse = rng.normal(size=(max(1, cells * size[1] // size[0]), cells, 3)) * strength
        layers = [Image.fromarray(coarse[..., channel].astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
                  for channel in range(3)]  # fmt: skip
        total += np.stack([np.asarray(layer) for layer in layers], axis=-1)
    stream = io.BytesIO()
    Image.fromarray((total + 120).clip(0, 255).astype(np.uint8)).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def _link(file: Path, name: Path) -> None:
    try:
        os.link(file, name)
    except OSError:
        shutil.copy(file, name)
