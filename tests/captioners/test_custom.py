"""A captioner of the user's own: the example of the documentation, and what can be wrong with one."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from models import write_clip, write_dataset
from PIL import Image

from hw3_browse.cache.errors import UsageError
from hw3_browse.cache.reader import Cache
from hw3_browse.core.captioners import Written, open_captioner, whole_picture
from hw3_browse.core.captioners.custom import CustomCaptioner
from hw3_browse.core.cli import main
from hw3_browse.core.decoding import Decoding

DOCS = Path(__file__).parents[2] / "docs" / "captioners.md"
CPU = torch.device("cpu")
ATTENTION = np.full((2, 1, 1, 1), 1.0)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current directory of its own; modules imported from it are forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(tmp_path)):
            del sys.modules[name]


def example() -> str:
    found = re.search(r"```python\n(import numpy.*?)```", DOCS.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_of_the_documentation_runs(here: Path) -> None:
    (here / "brightest.py").write_text(example())
    assert len([line for line in example().splitlines() if line]) <= 25  # short enough to be read
    write_dataset(here, 3)
    write_clip(here / "clip")
    command = ["precompute", "images", "--captioner", "brightest:make", "--clip", "clip", "--device", "cpu"]
    assert main([*command, "--out", "run"]) == 0
    with Cache.open(here / "run") as cache:
        assert cache.manifest.plan["captioner"] == {"name": "brightest:make", "version": 1}
        assert set(cache.caption(0).split()) <= {"bright", "above", "below"}
        attention = cache.attention(0)
        assert attention is not None
        assert attention.weights.shape == (2, 1, 1, 16)
        brightest = np.asarray(attention.map(0)).argmax()
        assert cache.caption(0) == ("bright above" if brightest < 8 else "bright below")
        assert cache.score_names == ("clipscore",)  # nothing is known of the words' probability


class Model:
    prefix = 0

    def __init__(self, *written: object) -> None:
        self.identity: Any = {"version": 1}
        self.written = list(written)

    def input(self, image: Image.Image) -> np.ndarray[Any, Any]:
        return np.zeros(1)

    def view(self, size: tuple[int, int]) -> Any:
        return whole_picture(size)

    def write(self, inputs: Any, decoding: Decoding, *, look: bool = True, keys: Any = ()) -> Any:
        return self.written


def write(*written: object, pictures: int = 1, look: bool = True) -> list[Written]:
    return CustomCaptioner("my:model", Model(*written)).write(np.zeros((pictures, 1)), Decoding(), look=look)


GOOD = Written.of_words(["a", "dog"], ATTENTION)


@pytest.mark.parametrize(
    ("written", "pictures", "message"),
    [
        ([], 1, "write gave 0 captions for 1 pictures"),
        (["a dog"], 1, "write gave str, expected Written"),
        ([replace(GOOD, logprobs=())], 1, "differ in length"),
        ([replace(GOOD, word_of_piece=(0, 2))], 1, "outside of the 2 words"),
        ([replace(GOOD, attention=np.ones((2, 1, 1, 5)))], 1, r"expected attention \[2 tokens, layers, heads, 1 pos"),
        ([replace(GOOD, attention=np.ones((3, 1, 1, 1)))], 1, r"found shape \[3, 1, 1, 1\]"),
        ([replace(GOOD, attention=-ATTENTION)], 1, "negative values"),
        ([replace(GOOD, attention=ATTENTION * np.nan)], 1, "not finite"),
        ([GOOD, replace(GOOD, attention=None)], 2, "or none has"),
        ([GOOD, replace(GOOD, attention=np.ones((2, 2, 1, 1)))], 2, r"\(2, 1\) after \(1, 1\)"),
    ],
)
def test_what_contradicts_itself_is_told_where_it_is_made(written: list[object], pictures: int, message: str) -> None:
    with pytest.raises(UsageError, match=rf"^captioner my:model: .*{message}"):
        write(*written, pictures=pictures)


def test_attention_counts_only_where_it_is_wanted() -> None:
    assert write(GOOD, replace(GOOD, attention=None), pictures=2, look=False)[0].caption == "a dog"


def test_numbers_become_plain_ones() -> None:
    numpy_made = replace(
        GOOD, token_ids=tuple(np.arange(2)), word_of_piece=tuple(np.arange(2)), logprobs=tuple(np.zeros(2, np.float32))
    )
    (found,) = write(numpy_made)
    assert [type(value) for value in (*found.token_ids, *found.word_of_piece, *found.logprobs)] == [int] * 4 + [
        float
    ] * 2


def test_a_model_needs_all_members_and_a_plain_identity() -> None:
    with pytest.raises(UsageError, match="has no prefix, input, view, write"):
        CustomCaptioner("my:model", type("Bare", (), {"identity": {}})())
    for identity in ({"weights": np.zeros(1)}, {"x": float("nan")}, "name"):
        model = Model()
        model.identity = identity
        with pytest.raises(UsageError, match="plain JSON"):
            CustomCaptioner("my:model", model)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nowhere_at_all:make", "no module nowhere_at_all here"),
        ("mine.nowhere:make", "no module mine.nowhere here"),
        ("mine:other", "mine has no function or class 'other'"),
        ("mine:number", "mine has no function or class 'number'"),
        (":make", "expected a folder or package.module:factory"),
    ],
)
def test_what_cannot_be_found_is_one_line(here: Path, spec: str, message: str) -> None:
    (here / "mine").mkdir()
    (here / "mine" / "__init__.py").write_text("number = 3\n")
    with pytest.raises(UsageError, match=message):
        open_captioner(spec, CPU)


def test_mistakes_of_the_user_s_own_code_keep_their_traceback(here: Path) -> None:
    (here / "broken_one.py").write_text("import nowhere_at_all\n")
    with pytest.raises(ModuleNotFoundError, match="nowhere_at_all"):
        open_captioner("broken_one:make", CPU)
    (here / "broken_two.py").write_text("def make():\n    raise RuntimeError('mine')\n")
    with pytest.raises(RuntimeError, match="mine"):
        open_captioner("broken_two:make", CPU)


@pytest.mark.parametrize(
    ("parameters", "first", "given"),
    [
        ("", "None", "None"),
        ("device", "device", "cpu"),
        ("device=None", "device", "cpu"),
        ("where, /", "where", "cpu"),
        ("size=3", "size", "3"),
        ("*rest", "rest", "()"),
    ],
)
def test_a_factory_may_take_the_device(here: Path, parameters: str, first: str, given: str) -> None:
    (here / "models_of_mine.py").write_text(
        "class Model:\n    prefix = 0\n    input = view = write = None\n"
        f"def make({parameters}):\n"
        f"    model = Model()\n    model.identity = {{'given': str({first})}}\n    return model\n"
    )
    assert open_captioner("models_of_mine:make", CPU).identity == {"name": "models_of_mine:make", "given": given}
