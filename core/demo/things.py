"""The things of the demo world.

Contract: `THINGS` is a constant table of kinds. Each kind says how captions call it,
which sprites show it (`emoji/<name>.webp`), how it stands in a scene and where it is found.
No two kinds share a caption word, so a word of a caption points to exactly one kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType

EMOJI_FOLDER = Path(__file__).parent / "emoji"

OUTDOORS = frozenset({"beach", "meadow", "snow", "street", "forest", "desert", "city", "lake"})
EVERYWHERE = OUTDOORS | {"room"}
_ROADS = frozenset({"street", "city", "desert", "snow", "meadow", "beach", "lake"})
_WATERS = frozenset({"beach", "lake"})
_GREEN = frozenset({"meadow", "forest", "lake", "street", "city", "room", "desert"})


class Pose(Enum):
    """How a thing is placed: on the ground, in the air, or on water."""

    STANDS = "stands"
    FLIES = "flies"
    FLOATS = "floats"


class Size(Enum):
    """Natural size class: the range of the longer side over the picture's shorter side."""

    SMALL = (0.27, 0.40)
    MEDIUM = (0.33, 0.50)
    LARGE = (0.40, 0.62)


@dataclass(frozen=True)
class Sprite:
    """One picture of a kind: file stem, the emoji's original code point, and what sets it apart."""

    name: str
    code: str
    adjective: str | None = None

    @property
    def path(self) -> Path:
        """Where the sprite's webp lies."""
        return EMOJI_FOLDER / f"{self.name}.webp"


@dataclass(frozen=True)
class Thing:
    """One kind of thing; `seat` is the height (from its top) at which others can be on it."""

    name: str
    plural: str
    sprites: tuple[Sprite, ...]
    verb: str
    size: Size = Size.MEDIUM
    pose: Pose = Pose.STANDS
    places: frozenset[str] = EVERYWHERE
    synonym: tuple[str, str] | None = None
    seat: float | None = None
    shelter: bool = False

    @property
    def can_mount(self) -> bool:
        """Whether it may be put on another thing's seat."""
        return self.pose is Pose.STANDS and self.size is not Size.LARGE and self.seat is None


def _one(name: str, code: str) -> tuple[Sprite, ...]:
    return (Sprite(name, code),)


_PEOPLE = (
    Thing(
        "man",
        "men",
        (
            Sprite("man", "1f468"),
            Sprite("red_haired_man", "1f468-200d-1f9b0"),
            Sprite("old_man", "1f474", "old"),
        ),
        "standing",
        synonym=("guy", "guys"),
    ),
    Thing(
        "woman",
        "women",
        (
            Sprite("woman", "1f469"),
            Sprite("blond_woman", "1f471-200d-2640-fe0f"),
            Sprite("old_woman", "1f475", "old"),
        ),
        "standing",
        synonym=("lady", "ladies"),
    ),
    Thing("girl", "girls", _one("girl", "1f467"), "smiling"),
    Thing("baby", "babies", _one("baby", "1f476"), "smiling", synonym=("infant", "infants")),
    Thing(
        "police officer",
        "police officers",
        _one("police_officer", "1f46e"),
        "standing",
        synonym=("policeman", "policemen"),
    ),
    Thing("chef", "chefs", _one("chef", "1f468-200d-1f373"), "standing", synonym=("cook", "cooks")),
    Thing("astronaut", "astronauts", _one("astronaut", "1f468-200d-1f680"), "standing"),
    Thing(
        "skier",
        "skiers",
        _one("skier", "26f7-fe0f"),
        "skiing",
        places=frozenset({"snow", "forest", "desert"}),
    ),
    Thing(
        "surfer",
        "surfers",
        (Sprite("surfer", "1f3c4"), Sprite("blue_surfer", "1f3c4-200d-2642-fe0f")),
        "surfing",
        pose=Pose.FLOATS,
        places=_WATERS,
    ),
)

_ANIMALS = (
    Thing(
        "dog",
        "dogs",
        (Sprite("dog", "1f415", "brown"), Sprite("poodle", "1f429", "gray")),
        "standing",
        synonym=("puppy", "puppies"),
    ),
    Thing(
        "cat",
        "cats",
        (Sprite("cat", "1f408", "orange"), Sprite("black_cat", "1f408-200d-2b1b", "black")),
        "standing",
        synonym=("kitten", "kittens"),
    ),
    Thing("horse", "horses", _one("horse", "1f40e"), "running", Size.LARGE, places=OUTDOORS, seat=0.28),
    Thing("cow", "cows", _one("cow", "1f404"), "standing", Size.LARGE, places=OUTDOORS),
    Thing("pig", "pigs", _one("pig", "1f416"), "standing"),
    Thing("sheep", "sheep", _one("sheep", "1f411"), "standing", places=OUTDOORS),
    Thing(
        "elephant",
        "elephants",
        _one("elephant", "1f418"),
        "walking",
        Size.LARGE,
        places=OUTDOORS,
        seat=0.2,
    ),
    Thing("camel", "camels", _one("camel", "1f42b"), "standing", Size.LARGE, places=OUTDOORS),
    Thing("tiger", "tigers", _one("tiger", "1f405"), "walking", places=OUTDOORS),
    Thing("monkey", "monkeys", _one("monkey", "1f412"), "sitting"),
    Thing(
        "rabbit",
        "rabbits",
        _one("rabbit", "1f407"),
        "sitting",
        Size.SMALL,
        synonym=("bunny", "bunnies"),
    ),
    Thing("penguin", "penguins", _one("penguin", "1f427"), "standing"),
    Thing("duck", "ducks", _one("duck", "1f986"), "sitting"),
    Thing("parrot", "parrots", _one("parrot", "1f99c"), "sitting"),
    Thing("turtle", "turtles", _one("turtle", "1f422"), "walking", Size.SMALL),
    Thing("giraffe", "giraffes", _one("giraffe", "1f992"), "standing", Size.LARGE, places=OUTDOORS),
    Thing("zebra", "zebras", _one("zebra", "1f993"), "standing", Size.LARGE, places=OUTDOORS),
    Thing(
        "butterfly",
        "butterflies",
        _one("butterfly", "1f98b"),
        "flying",
        Size.SMALL,
        Pose.FLIES,
    ),
)

_VEHICLES = (
    Thing(
        "car",
        "cars",
        (Sprite("red_car", "1f697", "red"), Sprite("blue_car", "1f699", "blue")),
        "parked",
        Size.LARGE,
        places=_ROADS,
        seat=0.08,
    ),
    Thing("bus", "buses", _one("bus", "1f68c"), "parked", Size.LARGE, places=_ROADS),
    Thing(
        "fire truck",
        "fire trucks",
        _one("fire_truck", "1f692"),
        "parked",
        Size.LARGE,
        places=_ROADS,
    ),
    Thing("tractor", "tractors", _one("tractor", "1f69c"), "parked", Size.LARGE, places=_ROADS),
    Thing(
        "bicycle",
        "bicycles",
        _one("bicycle", "1f6b2"),
        "parked",
        synonym=("bike", "bikes"),
    ),
    Thing(
        "motorcycle",
        "motorcycles",
        _one("motorcycle", "1f3cd-fe0f"),
        "parked",
        places=_ROADS,
        synonym=("motorbike", "motorbikes"),
    ),
    Thing("train", "trains", _one("train", "1f682"), "stopped", Size.LARGE, places=OUTDOORS),
    Thing(
        "airplane",
        "airplanes",
        _one("airplane", "2708-fe0f"),
        "flying",
        pose=Pose.FLIES,
        places=OUTDOORS,
        synonym=("plane", "planes"),
    ),
    Thing(
        "helicopter",
        "helicopters",
        _one("helicopter", "1f681"),
        "flying",
        pose=Pose.FLIES,
        places=OUTDOORS,
    ),
    Thing(
        "boat",
        "boats",
        _one("boat", "26f5"),
        "floating",
        Size.LARGE,
        Pose.FLOATS,
        places=_WATERS,
        synonym=("sailboat", "sailboats"),
    ),
)

_OBJECTS = (
    Thing(
        "sofa",
        "sofas",
        _one("sofa", "1f6cb-fe0f"),
        "standing",
        Size.LARGE,
        seat=0.72,
        synonym=("couch", "couches"),
    ),
    Thing("chair", "chairs", _one("chair", "1fa91"), "standing", Size.LARGE, seat=0.55),
    Thing(
        "umbrella",
        "umbrellas",
        (Sprite("umbrella", "2602-fe0f"), Sprite("beach_umbrella", "26f1-fe0f", "striped")),
        "standing",
        Size.LARGE,
        shelter=True,
    ),
    Thing("backpack", "backpacks", _one("backpack", "1f392"), "lying"),
    Thing("guitar", "guitars", _one("guitar", "1f3b8"), "lying"),
    Thing("teddy bear", "teddy bears", _one("teddy_bear", "1f9f8"), "sitting"),
    Thing("kite", "kites", _one("kite", "1fa81"), "flying", pose=Pose.FLIES, places=OUTDOORS),
    Thing("balloon", "balloons", _one("balloon", "1f388"), "floating", pose=Pose.FLIES),
    Thing("soccer ball", "soccer balls", _one("soccer_ball", "26bd"), "lying", Size.SMALL),
    Thing("basketball", "basketballs", _one("basketball", "1f3c0"), "lying", Size.SMALL),
    Thing("skateboard", "skateboards", _one("skateboard", "1f6f9"), "lying"),
)

_FOOD_AND_PLANTS = (
    Thing(
        "apple",
        "apples",
        (Sprite("red_apple", "1f34e", "red"), Sprite("green_apple", "1f34f", "green")),
        "lying",
        Size.SMALL,
    ),
    Thing("banana", "bananas", _one("banana", "1f34c"), "lying", Size.SMALL),
    Thing("pizza", "pizzas", _one("pizza", "1f355"), "lying"),
    Thing("cake", "cakes", _one("cake", "1f382"), "standing"),
    Thing(
        "tree",
        "trees",
        (Sprite("tree", "1f333"), Sprite("pine_tree", "1f332")),
        "growing",
        Size.LARGE,
        places=OUTDOORS,
        shelter=True,
    ),
    Thing("cactus", "cacti", _one("cactus", "1f335"), "growing", places=_GREEN),
    Thing("sunflower", "sunflowers", _one("sunflower", "1f33b"), "growing", places=_GREEN),
    Thing(
        "snowman",
        "snowmen",
        _one("snowman", "26c4"),
        "standing",
        places=frozenset({"snow", "forest", "street", "city", "lake"}),
    ),
)

THINGS: tuple[Thing, ...] = _PEOPLE + _ANIMALS + _VEHICLES + _OBJECTS + _FOOD_AND_PLANTS
KINDS: Mapping[str, Thing] = MappingProxyType({thing.name: thing for thing in THINGS})

LITTER: tuple[Sprite, ...] = (
    Sprite("leaf", "1f342"),
    Sprite("rock", "1faa8"),
    Sprite("shell", "1f41a"),
    Sprite("mushroom", "1f344"),
    Sprite("herb", "1f33f"),
    Sprite("log", "1fab5"),
    Sprite("maple_leaf", "1f341"),
)
"""Small sprites that lie about and that no caption names."""


def _words(thing: Thing) -> frozenset[str]:
    names = (thing.name, thing.plural, *(thing.synonym or ()))
    return frozenset(name.split()[-1] for name in names)


WORDS_OF_KIND: Mapping[str, frozenset[str]] = MappingProxyType({thing.name: _words(thing) for thing in THINGS})
"""The single words by which captions name each kind (of "fire truck": "truck", "trucks")."""
