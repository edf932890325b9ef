"""The recipe of the bundled world runs from end to end (a tiny trial of it), and a second run repeats nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw3_browse.core import store
from hw3_browse.core.captioner import Captioner
from hw3_browse.core.clip import Clip, ClipSpec
from hw3_browse.core.datasets import open_dataset
from hw3_browse.core.demo import recipe

TRIAL = ("optim.epochs=1", "optim.batch=8", "optim.threads=1", "optim.device=cpu")


def test_a_trial_of_the_recipe_makes_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "kept_dir", lambda: tmp_path / "kept")
    bundle = recipe.rebuild(tmp_path / "world", train_scenes=16, val_scenes=4, overrides=TRIAL)
    dataset = open_dataset(bundle / recipe.IMAGES, bundle / recipe.ANNOTATIONS)
    assert len(dataset) == 4
    assert (bundle / recipe.INSTANCES).is_file()
    captioner, clip = Captioner.load(bundle / recipe.CAPTIONER), Clip.load(ClipSpec(str(bundle / recipe.CLIP)))
    bundled = Captioner.load(recipe.BUNDLE / recipe.CAPTIONER)
    assert captioner.config == bundled.config  # what is bundled is of this recipe
    assert {key: value.shape for key, value in captioner.encoder.state_dict().items()} == {
        key: value.shape for key, value in bundled.encoder.state_dict().items()
    }
    assert clip.dim == Clip.load(ClipSpec(str(recipe.BUNDLE / recipe.CLIP))).dim

    trained: list[object] = []
    monkeypatch.setattr("hw3_browse.core.training.Run.one_step", lambda *_: trained.append(1))
    recipe.rebuild(tmp_path / "world", train_scenes=16, val_scenes=4, overrides=TRIAL)
    assert not trained
