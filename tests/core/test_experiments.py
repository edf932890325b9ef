"""The report's experiments, small: what differs between them, and a second run repeats nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from hw3_browse.core import store
from hw3_browse.core.captioner import Captioner
from hw3_browse.core.config import build, read_toml
from hw3_browse.core.demo import recipe
from hw3_browse.core.experiments import running
from hw3_browse.core.train_config import TrainConfig
from hw3_browse.core.training import Run

CONFIGS = Path(__file__).parents[2] / "configs"
TRIAL = (
    "optim.epochs=1", "optim.batch=8", "optim.threads=1", "optim.device=cpu", "optim.validate_pictures=4",
    "decoder.layers=1", "decoder.width=16", "optim.average=0.0",
)  # fmt: skip


def test_each_setting_changes_one_thing() -> None:
    """Here as in the shipped configs, which have the same names."""
    settings = {
        name: running._config(name, Path("scenes"), Path("encoder.safetensors"), ()) for name in running.SETTINGS
    }
    assert settings["best"].encoder.weights == "encoder.safetensors"
    assert settings["not_pretrained"].encoder.weights is None
    assert settings["eight_layers"].decoder.layers == 8
    assert not settings["encoder_not_frozen"].optim.freeze_encoder
    shipped = {name: build(TrainConfig, read_toml(CONFIGS / f"{name}.toml")) for name in settings}
    assert [shipped["best"].decoder.layers, shipped["eight_layers"].decoder.layers] == [6, 8]
    assert [shipped["best"].encoder.pretrained, shipped["not_pretrained"].encoder.pretrained] == [True, False]
    assert [shipped["best"].optim.freeze_encoder, shipped["encoder_not_frozen"].optim.freeze_encoder] == [True, False]
    for group in (settings, shipped):
        for name, config in group.items():
            assert config.data == group["best"].data
            assert (config.decoder.heads, config.optim.lr) == (group["best"].decoder.heads, group["best"].optim.lr), (
                name
            )


def test_a_trial_and_a_second_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "kept_dir", lambda: tmp_path / "kept")
    monkeypatch.setattr(running, "SETTINGS", {name: running.SETTINGS[name] for name in ("best", "encoder_not_frozen")})
    commands: list[Sequence[str]] = []

    def hw3(command: Sequence[str]) -> int:
        commands.append(command)
        cache = Path(command[-1])
        cache.mkdir(parents=True)
        (cache / "manifest.json").touch()
        return 0

    found = running.run_experiments(tmp_path / "all", 8, TRIAL, hw3)
    names = ["runs/best", "caches/best", "runs/encoder_not_frozen", "caches/encoder_not_frozen"]
    assert found == [tmp_path / "all" / name for name in names]
    assert [command[0] for command in commands] == ["precompute", "precompute"]
    assert commands[0][commands[0].index("--captioner") + 1] == str(found[0] / "best")
    assert json.loads((found[0] / "run.json").read_text())["finished"]
    frozen, trained = (Captioner.load(found[place] / "best").encoder.state_dict() for place in (0, 2))
    bundled = Captioner.load(recipe.BUNDLE / recipe.CAPTIONER).encoder.state_dict()
    assert all((frozen[name] == value).all() for name, value in bundled.items())  # "pretrained" is the bundled encoder
    assert any((trained[name] != value).any() for name, value in bundled.items())

    monkeypatch.setattr(Run, "one_step", lambda *_: pytest.fail("trained again"))
    assert running.run_experiments(tmp_path / "all", 8, TRIAL, hw3) == found
    assert len(commands) == 2
