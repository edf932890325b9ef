"""COCO-style json, the assignment's layout, and Karpathy's `dataset_*.json`.

    {"images": [{"file_name": "000000179758.jpg", "id": 12}, ...], "annotations": [{"image_id": 12, "caption": "..."}]}
    {"images": [{"filepath": "val2014", "filename": "...", "split": "val", "sentences": [{"raw": "..."}, ...]}, ...]}

Unknown keys are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from ...cache.errors import DatasetError
from ...cache.schema import is_inside
from .entries import Entry, clean, inside, integer, split_of, string
from .wording import found, show

_COCO_NAME: Final = re.compile(r"COCO_([a-z]+\d{4})_")  # COCO_val2014_000000391895.jpg is in val2014/


def is_karpathy(data: Mapping[str, Any]) -> bool:
    """Tell whether a json with `images` is one of Karpathy's: each image has its own `sentences`."""
    first = next(iter(data["images"]), None)
    return isinstance(first, Mapping) and "filename" in first and "sentences" in first


def coco_entries(data: Mapping[str, Any], source: Path) -> list[Entry]:
    """Join images and their captions, in the order of the images.

    Raises:
        DatasetError: An entry is wrong, an id is used twice, or a caption belongs to no image.
    """
    images = _images(data, source)
    references = _captions(data, [integer(image, "id", where) for where, image in images], source)
    entries = []
    for where, image in images:
        path = inside(string(image, "file_name", where), where)
        entries.append(
            Entry(path, tuple(references[image["id"]]), image["id"], split_of(image), _coco_folder(image, path))
        )
    return entries


def karpathy_entries(data: Mapping[str, Any], source: Path) -> list[Entry]:
    """Return the images of all splits with their sentences.

    Raises:
        DatasetError: An entry is wrong, or an id is used twice.
    """
    entries: dict[int, Entry] = {}
    for where, image in _images(data, source):
        name = string(image, "filename", where)
        folder = string(image, "filepath", where) if image.get("filepath") else ""
        path = inside(f"{folder}/{name}" if folder else name, where)
        elsewhere = (inside(name, where),) if folder else ()  # the image folder may be val2014 itself
        image_id = integer(image, "cocoid" if "cocoid" in image else "imgid", where)
        if image_id in entries:
            raise DatasetError(f"{where}: the id {image_id} is used twice")
        entries[image_id] = Entry(path, tuple(_sentences(image, where)), image_id, split_of(image), elsewhere)
    return list(entries.values())


def _images(data: Mapping[str, Any], source: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """Return where each image stands, and the image."""
    if not data["images"]:
        raise DatasetError(f'the list "images" in {show(source)} is empty')
    return [(f"images[{place}] in {show(source)}", image) for place, image in enumerate(data["images"])]


def _captions(data: Mapping[str, Any], ids: list[int], source: Path) -> dict[int, list[str]]:
    """Return the captions of each id."""
    references: dict[int, list[str]] = {}
    for place, image_id in enumerate(ids):
        if image_id in references:
            raise DatasetError(f"images[{place}] in {show(source)}: the id {image_id} is used twice")
        references[image_id] = []
    for place, annotation in enumerate(data.get("annotations", [])):
        where = f"annotations[{place}] in {show(source)}"
        image_id = integer(annotation, "image_id", where)
        if image_id not in references:
            raise DatasetError(f"{where}: there is no image with the id {image_id}")
        references[image_id].append(clean(string(annotation, "caption", where)))
    return references


def _coco_folder(image: Mapping[str, Any], path: str) -> tuple[str, ...]:
    """Return where COCO's own folders would have a picture: val2014/..., as its `coco_url` or its name say."""
    url = image.get("coco_url")
    parts = PurePosixPath(urlsplit(url).path).parts[-2:] if isinstance(url, str) and _is_url(url) else ()
    named = _COCO_NAME.match(PurePosixPath(path).name)
    places = ["/".join(parts)] if len(parts) == 2 and is_inside("/".join(parts)) else []  # noqa: PLR2004
    if named:
        places.append(f"{named[1]}/{path}")
    return tuple(place for place in dict.fromkeys(places) if place != path)


def _is_url(url: str) -> bool:
    try:
        return bool(urlsplit(url).path)
    except ValueError:
        return False


def _sentences(image: Mapping[str, Any], where: str) -> Iterator[str]:
    sentences = image.get("sentences")
    if not isinstance(sentences, list):
        raise DatasetError(f'{where}: expected a list "sentences", found {found(sentences)}')
    for place, sentence in enumerate(sentences):
        yield clean(string(sentence, "raw", f"sentences[{place}] of {where}"))
