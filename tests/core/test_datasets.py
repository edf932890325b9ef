"""Reading datasets: the assignment's layout, a plain folder, and one clear line for whatever can be wrong."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hw3_browse.cache.errors import DatasetError
from hw3_browse.core.datasets import Dataset, load_image, make_preview, open_dataset

RED = (200, 30, 40)


def write_image(path: Path, size: tuple[int, int] = (6, 4), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, RED)
    (image.quantize(2) if mode == "P" else image.convert(mode)).save(path)
    return path


def annotations_of(*names: str) -> dict[str, Any]:
    """Annotations in the assignment's form: ids do not follow the order of the images."""
    return {
        "images": [{"file_name": name, "id": 70 - number} for number, name in enumerate(names)],
        "annotations": [
            {"image_id": 70 - number, "id": 10 * number + count, "caption": f"caption {count} of {name}"}
            for count in range(2)
            for number, name in reversed(list(enumerate(names)))
        ],
    }


class P2Data:
    """A dataset in the assignment's layout, in a folder of its own."""

    def __init__(self, root: Path) -> None:
        """Write three pictures under `root`."""
        self.images = root / "p2_data" / "images" / "val"
        self.json = root / "p2_data" / "val.json"
        self.data = annotations_of("000000179758.jpg", "36979.png", "sub/bike.jpeg")
        for image in self.data["images"]:
            write_image(self.images / image["file_name"])

    def open(self) -> Dataset:
        """Write the annotations as they are now, and open the dataset."""
        self.json.write_text(json.dumps(self.data), encoding="utf-8")
        return open_dataset(self.images, self.json)


@pytest.fixture
def folder(tmp_path: Path) -> P2Data:
    return P2Data(tmp_path)


def refused(images: Path, annotations: Path | None = None) -> str:
    """The one line that says why a dataset cannot be opened."""
    with pytest.raises(DatasetError) as caught:
        open_dataset(images, annotations)
    line = str(caught.value)
    assert line.isprintable()
    return line


def test_the_assignments_layout(folder: P2Data) -> None:
    dataset = folder.open()
    assert [item.index for item in dataset] == [0, 1, 2]
    assert [item.image_id for item in dataset] == [70, 69, 68]
    assert [item.name for item in dataset] == ["000000179758", "36979", "bike"]
    assert [item.path for item in dataset] == ["000000179758.jpg", "36979.png", "sub/bike.jpeg"]
    assert dataset.items[1].references == ("caption 0 of 36979.png", "caption 1 of 36979.png")
    assert dataset.file(dataset.items[2]) == folder.images / "sub" / "bike.jpeg"
    assert (dataset.root, dataset.annotations, dataset.name) == (folder.images, folder.json, "p2_data-val")
    assert dataset.has_references
    assert len(dataset) == 3


def test_pictures_beside_the_annotated_ones_are_left_out(folder: P2Data) -> None:
    write_image(folder.images / "other.jpg")
    assert len(folder.open()) == 3


def test_annotations_without_captions_are_a_list_of_pictures(folder: P2Data) -> None:
    del folder.data["annotations"]
    dataset = folder.open()
    assert not dataset.has_references
    assert dataset.items[0].references == ()


def test_unknown_keys_and_a_byte_order_mark_are_ignored(folder: P2Data) -> None:
    folder.data["info"] = {"year": 2022}
    folder.data["images"][0]["coco_url"] = "somewhere"
    folder.json.write_text(json.dumps(folder.data), encoding="utf-8-sig")
    assert len(open_dataset(folder.images, folder.json)) == 3


def test_half_a_surrogate_pair_in_a_caption_can_be_written_later(folder: P2Data) -> None:
    folder.data["annotations"][0]["caption"] = "a dog \ud83d"
    assert "a dog ?" in [reference for item in folder.open() for reference in item.references]


def test_a_plain_folder(tmp_path: Path) -> None:
    for name in ("ski.png", "bike.jpg", "Girl.JPEG", "umbrella.webp", "sheep.bmp"):
        write_image(tmp_path / "p3" / "images" / name)
    (tmp_path / "p3" / "images" / "notes.txt").write_text("no picture", encoding="utf-8")
    (tmp_path / "p3" / "images" / "._ski.png").write_bytes(b"left by macOS")
    dataset = open_dataset(tmp_path / "p3" / "images")
    assert [item.name for item in dataset] == ["Girl", "bike", "sheep", "ski", "umbrella"]
    assert all(item.image_id is None and item.references == () for item in dataset)
    assert dataset.annotations is None
    assert dataset.name == "p3"


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("flickr8k/images/val", "flickr8k-val"),
        ("flickr8k/val/images", "flickr8k-val"),
        ("my pictures (new)", "my_pictures_new"),
        ("coco/annotations", "coco"),
    ],
)
def test_a_dataset_is_named_after_a_folder_that_says_something(tmp_path: Path, place: str, name: str) -> None:
    write_image(tmp_path / place / "a.png")
    assert open_dataset(tmp_path / place).name == name


def test_the_fingerprint_tells_datasets_apart_but_not_copies(folder: P2Data, tmp_path: Path) -> None:
    print_ = folder.open().fingerprint
    copy = P2Data(tmp_path / "copy")
    assert copy.open().fingerprint == print_
    copy.data["images"].reverse()  # what is kept by index would be of another picture
    assert copy.open().fingerprint != print_
    copy.data["images"].reverse()
    copy.data["annotations"][0]["caption"] += "!"
    assert copy.open().fingerprint != print_
    copy.data["annotations"][0]["caption"] = copy.data["annotations"][0]["caption"][:-1]
    write_image(copy.images / "36979.png", (60, 40))
    assert copy.open().fingerprint != print_


# Errors


def test_no_image_folder(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "none")
    assert "is not a folder" in refused(write_image(tmp_path / "a.png"))


def test_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    write_image(tmp_path / "images" / "deeper" / "a.png")
    line = refused(tmp_path / "images")
    assert line.startswith("no pictures (bmp, jpeg, jpg, png, webp) in ")
    assert line.endswith("sub-folders are not searched")


def test_no_annotations(folder: P2Data) -> None:
    assert "val.json do not exist" in refused(folder.images, folder.json)
    assert "cannot read the annotations" in refused(folder.images, folder.images)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            b'{"images": [\n  {"id": 1 "x"}]}',
            "is not valid json: Expecting ',' delimiter at line 2, column 12",
        ),
        (b"", "is not valid json: Expecting value at line 1, column 1"),
        (b'{"images": "\xff"}', "is not UTF-8 text: byte 12 cannot be decoded"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"images": [' + b"1" * 5000 + b"]}", "numbers too long"),
        (b"[]", 'has no list "images"'),
        (b'{"000000179758": "a man"}', 'has no list "images"'),
        (b'{"images": {}}', 'has no list "images"'),
        (b'{"images": []}', 'the list "images" in'),
        (b'{"images": [], "annotations": {}}', '"annotations" in'),
    ],
)
def test_a_file_that_is_no_annotations(folder: P2Data, text: bytes, line: str) -> None:
    folder.json.write_bytes(text)
    assert line in refused(folder.images, folder.json)


def change(folder: P2Data, key: str, position: int, entry: object) -> str:
    folder.data[key][position] = entry
    folder.json.write_text(json.dumps(folder.data), encoding="utf-8")
    return refused(folder.images, folder.json)


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ("36979.png", 'images[1] in .*: expected an integer "id", found None'),
        ({"file_name": "36979.png"}, 'expected an integer "id", found None'),
        ({"file_name": "36979.png", "id": "69"}, "expected an integer \"id\", found '69'"),
        ({"file_name": "36979.png", "id": True}, 'expected an integer "id", found True'),
        ({"file_name": "36979.png", "id": 70}, "the id 70 is used twice"),
        ({"id": 69}, 'expected a string "file_name", found None'),
        ({"file_name": 5, "id": 69}, 'expected a string "file_name", found 5'),
    ],
)
def test_a_broken_image(folder: P2Data, entry: object, line: str) -> None:
    found = change(folder, "images", 1, entry)
    assert "images[1] in " in found
    assert line.removeprefix("images[1] in .*: ") in found


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ({"image_id": 70}, 'expected a string "caption", found None'),
        ({"image_id": 70, "caption": ["a"]}, "expected a string \"caption\", found ['a']"),
        ({"caption": "a"}, 'expected an integer "image_id", found None'),
        ({"image_id": 71, "caption": "a"}, "there is no image with the id 71"),
        (None, 'expected an integer "image_id", found None'),
    ],
)
def test_a_broken_annotation(folder: P2Data, entry: object, line: str) -> None:
    found = change(folder, "annotations", 2, entry)
    assert "annotations[2] in " in found
    assert line in found


@pytest.mark.parametrize(
    "name",
    ["../secret.png", "sub/../../secret.png", "/etc/passwd", "", ".", "a\0b.png", "a\nb.png", "\ud800.png"],
)
def test_a_file_name_that_leaves_the_folder(folder: P2Data, name: str) -> None:
    found = change(folder, "images", 0, {"file_name": name, "id": 70})
    assert "images[0] in " in found
    assert "does not stay in the image folder" in found


def test_missing_pictures_are_counted_and_the_first_named(folder: P2Data) -> None:
    folder.data["images"] += [{"file_name": f"gone{number}.jpg", "id": number} for number in range(5)]
    (folder.images / "gone0.jpg").mkdir()  # a folder is no picture
    folder.json.write_text(json.dumps(folder.data), encoding="utf-8")
    line = refused(folder.images, folder.json)
    assert line.startswith("5 of 8 pictures are not in ")
    assert "gone0.jpg, gone1.jpg, gone2.jpg, ...;" in line


def test_two_pictures_of_one_name(folder: P2Data, tmp_path: Path) -> None:
    write_image(folder.images / "bike.png")
    line = change(folder, "images", 0, {"file_name": "bike.png", "id": 70})
    assert line.endswith("which keys their captions: bike.png, sub/bike.jpeg")
    plain = tmp_path / "plain"
    for name in ("a.png", "a.jpg", "b.png", "b.jpg", "c.png"):
        write_image(plain / name)
    assert refused(plain).endswith("a.jpg, a.png (2 such names)")


def test_a_file_name_that_is_not_text(tmp_path: Path) -> None:
    try:
        write_image(tmp_path / "a.png").rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert "is not readable text: rename it" in refused(tmp_path)


@settings(max_examples=40)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["images", "annotations", "id", "image_id", "file_name", "caption"]), inner
            )
        ),
    )
)
def test_any_json_is_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, data: object) -> None:
    root = tmp_path_factory.mktemp("any")
    (root / "a.json").write_text(json.dumps(data), encoding="utf-8")
    refused(root, root / "a.json")


# Pictures


@pytest.mark.parametrize(
    ("mode", "suffix", "tolerance"),
    [
        ("RGB", "png", 0),
        ("RGB", "bmp", 0),
        ("RGB", "webp", 6),
        ("RGB", "jpg", 3),
        ("RGBA", "png", 0),
        ("P", "png", 0),
        ("CMYK", "jpg", 3),
    ],
)
def test_a_picture_is_read_as_rgb(tmp_path: Path, mode: str, suffix: str, tolerance: int) -> None:
    image = load_image(write_image(tmp_path / f"a.{suffix}", mode=mode))
    assert (image.mode, image.size) == ("RGB", (6, 4))
    assert np.abs(np.asarray(image).astype(int) - RED).max() <= tolerance


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_a_grey_picture_is_grey(tmp_path: Path, mode: str) -> None:
    image = load_image(write_image(tmp_path / "a.png", mode=mode))
    assert image.mode == "RGB"
    assert np.ptp(np.asarray(image), axis=2).max() == 0


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 256, 32768, 65535]], dtype=np.uint16)).save(tmp_path / "a.png")
    assert np.asarray(load_image(tmp_path / "a.png"))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_transparency_is_dropped_as_timm_and_clip_drop_it(tmp_path: Path) -> None:
    Image.new("RGBA", (3, 3), (*RED, 0)).save(tmp_path / "a.png")
    assert np.asarray(load_image(tmp_path / "a.png"))[0, 0].tolist() == list(RED)


def test_a_rotation_in_exif_is_not_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.new("RGB", (6, 4), RED).save(tmp_path / "a.jpg", exif=exif)
    assert load_image(tmp_path / "a.jpg").size == (6, 4)


def unread(path: Path, **options: int) -> str:
    with pytest.raises(DatasetError) as caught:
        load_image(path, **options)
    line = str(caught.value)
    assert line.isprintable()
    assert path.name in line
    return line


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp"])
def test_a_picture_cut_short_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "cannot read the picture" in unread(path) or "cut short" in unread(path)


def test_a_picture_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_text("<html>404</html>", encoding="utf-8")
    assert "is not a PNG, JPEG, WebP or BMP picture" in unread(path)
    assert "does not exist" in unread(tmp_path / "none.jpg")
    assert "cannot read the picture" in unread(tmp_path)
    Image.new("RGB", (4, 4)).save(path, "GIF")
    assert "is not a PNG, JPEG, WebP or BMP picture" in unread(path)


def test_a_picture_over_the_limit_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.png", (100, 50))
    assert load_image(path, max_pixels=5000).size == (100, 50)
    assert unread(path, max_pixels=4999).endswith("has 100 x 50 pixels, over the limit of 4,999: make it smaller")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_000, 20_000])  # Pillow warns about the first, and refuses the second
def test_a_decompression_bomb(tmp_path: Path, side: int) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (side, side)).save(path)
    assert "over the limit of 67,108,864" in unread(path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@given(st.binary(max_size=200), st.sampled_from(["PNG", "JPEG", "WEBP", "BMP"]), st.integers(0, 150))
def test_damaged_bytes_give_a_picture_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, kind: str, start: int
) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (9, 7), RED).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    content[start : start + len(junk)] = junk
    path = tmp_path_factory.mktemp("junk") / "a.jpg"
    path.write_bytes(content)
    try:
        outcome = load_image(path, max_pixels=10_000).mode
    except DatasetError as error:
        outcome = str(error)
    assert outcome == "RGB" or (outcome.isprintable() and "a.jpg" in outcome)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((900, 600), (448, 299)), ((600, 900), (299, 448)), ((32, 20), (32, 20)), ((2000, 1), (448, 1))],
)
def test_a_preview_is_small_and_keeps_the_shape(size: tuple[int, int], expected: tuple[int, int]) -> None:
    original = Image.new("RGB", size, RED)
    preview = Image.open(io.BytesIO(make_preview(original)))
    assert (preview.format, preview.mode, preview.size) == ("JPEG", "RGB", expected)
    assert original.size == size


def test_a_preview_is_of_the_side_asked_for() -> None:
    assert Image.open(io.BytesIO(make_preview(Image.new("L", (90, 60)), 30))).size == (30, 20)
