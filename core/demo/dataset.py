"""Writes a demo data set in the assignment's layout, with COCO-form boxes beside it.

Contract: the same `train`, `val` and `seed` give the same bytes for any number of workers, and the
first pictures of a larger set are those of a smaller one. The json files come last, `train.json`
last of all, and each appears whole (see `cache.files`); those of an earlier run are
removed first. So a folder with `train.json` is finished.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ...cache.files import replace_file
from .drawing import SceneObject
from .grammar import CAPTIONS_PER_SCENE
from .scenes import scene
from .things import THINGS, WORDS_OF_KIND

JPEG_QUALITY = 88
FIRST_ID = {"train": 1, "val": 900001}
_CATEGORY_IDS = {thing.name: number for number, thing in enumerate(THINGS, start=1)}
_CHUNK = 32
_JSON_FILES = ("train.json", "val.json", "instances_train.json", "instances_val.json")


@dataclass(frozen=True)
class _Record:
    """What the json files say about one written picture."""

    image_id: int
    width: int
    height: int
    captions: tuple[str, ...]
    objects: tuple[SceneObject, ...]

    @property
    def file_name(self) -> str:
        return f"{self.image_id:012d}.jpg"


def write_dataset(folder: Path, train: int, val: int, seed: int, workers: int) -> None:
    """Write `train` and `val` scenes of the world `seed` into a folder, made if need be."""
    for name in _JSON_FILES:
        (folder / name).unlink(missing_ok=True)
    records = {}
    for split, count in (("val", val), ("train", train)):
        (folder / "images" / split).mkdir(parents=True, exist_ok=True)
        records[split] = _write_pictures(folder, split, count, seed, workers)
    for split, made in records.items():
        _write_json(folder / f"instances_{split}.json", _instances(made))
    for split, made in records.items():
        _write_json(folder / f"{split}.json", _captions(made))


def _write_pictures(folder: Path, split: str, count: int, seed: int, workers: int) -> list[_Record]:
    write = partial(_write_picture, folder, split, seed)
    if workers <= 1:
        return [write(index) for index in range(count)]
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(write, range(count), chunksize=_CHUNK))


def _write_picture(folder: Path, split: str, seed: int, index: int) -> _Record:
    made = scene(seed, split, index)
    image_id = FIRST_ID[split] + index
    record = _Record(image_id, made.image.width, made.image.height, made.captions, made.objects)
    made.image.save(folder / "images" / split / record.file_name, quality=JPEG_QUALITY)
    return record


def _captions(records: Iterable[_Record]) -> dict[str, Any]:
    """The assignment's form: pictures, and captions that point to them."""
    images, annotations = [], []
    for record in records:
        images.append({"file_name": record.file_name, "id": record.image_id})
        for number, caption in enumerate(record.captions, start=1):
            caption_id = (record.image_id - 1) * CAPTIONS_PER_SCENE + number
            annotations.append({"image_id": record.image_id, "id": caption_id, "caption": caption})
    return {"images": images, "annotations": annotations}


def _instances(records: Iterable[_Record]) -> dict[str, Any]:
    """The COCO form: pictures, boxes, and categories with the words that name them."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for record in records:
        images.append(
            {
                "id": record.image_id,
                "file_name": record.file_name,
                "width": record.width,
                "height": record.height,
            }
        )
        for thing in record.objects:
            annotations.append(_annotation(len(annotations) + 1, record.image_id, thing))
    categories = [
        {"id": number, "name": name, "words": sorted(WORDS_OF_KIND[name])} for name, number in _CATEGORY_IDS.items()
    ]
    return {"images": images, "annotations": annotations, "categories": categories}


def _annotation(number: int, image_id: int, thing: SceneObject) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": image_id,
        "category_id": _CATEGORY_IDS[thing.kind],
        "bbox": list(thing.box),
        "area": thing.area,
        "iscrowd": 0,
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    replace_file(path, (json.dumps(content, separators=(",", ":")) + "\n").encode())
