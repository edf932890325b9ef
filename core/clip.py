"""CLIP: pictures and texts into one space.

Contract: `Clip.load` opens any open_clip model (a name with a pretrained tag or weight file, or a folder in
open_clip's local-dir layout) and gives unit-norm float32 embeddings. It never unpickles: weights are
safetensors or `torch.load(weights_only=True)`. Whatever prevents a model from loading is one
`CheckpointError` line.

Three things are easy to get wrong with CLIP, and are settled here and nowhere else:

- OpenAI's weights were trained with QuickGELU. open_clip's plain `ViT-B-32` uses GELU and only warns; here
  the name is replaced by its `-quickgelu` twin whenever the weights' tag asks for it.
- The text tower runs over 77 positions although captions have a dozen tokens. In a causal tower nothing
  after the pooled EOT position can change its embedding, so a batch is cut there (`encode_text`).
- A caption with more tokens than the tower has positions is truncated with its EOT kept; `Clip.too_long` says
  which.

Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021.
"""

from __future__ import annotations

import difflib
import json
import logging
import posixpath
import urllib.error
import urllib.request
import warnings
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from huggingface_hub import constants as hub
from huggingface_hub import try_to_load_from_cache
from jaxtyping import Float, UInt8
from open_clip.transform import PreprocessCfg, image_transform_v2
from torch import Tensor

from ..cache.errors import CheckpointError, DatasetError
from .clip_text import CaptionTokens, Model, OpenClipTokens, Tokenize, encode_text, prefixed
from .fingerprint import fingerprint
from .tokenizer import CaptionTokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

CONFIG_FILE: Final = "open_clip_config.json"
WEIGHTS_FILE: Final = "open_clip_model.safetensors"
TOKENIZER_FILE: Final = "tokenizer.json"

_TEXT_BATCH: Final = 256
_HUB_SECONDS: Final = 5.0
_MAX_RESIZED_PIXELS: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ClipSpec:
    """Which CLIP to load.

    Attributes:
        model: An open_clip model name, or a local folder (open_clip's local-dir layout).
        pretrained: A pretrained tag of that model, a weight file (.safetensors, or a .pt that `weights_only`
            accepts), or a local folder, which then says the model too. Ignored when `model` is a folder.
    """

    model: str = "ViT-B-32-quickgelu"
    pretrained: str = "openai"

    @classmethod
    def parse(cls, text: str) -> ClipSpec:
        """Read a command line argument: `FOLDER`, `MODEL:PRETRAINED`, or `MODEL` (its `openai` weights).

        What exists, or looks like a path (starts with `.`, `~` or `/`), is a folder; so a misspelt folder is
        reported as such and is not looked up as a model name.
        """
        if text.startswith((".", "~", "/")) or Path(text).is_dir():
            return cls(model=str(Path(text).expanduser().absolute()))
        model, _, pretrained = text.partition(":")
        return cls(model, pretrained or cls().pretrained)

    @property
    def folder(self) -> Path | None:
        """The local folder that holds everything, None when the model comes by name."""
        for path in (Path(self.model), Path(self.pretrained)):
            if path.is_dir() or (path.is_absolute() and not path.is_file()):
                return path
        return None


class ClipPreprocess:
    """open_clip's evaluation transform in two steps, bit for bit: resize and crop (uint8), then normalisation.

    Split so that training can keep pictures as uint8 (it is what `store.pixels` takes) and normalise on the device.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = PreprocessCfg(**config)
        # The tail is ToTensor and Normalize: everything before it works on the picture.
        self._steps = image_transform_v2(self._config, is_train=False).transforms[:-2]
        height, width = self._config.input_size[1:]
        self.input_size: tuple[int, int] = (height, width)

    def __call__(self, image: Image.Image) -> Float[Tensor, "3 height width"]:
        """One RGB picture, ready for the vision tower."""
        return self.normalise(torch.from_numpy(self.pixels(image))[None])[0]

    def to_json(self) -> dict[str, Any]:
        """All that determines the result, as plain JSON types."""
        return {"pipeline": "open_clip", **asdict(self._config)}

    def pixels(self, image: Image.Image) -> UInt8[np.ndarray, "height width 3"]:
        """Resize and crop an RGB picture.

        Raises:
            DatasetError: it is so thin that resizing it takes gigabytes, or leaves nothing of its short side.
        """
        too_thin = DatasetError(f"a picture of {image.width} x {image.height} pixels is too thin for CLIP")
        stretch = max(image.size) / min(image.size)
        if self._config.resize_mode == "shortest" and stretch * max(self.input_size) ** 2 > _MAX_RESIZED_PIXELS:
            raise too_thin
        try:
            for step in self._steps:
                image = step(image)
        except ValueError as error:  # fitted by its long side, its short side vanishes
            raise too_thin from error
        return np.array(image, dtype=np.uint8)

    def normalise(self, pixels: UInt8[Tensor, "batch height width 3"]) -> Float[Tensor, "batch 3 height width"]:
        """Scale to [0, 1] and normalise; channels last in memory, which convolutions on CPU prefer."""
        mean = torch.tensor(self._config.mean, device=pixels.device)
        std = torch.tensor(self._config.std, device=pixels.device)
        return pixels.float().div_(255).sub_(mean).div_(std).permute(0, 3, 1, 2)


class Clip:
    """A loaded CLIP in eval mode, on one device.

    Attributes:
        model: The open_clip module.
        preprocess: What happens to a picture before the vision tower.
        device: Where the model is.
    """

    def __init__(self, model: Model, tokenize: Tokenize, device: torch.device, names: dict[str, str]) -> None:
        self.model: Model = model.eval().to(device)
        self.device = device
        self.preprocess = ClipPreprocess(model.visual.preprocess_cfg)
        self._tokenize = tokenize
        self._names = names

    @classmethod
    def load(cls, spec: ClipSpec, device: str | torch.device = "cpu") -> Clip:
        """Open a model with its weights and tokenizer.

        Raises:
            CheckpointError: the name is unknown, the files are missing or do not fit, or the hub is out of
                reach.
        """
        device = torch.device(device)
        folder = spec.folder
        return cls._from_folder(folder, device) if folder else cls._by_name(spec, device)

    @classmethod
    def _from_folder(cls, folder: Path, device: torch.device) -> Clip:
        config = read_folder_config(folder)
        source = f"local-dir:{folder}"
        with _one_line(f"the CLIP folder {folder}"), _quiet():
            model = open_clip.create_model(source, require_pretrained=True, weights_only=True)
            tokenize = _folder_tokens(folder, source, config)
        return cls(model, tokenize, device, {"model": folder.resolve().name, "pretrained": "local folder"})

    @classmethod
    def _by_name(cls, spec: ClipSpec, device: torch.device) -> Clip:
        name = activation_twin(spec.model, spec.pretrained)
        _check_name(name, spec.pretrained)
        with _one_line(f"the CLIP {name} with weights {spec.pretrained!r}"), _quiet():
            model = open_clip.create_model(
                name,
                _cached_weights(name, spec.pretrained) or spec.pretrained,
                force_preprocess_cfg=dict(open_clip.get_pretrained_cfg(name, spec.pretrained)),
                require_pretrained=True,
                weights_only=True,
            )
            tokenize = OpenClipTokens(open_clip.get_tokenizer(name), model.context_length)
        return cls(model, tokenize, device, {"model": name, "pretrained": Path(spec.pretrained).name})

    @property
    def logit_scale(self) -> float:
        """What a cosine is multiplied by before a softmax (100 for OpenAI's models)."""
        return float(self.model.logit_scale.detach().exp())

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return int(self.embed_texts([""]).shape[1])

    @cached_property
    def fingerprint(self) -> str:
        """See `fingerprint`."""
        return fingerprint(self.model)

    @property
    def tokenizer_identity(self) -> str:
        """What tells its tokenizer from others of models with the same weights; empty for open_clip's own."""
        return self._tokenize.identity

    @property
    def identity(self) -> dict[str, str]:
        """What tells this model from others, JSON-able: part of a run's plan."""
        return {**self._names, "sha256": self.fingerprint}

    @torch.inference_mode()
    def embed_images(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch dim"]:
        """Unit-norm embeddings of preprocessed images, float32 on the CPU."""
        features = self.model.encode_image(images.to(self.device))
        return F.normalize(features.float(), dim=-1).cpu()

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str], prefix: str = "") -> Float[Tensor, "batch dim"]:
        """Unit-norm embeddings of texts, float32 on the CPU, in the order given.

        Args:
            texts: Captions; ones too long for the tower are truncated with EOT kept (see `too_long`).
            prefix: Put before each text, a space between. The CLIPScore paper uses "A photo depicts", the
                assignment nothing.
        """
        rows = prefixed(texts, prefix)
        # Texts of like length share a batch, so that one long caption slows no others.
        order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
        found: list[Tensor] = []
        for start in range(0, len(order), _TEXT_BATCH):
            ids, _ = self._tokenize([rows[row] for row in order[start : start + _TEXT_BATCH]])
            found.append(F.normalize(encode_text(self.model, ids.to(self.device)).float(), dim=-1).cpu())
        if not found:
            return torch.empty(0, self.dim)
        embeddings = torch.cat(found)
        return embeddings[torch.tensor(order).argsort()]

    def too_long(self, texts: Sequence[str], prefix: str = "") -> list[int]:
        """Indices of the texts that `embed_texts` truncates."""
        _, cut = self._tokenize(prefixed(texts, prefix))
        return [row for row, was_cut in enumerate(cut) if was_cut]


def activation_twin(model: str, pretrained: str) -> str:
    """The model name with the activation that the weights of this tag were trained with.

    open_clip keeps two configs of OpenAI's models, `ViT-B-32` (GELU) and `ViT-B-32-quickgelu`, and loads
    QuickGELU weights into the first with no more than a warning; all its embeddings are then slightly wrong.
    """
    twin = f"{model}-quickgelu"
    tag = open_clip.get_pretrained_cfg(model, pretrained)
    return twin if tag.get("quick_gelu") and twin in open_clip.list_models() else model


def read_folder_config(folder: Path) -> dict[str, Any]:
    """The `open_clip_config.json` of a local folder.

    Raises:
        CheckpointError: the folder or the file is missing, or it is no such config.
    """
    path = folder / CONFIG_FILE
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such CLIP folder; give one with {CONFIG_FILE} and weights")
    if not path.is_file():
        raise CheckpointError(f"{folder}: has no {CONFIG_FILE}, so it is no CLIP folder in open_clip's layout")
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        int(config["model_cfg"]["text_cfg"].get("context_length", 0))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: not an open_clip config ({error!r})") from error
    return config


def _folder_tokens(folder: Path, source: str, config: dict[str, Any]) -> Tokenize:
    """Our BPE file where the folder has one (and its config asks for no other), else open_clip's."""
    text = config["model_cfg"]["text_cfg"]
    context = int(text.get("context_length", 77))
    if (folder / TOKENIZER_FILE).is_file() and not text.get("hf_tokenizer_name"):
        tokenizer = CaptionTokenizer.from_file(folder / TOKENIZER_FILE)
        _check_vocabulary(folder, tokenizer, text)
        return CaptionTokens(tokenizer, context)
    return OpenClipTokens(open_clip.get_tokenizer(source), context)


def _check_vocabulary(folder: Path, tokenizer: CaptionTokenizer, text: dict[str, Any]) -> None:
    size = int(text.get("vocab_size", 49408))
    if tokenizer.vocab_size > size:
        raise CheckpointError(
            f"{folder}: {TOKENIZER_FILE} has {tokenizer.vocab_size} tokens, the text tower {size}; "
            "they do not belong together"
        )
    if text.get("pool_type") != "eos" or text.get("eos_id") != tokenizer.eos_id:
        raise CheckpointError(
            f"{folder}: {CONFIG_FILE} must pool at the tokenizer's end token "
            f'("pool_type": "eos", "eos_id": {tokenizer.eos_id} in text_cfg)'
        )


def _check_name(model: str, pretrained: str) -> None:
    """Reject unknown names before anything is downloaded."""
    if model.startswith("hf-hub:"):
        return
    if model not in open_clip.list_models():
        near = difflib.get_close_matches(model, open_clip.list_models(), n=1)
        hint = f"did you mean {near[0]}?" if near else "give an open_clip model name or a local folder"
        raise CheckpointError(f"{model}: open_clip knows no such model; {hint}")
    tags = open_clip.list_pretrained_tags_by_model(model)
    if not Path(pretrained).is_file() and not open_clip.is_pretrained_cfg(model, pretrained):
        near = difflib.get_close_matches(pretrained, tags, n=1) or tags[:5]
        known = f"it has {', '.join(near)}" if near else "it has none: give a weight file"
        raise CheckpointError(f"{pretrained}: neither a file nor pretrained weights of {model} ({known})")


def _cached_weights(model: str, pretrained: str) -> str | None:
    """The weight file of a tag in the hub's local cache, None where it must be downloaded.

    Asked for a file, the hub's client waits for the network first, 20 seconds and more where there is none,
    even when the file is in its cache; and the same again for each name that the file might have.

    Raises:
        CheckpointError: it is not in the cache and the hub is out of reach.
    """
    tag: Mapping[str, Any] = open_clip.get_pretrained_cfg(model, pretrained)
    repository, name = posixpath.split(tag.get("hf_hub", ""))
    if not repository:
        return None
    named = [f"{posixpath.splitext(name)[0]}.safetensors", name]
    for file in named if name else [WEIGHTS_FILE, "open_clip_pytorch_model.bin"]:
        found = try_to_load_from_cache(repository, file)
        if isinstance(found, str):
            return found
    try:
        # S310 (a scheme like file:): the address is the hub client's own, or the user's setting of it.
        urllib.request.urlopen(hub.ENDPOINT, timeout=_HUB_SECONDS).close()  # noqa: S310
    except urllib.error.HTTPError:
        return None  # somebody answered
    except OSError as error:
        raise CheckpointError(
            f"the weights {pretrained!r} of {model} are not on this machine and the model hub is out of reach"
            f" ({error}); load them once while online, or give a local folder with {CONFIG_FILE}"
            f" and {WEIGHTS_FILE}"
        ) from error
    return None


@contextmanager
def _one_line(what: str) -> Iterator[None]:
    """Turn whatever open_clip, timm, torch or the hub raises while loading into one line."""
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:  # third-party loaders raise anything from KeyError to zipfile errors
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise CheckpointError(
            f"{what} could not be loaded ({reason}); check the files, or give a local folder with"
            f" {CONFIG_FILE} and {WEIGHTS_FILE}"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep open_clip's root-logger notes off the terminal: what fails is said by the exception."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(before)
