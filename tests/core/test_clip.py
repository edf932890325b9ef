"""`core.clip`: loading without surprises, the cut text tower, truncation, the scores."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.transform import PreprocessCfg, image_transform_v2
from open_clip.transformer import QuickGELU
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from hw3_browse.cache.errors import CheckpointError, DatasetError
from hw3_browse.core import clip as clip_module
from hw3_browse.core.clip import (
    CONFIG_FILE,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    Clip,
    ClipPreprocess,
    ClipSpec,
    activation_twin,
)
from hw3_browse.core.clip_scores import clipscore, refclipscore, retrieval
from hw3_browse.core.clip_text import encode_text
from hw3_browse.core.fingerprint import fingerprint
from hw3_browse.core.tokenizer import CaptionTokenizer

VISION = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16}
OPENAI_TEXT = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2}
CAPTIONS = ["a dog on the beach", "two cats", "an old man next to a red bicycle in the snow", "a dog", "the sea"]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def config(**changes: Any) -> dict[str, Any]:
    """A small model of OpenAI's kind."""
    return {"embed_dim": 8, "quick_gelu": True, "vision_cfg": VISION, "text_cfg": OPENAI_TEXT, **changes}


def write_folder(folder: Path, model_cfg: dict[str, Any], preprocess: dict[str, Any] | None = None) -> nn.Module:
    """A CLIP folder with random weights; the model that is in it."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {key: value for key, value in model_cfg.items() if key != "custom_text"}
    made: nn.Module = (open_clip.CustomTextCLIP if model_cfg.get("custom_text") else open_clip.CLIP)(**wanted)
    # Fresh open_clip weights are nearly symmetric; make every caption land somewhere else.
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    described = {"model_cfg": model_cfg, "preprocess_cfg": preprocess or {}}
    (folder / CONFIG_FILE).write_text(json.dumps(described))
    save_file({name: value.contiguous() for name, value in made.state_dict().items()}, folder / WEIGHTS_FILE)
    return made.eval()


def own_folder(folder: Path, context: int = 12, **text: Any) -> tuple[nn.Module, CaptionTokenizer]:
    """A CLIP folder with our own tokenizer."""
    tokenizer = CaptionTokenizer.train(CAPTIONS * 3, 80)
    text_cfg = {
        "context_length": context,
        "vocab_size": tokenizer.vocab_size,
        "width": 16,
        "heads": 2,
        "layers": 2,
        "pool_type": "eos",
        "eos_id": tokenizer.eos_id,
        **text,
    }
    made = write_folder(folder, config(text_cfg=text_cfg, custom_text=True))
    tokenizer.save(folder / TOKENIZER_FILE)
    return made, tokenizer


@pytest.fixture(scope="module")
def openai_like(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, nn.Module]:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("openai")
    return folder, write_folder(folder, config())


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch, openai_like: tuple[Path, nn.Module]) -> Path:
    """Make `tiny` and `tiny-quickgelu` known to open_clip as `ViT-B-32` is; return their weight file."""
    for name, quick in (("tiny", False), ("tiny-quickgelu", True)):
        monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, name, config(quick_gelu=quick))
        tag = {"hf_hub": "somebody/tiny/", "quick_gelu": True, "mean": (0.5, 0.5, 0.5)}
        monkeypatch.setitem(open_clip.pretrained._PRETRAINED, name, {"openai": tag})
    return openai_like[0] / WEIGHTS_FILE


def activations(model: nn.Module) -> list[type[nn.Module]]:
    """The activation of every transformer block."""
    return [type(module) for name, module in model.named_modules() if name.endswith(".mlp.gelu")]


# --- loading ---------------------------------------------------------------------------------------


def test_folder_with_quickgelu_gives_open_clips_own_embeddings(openai_like: tuple[Path, nn.Module]) -> None:
    folder, reference = openai_like
    clip = Clip.load(ClipSpec(model=str(folder)))
    assert set(activations(clip.model)) == {QuickGELU}
    images = torch.rand(3, 3, 32, 32)
    with torch.no_grad():
        wanted_images = reference.encode_image(images, normalize=True)
        wanted_texts = reference.encode_text(open_clip.tokenize(CAPTIONS), normalize=True)
    torch.testing.assert_close(clip.embed_images(images), wanted_images)
    torch.testing.assert_close(clip.embed_texts(CAPTIONS), wanted_texts, atol=1e-6, rtol=0)
    assert clip.logit_scale == pytest.approx(float(reference.logit_scale.detach().exp()))
    assert clip.dim == 8


def test_gelu_and_quickgelu_differ_enough_to_notice(tmp_path: Path, openai_like: tuple[Path, nn.Module]) -> None:
    folder, _ = openai_like
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / WEIGHTS_FILE).write_bytes((folder / WEIGHTS_FILE).read_bytes())
    (plain / CONFIG_FILE).write_text(json.dumps({"model_cfg": config(quick_gelu=False)}))
    right, wrong = (Clip.load(ClipSpec(model=str(path))).embed_texts(CAPTIONS) for path in (folder, plain))
    assert (right - wrong).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("model", "pretrained", "expected"),
    [
        ("ViT-B-32", "openai", "ViT-B-32-quickgelu"),
        ("ViT-L-14", "openai", "ViT-L-14-quickgelu"),
        ("ViT-B-32-quickgelu", "openai", "ViT-B-32-quickgelu"),
        ("ViT-B-32", "laion2b_s34b_b79k", "ViT-B-32"),
        ("ViT-B-32", "weights.safetensors", "ViT-B-32"),
    ],
)
def test_weights_decide_the_activation(model: str, pretrained: str, expected: str) -> None:
    assert activation_twin(model, pretrained) == expected


def test_tag_in_the_hubs_cache_needs_no_network_and_gets_quickgelu(
    named: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clip_module.hub, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(clip_module, "try_to_load_from_cache", lambda *_: str(named))
    clip = Clip.load(ClipSpec("tiny", "openai"))
    assert set(activations(clip.model)) == {QuickGELU}
    assert clip.preprocess.to_json()["mean"] == (0.5, 0.5, 0.5)  # the tag's own
    assert clip.identity["model"] == "tiny-quickgelu"


def test_weight_file_by_path(named: Path, openai_like: tuple[Path, nn.Module]) -> None:
    by_name = Clip.load(ClipSpec("tiny-quickgelu", str(named)))
    by_folder = Clip.load(ClipSpec("tiny-quickgelu", str(openai_like[0])))  # a folder as `pretrained`
    torch.testing.assert_close(by_name.embed_texts(CAPTIONS), by_folder.embed_texts(CAPTIONS))
    assert by_name.fingerprint == by_folder.fingerprint
    json.dumps(by_name.identity)


def test_hub_out_of_reach_is_one_line(named: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_module.hub, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(clip_module, "try_to_load_from_cache", lambda *_: None)
    with pytest.raises(CheckpointError, match=r"'openai' of tiny-quickgelu .* out of reach .* local folder") as info:
        Clip.load(ClipSpec("tiny", "openai"))
    assert "\n" not in str(info.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (ClipSpec("ViT-B32"), "did you mean ViT-B-32"),
        (ClipSpec("ViT-B-32", "openia"), "neither a file nor pretrained weights of ViT-B-32 .*openai"),
        (ClipSpec("/no/such/clip"), "/no/such/clip: no such CLIP folder"),
    ],
)
def test_unknown_names(spec: ClipSpec, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        Clip.load(spec)


class _Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_a_pickle_is_refused_and_does_not_run(named: Path, tmp_path: Path) -> None:
    trace, weights = tmp_path / "trace", tmp_path / "weights.pt"
    weights.write_bytes(pickle.dumps({"state_dict": _Touch(trace)}))
    with pytest.raises(CheckpointError, match=r"weights\.pt"):
        Clip.load(ClipSpec("tiny-quickgelu", str(weights)))
    assert not trace.exists()


def test_torch_file_of_tensors_is_accepted(named: Path, openai_like: tuple[Path, nn.Module], tmp_path: Path) -> None:
    weights = tmp_path / "weights.pt"
    torch.save(openai_like[1].state_dict(), weights)
    assert Clip.load(ClipSpec("tiny-quickgelu", str(weights))).fingerprint == fingerprint(openai_like[1])


def test_folder_without_config(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"has no {CONFIG_FILE}"):
        Clip.load(ClipSpec(str(tmp_path)))


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"model_cfg": 3}', '{"model_cfg": {"text_cfg": {"context_length": "a"}}}']
)
def test_folder_with_a_broken_config(tmp_path: Path, text: str) -> None:
    (tmp_path / CONFIG_FILE).write_text(text)
    with pytest.raises(CheckpointError, match="not an open_clip config"):
        Clip.load(ClipSpec(str(tmp_path)))


def test_folder_without_weights(tmp_path: Path, openai_like: tuple[Path, nn.Module]) -> None:
    (tmp_path / CONFIG_FILE).write_bytes((openai_like[0] / CONFIG_FILE).read_bytes())
    with pytest.raises(CheckpointError, match="could not be loaded"):
        Clip.load(ClipSpec(str(tmp_path)))


def test_folder_with_weights_of_another_model(tmp_path: Path) -> None:
    write_folder(tmp_path, config(embed_dim=4))
    (tmp_path / CONFIG_FILE).write_text(json.dumps({"model_cfg": config(embed_dim=6)}))
    with pytest.raises(CheckpointError, match="could not be loaded") as info:
        Clip.load(ClipSpec(str(tmp_path)))
    assert "\n" not in str(info.value)


def test_tokenizer_larger_than_the_tower(tmp_path: Path) -> None:
    own_folder(tmp_path, vocab_size=20)
    with pytest.raises(CheckpointError, match="do not belong together"):
        Clip.load(ClipSpec(str(tmp_path)))


def test_own_tokenizer_must_be_pooled_at_its_end_token(tmp_path: Path) -> None:
    own_folder(tmp_path, pool_type="argmax")
    with pytest.raises(CheckpointError, match='"pool_type": "eos", "eos_id": 3'):
        Clip.load(ClipSpec(str(tmp_path)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ViT-B-32", ClipSpec("ViT-B-32", "openai")),
        ("ViT-B-16:laion2b_s34b_b88k", ClipSpec("ViT-B-16", "laion2b_s34b_b88k")),
        ("/models/mine", ClipSpec("/models/mine")),
    ],
)
def test_command_line_argument(text: str, expected: ClipSpec) -> None:
    assert ClipSpec.parse(text) == expected


def test_command_line_argument_that_looks_like_a_path_is_never_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    assert ClipSpec.parse("mine").folder == tmp_path / "mine"
    assert ClipSpec.parse("./yours").folder == tmp_path / "yours"


def test_fingerprint_follows_the_weights(openai_like: tuple[Path, nn.Module]) -> None:
    clip, again = (Clip.load(ClipSpec(str(openai_like[0]))) for _ in range(2))
    assert clip.fingerprint == again.fingerprint
    with torch.no_grad():
        again.model.logit_scale.add_(1)
    assert clip.fingerprint != clip_module.fingerprint(again.model)


# --- the text tower --------------------------------------------------------------------------------


def watched(model: nn.Module) -> list[int]:
    """Collect over how many positions the text transformer runs."""
    tower: Any = getattr(model, "text", model)
    lengths: list[int] = []
    tower.transformer.register_forward_hook(lambda _module, inputs, _output: lengths.append(inputs[0].shape[1]))
    return lengths


def test_cut_equals_the_full_tower_with_openais_layout(openai_like: tuple[Path, nn.Module]) -> None:
    _, model = openai_like
    ids = open_clip.tokenize(CAPTIONS)
    with torch.no_grad():
        full = model.encode_text(ids)
        lengths = watched(model)
        cut = encode_text(model, ids)
    torch.testing.assert_close(F.normalize(cut), F.normalize(full), atol=1e-6, rtol=0)
    assert lengths == [int(ids.argmax(-1).max()) + 1]


@pytest.mark.parametrize("projection", [{}, {"proj_bias": True}, {"proj_type": "none"}])
def test_cut_equals_the_full_tower_with_our_tokenizer(tmp_path: Path, projection: dict[str, Any]) -> None:
    model, tokenizer = own_folder(tmp_path, context=24, **projection)
    encoded = tokenizer.encode_batch(CAPTIONS)
    ids = torch.zeros(len(encoded), 24, dtype=torch.long)
    for row, tokens in enumerate(encoded):
        ids[row, : len(tokens)] = torch.tensor(tokens)
    with torch.no_grad():
        full = model.encode_text(ids)
        lengths = watched(model)
        cut = encode_text(model, ids)
    torch.testing.assert_close(F.normalize(cut), F.normalize(full), atol=1e-6, rtol=0)
    assert lengths == [max(map(len, encoded))]


@pytest.mark.parametrize("change", [{"no_causal_mask": True}, {"pool_type": "last"}, {"embed_cls": True}])
def test_other_towers_run_in_full(tmp_path: Path, change: dict[str, Any]) -> None:
    model, tokenizer = own_folder(tmp_path, context=16, **change)
    ids = torch.tensor([[2, 5, 6, tokenizer.eos_id] + [0] * 12])
    with torch.no_grad():
        full = model.encode_text(ids)
        lengths = watched(model)
        assert torch.equal(encode_text(model, ids), full)
    assert lengths == [16 + ("embed_cls" in change)]


def test_texts_come_back_in_order(openai_like: tuple[Path, nn.Module], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_module, "_TEXT_BATCH", 2)
    clip = Clip.load(ClipSpec(str(openai_like[0])))
    together = clip.embed_texts(CAPTIONS)
    alone = torch.cat([clip.embed_texts([caption]) for caption in CAPTIONS])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(len(CAPTIONS)))


def test_no_texts(openai_like: tuple[Path, nn.Module]) -> None:
    assert Clip.load(ClipSpec(str(openai_like[0]))).embed_texts([]).shape == (0, 8)


def test_prefix(openai_like: tuple[Path, nn.Module]) -> None:
    clip = Clip.load(ClipSpec(str(openai_like[0])))
    wanted = clip.embed_texts([f"A photo depicts {caption}" for caption in CAPTIONS])
    for prefix in ("A photo depicts", "A photo depicts "):
        torch.testing.assert_close(clip.embed_texts(CAPTIONS, prefix=prefix), wanted)


def test_too_long_captions_keep_their_end_and_are_told_openai(openai_like: tuple[Path, nn.Module]) -> None:
    clip = Clip.load(ClipSpec(str(openai_like[0])))
    # OpenAI's BPE: `cat` is one token, and 75 of them fill the tower with its two ends.
    texts = ["cat", " ".join(["cat"] * 75), " ".join(["cat"] * 76), " ".join(["cat"] * 500)]
    assert clip.too_long(texts) == [2, 3]
    assert clip.too_long(texts, prefix="a") == [1, 2, 3]
    embedded = clip.embed_texts(texts)
    torch.testing.assert_close(embedded[2], embedded[1], atol=1e-6, rtol=0)
    torch.testing.assert_close(embedded[3], embedded[1], atol=1e-6, rtol=0)


def test_too_long_captions_keep_their_end_and_are_told_ours(tmp_path: Path) -> None:
    model, tokenizer = own_folder(tmp_path, context=6)
    clip = Clip.load(ClipSpec(str(tmp_path)))
    assert clip.too_long(["a dog", "a a a a", "a a a a a", "a a a a a dog"]) == [2, 3]
    a = tokenizer.encode("a")[1]
    kept = torch.tensor([[tokenizer.bos_id, a, a, a, a, tokenizer.eos_id]])
    with torch.no_grad():
        wanted = F.normalize(model.encode_text(kept), dim=-1)
    torch.testing.assert_close(clip.embed_texts(["a a a a a dog"]), wanted, atol=1e-6, rtol=0)


# --- preprocessing ---------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    mode=st.sampled_from(["shortest", "squash", "longest"]),
    size=st.sampled_from([(24, 24), (16, 32)]),
)
def test_preprocess_is_open_clips(width: int, height: int, mode: str, size: tuple[int, int]) -> None:
    cfg = {"size": size, "resize_mode": mode, "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4)}
    pixels = np.random.default_rng(width * 100 + height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    try:
        wanted = image_transform_v2(PreprocessCfg(**cfg), is_train=False)(image)
    except ValueError:  # a side would vanish
        with pytest.raises(DatasetError, match="too thin"):
            ClipPreprocess(cfg)(image)
    else:
        assert torch.equal(ClipPreprocess(cfg)(image), wanted)


def test_a_thread_of_a_picture_is_refused() -> None:
    strip = Image.new("RGB", (60_000, 2))
    with pytest.raises(DatasetError, match="60000 x 2 pixels is too thin"):
        ClipPreprocess({"size": 8, "resize_mode": "longest"})(strip)
    with pytest.raises(DatasetError, match="60000 x 2 pixels is too thin"):
        ClipPreprocess({"size": 224})(strip)
    assert ClipPreprocess({"size": 8, "resize_mode": "squash"})(strip).shape == (3, 8, 8)


# --- scores ----------------------------------------------------------------------------------------


def unit(*rows: list[float]) -> torch.Tensor:
    return F.normalize(torch.tensor(rows, dtype=torch.float), dim=-1)


def test_clipscore_is_clipped_a_picture_at_a_time() -> None:
    image = unit([1, 0], [1, 0], [1, 0])
    text = unit([1, 0], [-1, 0], [3, 4])
    torch.testing.assert_close(clipscore(image, text), torch.tensor([2.5, 0.0, 1.5]))


def test_refclipscore_is_the_harmonic_mean_with_the_best_reference() -> None:
    image, text = unit([1, 0], [1, 0], [0, 1]), unit([3, 4], [1, 0], [1, 0])
    references = [unit([1, 0], [3, 4], [0, 1]), unit([-1, 0]), unit([1, 0])]
    # (1.5, 1) -> 1.2; a reference that points away counts 0; a CLIPScore of 0 gives 0
    torch.testing.assert_close(refclipscore(image, text, references), torch.tensor([1.2, 0.0, 0.0]))


def test_refclipscore_without_references_is_undefined() -> None:
    found = refclipscore(unit([1, 0], [1, 0]), unit([1, 0], [1, 0]), [torch.empty(0, 2), unit([1, 0])])
    assert found[0].isnan()
    assert found[1] == pytest.approx(2 * 2.5 / 3.5)
    assert refclipscore(torch.empty(0, 2), torch.empty(0, 2), []).shape == (0,)


def test_retrieval_counts_both_directions() -> None:
    image = unit([1, 0, 0], [0, 1, 0], [0, 0, 1])
    text = unit([1, 0, 0], [1, 0.5, 0], [0, 0, 1])  # the second caption is nearer to the first picture
    found = retrieval(image, text)
    assert found.text_to_image == pytest.approx(2 / 3)
    assert found.image_to_text == pytest.approx(1)


def test_the_same_caption_for_two_pictures_is_right_for_both() -> None:
    image = unit([1, 0.1], [1, -0.1])
    text = unit([1, 0], [1, 0])
    assert retrieval(image, text).image_to_text == 1
