"""All layouts of datasets: what they give, how they are told apart, and one line for whatever is wrong in them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hw3_browse.cache.errors import DatasetError, Hw3Error, UsageError
from hw3_browse.core.datasets import Columns, Dataset, open_dataset, open_references
from hw3_browse.core.datasets.columns import Columns as Heads
from hw3_browse.core.datasets.layouts import read_entries

CAPTIONS = {"a.jpg": ("a dog runs .", "the dog, brown, runs"), "b.jpg": ("two cats",), "c.jpg": ("a man",)}


def write_pictures(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6 + number, 4), (200, 30, 40)).save(path)
    return folder


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "images", *CAPTIONS)


def write(images: Path, name: str, text: str) -> Path:
    path = images.parent / name
    path.write_bytes(text.encode())  # line ends as they are
    return path


def captions_of(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    return {item.path: item.references for item in dataset}


def refused(images: Path, annotations: Path, **options: Any) -> str:
    with pytest.raises(Hw3Error) as caught:
        open_dataset(images, annotations, **options)
    assert str(caught.value).isprintable()
    return str(caught.value)


def karpathy(*splits: str, folder: str | None = "val2014") -> dict[str, Any]:
    """Karpathy's json: a.jpg, b.jpg, c.jpg in these splits."""
    images = []
    for number, (name, captions) in enumerate(CAPTIONS.items()):
        sentences = [{"raw": caption, "tokens": caption.split(), "sentid": 9, "imgid": number} for caption in captions]
        image = {"filename": name, "imgid": number, "split": splits[number], "sentences": sentences, "sentids": [9]}
        images.append(image | ({"filepath": folder, "cocoid": 500 + number} if folder else {}))
    return {"images": images, "dataset": "coco" if folder else "flickr8k"}


# COCO's own folders


@pytest.mark.parametrize(
    "image",
    [
        {"file_name": "COCO_val2014_000000000042.jpg"},
        {"file_name": "000000000042.jpg", "coco_url": "http://images.cocodataset.org/val2017/000000000042.jpg"},
    ],
)
def test_coco_pictures_are_found_in_their_sub_folders(tmp_path: Path, image: dict[str, Any]) -> None:
    name = image["file_name"]
    folder = "val2014" if name.startswith("COCO") else "val2017"
    images = write_pictures(tmp_path / "images", f"{folder}/{name}")
    annotations = write(images, "captions_val.json", json.dumps({"images": [{**image, "id": 42}], "annotations": []}))
    assert [item.path for item in open_dataset(images, annotations)] == [f"{folder}/{name}"]
    assert [item.path for item in open_dataset(images / folder, annotations)] == [name]


@pytest.mark.parametrize("url", ["http://x/../../secret.jpg", "http://[::1", 5, "", "/etc/passwd"])
def test_a_coco_url_leads_nowhere_else(tmp_path: Path, url: object) -> None:
    images = write_pictures(tmp_path / "deep" / "images", "a.jpg")
    write_pictures(tmp_path, "secret.jpg")
    data = {"images": [{"file_name": "gone.jpg", "id": 1, "coco_url": url}]}
    assert "gone.jpg; is this" in refused(images, write(images, "x.json", json.dumps(data)))


# Karpathy's splits


def test_karpathys_coco(tmp_path: Path) -> None:
    images = write_pictures(tmp_path / "coco", *(f"val2014/{name}" for name in CAPTIONS))
    annotations = write(images, "dataset_coco.json", json.dumps(karpathy("train", "restval", "val")))
    dataset = open_dataset(images, annotations)
    assert captions_of(dataset) == {f"val2014/{name}": captions for name, captions in CAPTIONS.items()}
    assert [item.image_id for item in dataset] == [500, 501, 502]
    train = open_dataset(images, annotations, split="train")
    assert [item.name for item in train] == ["a", "b"]  # with restval
    assert [item.name for item in open_dataset(images, annotations, split="restval")] == ["b"]
    assert [item.name for item in open_dataset(images, annotations, split="dev")] == ["c"]
    assert train.name == "dataset_coco-train"
    assert (dataset.chosen, train.chosen) == ((), (("split", "train"),))
    assert len({dataset.fingerprint, train.fingerprint}) == 2
    # the image folder may be val2014 itself
    assert [item.path for item in open_dataset(images / "val2014", annotations)] == list(CAPTIONS)


def test_karpathys_flickr8k(images: Path) -> None:
    data = karpathy("train", "val", "test", folder=None)
    dataset = open_dataset(images, write(images, "anything.txt", json.dumps(data)), split="val")
    assert captions_of(dataset) == {"b.jpg": CAPTIONS["b.jpg"]}
    assert dataset.items[0].image_id == 1


def test_a_split_that_is_not_there(images: Path) -> None:
    annotations = write(images, "x.json", json.dumps(karpathy("train", "train", "val", folder=None)))
    assert "has no split 'test', but train (2), val (1)" in refused(images, annotations, split="test")
    plain = write(images, "captions.txt", "image,caption\na.jpg,a dog\n")
    assert "has no splits: leave out --split val" in refused(images, plain, split="val")
    with pytest.raises(UsageError, match="a plain folder has no splits"):
        open_dataset(images, split="val")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"sentences": "a dog"}, "images[1] in .*: expected a list \"sentences\", found 'a dog'"),
        ({"sentences": [{"tokens": []}]}, 'sentences[0] of images[1] in .*: expected a string "raw", found None'),
        ({"filename": None}, 'expected a string "filename", found None'),
        ({"filename": "../a.jpg"}, "does not stay in the image folder"),
        ({"imgid": 0}, "the id 0 is used twice"),
    ],
)
def test_a_broken_karpathy_image(images: Path, change: dict[str, Any], line: str) -> None:
    data = karpathy("train", "train", "val", folder=None)
    data["images"][1] |= change
    found = refused(images, write(images, "x.json", json.dumps(data)))
    assert "images[1] in " in found
    assert line.rsplit(".*", maxsplit=1)[-1] in found


# Flickr8k and Flickr30k

TOKENS = "\n".join(f"{name}#{turn}\t{text}" for name, texts in CAPTIONS.items() for turn, text in enumerate(texts))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["Flickr8k.token.txt", "results_20130124.token"])
def test_token_files(images: Path, name: str, end: str) -> None:
    dataset = open_dataset(images, write(images, name, TOKENS.replace("\n", end) + end))
    assert captions_of(dataset) == CAPTIONS
    assert dataset.items[0].image_id is None


@pytest.mark.parametrize("listed", ["a.jpg\nc.jpg\n", "a\nc", "\ufeffa.jpg\r\nc.jpg\r\n\r\n"])
def test_a_file_lists_a_split(images: Path, listed: str) -> None:
    tokens = write(images, "Flickr8k.token.txt", TOKENS)
    beside = write(images, "Flickr_8k.trainImages.txt", listed)
    assert [item.name for item in open_dataset(images, tokens, split="train")] == ["a", "c"]
    by_file = open_dataset(images, tokens, split=str(beside))
    assert [item.name for item in by_file] == ["a", "c"]
    assert by_file.name == "Flickr8k.token-Flickr_8k.trainImages"
    assert [item.name for item in open_dataset(images, split=str(beside))] == ["a", "c"]  # of a plain folder
    assert "has no splits" in refused(images, tokens, split="val")


def test_a_list_with_names_that_are_not_there(images: Path) -> None:
    tokens = write(images, "tokens.txt", TOKENS)
    listing = write(images, "dev.txt", "a.jpg\nbb.jpg\nzzz\n")
    line = refused(images, tokens, split="val")
    assert line.startswith("2 of the 3 names in ")
    assert line.endswith("are no pictures of the dataset: bb.jpg, zzz; did you mean b.jpg?")
    listing.write_text("\n")
    assert "names no pictures" in refused(images, tokens, split="val")


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (
            "a dog without a name",
            "line 5 of .*: expected name#number, a tab and a caption, found 'a dog without a name'",
        ),
        ("a.jpg#0\tagain", "a.jpg has a caption #0 already"),
        ("../a.jpg#7\tno", "does not stay in the image folder"),
    ],
)
def test_a_broken_token_line(images: Path, line: str, wanted: str) -> None:
    found = refused(images, write(images, "tokens", f"{TOKENS}\n{line}\n"))
    assert "line 5 of " in found
    assert wanted.rsplit(".*", maxsplit=1)[-1] in found


NAMES = st.text("abcdefgh0123_-", min_size=1, max_size=8).map(lambda name: f"{name}.jpg")
TEXTS = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\n\t\0\v\f\x1c\x1d\x1e\x85\u2028\u2029"),
    max_size=30,
)
PICTURES = st.dictionaries(NAMES, st.lists(TEXTS, min_size=1, max_size=3), min_size=1, max_size=6)


def references(path: Path, **columns: str) -> dict[str, list[str]]:
    return {entry.path: list(entry.references) for entry in read_entries(path, Heads(**columns))}


@settings(max_examples=60)
@given(PICTURES)
def test_token_files_of_any_captions(tmp_path_factory: pytest.TempPathFactory, pictures: dict[str, list[str]]) -> None:
    path = tmp_path_factory.mktemp("tokens") / "tokens"
    lines = [f"{name}#{turn}\t{text}\n" for name, texts in pictures.items() for turn, text in enumerate(texts)]
    path.write_bytes("".join(lines).encode())
    assert references(path) == pictures


# Tables


def test_kaggles_captions_file_with_commas_that_are_not_quoted(images: Path) -> None:
    rows = "image,caption\n" + "".join(f"{name},{text}\n" for name, texts in CAPTIONS.items() for text in texts)
    (images.parent / "flickr8k").mkdir()
    dataset = open_dataset(images, write(images, "flickr8k/captions.txt", rows))
    assert captions_of(dataset) == CAPTIONS
    assert dataset.name == "flickr8k"


def test_kaggles_flickr30k(images: Path) -> None:
    rows = ["image_name| comment_number| comment"]
    rows += [f"{name}| {turn}| {text}" for name, texts in CAPTIONS.items() for turn, text in enumerate(texts)]
    assert captions_of(open_dataset(images, write(images, "results.csv", "\n".join(rows)))) == CAPTIONS


def test_lists_of_captions_ids_and_splits_in_a_csv(images: Path) -> None:
    table = pd.DataFrame(
        {
            "raw": [json.dumps(list(texts)) for texts in CAPTIONS.values()],
            "split": ["train", "val", "val"],
            "filename": list(CAPTIONS),
            "img_id": [7, 8, 9],
        }
    )
    dataset = open_dataset(images, write(images, "flickr_annotations.csv", table.to_csv(index=False)))
    assert captions_of(dataset) == CAPTIONS
    assert [item.image_id for item in dataset] == [7, 8, 9]
    val = open_dataset(images, dataset.annotations, split="validation")
    assert [item.name for item in val] == ["b", "c"]


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json", "parquet", "lists.jsonl", "lists.parquet"])
def test_tables_of_every_kind(images: Path, kind: str) -> None:
    rows = [(name, text) for name, texts in CAPTIONS.items() for text in texts]
    table = pd.DataFrame(rows, columns=["file_name", "caption"])
    if kind.startswith("lists"):
        table = table.groupby("file_name", sort=False)["caption"].agg(list).reset_index()
    path = images.parent / f"table.{kind}"
    if kind.endswith("parquet"):
        table.to_parquet(path)
    elif kind.endswith("sv"):
        table.to_csv(path, index=False, sep="\t" if kind == "tsv" else ",")
    else:
        table.to_json(path, orient="records", lines=kind.endswith("jsonl"))
    path = path.rename(path.with_suffix(".data"))  # the content says what it is
    assert captions_of(open_dataset(images, path)) == CAPTIONS


def test_a_column_for_each_caption(images: Path) -> None:
    rows = [
        {"file_name": name, "caption_0": texts[0], "caption_1": (*texts, "")[1]} for name, texts in CAPTIONS.items()
    ]
    for kind in ("csv", "parquet"):
        table = images.parent / kind
        pd.DataFrame(rows).to_csv(table, index=False) if kind == "csv" else pd.DataFrame(rows).to_parquet(table)
        assert captions_of(open_dataset(images, table)) == CAPTIONS


def test_references_by_name(images: Path) -> None:
    refs = write(
        images, "refs.json", json.dumps({name.removesuffix(".jpg"): texts for name, texts in CAPTIONS.items()})
    )
    assert captions_of(open_dataset(images, refs)) == CAPTIONS


def test_columns_named_by_the_user(images: Path) -> None:
    table = write(images, "t.csv", "Bild;Satz;caption\na.jpg;ein Hund;no\nb.jpg;;no\n")
    assert "is in no layout that is known" in refused(images, table)
    dataset = open_dataset(images, table, columns=Columns.parse("image=bild, caption=Satz"))
    assert captions_of(dataset) == {"a.jpg": ("ein Hund",), "b.jpg": ()}
    assert dict(dataset.chosen) == {"columns": "image=bild,caption=Satz"}
    line = refused(images, table, columns=Columns("Bild", "text"))
    assert line.endswith("has no column 'text', but 'Bild', 'Satz', 'caption'")


@pytest.mark.parametrize("text", ["", "image", "image=", "picture=a", "image=a,image=b", "a,b"])
def test_columns_that_make_no_sense(text: str) -> None:
    with pytest.raises(UsageError, match="expected image=HEAD,caption=HEAD"):
        Columns.parse(text)


def test_paths_with_folders_that_the_image_folder_lacks_and_names_without_extension(images: Path) -> None:
    write_pictures(images, "d.e.png")
    table = write(images, "t.csv", "image,caption\nflickr30k/a.jpg,a dog\nd.e,an ant\n")
    assert [item.path for item in open_dataset(images, table)] == ["a.jpg", "d.e.png"]
    assert [item.name for item in open_references(table)] == ["a", "d.e"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("image,caption,n\na.jpg,x\n", "line 2 of .*: expected 3 columns as in the first line, found 2"),
        ("image,caption,n\na.jpg,x,y,z\n", "expected 3 columns as in the first line, found 4"),
        ("image,caption\n", "has no rows"),
        ('image,caption\na.jpg,"never closed\nb.jpg,x\n', "unexpected end of data"),
        ('image,caption\na.jpg,"closed" late\n', "line 2 of .*: ',' expected after"),
        ("image,caption\n/etc/passwd,x\n", "does not stay in the image folder"),
        ("image,caption\na.jpg,\"['one', 'two']\"\n", "captions printed as a Python list"),
        ("image,caption,image_id\na.jpg,x,1\nb.jpg,x,1\n", "line 3 of .*: the id 1 is that of another picture"),
        ("image,caption,split\na.jpg,x,val\na.jpg,y,test\n", "a.jpg has another id or split than at line 2 of"),
        ('{"image": "a.jpg"}\n{"image": 5}\n', "line 2 of .*: expected the name of a picture's file, found 5"),
        ('{"image": "a.jpg"}\n{"image": \n', "is not valid json: Expecting value at line 2"),
        ('{"image": "a.jpg"}\n[]\n', "line 2 of .*: expected an object, found []"),
        ('{"image": "a.jpg", "caption": {"a": 1}}\n{"image": "b.jpg"}', "expected a caption or a list of captions"),
        ('{"url": "a.jpg"}\n{"url": "b.jpg"}', "has the columns 'url', none of which is known to name the picture"),
        ("", "is in no layout that is known"),
        ("a picture\nand another", "is in no layout that is known"),
    ],
)
def test_a_broken_table(images: Path, text: str, line: str) -> None:
    found = refused(images, write(images, "table", text))
    for part in line.split(".*"):
        assert part in found


def test_a_caption_that_some_lines_alone_have_is_not_lost(images: Path) -> None:
    table = write(images, "t.jsonl", '{"image": "a.jpg"}\n{"image": "b.jpg", "caption": "two cats"}\n')
    assert captions_of(open_dataset(images, table)) == {"a.jpg": (), "b.jpg": ("two cats",)}


def test_broken_parquet_and_pictures_in_the_table_itself(images: Path) -> None:
    assert "is no readable Parquet table" in refused(images, write(images, "x", "PAR1 and no more"))
    pd.DataFrame({"image": [{"bytes": b"x", "path": "a.jpg"}], "caption": ["x"]}).to_parquet(images.parent / "y")
    assert "the column 'image' has struct<" in refused(images, images.parent / "y")


@settings(max_examples=60)
@given(PICTURES, st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n"]))
def test_tables_of_any_captions(
    tmp_path_factory: pytest.TempPathFactory, pictures: dict[str, list[str]], delimiter: str, end: str
) -> None:
    path = tmp_path_factory.mktemp("table") / "table"
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=end)
    writer.writerow(["image", "caption"])
    writer.writerows((name, json.dumps([text])) for name, texts in pictures.items() for text in texts)
    path.write_bytes(stream.getvalue().encode())
    assert references(path) == pictures
    lines = [json.dumps({"picture": name, "x": texts}) for name, texts in pictures.items()]
    path.write_text(end.join(lines))
    assert references(path.rename(path.with_suffix(".jsonl")), image="picture", caption="x") == pictures


@settings(max_examples=60)
@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["image,caption\n", "a#0\t", '"', "{", "[", ",", "|", "\n", "b.jpg"])).map("".join)
)
def test_any_text_gives_entries_or_one_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "any"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        outcome = f"{len(read_entries(path, Heads()))} pictures"
    except DatasetError as error:
        outcome = str(error)
    assert outcome.isprintable()
    assert outcome != "0 pictures"


# Missing and broken pictures


def test_broken_pictures_are_left_out_by_choice(images: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tokens = write(images, "tokens", f"{TOKENS}\ngone.jpg#0\tnothing\n")
    (images / "b.jpg").write_bytes((images / "b.jpg").read_bytes()[:-200])
    assert "1 of 4 pictures are not in " in refused(images, tokens)
    dataset = open_dataset(images, tokens, broken="skip")
    assert [(item.index, item.name) for item in dataset] == [(0, "a"), (1, "c")]
    assert [one.path for one in dataset.skipped] == ["gone.jpg", "b.jpg"]
    (note,) = dataset.notes
    assert note.startswith("2 of 4 pictures are left out of everything: gone.jpg (does not exist), b.jpg (")
    assert "checking pictures: 3/3 pictures" in capfd.readouterr().err
    assert dict(dataset.chosen) == {"broken": "skip"}
    # what is left is the dataset that it would be without the others
    rest = write(images, "rest", "\n".join(line for line in TOKENS.split("\n") if not line.startswith("b")))
    assert open_dataset(images, rest).fingerprint == dataset.fingerprint
    assert open_dataset(images, rest, broken="skip").notes == ()


def test_nothing_left(images: Path) -> None:
    for name in CAPTIONS:
        (images / name).write_text("no picture")
    line = refused(images, write(images, "tokens", TOKENS), broken="skip")
    assert line == "none of the 3 pictures can be read: a.jpg, b.jpg, c.jpg"


def test_the_fingerprint_stays_what_it_was(images: Path) -> None:
    """Kept pixels, features and the plans of caches rely on it."""
    data = {"images": [{"id": number, "file_name": name} for number, name in enumerate(CAPTIONS)], "annotations": []}
    data["annotations"] = [
        {"image_id": number, "caption": text} for number, texts in enumerate(CAPTIONS.values()) for text in texts
    ]
    rows = [[name, (images / name).stat().st_size, texts] for name, texts in CAPTIONS.items()]
    lines = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
    dataset = open_dataset(images, write(images, "val.json", json.dumps(data)))
    assert dataset.fingerprint == hashlib.sha256(lines.encode()).hexdigest()


def test_captions_without_their_pictures(tmp_path: Path) -> None:
    dataset = open_references(write(tmp_path / "none", "tokens", TOKENS))
    assert captions_of(dataset) == CAPTIONS
    assert [item.name for item in dataset] == ["a", "b", "c"]
