"""Makes small, realistic evaluation caches without a model, for the tests of the cache and of the browser.

Everything is deterministic by seed. The texts include what strangers send: right-to-left scripts, combining
marks, wide characters, emoji families, escape sequences, bidirectional overrides, line breaks and very long
words.
"""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from hw3_browse.cache.geometry import view_for
from hw3_browse.cache.schema import Captioned, Score, total
from hw3_browse.cache.writer import CacheWriter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hw3_browse.cache.geometry import View

CAPTIONS: tuple[str, ...] = (
    "a man riding a skateboard under a red umbrella .",
    "two dogs running on the beach .",
    "a girl in a blue dress is eating an icecream",
    "a bicycle leaning against a wall",
    "three sheep standing in a green meadow near a tree .",
    "a skier going down a snowcovered mountain",
    "קבוצת אנשים עומדת ליד sheep",  # right to left
    "一只猫坐在沙发上 next to a cat",  # two cells a character
    "cafe\u0301 with a na\u0131\u0308ve 👩‍👩‍👧 family",  # combining marks, an emoji of five code points
    "a \x1b[31mred\x1b[0m kite\r\nin the \u202esky\u202c \x1b]0;title\x07",  # what a terminal would obey
    "[bold]a sign[/bold] that reads [link=x]stop[/] \\[",  # what Rich would obey
    "pneumonoultramicroscopicsilicovolcanoconiosis" * 3,
)
EOS = "<EOS>"
SCORES: tuple[Score, ...] = (
    Score("clipscore", True, "2.5 * max(cos(image, caption), 0)"),
    Score("refclipscore", True, "harmonic mean of CLIPScore and the best reference's cosine"),
    Score("cider", True, "CIDEr of coco-caption"),
    Score("bleu4", True, "BLEU-4 of coco-caption"),
    Score("logprob", True, "sum of the tokens' log-probabilities"),
)


def make_cache(
    folder: Path,
    count: int = 12,
    seed: int = 0,
    layers: int = 2,
    heads: int = 3,
    grid: tuple[int, int] = (4, 5),
    prefix: int = 1,
    words: Sequence[str] | None = None,
    *,
    exact: bool = False,
    overwrite: bool = False,
    maps: bool = True,
) -> Path:
    """Write a finished cache of made-up pictures and return its folder.

    Args:
        folder: Where.
        count: Number of pictures. Every fifth has no references and undefined reference scores (NaN).
        seed: Another seed, other pictures, attention and scores.
        layers: Decoder layers.
        heads: Heads of each layer.
        grid: (rows, cols) of patches.
        prefix: Prefix tokens before the patches.
        words: Captions to use in turn instead of `CAPTIONS`.
        exact: Keep attention in half precision.
        overwrite: Replace a finished cache.
        maps: Whether the run has attention; without, it has neither tokens.
    """
    captions = CAPTIONS if words is None else tuple(words)
    with CacheWriter(folder, fake_plan(count, seed, folder), count, exact=exact, overwrite=overwrite) as writer:
        rows = [
            fake_row(index, captions[index % len(captions)], seed, layers, heads, grid, prefix)
            for index in range(count)
        ]
        rows = rows if maps else [text_alone(row) for row in rows]
        writer.add_captioned(rows)
        writer.add_embeddings([(index, fake_embedding(index, seed)) for index in range(count)])
        return writer.finish(
            fake_scores(rows, seed),
            SCORES,
            corpus={"cider": 0.8125, "bleu4": 0.27, "clipscore": 0.715, "meteor": math.nan},
            versions={"hw3-browse": "0.0", "numpy": np.__version__},
            notes=("1 caption was longer than CLIP reads and was cut",),
        )


def fake_plan(count: int, seed: int = 0, folder: Path | None = None) -> dict[str, Any]:
    """Return a plan as `hw3 precompute` makes it; the dataset's images are `images/` beside the folder."""
    images = "/nowhere/images" if folder is None else str(folder.absolute().parent / "images")
    return {
        "dataset": {
            "name": "fake",
            "images": images,
            "annotations": None,
            "fingerprint": f"f{seed}",
            "count": count,
        },
        "captioner": {"encoder": "vit_tiny_patch16_224", "layers": 2, "sha256": "0" * 64},
        "decoding": {"strategy": "greedy", "max_tokens": 40},
        "clip": {"model": "ViT-B-32-quickgelu", "pretrained": "openai", "prefix": ""},
        "metrics": ["bleu", "cider"],
        "attention": "u8",
    }


def fake_row(
    index: int,
    caption: str,
    seed: int = 0,
    layers: int = 2,
    heads: int = 3,
    grid: tuple[int, int] = (4, 5),
    prefix: int = 1,
) -> Captioned:
    """Return one captioned picture; its attention is peaked, each token at a place of its own."""
    rng = np.random.default_rng((seed, index))
    words = tuple(caption.split())
    pieces: list[str] = []
    word_of_piece: list[int] = []
    for position, word in enumerate(words):
        cut = split_word(word)
        pieces += cut
        word_of_piece += [position] * len(cut)
    pieces.append(EOS)
    word_of_piece.append(-1)
    size = [(320, 240), (240, 320), (256, 256), (400, 120)][index % 4]
    view = fake_view(size, grid)
    references = () if index % 5 == 4 else tuple(f"{caption.lower()} number {n}" for n in range(1 + index % 5))
    return Captioned(
        index=index,
        name=f"{index:012d}",
        path=f"part{index % 2}/{index:012d}.jpg",
        view=view,
        caption=caption,
        references=references,
        token_ids=tuple(int(token) for token in rng.integers(4, 18_000, len(pieces))),
        pieces=tuple(pieces),
        word_of_piece=tuple(word_of_piece),
        words=words,
        logprobs=tuple(float(np.float32(value)) for value in -rng.exponential(0.5, len(pieces))),
        attention=fake_attention(rng, len(pieces), layers, heads, grid, prefix),
        prefix=prefix,
        preview=fake_preview(rng, size),
    )


def text_alone(row: Captioned) -> Captioned:
    """Return the row as of a model that tells nothing but its captions."""
    return replace(row, token_ids=(), pieces=(), word_of_piece=(), logprobs=(), attention=None)


def split_word(word: str, longest: int = 4) -> list[str]:
    """Cut a long word into pieces, the later ones marked as a BPE vocabulary marks them."""
    if len(word) <= 2 * longest:
        return [word]
    cuts = [word[start : start + longest] for start in range(0, len(word), longest)]
    return [cuts[0], *(f"##{cut}" for cut in cuts[1:])]


def fake_view(size: tuple[int, int], grid: tuple[int, int]) -> View:
    """Return the view of a centre crop at 16 pixels a patch."""
    return view_for(size=size, input_size=(grid[0] * 16, grid[1] * 16), crop_pct=0.9, crop_mode="center", grid=grid)


def fake_attention(
    rng: np.random.Generator, tokens: int, layers: int, heads: int, grid: tuple[int, int], prefix: int
) -> np.ndarray:
    """Return float32 [tokens, layers, heads, positions]: distributions, a bump that walks with the token."""
    rows, cols = grid
    y, x = np.mgrid[:rows, :cols]
    token = np.arange(tokens).reshape(-1, 1, 1, 1, 1)
    distance = (y - token % rows) ** 2 + (x - (token // rows) % cols) ** 2
    logits = -distance + rng.normal(0, 0.5, (tokens, layers, heads, rows, cols))
    flat = np.concatenate(
        [rng.normal(0, 1, (tokens, layers, heads, prefix)), logits.reshape(tokens, layers, heads, -1)],
        axis=-1,
    )
    weights = np.exp(flat)
    return (weights / weights.sum(axis=-1, keepdims=True)).astype(np.float32)


def fake_preview(rng: np.random.Generator, size: tuple[int, int]) -> bytes:
    """Paint a ground, a sky and a few discs, and return the JPEG."""
    width, height = size
    picture = Image.new("RGB", size, tuple(int(value) for value in rng.integers(90, 230, 3)))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, height * 2 // 3, width, height), fill=tuple(int(value) for value in rng.integers(20, 120, 3)))
    for _ in range(3):
        radius = int(rng.integers(10, 40))
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        colour = tuple(int(value) for value in rng.integers(0, 255, 3))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=80)
    return stream.getvalue()


def fake_embedding(index: int, seed: int = 0, dim: int = 8) -> np.ndarray:
    """Return a unit vector, float32 [dim]."""
    vector = np.random.default_rng((seed, index, 1)).normal(size=dim)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def fake_scores(rows: Sequence[Captioned], seed: int = 0) -> Mapping[str, np.ndarray]:
    """Return a value for each score and picture; some equal, some NaN for want of references."""
    rng = np.random.default_rng((seed, 2))
    count = len(rows)
    lonely = np.asarray([not row.references for row in rows])
    cider = np.round(rng.gamma(2, 0.5, count), 1)
    return {
        "clipscore": rng.uniform(0.37, 1.02, count),
        "refclipscore": np.where(lonely, np.nan, rng.uniform(0.4, 1.0, count)),
        "cider": np.where(lonely, np.nan, cider),
        "bleu4": np.where(lonely, np.nan, np.round(rng.uniform(0, 0.6, count), 1)),
        "logprob": np.asarray([total(row.logprobs) for row in rows]),
    }
