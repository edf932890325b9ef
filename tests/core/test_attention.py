"""Decoding and attention against a plain step-by-step decode through torch's own Transformer classes.

The reference keeps no keys, runs one image and one caption at a time, re-reads the whole prefix for each token and
takes the cross-attention of the last position from `nn.MultiheadAttention`, as the assignment's scripts do.
"""

from __future__ import annotations

import math

import pytest
import torch
from models import VIT, tiny_captioner
from torch import Tensor, nn

from hw3_browse.core.attention import look
from hw3_browse.core.captioner import Captioner
from hw3_browse.core.decoding import Decoding, Hypothesis, decode
from hw3_browse.core.encoder import EncoderConfig, Memory

TOLERANCE = 1e-5


class PlainDecoder:
    """`nn.TransformerDecoderLayer`s with the captioner's weights, stepped without any cache."""

    def __init__(self, captioner: Captioner) -> None:
        self.captioner = captioner
        config = captioner.decoder.config
        self.layers = []
        for layer in captioner.decoder.layers:
            plain = nn.TransformerDecoderLayer(
                config.width, config.heads, 4 * config.width, activation="gelu",
                batch_first=True, norm_first=config.norm_first,
            ).eval()  # fmt: skip
            plain.load_state_dict(layer.state_dict())
            self.layers.append(plain)

    @torch.no_grad()
    def next(self, memory: Tensor, tokens: list[int]) -> tuple[Tensor, Tensor]:
        """Log-probabilities [vocabulary] and cross-attention [layer, head, position] at the last position."""
        decoder = self.captioner.decoder
        seen = decoder.memory_proj(decoder.memory_norm(memory[None])) + decoder.memory_position
        x = decoder.embedding(torch.tensor([tokens])) * math.sqrt(decoder.config.width)
        x = x + decoder.token_position[: len(tokens)]
        causal = nn.Transformer.generate_square_subsequent_mask(len(tokens))
        looked = []
        for layer in self.layers:
            x, weights = self._layer(layer, x, seen, causal)
            looked.append(weights[0, :, -1])
        logits = nn.functional.linear(decoder.norm(x)[0, -1], decoder.embedding.weight, decoder.bias)
        return self.captioner.log_probs(logits), torch.stack(looked)

    @staticmethod
    def _layer(layer: nn.TransformerDecoderLayer, x: Tensor, seen: Tensor, causal: Tensor) -> tuple[Tensor, Tensor]:
        def cross(y: Tensor) -> tuple[Tensor, Tensor]:
            out, weights = layer.multihead_attn(y, seen, seen, need_weights=True, average_attn_weights=False)
            return out, weights

        def own(y: Tensor) -> Tensor:
            return layer.self_attn(y, y, y, attn_mask=causal, need_weights=False)[0]

        def feed(y: Tensor) -> Tensor:
            return layer.linear2(layer.activation(layer.linear1(y)))

        if layer.norm_first:
            x = x + own(layer.norm1(x))
            out, weights = cross(layer.norm2(x))
            x = x + out
            return x + feed(layer.norm3(x)), weights
        x = layer.norm1(x + own(x))
        out, weights = cross(x)
        x = layer.norm2(x + out)
        return layer.norm3(x + feed(x)), weights

    def greedy(self, memory: Tensor, steps: int) -> tuple[list[int], list[float], Tensor]:
        """Token ids, log-probabilities and attention [token, layer, head, position]."""
        tokens, likely, looked = [self.captioner.tokenizer.bos_id], [], []
        for _ in range(steps):
            logprobs, weights = self.next(memory, tokens)
            best = int(logprobs.argmax())
            tokens.append(best)
            likely.append(float(logprobs[best]))
            looked.append(weights)
            if best == self.captioner.tokenizer.eos_id:
                break
        return tokens[1:], likely, torch.stack(looked)

    def beam(self, memory: Tensor, steps: int, beams: int, penalty: float) -> tuple[list[int], float, Tensor]:
        """Textbook beam search over Python lists: the best caption, its score, its attention."""
        bos, eos = self.captioner.tokenizer.bos_id, self.captioner.tokenizer.eos_id
        running: list[tuple[float, list[int], list[Tensor]]] = [(0.0, [bos], [])]
        finished: list[tuple[float, list[int], list[Tensor]]] = []
        for step in range(steps):
            longer = []
            for total, tokens, looked in running:
                logprobs, weights = self.next(memory, tokens)
                for token in logprobs.isfinite().nonzero()[:, 0].tolist():
                    longer.append((total + float(logprobs[token]), [*tokens, token], [*looked, weights]))
            longer.sort(key=lambda entry: -entry[0])
            longer = longer[: 2 * beams]
            for total, tokens, looked in longer:
                if tokens[-1] == eos or step == steps - 1:
                    finished.append((total / (step + 1) ** penalty, tokens[1:], looked))
            running = [entry for entry in longer if entry[1][-1] != eos][:beams]
        score, tokens, looked = max(finished, key=lambda entry: entry[0])
        return tokens, score, torch.stack(looked)


def encode(captioner: Captioner, images: int = 4) -> Memory:
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        return captioner.encode(torch.randn(images, 3, *captioner.preprocess.input_size, generator=generator))


ENCODERS = {
    "vit with class and register tokens": VIT,
    "vit, patches only": EncoderConfig(VIT.name, VIT.args, prefix_tokens=False),
    "feature map": EncoderConfig("resnet10t", {}, preprocess={"input_size": [64, 96]}),
}


@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS.keys())
@pytest.mark.parametrize("norm_first", [True, False])
def test_greedy_equals_plain_decode(encoder: EncoderConfig, norm_first: bool) -> None:
    captioner = tiny_captioner(encoder, norm_first=norm_first)
    memory = encode(captioner)
    found = [hypotheses[0] for hypotheses in decode(captioner, memory, Decoding(max_length=12))]
    looked = look(captioner, memory, [hypothesis.token_ids for hypothesis in found])
    plain = PlainDecoder(captioner)
    lengths = set()
    for row, (hypothesis, seen) in enumerate(zip(found, looked, strict=True)):
        tokens, likely, attention = plain.greedy(memory.tokens[row], 12)
        lengths.add(len(tokens))
        assert list(hypothesis.token_ids) == tokens
        torch.testing.assert_close(torch.tensor(hypothesis.logprobs), torch.tensor(likely), atol=1e-4, rtol=0)
        torch.testing.assert_close(seen.logprobs, torch.tensor(likely), atol=1e-4, rtol=0)
        torch.testing.assert_close(seen.attention, attention, atol=TOLERANCE, rtol=0)
        torch.testing.assert_close(seen.attention.sum(-1), torch.ones(attention.shape[:3]))


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("beams", [2, 3])
def test_beam_equals_plain_decode(beams: int, penalty: float) -> None:
    captioner = tiny_captioner(seed=3)
    memory = encode(captioner)
    found = [hypotheses[0] for hypotheses in decode(captioner, memory, Decoding(beams, penalty, 8))]
    looked = look(captioner, memory, [hypothesis.token_ids for hypothesis in found])
    plain = PlainDecoder(captioner)
    for row, (hypothesis, seen) in enumerate(zip(found, looked, strict=True)):
        tokens, score, attention = plain.beam(memory.tokens[row], 8, beams, penalty)
        assert list(hypothesis.token_ids) == tokens
        assert hypothesis.score == pytest.approx(score, abs=1e-4)
        torch.testing.assert_close(seen.attention, attention, atol=TOLERANCE, rtol=0)


def test_beam_finds_better_captions_than_greedy_and_ranks_them() -> None:
    captioner = tiny_captioner(seed=3)
    memory = encode(captioner, images=8)
    greedy = decode(captioner, memory, Decoding(max_length=8))
    beams = decode(captioner, memory, Decoding(beams=4, length_penalty=0.0, max_length=8, keep=4))
    gains = []
    for one, many in zip(greedy, beams, strict=True):
        scores = [hypothesis.score for hypothesis in many]
        assert scores == sorted(scores, reverse=True)
        assert len({hypothesis.token_ids for hypothesis in many}) == len(many) == 4
        gains.append(many[0].score - one[0].score)
    assert max(gains) > 0
    assert min(gains) > -1e-4


def test_a_caption_does_not_depend_on_its_batch() -> None:
    captioner = tiny_captioner(seed=1)
    memory = encode(captioner, images=5)
    for decoding in (Decoding(max_length=10), Decoding(beams=3, max_length=10)):
        together = decode(captioner, memory, decoding)
        for row, hypotheses in enumerate(together):
            alone = decode(
                captioner,
                Memory(memory.tokens[row : row + 1], memory.rows, memory.cols, memory.prefix),
                decoding,
            )
            assert alone[0][0].token_ids == hypotheses[0].token_ids


def test_only_words_and_the_end_are_generated() -> None:
    captioner = tiny_captioner(seed=2)
    tokenizer = captioner.tokenizer
    never = {tokenizer.pad_id, tokenizer.bos_id, tokenizer.unk_id}
    for decoding in (Decoding(max_length=12), Decoding(beams=3, max_length=12)):
        for hypotheses in decode(captioner, encode(captioner, images=8), decoding):
            for hypothesis in hypotheses:
                _check_shape(hypothesis, tokenizer.eos_id, never)


def _check_shape(hypothesis: Hypothesis, eos: int, never: set[int]) -> None:
    ids = hypothesis.token_ids
    assert not never & set(ids)
    assert eos not in ids[:-1]
    assert ids[-1] == eos or len(ids) == 12
    assert len(hypothesis.logprobs) == len(ids)


def test_training_pass_over_several_captions_an_image_equals_one_at_a_time() -> None:
    captioner = tiny_captioner()
    memory = encode(captioner, images=2)
    tokens = torch.randint(4, captioner.tokenizer.vocab_size, (6, 7), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        together = captioner.decoder(memory.tokens, tokens)
        alone = torch.cat([captioner.decoder(memory.tokens[row // 3][None], tokens[row][None]) for row in range(6)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
