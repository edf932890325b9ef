"""The baseline of the other benchmarks: captions, attention and scores as a one-off script computes them.

One picture at a time, read again by each step; the whole prefix through `torch.nn.TransformerDecoder` for every token;
the picture encoded and the caption decoded once more for the attention; each picture and each caption through CLIP by
itself, the text tower over its full context; pycocoevalcap with Java. Nothing here is the product's: weights and
settings are read from its checkpoint folders, everything else is timm, torch, open_clip and tokenizers. What comes out
is the same, which the benchmarks check in each run.

    python benchmarks/plain.py IMAGES ANNOTATIONS CAPTIONER CLIP OUT [--beams 3]      the script itself
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import timm
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from timm.data.config import resolve_model_data_config
from timm.data.transforms_factory import create_transform
from tokenizers import Tokenizer
from torch import Tensor, nn

_SPECIALS = ("[PAD]", "[UNK]", "[BOS]")


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption: its tokens (no ``[BOS]``), its text, and the score that the search ranked it by."""

    tokens: tuple[int, ...]
    text: str
    score: float


class _Layer(nn.TransformerDecoderLayer):
    """torch's own layer; where `looking`, it keeps the weights of its cross-attention, as a hook would."""

    looking = False
    looked: Tensor

    def _mha_block(self, x: Tensor, mem: Tensor, *args: Any, **settings: Any) -> Tensor:
        if not self.looking:
            return super()._mha_block(x, mem, *args, **settings)
        x, self.looked = self.multihead_attn(x, mem, mem, need_weights=True, average_attn_weights=False)
        return self.dropout2(x)


class PlainCaptioner:
    """A checkpoint folder of `hw3 train` with a ViT as its encoder, run by timm and torch alone."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        state = {name: value.float() for name, value in load_file(folder / "model.safetensors").items()}
        self.device = device
        self.tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.prefix_tokens = config["encoder"]["prefix_tokens"]
        self.encoder: Any = timm.create_model(config["encoder"]["name"], num_classes=0, **config["encoder"]["args"])
        self.encoder.load_state_dict(_below("encoder.model.", state))
        self.encoder.eval().to(device)
        data = {**resolve_model_data_config(self.encoder), "input_size": (3, *self.encoder.patch_embed.img_size)}
        self.transform = create_transform(**{**data, **config["encoder"]["preprocess"]}, is_training=False)
        self._build(config["decoder"], _below("decoder.", state))

    def _build(self, config: dict[str, Any], state: dict[str, Tensor]) -> None:
        width = config["width"]
        hidden = config["feedforward"] or 4 * width
        layer = _Layer(
            width, config["heads"], hidden, activation="gelu", batch_first=True, norm_first=config["norm_first"]
        )
        norm = nn.LayerNorm(width) if config["norm_first"] else None
        self.decoder: Any = nn.TransformerDecoder(layer, config["layers"], norm)
        wanted = {name: value for name, value in state.items() if name.startswith(("layers.", "norm."))}
        self.decoder.load_state_dict(wanted)
        self.decoder.eval().to(self.device)
        self.weights = {name: value.to(self.device) for name, value in state.items()}
        self.most = config["max_length"] - 1
        self.bos, self.eos = (self.tokenizer.token_to_id(name) for name in ("[BOS]", "[EOS]"))
        self.never = [self.tokenizer.token_to_id(name) for name in _SPECIALS]

    @torch.no_grad()
    def encode(self, file: Path) -> Tensor:
        """Read a picture; what the decoder looks at, [1, position, width]."""
        with Image.open(file) as image:
            pixels = self.transform(image.convert("RGB"))
        tokens = self.encoder.forward_features(pixels[None].to(self.device))
        if not self.prefix_tokens:
            tokens = tokens[:, self.encoder.num_prefix_tokens :]
        weights = self.weights
        norm = F.layer_norm(tokens, tokens.shape[-1:], weights["memory_norm.weight"], weights["memory_norm.bias"])
        seen = F.linear(norm, weights["memory_proj.weight"], weights["memory_proj.bias"])
        return seen + weights["memory_position"]

    @torch.no_grad()
    def next(self, memory: Tensor, tokens: Tensor) -> Tensor:
        """Log-probabilities [caption, vocabulary] of the token behind `tokens` [caption, token]."""
        length, table = tokens.shape[1], self.weights["embedding.weight"]
        x = F.embedding(tokens, table) * math.sqrt(table.shape[1]) + self.weights["token_position"][:length]
        causal = nn.Transformer.generate_square_subsequent_mask(length, device=torch.device(self.device))
        x = self.decoder(x, memory.expand(len(tokens), -1, -1), tgt_mask=causal, tgt_is_causal=True)
        logits = F.linear(x[:, -1], table, self.weights["bias"])
        logits[:, self.never] = -torch.inf
        return logits.log_softmax(dim=-1)

    def greedy(self, file: Path, steps: int = 40) -> Caption:
        """The likeliest token after the likeliest token."""
        memory, tokens, total = self.encode(file), [self.bos], 0.0
        for _ in range(min(steps, self.most)):
            likely, best = self.next(memory, torch.tensor([tokens], device=self.device))[0].max(dim=-1)
            tokens.append(int(best))
            total += float(likely)
            if tokens[-1] == self.eos:
                break
        return self._caption(tokens[1:], total / (len(tokens) - 1))

    def beam(self, file: Path, beams: int = 3, steps: int = 40) -> Caption:
        """Beam search, ranked by log-probability a token; it ends when no running caption can still win."""
        memory, steps = self.encode(file), min(steps, self.most)
        running: list[tuple[float, list[int]]] = [(0.0, [self.bos])]
        ended: list[tuple[float, list[int]]] = []
        for step in range(steps):
            likely = self.next(memory, torch.tensor([tokens for _, tokens in running], device=self.device))
            totals = likely + torch.tensor([total for total, _ in running], device=self.device)[:, None]
            best = totals.flatten().topk(2 * beams)
            longer = [
                (total, [*running[place // likely.shape[1]][1], place % likely.shape[1]])
                for total, place in zip(best.values.tolist(), best.indices.tolist(), strict=True)
            ]
            last = step == steps - 1
            ended += [(total / (step + 1), tokens) for total, tokens in longer if last or tokens[-1] == self.eos]
            ended = sorted(ended, key=lambda one: -one[0])[:beams]
            running = [one for one in longer if one[1][-1] != self.eos][:beams]
            if not running or (len(ended) == beams and ended[-1][0] >= running[0][0] / steps):
                break
        return self._caption(ended[0][1][1:], ended[0][0])

    def caption(self, file: Path, beams: int = 1, steps: int = 40) -> Caption:
        """Greedy, or by beams."""
        return self.greedy(file, steps) if beams == 1 else self.beam(file, beams, steps)

    def attention(self, file: Path, caption: Caption) -> np.ndarray:
        """Encode and decode again, with an eye on the weights: [token, layer, head, position]."""
        memory, tokens, rows = self.encode(file), [self.bos, *caption.tokens], []
        layers: list[Any] = list(self.decoder.layers)
        for layer in layers:
            layer.looking = True
        for length in range(1, len(tokens)):
            self.next(memory, torch.tensor([tokens[:length]], device=self.device))
            rows.append(torch.stack([layer.looked[0, :, -1] for layer in layers]))
        for layer in layers:
            layer.looking = False
        return torch.stack(rows).cpu().numpy()

    def _caption(self, tokens: Sequence[int], score: float) -> Caption:
        words = [self.tokenizer.id_to_token(token) for token in tokens if token != self.eos]
        text = " ".join(words).replace(" ##", "").removeprefix("##")
        return Caption(tuple(tokens), text, score)


class PlainClip:
    """A CLIP folder in open_clip's layout, by open_clip alone, a picture or a text at a time."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        source = f"local-dir:{folder}"
        self.device = device
        self.model, self.transform = open_clip.create_model_from_pretrained(source, device=device)
        self.model.eval()
        self.tokenize = self._tokenizer(folder, source)

    def _tokenizer(self, folder: Path, source: str) -> Callable[[list[str]], Tensor]:
        if not (folder / "tokenizer.json").is_file():
            return open_clip.get_tokenizer(source)  # type: ignore[no-any-return]
        own, context = Tokenizer.from_file(str(folder / "tokenizer.json")), self.model.context_length
        own.enable_padding(length=context)
        own.enable_truncation(context)
        return lambda texts: torch.tensor([entry.ids for entry in own.encode_batch(texts)])

    @torch.no_grad()
    def picture(self, file: Path) -> Tensor:
        """Read a picture; its embedding, [dim] of unit norm."""
        with Image.open(file) as image:
            pixels = self.transform(image.convert("RGB"))[None].to(self.device)
        return F.normalize(self.model.encode_image(pixels), dim=-1)[0]

    @torch.no_grad()
    def text(self, text: str) -> Tensor:
        """The embedding of a text, [dim] of unit norm."""
        return F.normalize(self.model.encode_text(self.tokenize([text]).to(self.device)), dim=-1)[0]

    def score(self, file: Path, caption: str, references: Sequence[str] = ()) -> tuple[float, float]:
        """CLIPScore, and with references RefCLIPScore (else NaN)."""
        picture, text = self.picture(file), self.text(caption)
        score = 2.5 * max(float(picture @ text), 0.0)
        if not references:
            return score, math.nan
        nearest = max(0.0, *(float(text @ self.text(reference)) for reference in references))
        return score, 2 * score * nearest / (score + nearest) if score + nearest else 0.0


def read_references(annotations: Path) -> dict[str, list[str]]:
    """The captions of each file, in the assignment's layout."""
    data = json.loads(annotations.read_text(encoding="utf-8"))
    names = {image["id"]: image["file_name"] for image in data["images"]}
    found: dict[str, list[str]] = {name: [] for name in names.values()}
    for annotation in data["annotations"]:
        found[names[annotation["image_id"]]].append(annotation["caption"])
    return found


def script(job: dict[str, Any]) -> dict[str, float]:
    """The whole of it: captions, attention, CLIPScores and reference metrics into files; the corpus scores."""
    import metrics  # noqa: PLC0415 (pycocoevalcap, which the parts above do without)

    metrics.java_on_path()
    out, images = Path(job["out"]), Path(job["images"])
    (out / "attention").mkdir(parents=True)
    references = read_references(Path(job["annotations"]))
    captioner, clip = PlainCaptioner(Path(job["captioner"])), PlainClip(Path(job["clip"]))
    captions = {name: captioner.caption(images / name, job["beams"], job["steps"]) for name in sorted(references)}
    for name, caption in captions.items():
        np.save(out / "attention" / f"{Path(name).stem}.npy", captioner.attention(images / name, caption))
    scores = {name: clip.score(images / name, caption.text, references[name]) for name, caption in captions.items()}
    texts, groups = [one.text for one in captions.values()], [references[name] for name in captions]
    found = metrics.theirs(texts, groups, job["metrics"]) if job["metrics"] else {}
    corpus = {name: float(score) for name, (score, _) in found.items()}
    corpus["clipscore"] = float(np.mean([score for score, _ in scores.values()]))
    corpus["refclipscore"] = float(np.mean([score for _, score in scores.values()]))
    rows = {name: {"caption": captions[name].text, "clipscore": scores[name]} for name in captions}
    (out / "predictions.json").write_text(json.dumps({"corpus": corpus, "pictures": rows}), encoding="utf-8")
    return corpus


def _below(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("images", "annotations", "captioner", "clip", "out"):
        parser.add_argument(name, type=Path, metavar=name.upper())
    parser.add_argument("--beams", type=int, default=1)
    parser.add_argument("--steps", type=int, default=40, help="most tokens of a caption")
    parser.add_argument("--metrics", nargs="*", default=["bleu", "rouge_l", "cider", "meteor"])
    print(json.dumps(script(vars(parser.parse_args())), indent=1))


if __name__ == "__main__":
    main()
