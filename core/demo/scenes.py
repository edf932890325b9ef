"""Scenes of the demo world: things composed over a background, with captions and true boxes.

Contract: `compose(rng)` makes one scene from the generator alone; `scene(seed, split, index)` gives
scene `index` of a split, whatever else is made and in whatever process.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from .casting import cast_of
from .drawing import SceneObject, draw, finish, litter, seen_of
from .grammar import Content, Group, captions
from .relations import Seen, relate
from .stage import Stage, arrange, set_stage
from .things import Pose, Size, Thing

SPLITS = {"train": 0, "val": 1}


@dataclass(frozen=True)
class Scene:
    """A composed picture, its five captions and its objects, nearest last."""

    image: Image.Image
    captions: tuple[str, ...]
    objects: tuple[SceneObject, ...]
    place: str


def scene(seed: int, split: str, index: int) -> Scene:
    """Scene `index` of a split ("train" or "val") of the world with that seed."""
    return compose(np.random.default_rng([seed, SPLITS[split], index]))


def compose(rng: np.random.Generator) -> Scene:
    """Compose one scene; starts again in the rare case that nothing is visible enough."""
    while True:
        made = _attempt(rng)
        if made is not None:
            return made


def _attempt(rng: np.random.Generator) -> Scene | None:
    stage = set_stage(rng)
    items = arrange(rng, stage, cast_of(rng, stage.place))
    litter(rng, stage)
    seen = seen_of(items, draw(stage.image, items))
    if not seen:
        return None
    content = content_of(stage, seen)
    objects = tuple(thing for _, thing in seen)
    return Scene(finish(rng, stage.image), captions(content, rng), objects, stage.place)


def content_of(stage: Stage, seen: list[Seen]) -> Content:
    """The groups by prominence, their shared attributes, and the relation of the first two."""
    members: dict[str, list[Seen]] = {}
    for pair in seen:
        members.setdefault(pair[0].thing.name, []).append(pair)
    ranked = sorted(members.values(), key=lambda group: -_prominence(stage, group))[:3]
    if len(ranked) > 1 and relate(ranked[1], ranked[0]) in {"on", "under", "above"}:
        ranked[0], ranked[1] = ranked[1], ranked[0]
    relation = relate(ranked[0], ranked[1]) if len(ranked) > 1 else None
    groups = tuple(_group(stage, group) for group in ranked)
    poses = {group.thing.pose for group in groups}
    return Content(stage.place, groups, relation, poses.pop() if len(poses) == 1 else Pose.STANDS)


def _prominence(stage: Stage, group: list[Seen]) -> float:
    """Visible area, counted less outside the centre crop."""
    x0, y0, side = stage.crop
    total = 0.0
    for _, thing in group:
        x, y, w, h = thing.box
        wide = max(0, min(x + w, x0 + side) - max(x, x0))
        tall = max(0, min(y + h, y0 + side) - max(y, y0))
        total += thing.area * (0.2 + wide * tall / (w * h))
    return total


def _group(stage: Stage, group: list[Seen]) -> Group:
    thing = group[0][0].thing
    adjectives = {item.sprite.adjective for item, _ in group}
    adjective = adjectives.pop() if len(adjectives) == 1 else None
    return Group(
        thing,
        len(group),
        adjective,
        _size_word(thing, [item.side / stage.crop[2] for item, _ in group]),
    )


def _size_word(thing: Thing, sides: list[float]) -> str | None:
    """Say "large" or "small" where every instance is so, for the picture and for its kind."""
    if min(sides) > 0.56 and thing.size is not Size.SMALL:
        return "large"
    if max(sides) < 0.27 and thing.size is not Size.LARGE:
        return "small"
    return None
