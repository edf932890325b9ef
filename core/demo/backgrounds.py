"""Procedural backgrounds of the demo world, painted with numpy and Pillow only.

Contract: `paint(place, rng, width, height)` gives an RGB picture of that size and its `Ground`:
where the sky ends, where things can stand, and where water is. Same generator state, same picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from PIL import Image

from .canvas import Canvas, Colour


@dataclass(frozen=True)
class Ground:
    """Heights from the top: the horizon, the first line to stand on, the band of water."""

    horizon: int
    start: int
    water: tuple[int, int] | None = None


_DAY_SKIES: tuple[Colour, ...] = ((92, 160, 225), (120, 180, 230), (70, 140, 210), (150, 190, 220))
_EVENING_SKIES: tuple[Colour, ...] = ((240, 160, 110), (225, 130, 130), (250, 190, 120))
_WHITE: tuple[Colour, ...] = ((245, 248, 252),)


def _sky(c: Canvas, horizon: int, evening: float = 0.2) -> None:
    skies = _EVENING_SKIES if c.rng.random() < evening else _DAY_SKIES
    upper = c.one_of(skies, 22)
    fade = c.uniform(0.3, 0.7)
    red, green, blue = (int(v + (240 - v) * fade) for v in upper)
    c.band(0, horizon + 1, upper, (red, green, blue))
    c.band(horizon + 1, c.height, (red, green, blue), (red, green, blue))
    if c.rng.random() < 0.5:
        c.disc(horizon, c.one_of(((255, 240, 190), (255, 225, 130))))
    c.clouds(horizon, c.one_of(((250, 250, 252), (235, 238, 244)), 5))


def _beach(c: Canvas) -> Ground:
    horizon = c.between(0.24, 0.42)
    shore = horizon + c.between(0.10, 0.22)
    _sky(c, horizon, 0.25)
    deep, near = (
        c.one_of(((20, 95, 160), (15, 120, 165))),
        c.one_of(((60, 185, 200), (90, 200, 205))),
    )
    c.band(horizon, shore + 12, deep, near)
    c.grain(horizon, shore + 12, (26, 2.2), 34)
    sand = c.one_of(((232, 208, 160), (240, 220, 175), (220, 195, 145)))
    c.ridge(shore, 3.0, c.uniform(0.8, 2.0), (244, 250, 250), c.height)
    c.ridge(shore + 4, 3.0, c.uniform(0.8, 2.0), sand, c.height)
    c.soften(1)
    c.grain(shore + 8, c.height, (18, 8), 16)
    c.grain(shore + 8, c.height, (1.5, 1.5), 12)
    return Ground(horizon, shore + 10, (horizon + 6, shore))


def _meadow(c: Canvas) -> Ground:
    horizon = c.between(0.3, 0.5)
    _sky(c, horizon)
    greens = ((96, 165, 70), (120, 180, 80), (80, 150, 75), (140, 180, 70))
    c.ridge(horizon - 8, c.uniform(5, 16), c.uniform(0.5, 1.2), c.one_of(greens, 20), c.height)
    near = c.one_of(greens)
    c.band(horizon, c.height, c.one_of(greens), near)
    c.specks(
        horizon + 15,
        c.height,
        (c.one_of(((250, 220, 80), (250, 250, 250), (235, 130, 170))),),
        22,
        2.4,
    )
    c.soften(1)
    c.grain(horizon, c.height, (30, 14), 22)
    c.grain(horizon, c.height, (1.6, 5), 30)
    return Ground(horizon, horizon + 8)


def _snow(c: Canvas) -> Ground:
    horizon = c.between(0.3, 0.5)
    upper = c.one_of(((150, 175, 205), (175, 190, 210), (120, 160, 210)))
    c.band(0, horizon + 40, upper, (225, 232, 240))
    if c.rng.random() < 0.6:
        c.peaks(
            horizon,
            c.height * 0.3,
            c.one_of(((130, 145, 170), (105, 125, 155))),
            c.one_of(_WHITE, 3),
        )
    c.ridge(horizon, c.uniform(3, 12), c.uniform(0.5, 1.5), c.one_of(((228, 234, 244),), 8), c.height)
    c.ridge(
        horizon + 25,
        c.uniform(3, 9),
        c.uniform(0.5, 1.5),
        c.one_of(((240, 244, 250),), 5),
        c.height,
    )
    c.soften(1)
    c.grain(horizon, c.height, (40, 14), 14)
    if c.rng.random() < 0.6:
        c.specks(0, c.height, ((255, 255, 255),), int(c.rng.integers(20, 70)), 2.2)
    return Ground(horizon, horizon + 12)


def _street(c: Canvas) -> Ground:
    base = c.between(0.38, 0.52)
    _sky(c, base, 0.15)
    walls = ((178, 110, 90), (200, 180, 150), (150, 150, 160), (190, 150, 110), (120, 140, 160))
    c.skyline(base, walls, ((70, 95, 120), (200, 225, 240), (60, 70, 85)), 0.92)
    kerb = base + c.between(0.06, 0.12)
    c.band(base, kerb, c.one_of(((175, 172, 168),)), c.one_of(((190, 188, 184),)))
    road = c.one_of(((88, 90, 96), (105, 105, 110), (75, 78, 85)))
    c.band(kerb, c.height, road, c.one_of((road,)))
    c.draw.rectangle((0, kerb, c.width, kerb + 3), fill=(215, 213, 208))
    line = (kerb + c.height) // 2 + int(c.uniform(-8, 12))
    stripe = c.one_of(((240, 240, 235), (240, 205, 90)))
    for x in range(-int(c.uniform(0, 60)), c.width, 64):
        c.draw.polygon([(x, line), (x + 36, line), (x + 33, line + 6), (x - 3, line + 6)], fill=stripe)
    c.soften(1)
    c.grain(base, c.height, (1.5, 1.5), 16)
    return Ground(base, base + 8)


def _room(c: Canvas) -> Ground:
    floor = c.between(0.5, 0.68)
    walls = ((205, 190, 165), (170, 195, 200), (215, 180, 175), (190, 205, 170), (200, 195, 215))
    wall = c.one_of(walls)
    c.band(0, floor, wall, c.one_of((wall,), 8))
    if c.rng.random() < 0.4:
        shade = c.one_of((wall,), 22)
        step = int(c.uniform(18, 40))
        for x in range(0, c.width, step):
            c.draw.rectangle((x, 0, x + step // 2, floor), fill=shade)
    frames = int(c.rng.integers(1, 3))
    for number in range(frames):
        _frame(c, floor, number * c.width / frames, (number + 1) * c.width / frames)
    _boards(c, floor)
    c.soften(1)
    c.grain(0, floor, (60, 60), 14)
    c.grain(floor, c.height, (34, 2), 18)
    return Ground(floor, floor + 6)


def _frame(c: Canvas, floor: int, low: float, high: float) -> None:
    """A window or a picture on the wall, between two distances from the edge."""
    wide, tall = c.uniform(0.14, 0.3) * c.width, c.uniform(0.35, 0.6) * floor
    x, y = c.uniform(low + 6, high - wide - 6), c.uniform(0.06, 0.3) * floor
    c.draw.rectangle((x - 4, y - 4, x + wide + 4, y + tall + 4), fill=c.one_of(((120, 85, 55), (240, 238, 232))))
    c.draw.rectangle(
        (x, y, x + wide, y + tall),
        fill=c.one_of(((165, 205, 235), (90, 120, 130), (225, 205, 150))),
    )
    if c.rng.random() < 0.6:
        c.draw.line((x + wide / 2, y, x + wide / 2, y + tall), fill=(240, 238, 232), width=3)
        c.draw.line((x, y + tall / 2, x + wide, y + tall / 2), fill=(240, 238, 232), width=3)


def _boards(c: Canvas, floor: int) -> None:
    wood = c.one_of(((165, 115, 75), (190, 145, 100), (130, 90, 65), (150, 140, 135)))
    c.band(floor, c.height, wood, c.one_of((wood,)))
    dark = (max(0, wood[0] - 28), max(0, wood[1] - 26), max(0, wood[2] - 22))
    centre = c.uniform(0.3, 0.7) * c.width
    for x in range(-c.width, 2 * c.width, int(c.uniform(30, 50))):
        c.draw.line((centre + (x - centre) * 0.6, floor, x, c.height), fill=dark, width=1)
    c.draw.rectangle((0, floor - 5, c.width, floor), fill=(238, 234, 226))


def _forest(c: Canvas) -> Ground:
    ground = c.between(0.42, 0.58)
    c.band(
        0,
        ground,
        c.one_of(((60, 100, 62), (85, 125, 80), (45, 80, 60))),
        c.one_of(((110, 145, 95),)),
    )
    c.grain(0, ground, (14, 14), 42)
    soil = c.one_of(((92, 84, 52), (75, 95, 50), (110, 85, 55)))
    c.band(ground, c.height, soil, c.one_of((soil,)))
    for _ in range(int(c.rng.integers(7, 14))):
        x, wide = c.uniform(-5, c.width), c.uniform(0.02, 0.06) * c.width
        foot = ground + c.uniform(-6, 16)
        bark = c.one_of(((78, 56, 42), (95, 75, 58), (60, 48, 40)), 16)
        c.draw.polygon([(x, 0), (x + wide, 0), (x + wide * 1.2, foot), (x - wide * 0.2, foot)], fill=bark)
    c.specks(0, int(ground * 0.35), (c.one_of(((55, 110, 50), (75, 130, 60))), (40, 90, 48)), 24, 22)
    c.soften(1.5)
    c.grain(0, ground, (6, 6), 18)
    c.grain(ground, c.height, (12, 6), 26)
    c.grain(ground, c.height, (2, 2), 14)
    return Ground(ground, ground + 8)


def _desert(c: Canvas) -> Ground:
    horizon = c.between(0.32, 0.52)
    _sky(c, horizon, 0.55)
    dunes = ((214, 150, 85), (225, 165, 95), (200, 130, 75))
    if c.rng.random() < 0.4:
        c.peaks(horizon, c.height * 0.16, c.one_of(((175, 105, 75), (160, 95, 80))), None)
    c.ridge(horizon, c.uniform(6, 16), c.uniform(0.4, 1.1), c.one_of(dunes), c.height)
    c.ridge(horizon + 26, c.uniform(5, 14), c.uniform(0.4, 1.1), c.one_of(dunes), c.height)
    c.ridge(horizon + 70, c.uniform(5, 14), c.uniform(0.4, 1.1), c.one_of(dunes), c.height)
    c.soften(1)
    c.grain(horizon, c.height, (40, 3), 18)
    c.grain(horizon, c.height, (1.5, 1.5), 10)
    return Ground(horizon, horizon + 16)


def _city(c: Canvas) -> Ground:
    base = c.between(0.45, 0.6)
    c.band(
        0,
        base,
        c.one_of(((16, 20, 52), (30, 22, 60), (12, 28, 56))),
        c.one_of(((62, 52, 100), (40, 62, 110))),
    )
    c.specks(0, base // 2, ((230, 230, 250),), 18, 1.2)
    if c.rng.random() < 0.6:
        c.disc(base // 2, (240, 236, 210))
    walls = ((34, 36, 62), (46, 44, 70), (28, 32, 48), (58, 50, 72))
    c.skyline(base, walls, ((255, 214, 120), (255, 236, 170), (190, 220, 250)), 0.5)
    road = c.one_of(((46, 46, 62), (58, 56, 72)))
    c.band(base, c.height, road, c.one_of((road,)))
    for _ in range(int(c.rng.integers(1, 4))):
        x, y = c.uniform(0, c.width), c.uniform(base + 6, c.height)
        wide = c.uniform(0.1, 0.25) * c.width
        c.draw.ellipse((x - wide, y - wide * 0.16, x + wide, y + wide * 0.16), fill=(112, 98, 84))
    c.soften(1)
    c.grain(base, c.height, (20, 4), 18)
    return Ground(base, base + 8)


def _lake(c: Canvas) -> Ground:
    horizon = c.between(0.26, 0.38)
    shore = horizon + c.between(0.2, 0.3)
    _sky(c, horizon)
    c.peaks(horizon, c.height * 0.24, c.one_of(((95, 120, 115), (110, 125, 150), (80, 110, 90))), None)
    c.ridge(horizon - 2, 4, c.uniform(0.8, 2.5), c.one_of(((60, 100, 70), (75, 110, 80))), horizon + 6)
    c.band(horizon, shore + 14, c.one_of(((110, 155, 185),)), c.one_of(((40, 95, 140), (50, 110, 135))))
    c.grain(horizon, shore + 14, (34, 2.0), 36)
    grass = c.one_of(((90, 140, 70), (115, 150, 80), (130, 140, 85)))
    c.ridge(shore, 5, c.uniform(0.6, 1.6), grass, c.height)
    c.soften(1)
    c.grain(shore + 6, c.height, (2, 5), 30)
    return Ground(horizon, shore + 10, (horizon + 10, shore))


_PAINTERS: Mapping[str, Callable[[Canvas], Ground]] = MappingProxyType(
    {
        "beach": _beach,
        "meadow": _meadow,
        "snow": _snow,
        "street": _street,
        "room": _room,
        "forest": _forest,
        "desert": _desert,
        "city": _city,
        "lake": _lake,
    }
)

PLACES: tuple[str, ...] = tuple(_PAINTERS)


def paint(place: str, rng: np.random.Generator, width: int, height: int) -> tuple[Image.Image, Ground]:
    """Paint one background of a place."""
    canvas = Canvas(rng, width, height)
    ground = _PAINTERS[place](canvas)
    return canvas.image, ground
