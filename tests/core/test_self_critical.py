"""The self-critical step: its reward against coco-caption's CIDEr, its gradient against REINFORCE's by enumeration."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import torch
from models import SENTENCES, tiny_captioner

from hw3_browse.core import ptb_like
from hw3_browse.core.captioner import Captioner
from hw3_browse.core.cider_reward import CiderReward
from hw3_browse.core.decoding import Decoding, decode, sample
from hw3_browse.core.demo.recipe import ANNOTATIONS, BUNDLE
from hw3_browse.core.encoder import Memory
from hw3_browse.core.metrics import cider, ptb
from hw3_browse.core.metrics.ngrams import count_ngrams
from hw3_browse.core.self_critical import advantages, score, self_critical_loss, teacher_forced

WORDS = ("a", "dog", "cat", "on", "the", "mat", "runs", "red", "two", "sits")


def encode(captioner: Captioner, images: int) -> Memory:
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        return captioner.encode(torch.randn(images, 3, *captioner.preprocess.input_size, generator=generator))


def random_captions(rng: np.random.Generator, count: int, words: tuple[str, ...], shortest: int) -> list[list[str]]:
    return [list(rng.choice(words, rng.integers(shortest, 14))) for _ in range(count)]


@pytest.mark.parametrize("end", [False, True])
def test_the_reward_is_cider_of_the_metrics(end: bool) -> None:
    rng = np.random.default_rng(0)
    references = [random_captions(rng, int(rng.integers(1, 6)), WORDS, 1) for _ in range(40)]
    reward = CiderReward(references, end=end)
    pictures = np.arange(40)
    last = " </s>" if end else ""
    plain = [[" ".join(one) + last for one in group] for group in references]
    for turn in range(4):
        captions = random_captions(rng, 40, (*WORDS, "unseen", "strange"), 0)
        if turn == 3:
            captions = [group[0] for group in references]
        counts = count_ngrams([" ".join(one) + last for one in captions], plain)
        wanted = cider.compute(counts, cider.update(counts))[1]
        found = reward(pictures, captions, np.ones(40, bool))
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9)
        assert found.std() > 0.1


def test_captions_of_one_batch_do_not_mind_each_other() -> None:
    rng = np.random.default_rng(1)
    references = [random_captions(rng, 3, WORDS, 2) for _ in range(12)]
    reward = CiderReward(references)
    captions = random_captions(rng, 50, (*WORDS, "unseen", "other"), 0)
    pictures = rng.integers(0, 12, 50)
    ended = rng.integers(0, 2, 50).astype(bool)
    together = reward(pictures, captions, ended)
    alone = [reward(pictures[i : i + 1], captions[i : i + 1], ended[i : i + 1])[0] for i in range(50)]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-12)


def test_dropping_the_end_of_a_sentence_costs() -> None:
    references = [[["a", "dog", "on", "a", "mat"]], [["two", "cats"]], [["the", "red", "sign"]]]
    reward = CiderReward(references)
    whole, cut = reward(np.zeros(2, int), [["a", "dog", "on", "a", "mat"]] * 2, [True, False])
    assert whole == pytest.approx(10.0)
    assert cut < whole


def test_pictures_without_references_are_refused() -> None:
    with pytest.raises(ValueError, match="without references"):
        CiderReward([[["a"]], []])


def test_references_are_tokenised_as_the_metrics_do() -> None:
    captions = [["A dog, running.", "It's the dog's ball!"], ["Two cats"]]
    tokens = [[line.split() for line in ptb.tokenize(group)] for group in captions]
    rows = [0, 0, 1]
    found = CiderReward.of_captions(captions)(np.array(rows), [["a", "dog"], ["it", "'s"], ["two"]], [True] * 3)
    wanted = CiderReward(tokens)(np.array(rows), [["a", "dog"], ["it", "'s"], ["two"]], [True] * 3)
    np.testing.assert_array_equal(found, wanted)


def test_the_cheap_tokeniser_is_the_real_one_on_captions() -> None:
    data = json.loads((BUNDLE / ANNOTATIONS).read_text())
    tokenizer = tiny_captioner().tokenizer
    written = [entry["caption"] for entry in data["annotations"]][:2000]
    spaced = [tokenizer.decode(ids[1:]).text for ids in tokenizer.encode_batch(SENTENCES)]
    hard = [
        "A man's dog doesn't run -- it can't , \"he\" says ...",
        "two t-shirts (red) cannot be 3-wheeled; we're gonna see 1,000 of 2.5 m at 10:30!",
        "it 's a mother-in-law 's car , isn ' t it ?",
        "a 1st 20th-century man in the u.s. with mr. brown and a 4-wheeler & 50 % off $5",
        "[a] {sign} that reads ' stop ! ' n't",
        "naïve café ünder",
    ]
    captions = written + spaced + hard
    differing = [
        (caption, real, cheap)
        for caption, real in zip(captions, ptb.tokenize(captions), strict=True)
        if (cheap := " ".join(ptb_like.tokenize(caption))) != real
    ]
    assert differing == []


def test_the_gradient_is_that_of_the_expected_reward() -> None:
    """Captions of two tokens of three kinds: the loss averaged over all pairs of samples, by their probability."""
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(3, generator=generator, dtype=torch.double).requires_grad_()
    second = torch.randn(3, 3, generator=generator, dtype=torch.double).requires_grad_()
    reward = torch.rand(3, 3, generator=generator, dtype=torch.double)
    captions = list(itertools.product(range(3), repeat=2))

    def logprobs(caption: tuple[int, int]) -> torch.Tensor:
        return torch.stack((first.log_softmax(0)[caption[0]], second[caption[0]].log_softmax(0)[caption[1]]))

    expected = sum(logprobs(one).sum().exp() * reward[one] for one in captions)
    wanted = torch.autograd.grad(-expected, (first, second))
    total = [torch.zeros_like(first), torch.zeros_like(second)]
    for pair in itertools.product(captions, repeat=2):
        rows = torch.stack([logprobs(one) for one in pair])
        padded = torch.cat((rows, rows.new_full((2, 1), -5.0)), 1)  # a place that counts for nothing
        mask = torch.tensor([[True, True, False]] * 2)
        loss = self_critical_loss(padded, mask, torch.stack([reward[one] for one in pair])[None])
        probability = rows.detach().sum().exp()
        gradients = torch.autograd.grad(loss, (first, second))
        total = [before + probability * gradient for before, gradient in zip(total, gradients, strict=True)]
    for found, right in zip(total, wanted, strict=True):
        torch.testing.assert_close(found, right, atol=1e-12, rtol=0)


def test_a_sample_is_compared_with_the_others() -> None:
    rewards = torch.tensor([[1.0, 2.0, 6.0], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(advantages(rewards), torch.tensor([[-3.0, -1.5, 4.5], [0.0, 0.0, 0.0]]))
    with pytest.raises(ValueError, match="two captions"):
        advantages(torch.ones(3, 1))


def test_teacher_forced_log_probabilities_are_those_of_the_search() -> None:
    captioner = tiny_captioner(seed=2)
    memory = encode(captioner, 5)
    keys = [bytes([row]) for row in range(5)]
    found = [one[0] for one in decode(captioner, memory, Decoding(sample=True, temperature=5.0, max_length=12), keys)]
    longest = max(len(one.token_ids) for one in found)
    tokens = torch.full((5, longest), captioner.tokenizer.pad_id)
    for row, one in enumerate(found):
        tokens[row, : len(one.token_ids)] = torch.tensor(one.token_ids)
    logprobs, mask = teacher_forced(captioner, memory, tokens)
    assert len(set(mask.sum(1).tolist())) > 1  # captions of several lengths
    for row, one in enumerate(found):
        length = len(one.token_ids)
        assert mask[row].tolist() == [True] * length + [False] * (longest - length)
        torch.testing.assert_close(logprobs[row, :length], torch.tensor(one.logprobs), atol=1e-4, rtol=0)
    self_critical_loss(logprobs, mask, torch.rand(1, 5)).backward()
    gradient = captioner.decoder.embedding.weight.grad
    assert gradient is not None
    assert bool(gradient.isfinite().all())
    assert float(gradient.abs().max()) > 0


def test_samples_for_training() -> None:
    captioner = tiny_captioner(seed=2).train()
    memory = encode(captioner, 3)
    tokenizer = captioner.tokenizer
    decoding = Decoding(max_length=9)
    tokens = sample(captioner, memory, 4, decoding, np.random.default_rng(7))
    again = sample(captioner, memory, 4, decoding, np.random.default_rng(7))
    assert captioner.training
    assert captioner.decoder.layers[0].training
    assert not tokens.is_inference()
    assert tokens.equal(again)  # dropout is off
    assert tokens.shape[0] == 12
    assert tokens.shape[1] <= 9
    assert len({tuple(row) for row in tokens.tolist()}) > 4
    for row in tokens.tolist():
        length = row.index(tokenizer.eos_id) + 1 if tokenizer.eos_id in row else len(row)
        assert all(token == tokenizer.pad_id for token in row[length:])
        assert not {tokenizer.pad_id, tokenizer.bos_id, tokenizer.unk_id} & set(row[:length])


def test_training_by_reward_raises_it() -> None:
    captioner = tiny_captioner(seed=1)
    memory = encode(captioner, 4)
    references = [[one.split()] for one in SENTENCES[:4]]
    reward = CiderReward(references)
    decoding, pictures = Decoding(max_length=8), np.arange(4)

    def mean() -> float:
        tokens = sample(captioner, memory, 100, decoding, np.random.default_rng(0))
        return float(score(captioner.tokenizer, tokens, pictures, reward).mean())

    before = mean()
    optimizer = torch.optim.Adam(captioner.decoder.parameters(), 3e-3)
    rng = np.random.default_rng(1)
    for _ in range(40):
        tokens = sample(captioner, memory, 16, decoding, rng)
        rewards = score(captioner.tokenizer, tokens, pictures, reward)
        logprobs, mask = teacher_forced(captioner, memory, tokens)
        optimizer.zero_grad()
        self_critical_loss(logprobs, mask, rewards).backward()
        optimizer.step()
    assert mean() > before + 0.05
