"""The captions of a scene: five phrasings of the same content.

Contract: `captions(scene, rng)` gives five distinct lower-case captions of 5 to 16 words, with no
final period. Every caption names the main group; most name the place. "left" and "right" are never
said, because training mirrors pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from .things import Pose, Thing

CAPTIONS_PER_SCENE = 5
MIN_WORDS, MAX_WORDS = 5, 16
_COUNTS = ("no", "a", "two", "three", "four", "five")
_TRIES = 60


@dataclass(frozen=True)
class Group:
    """The visible instances of one kind: how many, and what holds for all of them."""

    thing: Thing
    count: int
    adjective: str | None = None
    size: str | None = None


@dataclass(frozen=True)
class Content:
    """What captions may say; `relation` is between the first two groups, `pose` of all."""

    place: str
    groups: tuple[Group, ...]
    relation: str | None = None
    pose: Pose = Pose.STANDS


@dataclass(frozen=True)
class _Place:
    at: tuple[str, ...]
    over: str
    scene: str
    water: tuple[str, ...] = ()


_PLACES: Mapping[str, _Place] = MappingProxyType(
    {
        "beach": _Place(
            ("on the beach", "on the beach", "at the beach"),
            "over the beach",
            "a sandy beach",
            ("on the sea", "on the water"),
        ),
        "meadow": _Place(("in the meadow", "in the meadow", "on the grass"), "over the meadow", "a green meadow"),
        "snow": _Place(("in the snow",), "over the snow", "a snowy field"),
        "street": _Place(("on the street", "on the street", "on the road"), "over the street", "a city street"),
        "room": _Place(("in a room", "in a room", "inside a room"), "in a room", "a room"),
        "forest": _Place(("in the forest", "in the forest", "in the woods"), "over the forest", "a forest"),
        "desert": _Place(("in the desert",), "over the desert", "a desert"),
        "city": _Place(
            ("in the city at night", "in the city at night", "in a dark city"),
            "over the city at night",
            "a city at night",
        ),
        "lake": _Place(
            ("by the lake", "by the lake", "at the lake"),
            "over the lake",
            "a lake",
            ("on the lake", "on the water"),
        ),
    }
)


def _article(phrase: str) -> str:
    return f"an {phrase}" if phrase[0] in "aeiou" else f"a {phrase}"


class _Speaker:
    """Says parts of one scene, with random choices among equal wordings."""

    def __init__(self, content: Content, rng: np.random.Generator) -> None:
        self.content = content
        self.rng = rng

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def noun(self, group: Group) -> str:
        """A group as a noun phrase: "two red cars", "a small dog"."""
        thing, many = group.thing, group.count > 1
        word = thing.plural if many else thing.name
        if thing.synonym is not None and self.chance(0.12):
            word = thing.synonym[1 if many else 0]
        if group.adjective is not None and self.chance(0.75):
            word = f"{group.adjective} {word}"
        elif group.size is not None and self.chance(0.6):
            word = f"{group.size} {word}"
        return f"{_COUNTS[group.count]} {word}" if many else _article(word)

    def first(self) -> str:
        return self.noun(self.content.groups[0])

    def second(self) -> str:
        return self.noun(self.content.groups[1])

    def third(self) -> str:
        return self.noun(self.content.groups[2])

    def where(self) -> str:
        place = _PLACES[self.content.place]
        if self.content.pose is Pose.FLIES:
            return place.over
        wordings = place.water if self.content.pose is Pose.FLOATS else place.at
        return wordings[int(self.rng.integers(len(wordings)))]

    def scene(self) -> str:
        return _PLACES[self.content.place].scene

    def doing(self) -> str:
        """What the main group does: "a horse running", "two dogs are standing"."""
        group = self.content.groups[0]
        verb = group.thing.verb
        if self.chance(0.4):
            verb = f"{'are' if group.count > 1 else 'is'} {verb}"
        return f"{self.first()} {verb}"

    def there(self) -> str:
        return f"there {'are' if self.content.groups[0].count > 1 else 'is'} {self.first()}"

    def link(self) -> str:
        """The true relation of the first two groups, or a plain "and"."""
        return self.content.relation if self.content.relation is not None else "and"


_Template = Callable[[_Speaker], str]

_ONE: tuple[_Template, ...] = (
    lambda s: f"{s.first()} {s.where()}",
    lambda s: f"{s.doing()} {s.where()}",
    lambda s: f"{s.there()} {s.where()}",
    lambda s: f"a picture of {s.first()} {s.where()}",
    lambda s: f"{s.scene()} with {s.first()}",
)

_TWO: tuple[_Template, ...] = (
    lambda s: f"{s.first()} {s.link()} {s.second()} {s.where()}",
    lambda s: f"{s.first()} and {s.second()} {s.where()}",
    lambda s: f"{s.doing()} {s.link() if s.content.relation else 'with'} {s.second()}",
    lambda s: f"{s.there()} {s.link()} {s.second()} {s.where()}",
    lambda s: f"{s.scene()} with {s.first()} and {s.second()}",
    lambda s: f"{s.first()} {s.link()} {s.second()}",
)

_THREE: tuple[_Template, ...] = (
    lambda s: f"{s.first()} {s.link()} {s.second()} {s.where()}",
    lambda s: f"{s.first()} with {s.second()} and {s.third()} {s.where()}",
    lambda s: f"{s.there()} {s.link()} {s.second()} {s.where()}",
    lambda s: f"{s.scene()} with {s.first()} and {s.second()}",
    lambda s: f"{s.first()} {s.link() if s.content.relation else 'with'} {s.second()} and {s.third()}",
    lambda s: f"{s.doing()} {s.where()} with {s.second()} and {s.third()}",
)

_TEMPLATES = (_ONE, _TWO, _THREE)


def _fits(caption: str, said: list[str]) -> bool:
    return MIN_WORDS <= len(caption.split()) <= MAX_WORDS and caption not in said


def captions(content: Content, rng: np.random.Generator) -> tuple[str, ...]:
    """Five distinct captions of a scene with one to three groups."""
    speaker = _Speaker(content, rng)
    templates = _TEMPLATES[len(content.groups) - 1]
    order = rng.permutation(len(templates))
    said: list[str] = []
    for attempt in range(_TRIES):
        caption = templates[order[attempt % len(order)]](speaker)
        if _fits(caption, said):
            said.append(caption)
        if len(said) == CAPTIONS_PER_SCENE:
            return tuple(said)
    raise ValueError(f"no five captions for {content}")
