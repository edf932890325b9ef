"""Chooses the things of a scene and how each looks.

Contract: `cast_of(rng, place)` gives one to three kinds that fit a place with their numbers of
instances, the main kind first; `looks(rng, cast, crop_side)` gives the cut-outs, not yet placed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .things import THINGS, Pose, Sprite, Thing

Cast = list[tuple[Thing, int]]

_MIN_SIDE = 0.22
_SMALL_ODDS, _SMALL = 0.06, 0.7
_ALIKE = 0.7
_KIND_ODDS = (0.32, 0.5, 0.18)
_COUNT_ODDS = (0.6, 0.22, 0.12, 0.06)
_PAIR_ODDS = 0.22
_SHRINK = (1.1, 0.98, 0.86, 0.76, 0.7)


@dataclass(frozen=True)
class Item:
    """A thing to be drawn: the look, and the frame (left, top, width, height) of its cut-out."""

    thing: Thing
    sprite: Sprite
    cutout: Image.Image
    side: float
    left: int = 0
    top: int = 0
    depth: float = 0.0

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.cutout.width

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self.cutout.height

    @property
    def bottom(self) -> int:
        """The line it stands on."""
        return self.top + self.cutout.height

    @property
    def centre(self) -> float:
        """The middle, from the left edge of the picture."""
        return self.left + self.cutout.width / 2


@cache
def _fitting(place: str) -> tuple[Thing, ...]:
    return tuple(thing for thing in THINGS if place in thing.places)


@cache
def _odds(place: str) -> NDArray[np.float64]:
    """Kinds of few places come more often there, so that all kinds are about equally common."""
    weights = np.array([1.0 / (len(thing.places) + 2.0) for thing in _fitting(place)])
    total: float = weights.sum()
    return weights / total


def cast_of(rng: np.random.Generator, place: str) -> Cast:
    """One to three kinds with their numbers of instances, the main kind first."""
    fitting = _fitting(place)
    kinds = int(rng.choice((1, 2, 3), p=_KIND_ODDS))
    if kinds == 2 and rng.random() < _PAIR_ODDS:
        return _pair(rng, fitting)
    picks = rng.choice(len(fitting), kinds, replace=False, p=_odds(place))
    main = int(rng.choice((1, 2, 3, 4), p=_COUNT_ODDS))
    counts = [main] + [2 if rng.random() < 0.12 and main < 3 else 1 for _ in range(kinds - 1)]
    if main > 2:
        picks, counts = picks[:2], counts[:2]
    return [(fitting[int(pick)], count) for pick, count in zip(picks, counts, strict=True)]


def _pair(rng: np.random.Generator, fitting: tuple[Thing, ...]) -> Cast:
    """A thing to be on or under, and one that can be there."""
    hosts = [thing for thing in fitting if thing.seat is not None or thing.shelter]
    guests = [thing for thing in fitting if thing.can_mount]
    return [(hosts[int(rng.integers(len(hosts)))], 1), (guests[int(rng.integers(len(guests)))], 1)]


@cache
def _trimmed(path: Path) -> tuple[Image.Image, Image.Image]:
    """A sprite without its empty border, in full and in half size."""
    with Image.open(path) as file:
        full = file.convert("RGBA")
    box = full.getchannel("A").point(lambda a: 255 if a > 24 else 0).getbbox()
    full = full.crop(box)
    return full, full.resize((max(1, full.width // 2), max(1, full.height // 2)), Image.Resampling.BOX)


def cutout_of(sprite: Sprite, side: float, degrees: float, *, mirrored: bool) -> Image.Image:
    """The sprite with its longer side about `side` pixels, mirrored, turned by some degrees."""
    full, half = _trimmed(sprite.path)
    source = half if side * 2 <= max(full.size) else full
    scale = side / max(source.size)
    size = (max(2, round(source.width * scale)), max(2, round(source.height * scale)))
    picture = source.resize(size, Image.Resampling.BILINEAR)
    if mirrored:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if abs(degrees) > 1.0:
        picture = picture.rotate(degrees, Image.Resampling.BILINEAR, expand=True)
        picture = picture.crop(picture.getbbox())
    return picture


def _item(rng: np.random.Generator, thing: Thing, sprite: Sprite, side: float) -> Item:
    spread = 12.0 if thing.pose is Pose.FLIES else 3.5
    degrees = float(rng.normal(0.0, spread)) if rng.random() < 0.6 else 0.0
    mirrored = bool(rng.random() < 0.5)
    return Item(thing, sprite, cutout_of(sprite, side, float(np.clip(degrees, -25, 25)), mirrored=mirrored), side)


def looks(rng: np.random.Generator, cast: Cast, crop_side: int) -> list[list[Item]]:
    """Items of each kind; instances of a kind mostly share their sprite and have similar sizes."""
    total = sum(count for _, count in cast)
    shrink = _SHRINK[min(total, len(_SHRINK)) - 1]
    return [_instances(rng, thing, count, shrink, crop_side) for thing, count in cast]


def _instances(rng: np.random.Generator, thing: Thing, count: int, shrink: float, crop_side: int) -> list[Item]:
    low, high = thing.size.value
    side = float(rng.uniform(low, high)) * shrink
    if rng.random() < _SMALL_ODDS:
        side *= _SMALL
    sprite = _any_sprite(rng, thing)
    items = []
    for _ in range(count):
        other = _any_sprite(rng, thing)
        look = sprite if rng.random() < _ALIKE else other
        share = max(_MIN_SIDE, side * float(rng.uniform(0.88, 1.12)))
        items.append(_item(rng, thing, look, share * crop_side))
    return items


def _any_sprite(rng: np.random.Generator, thing: Thing) -> Sprite:
    return thing.sprites[int(rng.integers(len(thing.sprites)))]
