"""What a run leaves on the disk: how much, how long it takes to read a part again, and that it is the same."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import plain
from measuring.clocks import in_turn, once
from measuring.tables import markdown, number

from hw3_browse.cache.reader import Cache
from hw3_browse.cache.schema import ATTENTION_FILE

from .work import Work, within

PACKED_TOLERANCE: Final = 0.02  # of attention in 8 bits: mean over the rows of half the sum of differences
_READ = 50


def left_on_disk(work: Work, theirs: Path, ours: Path, captions: Sequence[plain.Caption]) -> None:
    """Print sizes, times and the error of packing; ends the run where that is too large."""
    chosen = np.random.default_rng(0).permutation(len(work.files))[:_READ]
    stems = [work.files[index].stem for index in chosen]
    with Cache.open(ours) as cache:
        place = {cache.name(index): index for index in range(len(cache))}
        last = {stem: _last_word(cache, place[stem]) for stem in stems}

        def plainly() -> list[np.ndarray]:
            return [_map(theirs / "attention" / f"{stem}.npy", last[stem]) for stem in stems]

        def packed() -> list[object]:
            return [cache.mean_map(place[stem], last[stem]) for stem in stems]

        maps = in_turn({"plain": plainly, "ours": packed}, max(3, work.rounds))
        sample = statistics.median(once(lambda stem=stem: cache.sample(place[stem]))[0] for stem in stems)  # type: ignore[misc]
        error = _packed_error(cache, work, theirs, place, captions)
    opened = statistics.median(once(lambda: _first(ours))[0] for _ in range(9))
    rows = [
        (
            "attention, KB a picture",
            *(_kilobytes(path, work) for path in (theirs / "attention", ours / ATTENTION_FILE)),
        ),
        ("everything, KB a picture (ours with previews)", *(_kilobytes(path, work) for path in (theirs, ours))),
        ("the map of a word, ms", *(number(1000 * maps[side].median / len(stems)) for side in ("plain", "ours"))),
        ("caption, words, scores of a picture, ms", "", number(1000 * sample)),
        ("opened, first caption read, ms", "", number(1000 * opened)),
        ("attention read again: differs by (total variation)", "0", error),
    ]
    print(markdown(("on the disk", "plain (.npy, json)", "ours"), rows), flush=True)


def _last_word(cache: Cache, index: int) -> list[int]:
    """The tokens of a caption's last word."""
    sample = cache.sample(index)
    return [piece for piece, word in enumerate(sample.word_of_piece) if word == len(sample.words) - 1]


def _map(file: Path, pieces: list[int]) -> np.ndarray:
    """A word's map as a script has it: the last layer, the mean over pieces and heads."""
    attention: np.ndarray = np.load(file)[pieces, -1].mean(axis=(0, 1))
    return attention


def _first(folder: Path) -> str:
    with Cache.open(folder) as cache:
        return cache.caption(0)


def _packed_error(
    cache: Cache, work: Work, theirs: Path, place: dict[str, int], captions: Sequence[plain.Caption]
) -> str:
    """How far attention read from the cache is from the plain script's, where the captions are the same."""
    errors = []
    for file, caption in zip(work.files, captions, strict=True):
        found = cache.attention(place[file.stem])
        if found is not None and cache.sample(place[file.stem]).token_ids == caption.tokens:
            difference = np.abs(found.weights - np.load(theirs / "attention" / f"{file.stem}.npy"))
            errors.append(float(difference.sum(axis=-1).mean()) / 2)
    return within("attention in the cache", statistics.fmean(errors), PACKED_TOLERANCE)


def _kilobytes(path: Path, work: Work) -> str:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return number(sum(file.stat().st_size for file in files) / 1024 / len(work.files))
