"""Several decoders as one: the mean of their probabilities, in every way through them, and as a checkpoint folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from models import VIT, tiny_captioner, tiny_tokenizer

from hw3_browse.cache.errors import CheckpointError, UsageError
from hw3_browse.core.attention import look
from hw3_browse.core.attribution import require_maps
from hw3_browse.core.captioner import Captioner, CaptionerConfig
from hw3_browse.core.cli import main
from hw3_browse.core.decoder import DecoderConfig
from hw3_browse.core.decoding import Decoding, decode
from hw3_browse.core.encoder import Memory
from hw3_browse.core.ensemble import Ensemble
from hw3_browse.core.merging import merged
from hw3_browse.core.tokenizer import CaptionTokenizer
from hw3_browse.core.training.starting import started_from


@pytest.fixture(scope="module")
def tokenizer() -> CaptionTokenizer:
    return tiny_tokenizer()


def member(folder: Path, tokenizer: CaptionTokenizer, seed: int, layers: int = 2, heads: int = 3) -> Path:
    """A captioner's folder; all have the weights of one encoder."""
    captioner = tiny_captioner(layers=layers, heads=heads, seed=seed)
    captioner.encoder.load_state_dict(tiny_captioner(seed=0).encoder.state_dict())
    captioner.tokenizer = tokenizer
    assert captioner.decoder.bias.shape[0] == tokenizer.vocab_size
    captioner.save(folder)
    return folder


@pytest.fixture
def two(tmp_path: Path, tokenizer: CaptionTokenizer) -> list[Path]:
    return [member(tmp_path / "a", tokenizer, 0), member(tmp_path / "b", tokenizer, 1, layers=3)]


def pictures(captioner: Captioner) -> Memory:
    torch.manual_seed(5)
    with torch.inference_mode():
        return captioner.encode(torch.randn(3, 3, 32, 32))


def test_each_token_has_the_mean_of_the_members_probabilities(two: list[Path]) -> None:
    together, members = merged(two), [Captioner.load(folder) for folder in two]
    memory, tokens = pictures(together), torch.randint(4, 50, (3, 7))
    with torch.inference_mode():
        wanted = torch.stack([one.decoder(memory.tokens, tokens).softmax(dim=-1) for one in members]).mean(dim=0)
        found, attention = together.decoder.forward_with_attention(memory.tokens, tokens)
        looked = [one.decoder.forward_with_attention(memory.tokens, tokens)[1] for one in members]
        some = tokens > 20
        assert torch.allclose(together.decoder(memory.tokens, tokens, some), found[some], atol=1e-5)
    assert torch.allclose(found.exp(), wanted, atol=1e-6)
    assert torch.allclose(attention, torch.cat(looked, dim=2), atol=1e-6)
    assert attention.shape[2] == 5


@pytest.mark.parametrize("decoding", [Decoding(), Decoding(beams=3), Decoding(sample=True, seed=2)])
def test_searches_see_what_the_teacher_forced_pass_sees(two: list[Path], decoding: Decoding) -> None:
    together = merged(two)
    memory = pictures(together)
    found = [hypotheses[0] for hypotheses in decode(together, memory, decoding, [b"a", b"b", b"c"])]
    seen = look(together, memory, [one.token_ids for one in found])
    for one, looked in zip(found, seen, strict=True):
        assert np.allclose(one.logprobs, looked.logprobs, atol=1e-4)
    alone = look(Captioner.load(two[0]), memory, [one.token_ids for one in found])
    assert not np.allclose(alone[0].logprobs, seen[0].logprobs, atol=1e-2)


def test_twice_the_same_captioner_changes_nothing(two: list[Path]) -> None:
    together, alone = merged([two[0], two[0]]), Captioner.load(two[0])
    memory = pictures(alone)
    pairs = [decode(each, memory, Decoding(beams=2)) for each in (together, alone)]
    assert [one[0].token_ids for one in pairs[0]] == [one[0].token_ids for one in pairs[1]]


def test_it_is_a_checkpoint_and_a_member_of_further_ensembles(two: list[Path], tmp_path: Path) -> None:
    assert main(["ensemble", *map(str, two), "--out", str(tmp_path / "both")]) == 0
    both = Captioner.load(tmp_path / "both")
    assert isinstance(both.decoder, Ensemble)
    memory, tokens = pictures(both), torch.randint(4, 50, (3, 7))
    with torch.inference_mode():
        assert torch.equal(both.decoder(memory.tokens, tokens), merged(two).decoder(memory.tokens, tokens))
    three = merged([tmp_path / "both", two[0]])
    assert [config.layers for config in (three.config.decoder, *three.config.others)] == [2, 3, 2]
    with pytest.raises(UsageError, match="explains one decoder"):
        require_maps(three, "relevance")
    require_maps(three, "rollout")


def test_who_shares_nothing_is_refused(two: list[Path], tmp_path: Path, tokenizer: CaptionTokenizer) -> None:
    other = tiny_captioner(seed=4)  # an encoder of its own
    other.tokenizer = tokenizer
    other.save(tmp_path / "encoder")
    words = CaptionTokenizer.train(["one two three four five"] * 3, 60)
    captioner = Captioner(CaptionerConfig(VIT, DecoderConfig(layers=1, heads=3, width=24)), words)
    captioner.encoder.load_state_dict(Captioner.load(two[0]).encoder.state_dict())
    captioner.save(tmp_path / "tokenizer")
    member(tmp_path / "heads", tokenizer, 6, heads=2)
    for what in ("encoder", "tokenizer", "heads"):
        with pytest.raises(CheckpointError, match=rf"{what}: has another .*{what} than .*/a; an ensemble needs"):
            merged([two[0], tmp_path / what])


def test_training_starts_from_one_of_its_members(two: list[Path], tmp_path: Path) -> None:
    together = merged(two)
    together.save(tmp_path / "both")
    with pytest.raises(CheckpointError, match="an ensemble; start from one of the captioners"):
        started_from(tmp_path / "both", CaptionerConfig(VIT, together.config.decoder))


def test_what_cannot_be_is_one_line(two: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ensemble", str(two[0]), "--out", str(tmp_path / "new")]) == 2
    assert "two captioners or more" in capsys.readouterr().err
    assert main(["ensemble", *map(str, two), "--out", str(two[0])]) == 2
    assert "is there already" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
