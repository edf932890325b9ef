"""The stage of a scene: a painted place in some picture shape, and where each thing goes on it.

Contract: `set_stage(rng)` paints a place; `arrange(rng, stage, cast)` gives every item of the cast
its position, the farthest first, mostly inside the centre crop that a captioner sees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from .backgrounds import PLACES, Ground, paint
from .casting import Cast, Item, looks
from .things import Pose

_SHAPES = (
    (320, 240),
    (240, 320),
    (320, 214),
    (214, 320),
    (320, 180),
    (288, 288),
    (320, 256),
    (256, 320),
    (300, 300),
)
_SHAPE_ODDS = (0.26, 0.14, 0.16, 0.07, 0.08, 0.07, 0.1, 0.06, 0.06)
_PLACE_TRIES = 14


@dataclass(frozen=True)
class Stage:
    """The painted place and where the centre crop of its picture lies (left, top, side)."""

    image: Image.Image
    ground: Ground
    place: str
    crop: tuple[int, int, int]


def set_stage(rng: np.random.Generator) -> Stage:
    """Paint a random place in a random picture shape."""
    width, height = _SHAPES[int(rng.choice(len(_SHAPES), p=_SHAPE_ODDS))]
    place = PLACES[int(rng.integers(len(PLACES)))]
    image, ground = paint(place, rng, width, height)
    side = min(width, height)
    return Stage(image, ground, place, ((width - side) // 2, (height - side) // 2, side))


def arrange(rng: np.random.Generator, stage: Stage, cast: Cast) -> list[Item]:
    """Place every item, farthest first."""
    placed: list[Item] = []
    crowding = float(rng.choice((0.06, 0.2, 0.45), p=(0.6, 0.25, 0.15)))
    for group in looks(rng, cast, stage.crop[2]):
        for item in group:
            host = _host(rng, item, placed) if len(group) == 1 else None
            placed.append(_free(rng, stage, item, placed, crowding) if host is None else _join(rng, item, host))
    return sorted(placed, key=lambda item: item.depth)


def _host(rng: np.random.Generator, item: Item, placed: list[Item]) -> Item | None:
    """A lone placed thing that this one can be on or under, now and then."""
    if len(placed) != 1 or not item.thing.can_mount or rng.random() > 0.6:
        return None
    host = placed[0]
    return host if host.thing.seat is not None or host.thing.shelter else None


def _join(rng: np.random.Generator, item: Item, host: Item) -> Item:
    """Put the item on the host's seat or under its shelter, in front of it."""
    limit = 0.62 * max(host.width, host.height)
    if item.side > limit:
        factor = limit / item.side
        size = (max(2, int(item.width * factor)), max(2, int(item.height * factor)))
        item = replace(item, cutout=item.cutout.resize(size, Image.Resampling.BILINEAR), side=limit)
    drift = float(rng.uniform(-0.12, 0.12)) * host.width
    left = round(host.centre + drift - item.width / 2)
    bottom = host.bottom + 3 if host.thing.seat is None else host.top + host.thing.seat * host.height
    return replace(item, left=left, top=round(bottom) - item.height, depth=host.depth + 0.5)


def _free(rng: np.random.Generator, stage: Stage, item: Item, placed: list[Item], crowding: float) -> Item:
    """The least crowded of a few random spots, or the first that is free enough."""
    best, best_cover = item, math.inf
    outside = bool(rng.random() < 0.12)
    for _ in range(_PLACE_TRIES):
        spot = _spot(rng, stage, item, outside=outside)
        cover = max((_cover(spot, other) for other in placed), default=0.0)
        if cover < best_cover:
            best, best_cover = spot, cover
        if cover <= crowding:
            break
    return best


def _spot(rng: np.random.Generator, stage: Stage, item: Item, *, outside: bool) -> Item:
    """A random spot that suits the thing's pose, inside the centre crop unless `outside`."""
    x0, _, side = stage.crop
    if outside:
        low, high = -0.25 * item.width, stage.image.width - 0.75 * item.width
    else:
        low, high = x0 - 0.04 * side, x0 + 1.04 * side - item.width
    left = round(float(rng.uniform(low, max(low + 1, high))))
    first, last = _base_range(stage, item)
    base = round(float(rng.uniform(first, max(first + 1, last))))
    depth = float(base) if item.thing.pose is not Pose.FLIES else float(stage.ground.horizon)
    return replace(item, left=left, top=base - item.height, depth=depth)


def _base_range(stage: Stage, item: Item) -> tuple[float, float]:
    """Between which heights the item's lower edge may be."""
    _, y0, side = stage.crop
    floor = y0 + side
    if item.thing.pose is Pose.FLIES:
        return y0 + item.height * 0.98, max(stage.ground.start, y0 + item.height + 0.12 * side)
    if item.thing.pose is Pose.FLOATS and stage.ground.water is not None:
        top, bottom = stage.ground.water
        return max(top + 6, y0 + 0.9 * item.height), bottom + 6
    first = max(stage.ground.start + 0.1 * side, y0 + 0.92 * item.height)
    return first, floor - 0.03 * side


def _cover(one: Item, other: Item) -> float:
    """The overlap of two frames over the smaller of them."""
    wide = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    tall = min(one.bottom, other.bottom) - max(one.top, other.top)
    if wide <= 0 or tall <= 0:
        return 0.0
    return wide * tall / min(one.width * one.height, other.width * other.height)
