"""The demo world: the same seed gives the same scenes, and captions and boxes tell the truth."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hw3_browse.core.demo.backgrounds import PLACES, paint
from hw3_browse.core.demo.casting import Item
from hw3_browse.core.demo.dataset import write_dataset
from hw3_browse.core.demo.drawing import SceneObject, draw, seen_of
from hw3_browse.core.demo.grammar import MAX_WORDS, MIN_WORDS, Content, Group, captions
from hw3_browse.core.demo.relations import relate
from hw3_browse.core.demo.scenes import Scene, compose, scene
from hw3_browse.core.demo.things import KINDS, LITTER, THINGS, WORDS_OF_KIND, Pose, Thing

SEED = 11
NUMBERS = {1: ("a", "an"), 2: ("two",), 3: ("three",), 4: ("four",)}


@cache
def _scenes() -> tuple[Scene, ...]:
    return tuple(scene(SEED, "val", index) for index in range(80))


def _kinds_named(caption: str) -> set[str]:
    words = set(caption.split())
    return {kind for kind, names in WORDS_OF_KIND.items() if words & names}


def _bytes_of(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _load(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


# --- the table ------------------------------------------------------------------------------------


def test_every_kind_has_its_sprites_and_a_place() -> None:
    for thing in THINGS:
        assert thing.places <= set(PLACES)
        assert thing.places
    for sprite in [*LITTER, *(sprite for thing in THINGS for sprite in thing.sprites)]:
        with Image.open(sprite.path) as picture:
            assert picture.mode == "RGBA"


def test_the_emoji_folder_holds_the_named_sprites_and_is_small() -> None:
    named = {s.path for s in LITTER} | {s.path for thing in THINGS for s in thing.sprites}
    present = set(LITTER[0].path.parent.glob("*"))
    assert present == named
    assert sum(path.stat().st_size for path in present) < 800_000


def test_a_caption_word_points_to_one_kind_only() -> None:
    words = Counter(word for names in WORDS_OF_KIND.values() for word in names)
    assert max(words.values()) == 1
    assert all(word == word.lower() and " " not in word for word in words)
    assert WORDS_OF_KIND["fire truck"] == {"truck", "trucks"}


# --- determinism ----------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_scene_and_another_seed_another() -> None:
    one, again, other = scene(3, "train", 5), scene(3, "train", 5), scene(4, "train", 5)
    assert one.image.tobytes() == again.image.tobytes()
    assert (one.captions, one.objects) == (again.captions, again.objects)
    assert one.image.tobytes() != other.image.tobytes()
    assert one.image.tobytes() != scene(3, "val", 5).image.tobytes()


def test_a_data_set_does_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    for workers in (1, 2):
        write_dataset(tmp_path / str(workers), train=9, val=3, seed=SEED, workers=workers)
    assert _bytes_of(tmp_path / "1") == _bytes_of(tmp_path / "2")


def test_a_larger_set_begins_with_the_smaller_one(tmp_path: Path) -> None:
    write_dataset(tmp_path / "small", train=2, val=1, seed=SEED, workers=1)
    write_dataset(tmp_path / "large", train=4, val=1, seed=SEED, workers=1)
    small, large = _bytes_of(tmp_path / "small"), _bytes_of(tmp_path / "large")
    pictures = [name for name in small if name.endswith(".jpg")]
    assert len(pictures) == 3
    assert all(small[name] == large[name] for name in pictures)


# --- boxes ----------------------------------------------------------------------------------------


def test_boxes_lie_inside_the_picture_and_hold_the_visible_area() -> None:
    for made in _scenes():
        assert made.objects
        for thing in made.objects:
            x, y, w, h = thing.box
            assert x >= 0
            assert y >= 0
            assert x + w <= made.image.width
            assert y + h <= made.image.height
            assert 0 < thing.area <= w * h


def _square(thing: Thing, left: int, top: int, side: int = 40, depth: float = 1.0) -> Item:
    cutout = Image.new("RGBA", (side, side), (255, 0, 0, 255))
    return Item(thing, thing.sprites[0], cutout, side, left, top, depth)


def test_the_box_is_that_of_the_part_that_is_neither_covered_nor_outside() -> None:
    dog, kite = KINDS["dog"], KINDS["kite"]
    items = [_square(dog, -10, 20), _square(kite, 20, 15, side=60)]
    seen = seen_of(items, draw(Image.new("RGB", (100, 90)), items))
    assert [thing for _, thing in seen] == [
        SceneObject("dog", (0, 20, 20, 40), 800),
        SceneObject("kite", (20, 15, 60, 60), 3600),
    ]


def test_a_thing_that_is_mostly_hidden_is_not_an_object() -> None:
    items = [_square(KINDS["dog"], 20, 20), _square(KINDS["cat"], 25, 15, side=60)]
    seen = seen_of(items, draw(Image.new("RGB", (100, 90)), items))
    assert [thing.kind for _, thing in seen] == ["cat"]


# --- captions -------------------------------------------------------------------------------------


def test_five_distinct_plain_captions_of_fitting_length() -> None:
    for made in _scenes():
        assert len(set(made.captions)) == 5
        for caption in made.captions:
            assert MIN_WORDS <= len(caption.split()) <= MAX_WORDS
            assert caption == " ".join(caption.lower().split())
            assert caption.replace(" ", "").isalpha()
            assert not {"left", "right"} & set(caption.split())


def test_captions_name_only_what_is_there_and_one_thing_always() -> None:
    for made in _scenes():
        present = {thing.kind for thing in made.objects}
        named = [_kinds_named(caption) for caption in made.captions]
        assert all(kinds <= present for kinds in named)
        assert set.intersection(*named)


def test_no_place_decides_what_is_in_it() -> None:
    places: dict[str, set[str]] = {}
    for made in _scenes():
        for thing in made.objects:
            places.setdefault(thing.kind, set()).add(made.place)
    assert sum(len(where) > 1 for where in places.values()) > len(places) / 2


@settings(max_examples=60, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=3, unique=True),
    counts=st.tuples(*[st.integers(1, 4)] * 3),
    place=st.sampled_from(PLACES),
    relation=st.sampled_from((None, "next to", "on", "under", "behind")),
    seed=st.integers(0, 2**32 - 1),
)
def test_counts_and_plurals_agree(
    kinds: list[str], counts: tuple[int, ...], place: str, relation: str | None, seed: int
) -> None:
    numbers = dict(zip(kinds, counts, strict=False))
    groups = tuple(Group(KINDS[kind], count) for kind, count in numbers.items())
    said = captions(Content(place, groups, relation), np.random.default_rng(seed))
    assert len(set(said)) == 5
    for caption in said:
        assert kinds[0] in _kinds_named(caption)
        for kind in _kinds_named(caption):
            assert _number_phrase_is_right(caption, KINDS[kind], numbers[kind])


def _number_phrase_is_right(caption: str, thing: Thing, count: int) -> bool:
    names = [(thing.name, thing.plural), *([thing.synonym] if thing.synonym else [])]
    phrases = [f" {word} {name[count > 1]} " for name in names for word in NUMBERS[count]]
    return sum(phrase in f" {caption} " for phrase in phrases) == 1


@pytest.mark.parametrize(
    ("pose", "words"),
    [(Pose.FLIES, {"over the beach"}), (Pose.FLOATS, {"on the sea", "on the water"})],
)
def test_things_aloft_or_afloat_are_not_on_the_sand(pose: Pose, words: set[str]) -> None:
    thing = next(thing for thing in THINGS if thing.pose is pose and "beach" in thing.places)
    content = Content("beach", (Group(thing, 1),), pose=pose)
    said = captions(content, np.random.default_rng(1))
    assert not any("on the beach" in caption for caption in said)
    assert any(phrase in caption for caption in said for phrase in words)


def test_an_adjective_changes_the_article() -> None:
    content = Content("room", (Group(KINDS["apple"], 1, "red"), Group(KINDS["man"], 1, "old")))
    said = " | ".join(caption for seed in range(8) for caption in captions(content, np.random.default_rng(seed)))
    assert "a red apple" in said
    assert "an apple" in said
    assert "an old man" in said
    assert "an red" not in said


# --- relations ------------------------------------------------------------------------------------


def _seen(kind: str, box: tuple[int, int, int, int], depth: float) -> tuple[Item, SceneObject]:
    x, y, w, h = box
    cutout = Image.new("RGBA", (w, h))
    item = Item(KINDS[kind], KINDS[kind].sprites[0], cutout, max(w, h), x, y, depth)
    return item, SceneObject(kind, box, w * h)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (("dog", (10, 50, 40, 40), 90.0), ("cat", (55, 50, 40, 40), 90.0), "next to"),
        (("dog", (10, 50, 40, 40), 90.0), ("cat", (200, 50, 40, 40), 90.0), None),
        (("dog", (10, 50, 40, 40), 90.0), ("cow", (20, 20, 60, 60), 80.0), "in front of"),
        (("cow", (20, 20, 60, 60), 80.0), ("dog", (10, 50, 40, 40), 90.0), "behind"),
        (("kite", (20, 10, 30, 30), 40.0), ("dog", (20, 60, 40, 40), 100.0), "above"),
        (("cat", (40, 33, 30, 30), 100.5), ("chair", (30, 30, 50, 60), 100.0), "on"),
        (("cat", (40, 60, 30, 30), 90.5), ("umbrella", (20, 20, 70, 70), 90.0), "under"),
        (("cat", (0, 60, 24, 30), 90.5), ("umbrella", (20, 20, 70, 70), 90.0), "next to"),
        (("cat", (92, 60, 24, 30), 90.5), ("umbrella", (20, 20, 70, 70), 90.0), "next to"),
    ],
)
def test_relations_are_read_from_boxes(
    first: tuple[str, tuple[int, int, int, int], float],
    second: tuple[str, tuple[int, int, int, int], float],
    expected: str | None,
) -> None:
    assert relate([_seen(*first)], [_seen(*second)]) == expected


@settings(max_examples=200, deadline=None)
@given(
    kinds=st.tuples(st.sampled_from(("dog", "kite", "cat")), st.sampled_from(("umbrella", "chair", "dog"))),
    corners=st.tuples(*[st.integers(60, 140)] * 4),
    sides=st.tuples(*[st.integers(30, 120)] * 4),
)
def test_mirroring_the_picture_keeps_the_relation(
    kinds: tuple[str, str], corners: tuple[int, ...], sides: tuple[int, ...]
) -> None:
    boxes = [(corners[i], corners[i + 2], sides[i], sides[i + 2]) for i in (0, 1)]
    mirrored = [(320 - x - w, y, w, h) for x, y, w, h in boxes]
    relations = [
        relate(
            [_seen(kinds[0], one, float(one[1] + one[3]))],
            [_seen(kinds[1], two, float(two[1] + two[3]))],
        )
        for one, two in (boxes, mirrored)
    ]
    assert relations[0] == relations[1]


# --- pictures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("size", [(320, 180), (214, 320)])
def test_a_background_has_its_size_and_room_to_stand(place: str, size: tuple[int, int]) -> None:
    for seed in range(4):
        image, ground = paint(place, np.random.default_rng(seed), *size)
        assert image.size == size
        assert 0 < ground.horizon <= ground.start < size[1] * 0.85
        assert np.asarray(image).min(axis=2).max() > 0


def test_scenes_come_in_landscape_and_portrait_with_the_longer_side_at_most_320() -> None:
    shapes = {made.image.size for made in _scenes()}
    assert any(width > height for width, height in shapes)
    assert any(width < height for width, height in shapes)
    assert all(280 <= max(shape) <= 320 for shape in shapes)


def test_compose_takes_any_generator() -> None:
    made = compose(np.random.default_rng(0))
    assert made.image.mode == "RGB"


# --- the written layout ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small written data set."""
    made = tmp_path_factory.mktemp("demo") / "set"
    write_dataset(made, train=6, val=4, seed=SEED, workers=1)
    return made


@pytest.mark.parametrize(("split", "count"), [("train", 6), ("val", 4)])
def test_the_assignments_layout(folder: Path, split: str, count: int) -> None:
    content = _load(folder / f"{split}.json")
    names = {image["file_name"] for image in content["images"]}
    assert names == {path.name for path in (folder / "images" / split).iterdir()}
    assert len(names) == count
    ids = {image["id"] for image in content["images"]}
    per_image = Counter(annotation["image_id"] for annotation in content["annotations"])
    assert per_image == dict.fromkeys(ids, 5)
    assert len({annotation["id"] for annotation in content["annotations"]}) == 5 * count


@pytest.mark.parametrize("split", ["train", "val"])
def test_instances_fit_the_pictures(folder: Path, split: str) -> None:
    content = _load(folder / f"instances_{split}.json")
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    for image in content["images"]:
        with Image.open(folder / "images" / split / image["file_name"]) as picture:
            assert picture.size == sizes[image["id"]]
    for annotation in content["annotations"]:
        x, y, w, h = annotation["bbox"]
        width, height = sizes[annotation["image_id"]]
        assert x + w <= width
        assert y + h <= height
    words = {category["name"]: set(category["words"]) for category in content["categories"]}
    assert words == WORDS_OF_KIND


def test_an_interrupted_run_leaves_no_json_of_an_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(tmp_path, train=1, val=1, seed=SEED, workers=1)

    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hw3_browse.core.demo.dataset.scene", fails)
    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path, train=1, val=1, seed=SEED + 1, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


def test_train_and_val_share_no_name_and_nothing_half_written_is_left(folder: Path) -> None:
    names = [{path.name for path in (folder / "images" / s).iterdir()} for s in ("train", "val")]
    assert not names[0] & names[1]
    tops = {path.name for path in folder.iterdir()}
    assert tops == {
        "images", "train.json", "val.json", "instances_train.json", "instances_val.json"
    }  # fmt: skip
