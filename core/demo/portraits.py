"""Pictures of single things, to be classified: the demo world's counterpart of the assignment's problem 1.

Contract: `write_portraits(folder, seed)` writes `val/{class id}_{image id}.png` and `id2label.json` in the assignment's
layout, the same pictures for the same seed, in a few seconds. A picture shows one thing, alone, before a plain ground
or in one of the world's places; three in eight are as small as the assignment's, 32 x 32. No scene shares their random
states, so no model has seen them.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from ...cache.files import replace_file
from .backgrounds import paint
from .canvas import Canvas, Colour
from .casting import cutout_of
from .drawing import finish
from .things import THINGS, Thing

A_CLASS = 8
IMAGES = "val"
LABELS = "id2label.json"
_STREAM = 2  # scenes draw from 0 (train) and 1 (val), see `scenes.SPLITS`
_SIDES = (32, 32, 32, 48, 64, 64, 96, 128)
_DRAWN = 256  # pixels a side; made smaller in the end, as a camera would
_GROUNDS: tuple[Colour, ...] = (
    (235, 235, 230),
    (60, 65, 75),
    (150, 190, 225),
    (165, 200, 140),
    (230, 205, 160),
    (200, 170, 190),
)


def write_portraits(folder: Path, seed: int) -> None:
    """Write the pictures and `id2label.json`, which comes last: a folder with it is finished."""
    (folder / LABELS).unlink(missing_ok=True)
    shutil.rmtree(folder / IMAGES, ignore_errors=True)
    (folder / IMAGES).mkdir(parents=True)
    for label in range(len(THINGS)):
        for number in range(A_CLASS):
            portrait(seed, label, number).save(folder / IMAGES / f"{label}_{number}.png")
    names = {str(label): thing.name for label, thing in enumerate(THINGS)}
    replace_file(folder / LABELS, (json.dumps(names, indent=1) + "\n").encode())


def portrait(seed: int, label: int, number: int) -> Image.Image:
    """Picture `number` of a class."""
    rng = np.random.default_rng([seed, _STREAM, label, number])
    thing = THINGS[label]
    image = _ground(rng, thing)
    sprite = thing.sprites[int(rng.integers(len(thing.sprites)))]
    side = float(rng.uniform(0.45, 0.8)) * _DRAWN
    turn = float(rng.normal(0.0, 5.0))
    cutout = cutout_of(sprite, side, turn, mirrored=bool(rng.random() < 0.5))
    free = (_DRAWN - cutout.width, _DRAWN - cutout.height)
    corner = [round(float(rng.uniform(0.2, 0.8)) * room) for room in free]
    image.paste(cutout, (corner[0], corner[1]), cutout)
    small = finish(rng, image).resize((_SIDES[number % A_CLASS],) * 2, Image.Resampling.LANCZOS)
    return small.convert("RGB")


def _ground(rng: np.random.Generator, thing: Thing) -> Image.Image:
    """A plain gradient, or a place in which the thing is found."""
    if rng.random() < 0.5:
        canvas = Canvas(rng, _DRAWN, _DRAWN)
        canvas.band(0, _DRAWN, canvas.one_of(_GROUNDS), canvas.one_of(_GROUNDS))
        return canvas.image
    places = sorted(thing.places)
    return paint(places[int(rng.integers(len(places)))], rng, _DRAWN, _DRAWN)[0]
