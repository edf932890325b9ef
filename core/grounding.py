"""Does the attention of a word fall on the thing that it names? Measured where the true boxes are known.

Contract: for every caption word that names a kind of thing with boxes in the picture, two figures for each layer and
head: the share of the word's attention (over patches) inside the boxes, and whether the patch looked at most lies in
one (pointing game, Zhang et al. 2018). Chance is the boxes' share of what the model saw. A word whose boxes lie
outside the crop is left out and counted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..cache.errors import DatasetError, UsageError
from ..cache.geometry import View
from ..cache.reader import Cache
from ..cache.schema import Sample
from .bootstrap import Interval, intervals

if TYPE_CHECKING:
    from jaxtyping import Float

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Boxes:
    """True boxes of a dataset.

    Attributes:
        words: for each word the names of the kinds that it names.
        of: picture name to kind to boxes ``(x, y, width, height)`` in pixels of the picture.
    """

    words: Mapping[str, frozenset[str]]
    of: Mapping[str, Mapping[str, Sequence[Box]]]


@dataclass(frozen=True, slots=True)
class Grounding:
    """What `grounding` found, means over words.

    Attributes:
        mass: ``[layer, head]``, share of attention inside the boxes.
        mass_of_mean: ``[layer]``, the same for the mean over heads.
        pointing: ``[layer, head]``, share of words whose most attended patch has its centre in a box.
        pointing_of_mean: ``[layer]``, the same for the mean over heads.
        chance: the boxes' share of the patches' area, mean over the same words.
        words: words measured.
        unseen: words left out because their boxes lie outside the crop.
        mass_interval: 95 % interval of the last layer's `mass_of_mean` (bootstrap over pictures).
        pointing_interval: the same of `pointing_of_mean`.
    """

    mass: Float[np.ndarray, "layer head"]
    mass_of_mean: Float[np.ndarray, " layer"]
    pointing: Float[np.ndarray, "layer head"]
    pointing_of_mean: Float[np.ndarray, " layer"]
    chance: float
    words: int
    unseen: int
    mass_interval: Interval
    pointing_interval: Interval


def read_boxes(path: Path) -> Boxes:
    """Read COCO instances; a category's caption words are its ``words`` or else its name and name + s.

    Raises:
        DatasetError: not readable as COCO instances.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        kinds = {entry["id"]: str(entry["name"]) for entry in data["categories"]}
        names = {entry["id"]: Path(entry["file_name"]).stem for entry in data["images"]}
        found: dict[str, dict[str, list[Box]]] = {name: {} for name in names.values()}
        for entry in data["annotations"]:
            x, y, width, height = map(float, entry["bbox"])
            boxes = found[names[entry["image_id"]]].setdefault(kinds[entry["category_id"]], [])
            boxes.append((x, y, width, height))
        words: dict[str, set[str]] = {}
        for entry in data["categories"]:
            last = str(entry["name"]).split()[-1]
            for word in entry.get("words", (last, last + "s")):
                words.setdefault(word, set()).add(str(entry["name"]))
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{path}: not a COCO instances file ({type(error).__name__}: {error})") from error
    return Boxes({word: frozenset(of) for word, of in words.items()}, found)


def coverage(boxes: Sequence[Box], view: View) -> Float[np.ndarray, " patch"]:
    """Share of each patch's area that the union of `boxes` covers; patches row by row."""
    inside = np.zeros((view.height, view.width))
    for x, y, width, height in boxes:
        inside[max(0, round(y)) : max(0, round(y + height)), max(0, round(x)) : max(0, round(x + width))] = 1.0
    # A summed-area table, read at fractional corners: the mean over any patch in four look-ups.
    table = np.pad(inside.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    rows = np.array([view.patch_box(row, 0)[1] for row in range(view.rows)] + [view.patch_box(view.rows - 1, 0)[3]])
    cols = np.array([view.patch_box(0, col)[0] for col in range(view.cols)] + [view.patch_box(0, view.cols - 1)[2]])
    corners = _bilinear(table, rows.clip(0, view.height), cols.clip(0, view.width))
    sums = corners[1:, 1:] - corners[:-1, 1:] - corners[1:, :-1] + corners[:-1, :-1]
    shares: NDArray[np.float64] = sums / (np.diff(rows)[:, None] * np.diff(cols)[None, :])
    return shares.ravel()


def grounding(cache: Cache, boxes: Boxes) -> Grounding:
    """Measure all captions of a cache against true boxes.

    Raises:
        DatasetError: no caption names a thing with a box: the boxes are of another dataset, or have no words.
        UsageError: the run has no attention maps.
    """
    masses, masses_of_mean, points, points_of_mean, chances, pictures = [], [], [], [], [], []
    unseen = 0
    for index in range(len(cache)):
        sample = cache.sample(index)
        attention = cache.attention(index)
        if attention is None:
            raise UsageError(f"{cache.folder}: this run has no attention maps, so there is nothing to measure")
        weights = attention.weights[..., attention.prefix :]
        for pieces, word_boxes in _named_things(sample, boxes):
            covered = coverage(word_boxes, sample.view)
            if covered.sum() <= 0:
                unseen += 1
                continue
            by_head = weights[pieces].mean(axis=0)
            mean = _shares(by_head.mean(axis=1))  # as the browser shows it: the mean over heads, then patches alone
            looked = _shares(by_head)
            masses.append(looked @ covered)
            masses_of_mean.append(mean @ covered)
            points.append(covered[looked.argmax(axis=-1)] >= 0.5)  # noqa: PLR2004 (more than half of the patch)
            points_of_mean.append(covered[mean.argmax(axis=-1)] >= 0.5)  # noqa: PLR2004
            chances.append(covered.mean())
            pictures.append(index)
    if not chances:
        raise DatasetError("no caption names a thing that has a box: are these the boxes of the cache's dataset?")
    of_last = np.stack([np.array(values)[:, -1] for values in (masses_of_mean, points_of_mean)], axis=1)
    mass_interval, pointing_interval = intervals(of_last.astype(np.float64), np.array(pictures))
    return Grounding(
        mass=np.mean(masses, axis=0),
        mass_of_mean=np.mean(masses_of_mean, axis=0),
        pointing=np.mean(points, axis=0),
        pointing_of_mean=np.mean(points_of_mean, axis=0),
        chance=float(np.mean(chances)),
        words=len(chances),
        unseen=unseen,
        mass_interval=mass_interval,
        pointing_interval=pointing_interval,
    )


def _shares(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Let the last axis sum to 1; zeros stay."""
    shares: NDArray[np.float32] = weights / weights.sum(axis=-1, keepdims=True).clip(1e-12)
    return shares


def _named_things(sample: Sample, boxes: Boxes) -> list[tuple[list[int], list[Box]]]:
    """For each word that names things of this picture: its tokens and the things' boxes."""
    here = boxes.of.get(sample.name, {})
    found = []
    for word_index, word in enumerate(sample.words):
        named = [box for kind in sorted(boxes.words.get(word.lower(), ())) for box in here.get(kind, ())]
        pieces = [token for token, of in enumerate(sample.word_of_piece) if of == word_index]
        if named and pieces:
            found.append((pieces, named))
    return found


def _bilinear(table: NDArray[np.float64], rows: NDArray[np.float64], cols: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of `table` at all pairs of fractional rows and columns."""
    top, left = np.floor(rows).astype(int), np.floor(cols).astype(int)
    bottom, right = np.minimum(top + 1, table.shape[0] - 1), np.minimum(left + 1, table.shape[1] - 1)
    down, across = (rows - top)[:, None], (cols - left)[None, :]
    upper = table[np.ix_(top, left)] * (1 - across) + table[np.ix_(top, right)] * across
    lower = table[np.ix_(bottom, left)] * (1 - across) + table[np.ix_(bottom, right)] * across
    values: NDArray[np.float64] = upper * (1 - down) + lower * down
    return values
