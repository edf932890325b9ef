"""Each stage by itself: the models on data that lies on the card already, the rest on the processor."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from measuring import made
from measuring.clocks import once

from hw3_browse.cache.schema import Captioned
from hw3_browse.cache.writer import CacheWriter
from hw3_browse.core.attention import look
from hw3_browse.core.captioners import OwnCaptioner
from hw3_browse.core.clip import Clip, ClipSpec
from hw3_browse.core.datasets import load_image, make_preview
from hw3_browse.core.decoding import Decoding, decode
from hw3_browse.core.device import autocast

from .limits import flops

_REPEAT: Final = 5
_COUNTED: Final = 2  # pictures by which operations are counted; they grow with the batch


@dataclass(frozen=True)
class Setup:
    """What is run, and how.

    Attributes:
        captioner: its folder.
        clip: its folder.
        images: folder of the pictures.
        device: where the models run.
        batch: pictures at once.
        tokens: of each caption.
        workers: threads that read pictures.
    """

    captioner: Path
    clip: Path
    images: Path
    device: torch.device
    batch: int
    tokens: int
    workers: int


@dataclass(frozen=True, slots=True)
class Stage:
    """What a stage asks for.

    Attributes:
        seconds: of a picture, in a batch.
        flops: of a picture; 0 for what the processor does.
    """

    seconds: float
    flops: float = 0.0


def on_the_card(setup: Setup, precision: str, searches: Sequence[int]) -> dict[str, Stage]:
    """Encoder, searches (by number of beams), attention and both towers of CLIP, in one precision."""
    captioner = OwnCaptioner(setup.captioner, setup.device, precision).captioner
    clip = Clip.load(ClipSpec(str(setup.clip)), setup.device)
    size = (setup.batch, *captioner.preprocess.input_size, 3)
    pixels = torch.randint(256, size, dtype=torch.uint8, device=setup.device)
    pictures = torch.randn(setup.batch, 3, *clip.preprocess.input_size, device=setup.device)
    texts = [" ".join(row) for row in np.array(made.words(setup.batch * 12)).reshape(-1, 12)]
    with torch.inference_mode(), autocast(setup.device, precision):
        memory = captioner.encode(captioner.preprocess.normalise(pixels))
        few = captioner.encode(captioner.preprocess.normalise(pixels[:_COUNTED]))
        captions = [list(found[0].token_ids) for found in decode(captioner, memory, Decoding(max_length=setup.tokens))]
        jobs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "encoder": (
                lambda: captioner.encode(captioner.preprocess.normalise(pixels)),
                lambda: captioner.encode(captioner.preprocess.normalise(pixels[:_COUNTED])),
            )
        }
        for beams in searches:
            search = Decoding(beams=beams, max_length=setup.tokens)
            jobs[search_name(beams)] = (
                lambda search=search: decode(captioner, memory, search),  # type: ignore[misc]
                lambda search=search: decode(captioner, few, search),  # type: ignore[misc]
            )
        jobs |= {
            "attention": (
                lambda: look(captioner, memory, captions),
                lambda: look(captioner, few, captions[:_COUNTED]),
            ),
            "CLIP, picture": (
                lambda: clip.embed_images(pictures),
                lambda: clip.embed_images(pictures[:_COUNTED]),
            ),
            "CLIP, text": (lambda: clip.embed_texts(texts), lambda: clip.embed_texts(texts[:_COUNTED])),
        }
        return {
            name: Stage(_seconds(work) / setup.batch, flops(counted) / _COUNTED)
            for name, (work, counted) in jobs.items()
        }


def on_the_processor(setup: Setup, files: Sequence[Path]) -> dict[str, Stage]:
    """Reading pictures, and packing what was found into a cache."""
    captioner = OwnCaptioner(setup.captioner, setup.device)
    clip = Clip.load(ClipSpec(str(setup.clip)), setup.device)

    def read(file: Path) -> bytes:
        image = load_image(file)
        captioner.input(image)
        clip.preprocess(image)
        return make_preview(image)

    with ThreadPoolExecutor(setup.workers) as pool:
        list(pool.map(read, files[: setup.workers]))
        many = once(lambda: list(pool.map(read, files)))[0] / len(files)
    some = files[: max(1, len(files) // 8)]
    one = once(lambda: [read(file) for file in some])[0] / len(some)
    return {
        "read, one thread": Stage(one),
        f"read, {setup.workers} threads": Stage(many),
        "attention off the card, packed, written": Stage(_packing(captioner, setup, files[: setup.batch])),
    }


def search_name(beams: int) -> str:
    """What a search is called."""
    return "greedy" if beams == 1 else f"{beams} beams"


def _packing(captioner: OwnCaptioner, setup: Setup, files: Sequence[Path]) -> float:
    """Seconds a picture of writing captions with attention into a cache, as precompute does a batch."""
    inputs = np.stack([captioner.input(load_image(file)) for file in files])
    written = captioner.write(inputs, Decoding(max_length=setup.tokens))
    rows = [
        Captioned(
            index=index, name=str(index), path=f"{index}.jpg", view=captioner.view((640, 480)), caption=one.caption,
            references=(), token_ids=one.token_ids, pieces=one.pieces, word_of_piece=one.word_of_piece,
            words=one.words, logprobs=one.logprobs, attention=one.attention, prefix=captioner.prefix,
            preview=b"\xff\xd8\xff\xd9",
        )
        for index, one in enumerate(written)
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, CacheWriter(Path(folder) / "run", {}, len(rows)) as writer:
        return once(lambda: writer.add_captioned(rows))[0] / len(rows)


def _seconds(work: Callable[[], object]) -> float:
    work()
    return statistics.median(once(work)[0] for _ in range(_REPEAT))
