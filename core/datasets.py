"""Datasets: folders of pictures, with or without reference captions, and the pictures themselves.

Two layouts are read, both those of the assignment:

- an image folder and a COCO-style json,
  `{"images": [{"file_name": ..., "id": ...}, ...], "annotations": [{"image_id": ..., "caption": ...}, ...]}`;
  a `file_name` may have sub-folders, but never leaves the image folder; unknown keys are ignored;
- a plain folder of png, jpg, jpeg, webp or bmp pictures without references (sub-folders are not entered; for
  classification `open_folders` enters them).

Whatever is wrong with a dataset is found when it is opened and said in one line, before a model is loaded.
Predictions are keyed by file name without extension, so these names must differ.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import stat
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..cache.errors import DatasetError
from ..cache.schema import is_inside
from ..cache.text import printable

IMAGE_SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
_KINDS: Final = ", ".join(sorted(suffix.lstrip(".") for suffix in IMAGE_SUFFIXES))
MAX_PIXELS: Final = 64 * 1024 * 1024
_FORMATS: Final = ("PNG", "JPEG", "WEBP", "BMP")
_STORES: Final = frozenset({"images", "annotations"})  # folder names that say nothing about a dataset ...
_SPLITS: Final = frozenset({"val", "valid", "validation", "train", "test"})  # ... and those that say little
# Control characters, and what Python makes of bytes that are not UTF-8.
_UNREADABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SHOWN: Final = 3  # names listed in an error
_PREVIEW_QUALITY: Final = 85
_TINY: Final = 96  # pixels

# Pillow warns about pictures that load_image refuses anyway, with a better line.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


@dataclass(frozen=True, slots=True)
class Item:
    """One picture of a dataset.

    Attributes:
        index: Its place in the dataset, from 0.
        image_id: Its id in the annotations, None in a plain folder.
        name: The file name without folders and extension: the key of its prediction.
        path: The file relative to the dataset's image folder, with forward slashes.
        references: The captions that people gave it, in the order of the annotations; may be empty.
    """

    index: int
    image_id: int | None
    name: str
    path: str
    references: tuple[str, ...]


@dataclass(frozen=True)
class Dataset:
    """A list of pictures that all exist, in the order of the annotations (a plain folder: by name).

    Attributes:
        root: The image folder.
        items: The pictures.
        annotations: The json with the references, None for a plain folder.
        name: A short name for people, from the file's or folder's name.
        fingerprint: SHA-256 over the pictures' paths, file sizes and references in their order: equal for
            copies of a dataset.
    """

    root: Path
    items: tuple[Item, ...]
    annotations: Path | None
    name: str
    fingerprint: str = field(repr=False)

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        """Go through the pictures in order."""
        return iter(self.items)

    def file(self, item: Item) -> Path:
        """Return where a picture's file is."""
        return self.root / item.path

    @property
    def has_references(self) -> bool:
        """Whether any picture has a reference caption."""
        return any(item.references for item in self.items)


def open_dataset(images: Path, annotations: Path | None = None) -> Dataset:
    """Open a dataset and check that all its pictures are there; no picture is decoded.

    Args:
        images: The image folder.
        annotations: The COCO-style json, or None for a plain folder without references.

    Raises:
        DatasetError: The folder or the json cannot be read, pictures are missing, ids or names are not
            unique, an annotation belongs to no picture, or there is no picture at all.
    """
    images = Path(images)
    _check_folder(images)
    if annotations is None:
        items = _plain_items(images)
        source = images
    else:
        annotations = Path(annotations)
        items = _annotated_items(_read_json(annotations), annotations)
        source = annotations.with_suffix("")
    _check_names(items, annotations or images)
    sizes = _file_sizes(images, items)
    return Dataset(images, items, annotations, _dataset_name(source), _fingerprint(items, sizes))


def open_folders(images: Path) -> Dataset:
    """Open a folder of pictures whose names may repeat: those in it, or, where it has none, those in its sub-folders.

    The order is by path. Folders of folders are not entered.

    Raises:
        DatasetError: The folder cannot be read, or there is no picture.
    """
    images = Path(images)
    _check_folder(images)
    paths = _picture_names(images)
    if not paths:
        inner = sorted(entry.name for entry in _scanned(images) if entry.is_dir() and not entry.name.startswith("."))
        paths = [f"{folder}/{name}" for folder in inner for name in _picture_names(images / folder)]
    if not paths:
        raise DatasetError(f"no pictures ({_KINDS}) in {_show(images)} or its sub-folders")
    items = tuple(Item(index, None, PurePosixPath(path).stem, path, ()) for index, path in enumerate(paths))
    return Dataset(images, items, None, _dataset_name(images), _fingerprint(items, _file_sizes(images, items)))


def load_image(path: Path, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read a picture as RGB, with the pixels that timm and CLIP pipelines see.

    Grey, CMYK and palette pictures are converted, 16-bit grey is scaled to 8 bits, transparency is dropped
    (not blended). A rotation in EXIF is *not* applied, because the pipelines that models were trained with do
    not apply it.

    Args:
        path: A PNG, JPEG, WebP or BMP file, whatever its suffix.
        max_pixels: Larger pictures are refused before they are decoded.

    Raises:
        DatasetError: The file is missing, too large, cut short or not such a picture.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            _check_size(image, path, max_pixels)
            return _to_rgb(image)
    except DatasetError:
        raise
    except FileNotFoundError as error:
        raise DatasetError(f"the picture {_show(path)} does not exist") from error
    except UnidentifiedImageError as error:
        raise DatasetError(f"{_show(path)} is not a PNG, JPEG, WebP or BMP picture, or is cut short") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DatasetError(f"{_show(path)} is too large: over the limit of {max_pixels:,} pixels") from error
    except Exception as error:  # Pillow's decoders raise almost anything on a damaged file
        raise DatasetError(
            f"cannot read the picture {_show(path)}: {printable(str(error))}; replace it, or leave it out"
        ) from error


def make_preview(image: Image.Image, max_side: int = 448) -> bytes:
    """Return a JPEG of the whole picture in its own shape, at most `max_side` pixels a side."""
    preview = image.convert("RGB")
    preview.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    # A tiny picture is shown much enlarged, blocks and smeared colours with it.
    how = {"quality": 95, "subsampling": 0} if max(preview.size) <= _TINY else {"quality": _PREVIEW_QUALITY}
    preview.save(buffer, "JPEG", optimize=True, **how)
    return buffer.getvalue()


def _check_size(image: Image.Image, path: Path, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        size = f"{image.width} x {image.height} pixels"
        raise DatasetError(f"{_show(path)} has {size}, over the limit of {max_pixels:,}: make it smaller")


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # Pillow clips 16-bit grey at 255 instead of scaling it: nearly every pixel would be white.
        wide = np.asarray(image).astype(np.int64)
        return Image.fromarray((np.clip(wide, 0, 65535) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "P":
        image = image.convert("RGBA")  # the same colours, without Pillow's warning about transparent palettes
    return image.convert("RGB")


def _check_folder(images: Path) -> None:
    if not images.is_dir():
        kind = "is not a folder" if images.exists() else "does not exist"
        raise DatasetError(f"the image folder {_show(images)} {kind}")


def _plain_items(folder: Path) -> tuple[Item, ...]:
    """List the pictures of a folder by name."""
    names = _picture_names(folder)
    if not names:
        raise DatasetError(f"no pictures ({_KINDS}) in {_show(folder)}; sub-folders are not searched")
    return tuple(Item(index, None, PurePosixPath(name).stem, name, ()) for index, name in enumerate(names))


def _picture_names(folder: Path) -> list[str]:
    """Return the sorted names of a folder's pictures, hidden files (as macOS leaves beside copies) left out."""
    names = sorted(
        entry.name
        for entry in _scanned(folder)
        if Path(entry.name).suffix.lower() in IMAGE_SUFFIXES and not entry.name.startswith(".")
    )
    for name in names:
        if _UNREADABLE.search(name):
            raise DatasetError(f"the file name {name!a} in {_show(folder)} is not readable text: rename it")
    return names


def _scanned(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise DatasetError(f"cannot read the image folder {_show(folder)}: {error.strerror}") from error


def _read_json(path: Path) -> Mapping[str, Any]:
    """Parse the annotations' file as far as its outermost object."""
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise DatasetError(f"the annotations {_show(path)} do not exist") from error
    except OSError as error:
        raise DatasetError(f"cannot read the annotations {_show(path)}: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise DatasetError(
            f"{_show(path)} is not valid json: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{_show(path)} is not UTF-8 text: byte {error.start} cannot be decoded") from error
    except (RecursionError, ValueError) as error:
        raise DatasetError(
            f"{_show(path)} is not a json of annotations: nested too deeply or numbers too long"
        ) from error
    if not isinstance(data, dict) or not isinstance(data.get("images"), list):
        raise DatasetError(f'{_show(path)} has no list "images": expected COCO-style annotations')
    if not isinstance(data.get("annotations", []), list):
        raise DatasetError(f'"annotations" in {_show(path)} is not a list: expected COCO-style annotations')
    return data


def _annotated_items(data: Mapping[str, Any], source: Path) -> tuple[Item, ...]:
    """Join images and their captions, in the order of the images."""
    paths: dict[int, str] = {}
    for position, image in enumerate(data["images"]):
        where = f"images[{position}] in {_show(source)}"
        image_id = _integer(image, "id", where)
        if image_id in paths:
            raise DatasetError(f"{where}: the id {image_id} is used twice")
        paths[image_id] = _inside(_string(image, "file_name", where), where)
    if not paths:
        raise DatasetError(f'the list "images" in {_show(source)} is empty')
    references: dict[int, list[str]] = {image_id: [] for image_id in paths}
    for position, annotation in enumerate(data.get("annotations", [])):
        where = f"annotations[{position}] in {_show(source)}"
        image_id = _integer(annotation, "image_id", where)
        if image_id not in references:
            raise DatasetError(f"{where}: there is no image with the id {image_id}")
        references[image_id].append(_clean(_string(annotation, "caption", where)))
    return tuple(
        Item(index, image_id, PurePosixPath(path).stem, path, tuple(references[image_id]))
        for index, (image_id, path) in enumerate(paths.items())
    )


def _integer(entry: object, key: str, where: str) -> int:
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, int) or isinstance(value, bool):
        raise DatasetError(f'{where}: expected an integer "{key}", found {printable(repr(value))[:60]}')
    return value


def _string(entry: object, key: str, where: str) -> str:
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, str):
        raise DatasetError(f'{where}: expected a string "{key}", found {printable(repr(value))[:60]}')
    return value


def _inside(file_name: str, where: str) -> str:
    """Return a relative path with forward slashes that cannot leave the image folder."""
    if not is_inside(file_name) or _UNREADABLE.search(file_name):
        raise DatasetError(
            f"{where}: the file_name {printable(repr(file_name))[:80]} does not stay in the image folder"
        )
    return PurePosixPath(file_name).as_posix()


def _clean(caption: str) -> str:
    """Return a caption that can be written as UTF-8: a json can smuggle in half a surrogate pair."""
    return caption.encode("utf-8", "replace").decode("utf-8")


def _check_names(items: Sequence[Item], source: Path) -> None:
    """Predictions are keyed by name, so no two pictures may share one."""
    counts = Counter(item.name for item in items)
    doubled = [name for name, count in counts.items() if count > 1]
    if doubled:
        files = ", ".join(printable(item.path) for item in items if item.name == doubled[0])
        more = f" ({len(doubled)} such names)" if len(doubled) > 1 else ""
        raise DatasetError(
            f"pictures in {_show(source)} have the same name without extension, which keys their captions: "
            f"{files}{more}"
        )


def _file_sizes(root: Path, items: Sequence[Item]) -> list[int]:
    """Return each picture's size in bytes; one `stat` a picture finds the missing ones too."""
    sizes: list[int] = []
    missing: list[str] = []
    for item in items:
        try:
            status = (root / item.path).stat()
        except (OSError, ValueError):
            missing.append(item.path)
            continue
        if stat.S_ISREG(status.st_mode):
            sizes.append(status.st_size)
        else:
            missing.append(item.path)
    if missing:
        raise DatasetError(
            f"{len(missing)} of {len(items)} pictures are not in {_show(root)}: {_first(missing)}; "
            "is this the image folder that belongs to the annotations?"
        )
    return sizes


def _fingerprint(items: Sequence[Item], sizes: Sequence[int]) -> str:
    """Hash paths, sizes and references in the order of the items: what is kept by index relies on it."""
    rows = ([item.path, size, list(item.references)] for item, size in zip(items, sizes, strict=True))
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n")
    return digest.hexdigest()


def _dataset_name(source: Path) -> str:
    """Name a dataset after its folder, past names that say nothing: p2_data/images/val is 'p2_data-val'."""
    parts: list[str] = []
    for part in reversed(source.resolve().parts):
        parts.append(part)
        if part not in _STORES | _SPLITS:
            break
    words = [part for part in reversed(parts) if part not in _STORES]
    return re.sub(r"[^\w.-]+", "_", "-".join(words)).strip("_") or "dataset"


def _first(names: Iterable[str]) -> str:
    """List the first few names of many."""
    listed = list(names)
    shown = ", ".join(printable(name) for name in listed[:_SHOWN])
    return f"{shown}, ..." if len(listed) > _SHOWN else shown


def _show(path: Path) -> str:
    return printable(str(path))
