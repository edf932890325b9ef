"""Draws a scene and keeps account of which pixel shows which thing.

Contract: `draw(image, items)` pastes the items in their order and gives the owner of every pixel;
`seen_of(items, owner)` gives the items that are visible enough, each with its true box; `litter`
strews unnamed small things before, `finish` adds light, blur and noise afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .casting import Item, cutout_of
from .stage import Stage
from .things import LITTER, Pose

Box = tuple[int, int, int, int]

_MIN_VISIBLE = 0.4
_SOLID = 96


@dataclass(frozen=True)
class SceneObject:
    """One named thing: its kind, the box [x, y, w, h] and the pixel count of its visible part."""

    kind: str
    box: Box
    area: int


@cache
def _shadow_mask() -> Image.Image:
    ys, xs = np.mgrid[-1:1:32j, -1:1:64j]
    soft = np.clip(1.0 - np.sqrt(xs * xs + ys * ys), 0.0, 1.0) ** 0.8
    return Image.fromarray((soft * 150).astype(np.uint8))


def _shadow(image: Image.Image, item: Item) -> None:
    width, height = max(4, round(item.width * 1.15)), max(3, round(item.width * 0.24))
    mask = _shadow_mask().resize((width, height), Image.Resampling.BILINEAR)
    corner = (round(item.centre - width / 2), round(item.bottom - height * 0.62))
    image.paste((18, 18, 24), corner, mask)


def litter(rng: np.random.Generator, stage: Stage) -> None:
    """Strew a few small sprites that no caption names."""
    if stage.place == "room" or rng.random() < 0.35:
        return
    for _ in range(int(rng.integers(1, 6))):
        sprite = LITTER[int(rng.integers(len(LITTER)))]
        side = float(rng.uniform(0.04, 0.09)) * stage.crop[2]
        mirrored = bool(rng.random() < 0.5)
        picture = cutout_of(sprite, side, float(rng.uniform(-40, 40)), mirrored=mirrored)
        x = int(rng.integers(0, stage.image.width))
        y = int(rng.integers(stage.ground.start, stage.image.height))
        stage.image.paste(picture, (x, y - picture.height // 2), picture)


def draw(image: Image.Image, items: list[Item]) -> NDArray[np.int8]:
    """Paste the items in order; gives for each pixel the item that is seen there, or -1."""
    owner = np.full((image.height, image.width), -1, dtype=np.int8)
    for index, item in enumerate(items):
        if item.thing.pose is Pose.STANDS and item.depth == int(item.depth):
            _shadow(image, item)
        image.paste(item.cutout, (item.left, item.top), item.cutout)
        solid = np.asarray(item.cutout.getchannel("A")) > _SOLID
        x0, y0 = max(0, item.left), max(0, item.top)
        x1, y1 = min(image.width, item.left + item.width), min(image.height, item.bottom)
        if x1 > x0 and y1 > y0:
            part = solid[y0 - item.top : y1 - item.top, x0 - item.left : x1 - item.left]
            owner[y0:y1, x0:x1][part] = index
    return owner


def seen_of(items: list[Item], owner: NDArray[np.int8]) -> list[tuple[Item, SceneObject]]:
    """The items of which enough is visible, with the box of the visible part."""
    seen = []
    for index, item in enumerate(items):
        mask = owner == index
        area = int(np.count_nonzero(mask))
        full = int(np.count_nonzero(np.asarray(item.cutout.getchannel("A")) > _SOLID))
        if area < _MIN_VISIBLE * max(full, 1):
            continue
        columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
        x, y = int(columns[0]), int(rows[0])
        box = (x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1)
        seen.append((item, SceneObject(item.thing.name, box, area)))
    return seen


def finish(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """Light, colour, a little blur and noise, as a cheap camera would give."""
    gains = rng.normal(1.0, 0.035, 3) * float(np.clip(rng.normal(1.0, 0.1), 0.75, 1.2))
    contrast = float(np.clip(rng.normal(1.0, 0.08), 0.8, 1.2))
    ramp = (np.arange(256) - 128.0) * contrast + 128.0
    table = np.clip(np.outer(gains, ramp), 0, 255).astype(np.uint8).ravel().tolist()
    image = image.point(table)
    if rng.random() < 0.12:
        image = image.filter(ImageFilter.BoxBlur(float(rng.uniform(0.5, 1.5))))
    if rng.random() < 0.3:
        image = _noisy(rng, image)
    return image


def _noisy(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    strength = int(rng.integers(4, 15))
    noise = rng.integers(-strength, strength + 1, (image.height, image.width, 1), dtype=np.int8)
    pixels = np.asarray(image, dtype=np.int16) + noise
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
