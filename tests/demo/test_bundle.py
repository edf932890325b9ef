"""The bundled world: whole, small, of this generator, and good enough to be worth browsing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hw3_browse.cache.reader import Cache
from hw3_browse.core.cli import main
from hw3_browse.core.clip import Clip, ClipSpec
from hw3_browse.core.clip_scores import retrieval
from hw3_browse.core.datasets import load_image, open_dataset
from hw3_browse.core.demo.recipe import ANNOTATIONS, BUNDLE, CLIP, IMAGES, INSTANCES, SEED
from hw3_browse.core.demo.scenes import scene
from hw3_browse.core.grounding import grounding, read_boxes


def test_the_bundled_pictures_are_scenes_of_this_generator() -> None:
    """Change the generator, and the bundle must be made anew (`hw3 demo --rebuild`)."""
    captions = json.loads((BUNDLE / ANNOTATIONS).read_text())
    boxes = json.loads((BUNDLE / INSTANCES).read_text())
    for place in (0, 57, 199):
        drawn = scene(SEED, "val", place)
        entry = captions["images"][place]
        theirs = [row["caption"] for row in captions["annotations"] if row["image_id"] == entry["id"]]
        assert theirs == list(drawn.captions)
        found = [row["bbox"] for row in boxes["annotations"] if row["image_id"] == entry["id"]]
        assert found == [list(thing.box) for thing in drawn.objects]
        with Image.open(BUNDLE / IMAGES / entry["file_name"]) as kept:
            difference = np.abs(np.asarray(kept, np.int16) - np.asarray(drawn.image, np.int16))
        assert difference.mean() < 6  # JPEG, of any version


def test_it_is_under_thirty_megabytes() -> None:
    assert sum(path.stat().st_size for path in BUNDLE.rglob("*") if path.is_file()) < 30e6


def test_weights_are_half_precision_safetensors() -> None:
    from safetensors import safe_open

    for path in (BUNDLE / "captioner" / "model.safetensors", BUNDLE / "clip" / "open_clip_model.safetensors"):
        with safe_open(path, "pt") as file:
            matrices = [file.get_slice(name) for name in file.keys() if len(file.get_slice(name).get_shape()) > 1]  # noqa: SIM118
            assert matrices
            assert {part.get_dtype() for part in matrices} == {"F16"}


def test_clip_tells_right_captions_from_others() -> None:
    dataset = open_dataset(BUNDLE / IMAGES, BUNDLE / ANNOTATIONS)
    clip = Clip.load(ClipSpec(str(BUNDLE / CLIP)))
    pictures = [clip.preprocess(load_image(dataset.file(item))) for item in dataset]
    images = clip.embed_images(torch.stack(pictures))
    for turn in range(2):
        found = retrieval(images, clip.embed_texts([item.references[turn] for item in dataset]))
        assert min(found.text_to_image, found.image_to_text) > 0.8


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of `hw3 demo`, computed by the command itself."""
    home = tmp_path_factory.mktemp("home")
    places = {f"XDG_{name}_HOME": str(home / name) for name in ("DATA", "STATE", "CACHE", "CONFIG")}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in places.items():
            patch.setenv(name, value)
        assert main(["demo", "--no-browse", "--out", str(home / "demo")]) == 0
    return home / "demo"


def test_the_demo_is_good_and_fails_honestly(demo: Path) -> None:
    with Cache.open(demo) as cache:
        assert len(cache) == 200
        assert cache.manifest.corpus["cider"] > 2.5
        scores = cache.scores("clipscore")
        assert scores.min() < 0.7 * np.median(scores)  # some captions are plainly wrong, and the score says so
        per_image = cache.scores("cider")
        worst, best = cache.order("clipscore", reverse=True)[:40], cache.order("clipscore")[:40]
        assert per_image[worst].mean() < 0.8 * per_image[best].mean()


def test_object_words_look_at_their_objects(demo: Path) -> None:
    with Cache.open(demo) as cache:
        found = grounding(cache, read_boxes(BUNDLE / INSTANCES))
    assert found.words > 200
    assert found.mass_of_mean[-1] > 2.2 * found.chance
    assert found.pointing_of_mean[-1] > 2 * found.chance


def test_a_second_run_computes_nothing(
    demo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(demo.with_name("state")))
    before = (demo / "manifest.json").stat().st_mtime_ns
    assert main(["demo", "--no-browse", "--out", str(demo)]) == 0
    assert (demo / "manifest.json").stat().st_mtime_ns == before
    told = capsys.readouterr().err
    assert "pictures/s" not in told
    assert f"hw3-browse {demo}-zeroshot" in told
