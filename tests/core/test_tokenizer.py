"""The tokenizer: quirks of the assignment's file (built here with the same quirks), pieces, words, round trips."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from models import SENTENCES, tiny_tokenizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from hw3_browse.cache.errors import CheckpointError
from hw3_browse.core.tokenizer import CaptionTokenizer

VOCABULARY = ["[PAD]", "[UNK]", "[BOS]", "[EOS]", "n", "i", "##i", "##n", "a", "##ni", "ni", "nin", ".", "man"]


@pytest.fixture
def assignment_file(tmp_path: Path) -> Path:
    """As the assignment's caption_tokenizer.json: no normalizer, no decoder, padding, adds [BOS] and [EOS]."""
    data = {
        "version": "1.0",
        "truncation": None,
        "padding": {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None,
                    "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": [
            {"id": index, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
            for index, token in enumerate(VOCABULARY[:4])
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[BOS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": {"id": "[EOS]", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"[BOS]": {"id": "[BOS]", "ids": [2], "tokens": ["[BOS]"]},
                               "[EOS]": {"id": "[EOS]", "ids": [3], "tokens": ["[EOS]"]}},
        },
        "decoder": None,
        "model": {"type": "BPE", "dropout": None, "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "end_of_word_suffix": None, "fuse_unk": False,
                  "vocab": {token: index for index, token in enumerate(VOCABULARY)},
                  "merges": ["##n ##i", "n ##i", "ni ##n"]},
    }  # fmt: skip
    path = tmp_path / "caption_tokenizer.json"
    path.write_text(json.dumps(data))
    return path


def test_capital_letters_are_not_unknown(assignment_file: Path) -> None:
    plain = Tokenizer.from_file(str(assignment_file))
    assert plain.encode("NIN").ids == [2, 1, 1, 1, 3]  # the trap: without lower-casing all is [UNK]
    assert CaptionTokenizer.from_file(assignment_file).encode("NIN") == [2, VOCABULARY.index("nin"), 3]


def test_pieces_are_joined_and_begin_and_end_appear_once(assignment_file: Path) -> None:
    tokenizer = CaptionTokenizer.from_file(assignment_file)
    ids = tokenizer.encode("a ninni .")
    assert ids.count(2) == ids.count(3) == 1
    assert ids[0] == 2
    decoded = tokenizer.decode(ids[1:])
    assert decoded.text == "a ninni ."
    assert decoded.pieces == ("a", "nin", "ni", ".", "<EOS>")
    assert decoded.word_of_piece == (0, 1, 1, 2, -1)


def test_a_batch_is_not_padded(assignment_file: Path) -> None:
    tokenizer = CaptionTokenizer.from_file(assignment_file)
    assert list(map(len, tokenizer.encode_batch(["a", "a nin ."]))) == [3, 5]


def test_golden_assignment_file(golden_dir: Path) -> None:
    path = golden_dir.parent / "hw3" / "caption_tokenizer.json"
    if not path.is_file():
        pytest.skip("the assignment's tokenizer file is not here")
    tokenizer = CaptionTokenizer.from_file(path)
    assert tokenizer.vocab_size == 18022
    assert (tokenizer.pad_id, tokenizer.unk_id, tokenizer.bos_id, tokenizer.eos_id) == (0, 1, 2, 3)
    ids = tokenizer.encode("A Man playing xylophonistically")
    assert tokenizer.unk_id not in ids
    assert tokenizer.decode(ids[1:]).text == "a man playing xylophonistically"


@given(st.lists(st.sampled_from(" ".join(SENTENCES).split()), min_size=1, max_size=12))
def test_round_trip(words: list[str]) -> None:
    tokenizer = tiny_tokenizer()
    decoded = tokenizer.decode(tokenizer.encode(" ".join(words))[1:])
    assert decoded.words == tuple(words)
    assert decoded.text == " ".join(words)
    for index, word in enumerate(words):
        pieces = [p for p, of in zip(decoded.pieces, decoded.word_of_piece, strict=True) if of == index]
        assert "".join(pieces) == word


@given(st.lists(st.integers(0, 59), max_size=12))
def test_any_ids_decode_consistently(ids: list[int]) -> None:
    tokenizer = tiny_tokenizer()
    decoded = tokenizer.decode([token % tokenizer.vocab_size for token in ids])
    assert len(decoded.pieces) == len(decoded.word_of_piece) == len(ids)
    assert sorted({index for index in decoded.word_of_piece if index >= 0}) == list(range(len(decoded.words)))


def test_a_byte_level_file_is_read_by_its_own_decoder() -> None:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<pad>", "<unk>", "<s>", "</s>"], show_progress=False)
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    ours = CaptionTokenizer(tokenizer)
    decoded = ours.decode(ours.encode("two cats sit")[1:])
    assert decoded.words == ("two", "cats", "sit")
    assert decoded.text == "two cats sit"
    assert decoded.pieces[-1] == "<EOS>"


def test_saved_file_reads_back_equal(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.save(tmp_path / "tokenizer.json")
    again = CaptionTokenizer.from_file(tmp_path / "tokenizer.json")
    assert again.encode_batch(SENTENCES) == tokenizer.encode_batch(SENTENCES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such tokenizer file"),
        ("{}", "not a `tokenizers` json"),
        ('{"model": ', "not a `tokenizers` json"),
    ],
)
def test_bad_files_have_one_clear_line(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        CaptionTokenizer.from_file(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_without_an_end_token_is_refused() -> None:
    bare = Tokenizer(models.BPE(vocab={"[PAD]": 0, "[UNK]": 1, "[BOS]": 2, "a": 3}, merges=[], unk_token="[UNK]"))
    with pytest.raises(CheckpointError, match="has no EOS token"):
        CaptionTokenizer(bare)
