"""Hugging Face captioners: tiny untrained models, saved to disk as real ones are, against transformers itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from models import SENTENCES, write_clip, write_dataset
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoImageProcessor,
    BertConfig,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    CLIPImageProcessor,
    DeiTConfig,
    DeiTImageProcessor,
    GenerationConfig,
    GPT2Config,
    PreTrainedTokenizerFast,
    SwinConfig,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTConfig,
    ViTImageProcessor,
)

from hw3_browse.cache.errors import CheckpointError, DatasetError
from hw3_browse.cache.reader import Cache
from hw3_browse.core.captioners import open_captioner
from hw3_browse.core.captioners.hf import HuggingFaceCaptioner
from hw3_browse.core.captioners.hf_pictures import Pictures
from hw3_browse.core.cli import main
from hw3_browse.core.decoding import Decoding

CPU = torch.device("cpu")
VIT = {
    "image_size": 32, "patch_size": 8, "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 32,
}  # fmt: skip


def byte_level() -> PreTrainedTokenizerFast:
    """As GPT-2's: bytes, words marked by a leading space."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        SENTENCES, trainers.BpeTrainer(vocab_size=330, special_tokens=["<|endoftext|>", "<pad>"], show_progress=False)
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|endoftext|>", eos_token="<|endoftext|>", pad_token="<pad>"
    )


def word_piece() -> PreTrainedTokenizerFast:
    """As BERT's: pieces within a word marked by ##."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[DEC]"]
    tokenizer.train_from_iterator(
        SENTENCES, trainers.WordPieceTrainer(vocab_size=70, special_tokens=special, show_progress=False)
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


def spread(model: Any) -> Any:
    """Make logits differ enough that captions are not all alike."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.15)
    return model.eval()


def vit_gpt2(folder: Path) -> Path:
    torch.manual_seed(1)
    tokenizer = byte_level()
    text = GPT2Config(
        vocab_size=len(tokenizer), n_positions=20, n_embd=32, n_layer=2, n_head=4, add_cross_attention=True,
        is_decoder=True, bos_token_id=0, eos_token_id=0, pad_token_id=1,
    )  # fmt: skip
    model = spread(
        VisionEncoderDecoderModel(VisionEncoderDecoderConfig.from_encoder_decoder_configs(ViTConfig(**VIT), text))
    )
    model.generation_config = GenerationConfig(
        decoder_start_token_id=0, eos_token_id=0, pad_token_id=1, max_length=7, num_beams=4, repetition_penalty=1.3
    )
    return save(folder, model, tokenizer, ViTImageProcessor(size={"height": 32, "width": 32}))


def deit_bert(folder: Path) -> Path:
    """Two prefix tokens, a resize of the shorter side and a crop."""
    torch.manual_seed(2)
    tokenizer = word_piece()
    text = BertConfig(
        vocab_size=len(tokenizer), hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=32,
        max_position_embeddings=24, add_cross_attention=True, is_decoder=True,
    )  # fmt: skip
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(DeiTConfig(**VIT), text)
    model = spread(VisionEncoderDecoderModel(config))
    model.generation_config = GenerationConfig(decoder_start_token_id=2, eos_token_id=3, pad_token_id=0)
    processor = CLIPImageProcessor(size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32})
    return save(folder, model, tokenizer, processor)


def blip(folder: Path) -> Path:
    torch.manual_seed(3)
    tokenizer = word_piece()
    text = {
        "vocab_size": len(tokenizer), "hidden_size": 24, "encoder_hidden_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 3, "intermediate_size": 32, "max_position_embeddings": 24, "projection_dim": 16,
        "bos_token_id": 4, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0,
    }  # fmt: skip
    model = spread(BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=VIT)))
    return save(folder, model, tokenizer, BlipImageProcessor(size={"height": 32, "width": 32}))


def save(folder: Path, model: Any, tokenizer: Any, processor: Any) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


MAKERS: dict[str, Callable[[Path], Path]] = {"vit-gpt2": vit_gpt2, "deit-bert": deit_bert, "blip": blip}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: make(tmp_path_factory.mktemp(name) / name) for name, make in MAKERS.items()}


@pytest.fixture(scope="module", params=MAKERS)
def captioner(folders: dict[str, Path], request: pytest.FixtureRequest) -> HuggingFaceCaptioner:
    opened = open_captioner(folders[request.param], CPU)
    assert isinstance(opened, HuggingFaceCaptioner)
    return opened


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    sizes = [(60, 40), (40, 60), (48, 48)]
    return [
        Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
        for size in sizes
    ]


def inputs(captioner: HuggingFaceCaptioner, pictures: list[Image.Image]) -> np.ndarray[Any, Any]:
    return np.stack([captioner.input(picture) for picture in pictures])


def theirs(captioner: HuggingFaceCaptioner, pixels: np.ndarray[Any, Any], **options: Any) -> Any:
    """transformers' own `generate`, called as its documentation does."""
    return captioner._model.model.generate(torch.from_numpy(pixels), return_dict_in_generate=True, **options)


def ended(row: list[int], ends: list[int]) -> tuple[int, ...]:
    ids = row[1:]
    return tuple(ids[: next((place for place, token in enumerate(ids) if token in ends), len(ids) - 1) + 1])


def step_by_step(captioner: HuggingFaceCaptioner, pixels: np.ndarray[Any, Any], sequences: torch.Tensor) -> list[Any]:
    """BLIP's `generate` hands no cross-attention out: each token from what was before it, by the text decoder alone."""
    model = captioner._model.model
    with torch.no_grad():
        states = model.vision_model(torch.from_numpy(pixels)).last_hidden_state
        return [
            model.text_decoder(
                input_ids=sequences[:, :length], encoder_hidden_states=states, output_attentions=True
            ).cross_attentions
            for length in range(1, sequences.shape[1])
        ]


@pytest.mark.parametrize(
    ("decoding", "options"),
    [
        (Decoding(max_length=9), {"num_beams": 1, "max_new_tokens": 9}),
        (
            Decoding(beams=3, max_length=8, length_penalty=0.7),
            {"num_beams": 3, "max_new_tokens": 8, "length_penalty": 0.7, "early_stopping": "never"},
        ),
        (
            Decoding(max_length=9, no_repeat_ngram=1, min_length=4),
            {"num_beams": 1, "max_new_tokens": 9, "no_repeat_ngram_size": 1, "min_new_tokens": 4},
        ),
    ],
)
def test_captions_are_those_of_transformers_own_generate(
    captioner: HuggingFaceCaptioner, pictures: list[Image.Image], decoding: Decoding, options: dict[str, Any]
) -> None:
    pixels = inputs(captioner, pictures)
    expected = theirs(captioner, pixels, do_sample=False, **options).sequences.tolist()
    found = captioner.write(pixels, decoding)
    ends = captioner._model.end
    assert [written.token_ids for written in found] == [ended(row, ends) for row in expected]
    tokenizer = captioner._words._tokenizer
    assert [written.caption for written in found] == [
        tokenizer.decode(ended(row, ends), skip_special_tokens=True).strip() for row in expected
    ]
    assert len({written.caption for written in found}) > 1  # or nothing would be compared


def test_attention_is_what_generating_saw(captioner: HuggingFaceCaptioner, pictures: list[Image.Image]) -> None:
    pixels = inputs(captioner, pictures)
    options = {"num_beams": 1, "max_new_tokens": 8, "do_sample": False, "output_attentions": True}
    found = theirs(captioner, pixels, **options)
    steps = found.cross_attentions if "cross_attentions" in found else step_by_step(captioner, pixels, found.sequences)
    for row, written in enumerate(captioner.write(pixels, Decoding(max_length=8))):
        assert written.attention is not None
        tokens, layers, _, positions = written.attention.shape
        view = captioner.view(pictures[row].size)
        assert positions == captioner.prefix + view.rows * view.cols
        assert (tokens, layers) == (len(written.token_ids), 2)
        for token in range(tokens):
            seen = np.stack([layer[row, :, -1].numpy() for layer in steps[token]])
            np.testing.assert_allclose(written.attention[token], seen, atol=1e-5)
        np.testing.assert_allclose(written.attention.sum(-1), 1, atol=1e-5)


def test_log_probabilities_are_those_of_the_model(captioner: HuggingFaceCaptioner, pictures: list[Image.Image]) -> None:
    pixels = inputs(captioner, pictures)
    found = theirs(captioner, pixels, num_beams=1, max_new_tokens=8, do_sample=False, output_logits=True)
    for row, written in enumerate(captioner.write(pixels, Decoding(max_length=8), look=False)):
        assert written.attention is None
        expected = [
            float(step[row].log_softmax(-1)[token])
            for step, token in zip(found.logits, written.token_ids, strict=False)
        ]
        assert written.logprobs == pytest.approx(expected, abs=1e-4)


def test_pieces_spell_the_words_and_words_the_caption(
    captioner: HuggingFaceCaptioner, pictures: list[Image.Image]
) -> None:
    tokenizer = captioner._words._tokenizer
    sentences = [*SENTENCES, "a dog-house is red"]
    for sentence in sentences:
        ids = tokenizer(sentence, add_special_tokens=False).input_ids + captioner._model.end
        decoded = captioner._words.decode(ids)
        assert decoded.pieces[-1] == "<EOS>"
        assert decoded.word_of_piece[-1] == -1
        assert len(decoded.pieces) == len(decoded.word_of_piece) == len(ids)
        for place, word in enumerate(decoded.words):
            own = [piece for piece, of in zip(decoded.pieces, decoded.word_of_piece, strict=True) if of == place]
            assert "".join(own) == word
        if "-" not in sentence:
            assert decoded.words == tuple(sentence.split())
            assert decoded.text == sentence
    for written in captioner.write(inputs(captioner, pictures), Decoding(max_length=8)):
        assert max(written.word_of_piece) < len(written.words)


def test_beams_that_are_kept(captioner: HuggingFaceCaptioner, pictures: list[Image.Image]) -> None:
    pixels = inputs(captioner, pictures)
    options = {"num_beams": 3, "max_new_tokens": 8, "num_return_sequences": 3, "early_stopping": "never"}
    expected = theirs(captioner, pixels, do_sample=False, length_penalty=1.0, output_scores=True, **options)
    for row, written in enumerate(captioner.write(pixels, Decoding(beams=3, keep=3, max_length=8))):
        assert len(written.alternatives) == 2
        scores = expected.sequences_scores.tolist()[3 * row : 3 * row + 3]
        assert [other.score for other in written.alternatives] == pytest.approx(scores[1:], abs=1e-5)


def test_a_sample_depends_on_the_picture_and_the_seed_alone(
    captioner: HuggingFaceCaptioner, pictures: list[Image.Image]
) -> None:
    pixels = inputs(captioner, pictures)
    before = torch.get_rng_state()

    def captions(rows: list[int], seed: int) -> list[tuple[int, ...]]:
        decoding = Decoding(sample=True, seed=seed, max_length=8, top_p=0.95, temperature=1.2, keep=2)
        return [written.token_ids for written in captioner.write(pixels[rows], decoding)]

    together = captions([0, 1, 2], 0)
    assert captions([2, 0, 1], 0) == [together[2], together[0], together[1]]
    assert captions([1], 0) == [together[1]]
    assert captions([0, 1, 2], 1) != together
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "processor",
    [
        ViTImageProcessor(size={"height": 24, "width": 40}),
        CLIPImageProcessor(size={"shortest_edge": 40}, crop_size={"height": 33, "width": 32}),
        CLIPImageProcessor(size={"shortest_edge": 24}, crop_size={"height": 33, "width": 37}),
        DeiTImageProcessor(size={"height": 41, "width": 38}, crop_size={"height": 32, "width": 32}),
        DeiTImageProcessor(do_resize=False, crop_size={"height": 50, "width": 60}),
    ],
    ids=["squash", "crop", "pad", "squash and crop", "crop alone"],
)
@pytest.mark.parametrize("size", [(64, 48), (49, 71), (53, 53)])
def test_the_view_is_where_the_processor_looks(processor: Any, size: tuple[int, int]) -> None:
    """A white square is where the view says, to a pixel of the input."""
    pictures = Pictures(processor, Path("here"))
    view = pictures.view(size, (1, 1))
    left, top = size[0] * 5 // 12, size[1] * 5 // 12
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    picture[top : top + 12, left : left + 12] = 255
    found = pictures.input(Image.fromarray(picture))[0]
    lit = (found - found.min()) / (found.max() - found.min()) > 0.5
    rows, cols = np.flatnonzero(lit.any(1)), np.flatnonzero(lit.any(0))
    start, end = view.to_input(left, top), view.to_input(left + 12, top + 12)
    assert (cols[0], rows[0]) == pytest.approx(start, abs=1)
    assert (cols[-1] + 1, rows[-1] + 1) == pytest.approx(end, abs=1)


class Mirrored(ViTImageProcessor):
    def __call__(self, images: Image.Image, **options: Any) -> Any:
        return super().__call__(images.transpose(Image.Transpose.FLIP_LEFT_RIGHT), **options)


@pytest.mark.parametrize(
    ("processor", "message"),
    [
        (Mirrored(size={"height": 32, "width": 32}), "not resized and cropped as its settings say"),
        (CLIPImageProcessor(size={"shortest_edge": 32}, do_center_crop=False), "have the shapes"),
    ],
)
def test_a_processor_that_does_something_else_is_refused(processor: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        Pictures(processor, Path("here"))


def test_very_thin_pictures_are_refused_before_they_grow() -> None:
    processor = CLIPImageProcessor(size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224})
    with pytest.raises(DatasetError, match="too thin"):
        Pictures(processor, Path("here")).input(Image.new("RGB", (30_000, 4)))


def test_prefix_tokens_and_merged_patches(folders: dict[str, Path], tmp_path: Path) -> None:
    assert open_captioner(folders["vit-gpt2"], CPU).prefix == 1
    assert open_captioner(folders["deit-bert"], CPU).prefix == 2
    swin = SwinConfig(image_size=32, patch_size=2, embed_dim=12, depths=[1, 1], num_heads=[2, 2], window_size=4)
    config = VisionEncoderDecoderModel.from_pretrained(folders["deit-bert"]).config
    model = VisionEncoderDecoderModel(VisionEncoderDecoderConfig.from_encoder_decoder_configs(swin, config.decoder))
    model.generation_config = GenerationConfig(decoder_start_token_id=2, eos_token_id=3, pad_token_id=0)
    save(tmp_path / "swin", model, word_piece(), ViTImageProcessor(size={"height": 32, "width": 32}))
    captioner = open_captioner(tmp_path / "swin", CPU)
    view = captioner.view((50, 40))
    assert (captioner.prefix, view.rows, view.cols) == (0, 8, 8)


def test_a_cache_of_one(folders: dict[str, Path], tmp_path: Path) -> None:
    images, annotations = write_dataset(tmp_path, 3)
    write_clip(tmp_path / "clip")
    command = ["precompute", images, annotations, "--captioner", folders["blip"], "--clip", tmp_path / "clip"]
    more = ["--metrics", "bleu", "--device", "cpu", "--max-length", "8", "--out", tmp_path / "run"]
    assert main([str(word) for word in [*command, *more]]) == 0
    with Cache.open(tmp_path / "run") as cache:
        shape = cache.manifest.attention
        assert shape is not None
        assert (shape.layers, shape.heads, shape.prefix, shape.rows, shape.cols) == (2, 3, 1, 4, 4)
        captioner = cache.manifest.plan["captioner"]
        assert (captioner["name"], captioner["model_type"]) == ("blip", "blip")
        assert captioner["decoder"] == {"layers": 2, "heads": 3, "width": 24}
        assert cache.manifest.versions["transformers"] == transformers.__version__
        assert np.isfinite(cache.scores("logprob")).all()


def test_the_identity_changes_with_every_file(folders: dict[str, Path], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folders["blip"], tmp_path / "blip"))
    before = open_captioner(copy, CPU).identity["sha256"]
    assert before == open_captioner(folders["blip"], CPU).identity["sha256"]
    processor = AutoImageProcessor.from_pretrained(copy)
    processor.image_mean = [0.5, 0.5, 0.4]
    processor.save_pretrained(copy)
    assert open_captioner(copy, CPU).identity["sha256"] != before


def damage(folder: Path, how: str) -> None:
    if how == "pickle":
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    elif how == "cut":
        whole = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    elif how == "tokenizer":
        for path in folder.glob("tokenizer*"):
            path.unlink()
    else:
        content = json.loads((folder / "generation_config.json").read_text())
        for key in ("decoder_start_token_id", "bos_token_id", "eos_token_id"):
            content.pop(key, None)
        (folder / "generation_config.json").write_text(json.dumps(content))
        config = json.loads((folder / "config.json").read_text())
        for key in ("bos_token_id", "eos_token_id"):
            config["decoder"][key] = None
        (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("pickle", "no .safetensors; weights of other kinds may hold code"),
        ("cut", "cannot be opened as VisionEncoderDecoderModel"),
        ("tokenizer", "cannot be opened as VisionEncoderDecoderModel"),
        ("tokens", "names no token to start with"),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_line(
    folders: dict[str, Path], tmp_path: Path, how: str, message: str
) -> None:
    copy = Path(shutil.copytree(folders["vit-gpt2"], tmp_path / "copy"))
    damage(copy, how)
    with pytest.raises(CheckpointError, match=message) as caught:
        open_captioner(copy, CPU)
    assert "\n" not in str(caught.value)
    assert str(copy) in str(caught.value)


def test_without_transformers_it_says_what_to_install(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(CheckpointError, match=r"pip install 'hw3-browse\[models,hf\]'"):
        open_captioner(folders["blip"], CPU)
