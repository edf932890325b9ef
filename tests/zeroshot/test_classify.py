"""Probabilities against open_clip's documented example, by hand, batched and single; what is kept is not made again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from models import SENTENCES, write_clip, write_dataset
from PIL import Image

from hw3_browse.cache.errors import CacheError, DatasetError
from hw3_browse.cache.zeroshot import Label, ZeroShotRun
from hw3_browse.core import kept_clip
from hw3_browse.core.clip import Clip, ClipSpec
from hw3_browse.core.clip_text import CaptionTokens
from hw3_browse.core.datasets import open_dataset, open_folders
from hw3_browse.core.embedding import embed_pictures
from hw3_browse.core.kept_clip import KeptClip, picture_keys
from hw3_browse.core.tokenizer import CaptionTokenizer
from hw3_browse.core.zeroshot.classify import embed_prompts, guess, probabilities
from hw3_browse.core.zeroshot.prompts import PromptSpec, single
from hw3_browse.core.zeroshot.run import Options, Task, classify, write_csv

NAMES = ("dog", "cat", "red chair", "bicycle", "apple", "street", "man")
LABELS = tuple(Label(str(7 * place), name) for place, name in enumerate(NAMES))
PROMPTS = (single("a {object} on the table"), single("{object}"))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`clip/` and `images/`."""
    made = tmp_path_factory.mktemp("world")
    write_clip(made / "clip")
    write_dataset(made, 9)
    return made


@pytest.fixture(scope="module")
def clip(folder: Path) -> Clip:
    return Clip.load(ClipSpec(str(folder / "clip")))


def spread(loaded: Clip, factor: float = 30.0) -> Clip:
    """Scale the logits of an untrained model, whose cosines hardly differ."""
    with torch.no_grad():
        loaded.model.logit_scale.fill_(math.log(factor))
    return loaded


def documented(folder: Path, images: Sequence[Path], texts: Sequence[str], scale: float) -> torch.Tensor:
    """The example of open_clip's README (usage), on our folder; its tokenizer is ours."""
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}", weights_only=True)
    model.eval()
    tokenizer = CaptionTokens(CaptionTokenizer.from_file(folder / "tokenizer.json"), model.context_length)
    text, _ = tokenizer(texts)
    with torch.no_grad():
        rows = []
        for path in images:
            image = preprocess(Image.open(path).convert("RGB")).unsqueeze(0)
            image_features = model.encode_image(image)
            text_features = model.encode_text(text)
            image_features /= image_features.norm(dim=-1, keepdim=True)
            text_features /= text_features.norm(dim=-1, keepdim=True)
            rows.append((scale * image_features @ text_features.T).softmax(dim=-1))
    return torch.cat(rows)


@pytest.mark.parametrize("scale", [100.0, 14.3])
def test_open_clip_s_documented_example(folder: Path, clip: Clip, tmp_path: Path, scale: float) -> None:
    dataset = open_folders(folder / "images")
    with KeptClip(clip, folder=tmp_path) as kept:
        images = kept.vectors(embed_pictures(dataset, clip, kept, batch=4))
        texts = embed_prompts(PROMPTS[:1], LABELS, clip, kept)[0]
    ours = probabilities(torch.from_numpy(images) @ texts.T, scale)
    sentences = [f"a {name} on the table" for name in NAMES]
    theirs = documented(folder / "clip", [dataset.file(item) for item in dataset], sentences, scale)
    assert ours.shape == (9, 7)
    # One picture at a time there, four here: float32 products differ in the last digits, times 100.
    torch.testing.assert_close(ours.float(), theirs, atol=2e-5, rtol=1e-3)


def test_their_own_picture(folder: Path, clip: Clip, golden_dir: Path) -> None:
    """The README's picture and texts; with OpenAI's weights it gives .9927937, .00421068, .00299572."""
    picture, texts = golden_dir / "clip" / "CLIP.png", ["a diagram", "a dog", "a cat"]
    with Image.open(picture) as image:
        embedded = clip.embed_images(clip.preprocess(image.convert("RGB"))[None])
    ours = probabilities(embedded @ clip.embed_texts(texts).T, 100.0)
    torch.testing.assert_close(ours.float(), documented(folder / "clip", [picture], texts, 100.0), atol=2e-5, rtol=1e-3)


def test_the_softmax_by_hand() -> None:
    # Cosines that differ by log(3)/100 and log(6)/100 stand to each other as 6 : 2 : 1 at a scale of 100.
    cosines = torch.tensor([[0.30, 0.30 - math.log(3) / 100, 0.30 - math.log(6) / 100]], dtype=torch.float64)
    torch.testing.assert_close(probabilities(cosines, 100.0)[0], torch.tensor([6, 2, 1], dtype=torch.float64) / 9)
    # The published numbers of the README's example are cosines less than .06 apart: flat without the scale.
    published = torch.tensor([[0.9927937, 0.00421068, 0.00299572]], dtype=torch.float64)
    cosines = published.log() / 100
    torch.testing.assert_close(probabilities(cosines, 100.0), published, atol=1e-6, rtol=0)
    assert (probabilities(cosines, 1.0) - 1 / 3).abs().max() < 0.015


def test_batched_equals_single(folder: Path, clip: Clip, tmp_path: Path) -> None:
    dataset = open_folders(folder / "images")
    truth = np.arange(9, dtype=np.int32) % 7
    found = []
    for batch in (1, 4, 64):
        with KeptClip(clip, folder=tmp_path / str(batch)) as kept:
            images = kept.vectors(embed_pictures(dataset, clip, kept, batch=batch))
            found.append(guess(images, embed_prompts(PROMPTS, LABELS, clip, kept)[0], 100.0, truth))
    for other in found[1:]:
        np.testing.assert_allclose(other.probabilities, found[0].probabilities, atol=1e-4)
        np.testing.assert_allclose(other.true_probability, found[0].true_probability, atol=1e-4)
        assert (other.labels[:, 0] == found[0].labels[:, 0]).all()


def test_guesses_by_hand() -> None:
    images = np.eye(4, dtype=np.float32)[:3]
    texts = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.6, 0.8, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    found = guess(images, texts, 2.0, np.array([1, 1, -1], np.int32))
    total = math.exp(2.0) + math.exp(1.2) + 1
    assert found.labels.tolist() == [[0, 1, 2], [1, 0, 2], [0, 1, 2]]  # equal ones by label
    np.testing.assert_allclose(found.probabilities[0], [math.exp(2.0) / total, math.exp(1.2) / total, 1 / total], 1e-6)
    assert found.margin[0] == pytest.approx((math.exp(2.0) - math.exp(1.2)) / total)
    assert found.true_probability[0] == pytest.approx(math.exp(1.2) / total)
    assert found.true_rank.tolist() == [2, 1, 0]
    assert np.isnan(found.true_probability[2])


def test_many_pictures_are_taken_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(50, 6)).astype(np.float32)
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    texts, truth = torch.from_numpy(images[:9].copy()), rng.integers(-1, 9, 50).astype(np.int32)
    whole = guess(images, texts, 100.0, truth)
    monkeypatch.setattr("hw3_browse.core.zeroshot.classify._PICTURES_AT_ONCE", 7)
    pieces = guess(images, texts, 100.0, truth)
    assert (whole.labels[:, 0] == pieces.labels[:, 0]).all()
    np.testing.assert_allclose(whole.true_probability, pieces.true_probability, atol=1e-4)
    assert (whole.true_rank == pieces.true_rank).all()


def test_an_ensemble_is_the_mean_of_unit_vectors_scaled_back(clip: Clip, tmp_path: Path) -> None:
    templates = ("a {object} on the table", "{object} in the street", "two {object}")
    with KeptClip(clip, folder=tmp_path) as kept:
        found = embed_prompts([PromptSpec("mine", templates), PROMPTS[0]], LABELS, clip, kept)
    for place, name in enumerate(NAMES):
        own = clip.embed_texts([template.replace("{object}", name) for template in templates])
        mean = own.mean(dim=0)
        torch.testing.assert_close(found[0, place], mean / mean.norm(), atol=1e-6, rtol=0)
        torch.testing.assert_close(found[1, place], own[0], atol=1e-6, rtol=0)


# What is kept


def count_calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Count the pictures and texts that CLIP embeds from now on."""
    counts = {"images": 0, "texts": 0}
    images, texts = Clip.embed_images, Clip.embed_texts

    def counting_images(self: Clip, batch: torch.Tensor) -> torch.Tensor:
        counts["images"] += len(batch)
        return images(self, batch)

    def counting_texts(self: Clip, batch: Sequence[str], prefix: str = "") -> torch.Tensor:
        counts["texts"] += len(batch)
        return texts(self, batch, prefix)

    monkeypatch.setattr(Clip, "embed_images", counting_images)
    monkeypatch.setattr(Clip, "embed_texts", counting_texts)
    return counts


def test_each_picture_and_each_text_is_embedded_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_clip.store, "kept_dir", lambda: tmp_path / "kept")
    dataset, spec = open_folders(folder / "images"), ClipSpec(str(folder / "clip"))
    counts = count_calls(monkeypatch)
    task = Task(dataset, LABELS, (*PROMPTS, PromptSpec("both", ("{object}", "a {object} on the table"))))
    classify(task, spec, tmp_path / "run")
    assert counts == {"images": 9, "texts": 14}
    classify(Task(dataset, LABELS, (*PROMPTS, single("two {object}"))), spec, tmp_path / "run")
    assert counts == {"images": 9, "texts": 21}


def test_what_was_embedded_before_a_kill_is_not_embedded_again(
    folder: Path, clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, embed = open_folders(folder / "images"), Clip.embed_images
    counts = count_calls(monkeypatch)
    counting = Clip.embed_images

    def killed(self: Clip, batch: torch.Tensor) -> torch.Tensor:
        if counts["images"] == 6:
            raise KeyboardInterrupt
        return counting(self, batch)

    monkeypatch.setattr(Clip, "embed_images", killed)
    with KeptClip(clip, folder=tmp_path) as kept, pytest.raises(KeyboardInterrupt):
        embed_pictures(dataset, clip, kept, batch=2)
    monkeypatch.setattr(Clip, "embed_images", counting)
    with KeptClip(clip, folder=tmp_path) as kept:
        images = kept.vectors(embed_pictures(dataset, clip, kept, batch=2))
    assert counts["images"] == 9
    pixels = torch.stack([clip.preprocess(Image.open(dataset.file(item)).convert("RGB")) for item in dataset])
    np.testing.assert_allclose(images, embed(clip, pixels).numpy(), atol=1e-6)


def test_a_picture_that_changed_is_embedded_again(folder: Path, clip: Clip, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("RGB", (40, 40), "red").save(pictures / "a.png")
    with KeptClip(clip, folder=tmp_path) as kept:
        (red,) = kept.vectors(embed_pictures(open_folders(pictures), clip, kept))
        Image.linear_gradient("L").save(pictures / "a.png")
        (grey,) = kept.vectors(embed_pictures(open_folders(pictures), clip, kept))
    assert not np.allclose(red, grey)


def test_other_weights_and_precisions_are_kept_apart(folder: Path, tmp_path: Path) -> None:
    loaded = Clip.load(ClipSpec(str(folder / "clip")))
    with KeptClip(loaded, folder=tmp_path), KeptClip(loaded, "bf16", folder=tmp_path):
        pass
    other = Clip.load(ClipSpec(str(folder / "clip")))
    spread(other)
    with KeptClip(other, folder=tmp_path):
        pass
    assert len(list(tmp_path.glob("clip-*.sqlite"))) == 3


def test_clipscore_and_zero_shot_share_embeddings(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models import tiny_captioner

    from hw3_browse.cache.reader import Cache
    from hw3_browse.core import precompute

    monkeypatch.setattr(kept_clip.store, "kept_dir", lambda: tmp_path / "kept")
    tiny_captioner().save(tmp_path / "captioner")
    spec = ClipSpec(str(folder / "clip"))
    dataset = open_dataset(folder / "images", folder / "captions.json")
    options = precompute.Options(device="cpu", metrics=(), batch=4)

    def scores(name: str) -> np.ndarray[Any, Any]:
        made = precompute.Precompute(dataset, tmp_path / "captioner", spec, options).run(tmp_path / name)
        with Cache.open(made) as cache:
            return np.array(cache.scores("clipscore"))

    alone = scores("alone")
    counts = count_calls(monkeypatch)
    classify(Task(open_folders(folder / "images"), LABELS, PROMPTS), spec, tmp_path / "run")
    assert counts["images"] == 0  # the captions' run has embedded them
    (file,) = (tmp_path / "kept").glob("clip-*.sqlite")
    file.unlink()
    classify(Task(open_folders(folder / "images"), LABELS, PROMPTS), spec, tmp_path / "run")
    assert counts["images"] == 9
    np.testing.assert_allclose(scores("after"), alone, atol=2e-3)  # halves are kept in a cache
    assert counts["images"] == 9


def test_a_kept_file_that_is_none(clip: Clip, tmp_path: Path) -> None:
    with KeptClip(clip, folder=tmp_path):
        pass
    (file,) = tmp_path.glob("clip-*.sqlite")
    file.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(CacheError, match=r"^[^\n]*the kept embeddings cannot be used [^\n]*; remove the file"):
        KeptClip(clip, folder=tmp_path)


def test_a_missing_picture_has_no_key(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"gone.png cannot be read \(No such file"):
        picture_keys([tmp_path / "gone.png"])


# The whole run


def test_a_run_and_its_csv(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_clip.store, "kept_dir", lambda: tmp_path / "kept")
    pictures = tmp_path / "val"
    pictures.mkdir()
    for place, path in enumerate(sorted((folder / "images").iterdir())):
        (pictures / f"{7 * (place % 7)}_{place}.png").write_bytes(path.read_bytes())
    dataset = open_folders(pictures)
    made = classify(
        Task(dataset, LABELS, PROMPTS, tmp_path / "id2label.json"), ClipSpec(str(folder / "clip")), tmp_path / "run"
    )
    with ZeroShotRun.open(made) as run:
        assert [run.true_label(index) for index in range(9)] == [int(item.name.split("_")[0]) // 7 for item in dataset]
        assert run.prompts[0].texts[2] == "a red chair on the table"
        assert run.manifest.plan["labels"] == str(tmp_path / "id2label.json")
        write_csv(run, 1, tmp_path / "deep" / "out.csv")
        predicted = run.predicted(1).tolist()
        with Image.open(run.image_file(0) or "") as image:
            assert run.size(0) == image.size
    lines = (tmp_path / "deep" / "out.csv").read_text().split("\n")
    assert lines[0] == "filename,label"
    rows = zip(dataset, predicted, strict=True)
    assert lines[1:] == [f"{item.path},{LABELS[label].id}" for item, label in rows] + [""]


def test_texts_that_clip_cuts_are_noted(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_clip.store, "kept_dir", lambda: tmp_path / "kept")
    long = single("{object} " + " ".join(SENTENCES * 3))
    task = Task(open_folders(folder / "images"), LABELS, (*PROMPTS, long))
    with ZeroShotRun.open(classify(task, ClipSpec(str(folder / "clip")), tmp_path / "run", Options(batch=3))) as run:
        assert "7 of 21 prompts were too long for CLIP and were cut" in run.manifest.notes
