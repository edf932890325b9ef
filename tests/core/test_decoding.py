"""Constraints, sampling and n-best against slow plain definitions; greedy and beam search proper are in
`test_attention`, with attention.

The plain searches read the whole prefix again for each token, one picture and one caption at a time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import re
import shlex
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from models import tiny_captioner
from torch import Tensor

from hw3_browse.cache.errors import UsageError
from hw3_browse.core.attention import look
from hw3_browse.core.captioner import Captioner
from hw3_browse.core.cli import build_parser
from hw3_browse.core.commands.decoding import add_decoding_arguments, decoding_of
from hw3_browse.core.decoding import Decoding, Hypothesis, decode, sample
from hw3_browse.core.decoding.constraints import Constraints
from hw3_browse.core.decoding.sampling import nucleus, pick
from hw3_browse.core.encoder import Memory
from hw3_browse.core.report.repeat import precompute_line

EOS = 0  # of the tests without a captioner


def encode(captioner: Captioner, images: int = 4) -> Memory:
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        return captioner.encode(torch.randn(images, 3, *captioner.preprocess.input_size, generator=generator))


def one_of(memory: Memory, row: int) -> Memory:
    return Memory(memory.tokens[row : row + 1], memory.rows, memory.cols, memory.prefix)


def keys(count: int) -> list[bytes]:
    return [f"picture {row}".encode() for row in range(count)]


def banned_plainly(tokens: tuple[int, ...], order: int, vocabulary: int) -> set[int]:
    """Tokens whose n-gram at the end of the caption would stand in it before."""
    banned = set()
    for token in range(vocabulary):
        longer = (*tokens, token)
        grams = [longer[start : start + order] for start in range(len(longer) - order + 1)]
        if grams and grams[-1] in grams[:-1]:
            banned.add(token)
    return banned


@torch.no_grad()
def next_plainly(captioner: Captioner, memory: Memory, tokens: list[int]) -> Tensor:
    """Log-probabilities [vocabulary] behind a prefix, without `[BOS]`, of the one picture."""
    whole = torch.tensor([[captioner.tokenizer.bos_id, *tokens]])
    logprobs: Tensor = captioner.log_probs(captioner.decoder(memory.tokens, whole)[0, -1])
    return logprobs


def allowed_plainly(captioner: Captioner, logprobs: Tensor, tokens: list[int], decoding: Decoding) -> list[int]:
    eos = captioner.tokenizer.eos_id
    banned = {captioner.tokenizer.pad_id, captioner.tokenizer.bos_id, captioner.tokenizer.unk_id}
    if decoding.no_repeat_ngram:
        banned |= banned_plainly(tuple(tokens), decoding.no_repeat_ngram, len(logprobs))
    if len(tokens) < decoding.min_length:
        banned.add(eos)
    return [token for token in range(len(logprobs)) if token not in banned] or [eos]


def beam_plainly(captioner: Captioner, memory: Memory, decoding: Decoding) -> list[tuple[list[int], float]]:
    """Textbook beam search over Python lists: finished captions and their scores, best first; 1 beam is greedy."""
    eos, steps = captioner.tokenizer.eos_id, decoding.max_length
    running: list[tuple[float, list[int]]] = [(0.0, [])]
    finished: list[tuple[list[int], float]] = []
    for step in range(steps):
        longer = []
        for total, tokens in running:
            logprobs = next_plainly(captioner, memory, tokens)
            for token in allowed_plainly(captioner, logprobs, tokens, decoding):
                longer.append((total + float(logprobs[token]), [*tokens, token]))
        longer.sort(key=lambda entry: -entry[0])
        longer = longer[: 2 * decoding.beams] if decoding.beams > 1 else longer[:1]
        ended = [entry for entry in longer if entry[1][-1] == eos or step == steps - 1]
        finished += [(tokens, total / (step + 1) ** decoding.length_penalty) for total, tokens in ended]
        running = [entry for entry in longer if entry[1][-1] != eos][: decoding.beams]
    return sorted(finished, key=lambda entry: -entry[1])


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_the_ban_on_repeats_is_the_plain_one_for_all_captions(order: int) -> None:
    vocabulary = 4
    for length in range(6):
        captions = list(itertools.product(range(1, vocabulary), repeat=length))
        logprobs = torch.full((len(captions), vocabulary), -1.5)
        found = Constraints(order, 0, EOS).apply(logprobs, torch.tensor(captions).reshape(len(captions), length))
        for caption, row in zip(captions, found.tolist(), strict=True):
            banned = banned_plainly(caption, order, vocabulary)
            assert row == [-math.inf if token in banned else -1.5 for token in range(vocabulary)]


def test_the_end_is_forbidden_before_the_shortest_length() -> None:
    constraints = Constraints(0, 2, EOS)
    for length in range(4):
        found = constraints.apply(torch.full((1, 3), -1.0), torch.ones(1, length, dtype=torch.long))
        assert found[0].tolist() == [-math.inf if length < 2 else -1.0, -1.0, -1.0]


def test_where_nothing_is_left_the_caption_ends() -> None:
    logprobs = torch.tensor([[-3.0, -1.0, -2.0], [-3.0, -1.0, -2.0]])
    tokens = torch.tensor([[1, 2], [1, 1]])  # of the second one, token 2 is left
    found = Constraints(1, 5, EOS).apply(logprobs, tokens)
    assert found.tolist() == [[-3.0, -math.inf, -math.inf], [-math.inf, -math.inf, -2.0]]


def test_no_rule_changes_nothing() -> None:
    constraints = Constraints(0, 0, EOS)
    logprobs = torch.randn(2, 5)
    assert not constraints
    assert constraints.apply(logprobs.clone(), torch.ones(2, 3, dtype=torch.long)).equal(logprobs)


CONSTRAINED = [
    Decoding(max_length=9, no_repeat_ngram=1),
    Decoding(max_length=12, no_repeat_ngram=2),
    Decoding(max_length=10, min_length=6),
    Decoding(beams=3, keep=3, max_length=8, no_repeat_ngram=1, min_length=3),
    Decoding(beams=3, keep=2, max_length=8, no_repeat_ngram=2, length_penalty=0.0),
    Decoding(beams=2, keep=2, max_length=7, min_length=4),
]


@pytest.mark.parametrize("decoding", CONSTRAINED, ids=str)
def test_constrained_search_is_the_plain_one(decoding: Decoding) -> None:
    captioner = tiny_captioner(seed=3)
    with torch.no_grad():
        captioner.decoder.bias[captioner.tokenizer.eos_id] += (
            6.0 if decoding.min_length else 0.0
        )  # captions that like to end
    memory = encode(captioner)
    free = decode(captioner, memory, Decoding(beams=decoding.beams, max_length=decoding.max_length))
    changed = 0
    for row, hypotheses in enumerate(decode(captioner, memory, decoding)):
        wanted = beam_plainly(captioner, one_of(memory, row), decoding)[: decoding.keep]
        assert [list(one.token_ids) for one in hypotheses] == [tokens for tokens, _ in wanted]
        for one, (_, score) in zip(hypotheses, wanted, strict=True):
            right = score if decoding.beams > 1 else sum(one.logprobs)
            assert one.score == pytest.approx(right, abs=1e-4)
            check_rules(one, captioner, decoding)
        changed += hypotheses[0].token_ids != free[row][0].token_ids
    assert changed


def check_rules(one: Hypothesis, captioner: Captioner, decoding: Decoding) -> None:
    eos = captioner.tokenizer.eos_id
    text = [token for token in one.token_ids if token != eos]
    assert len(text) >= decoding.min_length
    if order := decoding.no_repeat_ngram:
        grams = [tuple(one.token_ids[start : start + order]) for start in range(len(one.token_ids) - order + 1)]
        assert len(set(grams)) == len(grams)


def nucleus_plainly(probabilities: list[float], top_p: float) -> set[int]:
    """Hugging Face's rule: drop the least likely while what is dropped stays within 1 - p; never the likeliest."""
    ascending = sorted(range(len(probabilities)), key=lambda token: probabilities[token])
    dropped, mass = set(), 0.0
    for token in ascending[:-1]:
        mass += probabilities[token]
        if mass <= 1 - top_p:
            dropped.add(token)
    return set(range(len(probabilities))) - dropped


def test_the_nucleus_is_the_smallest_set_with_the_mass() -> None:
    exact = [0.125, 0.5, 0.0625, 0.25, 0.0625]
    table = torch.tensor([exact])
    sizes = {0.0001: {1}, 0.5: {1}, 0.501: {1, 3}, 0.75: {1, 3}, 0.8: {0, 1, 3}, 0.875: {0, 1, 3}}
    for top_p, wanted in sizes.items():
        weights, ids = nucleus(table, top_p)
        inside = {int(token) for token, weight in zip(ids[0], weights[0], strict=True) if weight > 0}
        assert inside == wanted == nucleus_plainly(exact, top_p)
        assert ids[0].tolist() == sorted(ids[0].tolist())
        for token, weight in zip(ids[0].tolist(), weights[0].tolist(), strict=True):
            assert weight in {0, exact[token]}


@pytest.mark.parametrize("spread", [0.01, 1.0, 4.0])
@pytest.mark.parametrize("top_p", [0.3, 0.9, 0.999])
def test_the_nucleus_of_a_large_vocabulary(spread: float, top_p: float) -> None:
    generator = torch.Generator().manual_seed(1)
    table = (torch.randn(5, 1500, generator=generator) * spread).double().softmax(-1)
    weights, ids = nucleus(table, top_p)
    for row in range(5):
        inside = set(ids[row][weights[row] > 0].tolist())
        assert inside == nucleus_plainly(table[row].tolist(), top_p)


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.5, 1.0), (1.0, 0.8), (2.0, 0.95)])
def test_evenly_spread_numbers_give_each_token_its_share(temperature: float, top_p: float) -> None:
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(9, generator=generator) * 2
    logits[4] = -math.inf
    count = 20_000
    numbers = (torch.arange(count, dtype=torch.double) + 0.5) / count
    drawn = pick(logits.log_softmax(-1).expand(count, -1), numbers, temperature, top_p)
    exact = (logits.double() / temperature).softmax(-1)
    inside = nucleus_plainly(exact.tolist(), top_p)
    exact = torch.tensor([float(share) if token in inside else 0.0 for token, share in enumerate(exact)])
    shares = torch.bincount(drawn, minlength=9) / count
    torch.testing.assert_close(shares, exact / exact.sum(), atol=2 / count, rtol=0)


def test_the_last_number_gives_a_token_that_may_be_drawn() -> None:
    """Where all that follows has no probability, a number just below 1 must not fall on it."""
    logprobs = torch.tensor([[0.3, 0.7, 0.0, 0.0]]).log()
    almost = torch.tensor([np.nextafter(1.0, 0.0)])
    assert pick(logprobs, almost, 1.0, 1.0).tolist() == [1]
    assert pick(logprobs, torch.zeros(1, dtype=torch.double), 1.0, 1.0).tolist() == [0]
    assert pick(logprobs, almost, 1.0, 0.5).tolist() == [1]


@pytest.mark.parametrize("top_p", [1.0, 0.9])
def test_what_is_left_may_be_very_unlikely(top_p: float) -> None:
    logprobs = torch.tensor([[0.0, -300.0, -300.0 - math.log(3), -400.0]])
    allowed = Constraints(1, 0, 3).apply(logprobs, torch.tensor([[0]]))
    drawn = [int(pick(allowed, torch.tensor([number], dtype=torch.double), 1.0, top_p)) for number in (0.0, 0.74, 0.76)]
    assert drawn == [1, 1, 2]


@pytest.mark.parametrize("decoding", [
    Decoding(sample=True, max_length=2),
    Decoding(sample=True, max_length=2, temperature=0.6, top_p=0.85),
    Decoding(sample=True, max_length=2, temperature=1.5, no_repeat_ngram=1, min_length=1),
], ids=str)  # fmt: skip
def test_captions_come_as_often_as_they_should(decoding: Decoding) -> None:
    captioner = tiny_captioner(seed=4)
    memory = encode(captioner, 1)
    count = 8000
    drawn = Counter(map(tuple, sample(captioner, memory, count, decoding, np.random.default_rng(3)).tolist()))
    exact = exact_distribution(captioner, memory, decoding)
    assert sum(exact.values()) == pytest.approx(1.0)
    assert drawn.keys() <= exact.keys()
    common = [caption for caption, share in exact.items() if share * count >= 5]
    expected = np.array([exact[caption] * count for caption in common])
    observed = np.array([drawn[caption] for caption in common])
    freedom = len(common)
    assert freedom > 5
    assert ((observed - expected) ** 2 / expected).sum() < freedom + 4 * math.sqrt(2 * freedom)
    assert observed.sum() == pytest.approx(expected.sum(), abs=4 * math.sqrt(count))


def exact_distribution(captioner: Captioner, memory: Memory, decoding: Decoding) -> dict[tuple[int, ...], float]:
    """Probability of each caption of at most two tokens, padded."""
    eos, pad = captioner.tokenizer.eos_id, captioner.tokenizer.pad_id

    def shares(tokens: list[int]) -> dict[int, float]:
        logprobs = next_plainly(captioner, memory, tokens).double()
        allowed = allowed_plainly(captioner, logprobs, tokens, decoding)
        weights = (logprobs[allowed] / decoding.temperature).softmax(-1).tolist()
        inside = sorted(nucleus_plainly(weights, decoding.top_p)) if decoding.top_p < 1 else range(len(weights))
        total = sum(weights[place] for place in inside)
        return {allowed[place]: weights[place] / total for place in inside}

    found: dict[tuple[int, ...], float] = {}
    for first, share in shares([]).items():
        if first == eos:
            found[first, pad] = share
        else:
            found |= {(first, second): share * part for second, part in shares([first]).items()}
    return found


def test_a_sample_depends_on_seed_and_key_alone() -> None:
    captioner = tiny_captioner(seed=1)
    memory = encode(captioner, 6)
    decoding = Decoding(sample=True, max_length=10, top_p=0.95, keep=3, seed=11)
    together = decode(captioner, memory, decoding, keys(6))
    for row in range(6):
        assert decode(captioner, one_of(memory, row), decoding, keys(6)[row : row + 1])[0][0].token_ids == (
            together[row][0].token_ids
        )
    first = decode(captioner, memory, Decoding(sample=True, max_length=10, top_p=0.95, seed=11), keys(6))
    short = decode(captioner, memory, Decoding(sample=True, max_length=4, top_p=0.95, seed=11), keys(6))
    other = decode(captioner, memory, Decoding(sample=True, max_length=10, top_p=0.95, seed=12), keys(6))
    for one, many, cut in zip(first, together, short, strict=True):
        assert one[0].token_ids in {hypothesis.token_ids for hypothesis in many}
        assert one[0].token_ids[:4] == cut[0].token_ids
    assert [one[0].token_ids for one in first] != [one[0].token_ids for one in other]
    renamed = decode(captioner, memory, Decoding(sample=True, max_length=10, top_p=0.95, seed=11), keys(7)[1:])
    assert [one[0].token_ids for one in first] != [one[0].token_ids for one in renamed]


def test_samples_are_distinct_and_ranked() -> None:
    captioner = tiny_captioner(seed=1)
    memory = encode(captioner, 4)
    for penalty in (0.0, 1.0):
        decoding = Decoding(sample=True, max_length=6, temperature=0.3, keep=30, length_penalty=penalty)
        for hypotheses in decode(captioner, memory, decoding, keys(4)):
            assert 1 < len(hypotheses) < 30
            assert len({one.token_ids for one in hypotheses}) == len(hypotheses)
            scores = [sum(one.logprobs) / len(one.token_ids) ** penalty for one in hypotheses]
            assert [one.score for one in hypotheses] == pytest.approx(scores)
            assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("decoding", [
    Decoding(sample=True, max_length=12, temperature=1.7, top_p=0.9),
    Decoding(max_length=12, no_repeat_ngram=1, min_length=9),
    Decoding(beams=3, max_length=12, no_repeat_ngram=2, min_length=9),
], ids=str)  # fmt: skip
def test_log_probabilities_are_the_captioners_own(decoding: Decoding) -> None:
    captioner = tiny_captioner(seed=2)
    memory = encode(captioner)
    found = [one[0] for one in decode(captioner, memory, decoding, keys(4))]
    seen = look(captioner, memory, [one.token_ids for one in found])
    for one, taught in zip(found, seen, strict=True):
        torch.testing.assert_close(torch.tensor(one.logprobs), taught.logprobs, atol=1e-4, rtol=0)
    padded = captioner.tokenizer.pad_id
    assert all(padded not in one.token_ids for one in found)


def test_beams_hand_out_as_many_as_wanted() -> None:
    captioner = tiny_captioner(seed=3)
    memory = encode(captioner)
    whole = decode(captioner, memory, Decoding(beams=4, keep=4, max_length=8))
    for keep in (1, 2, 3):
        cut = decode(captioner, memory, Decoding(beams=4, keep=keep, max_length=8))
        assert cut == [hypotheses[:keep] for hypotheses in whole]
    assert all(len(hypotheses) == 4 for hypotheses in whole)


def test_what_cannot_be_is_said_at_once() -> None:
    captioner = tiny_captioner()
    memory = encode(captioner, 2)
    with pytest.raises(ValueError, match="key for each image"):
        decode(captioner, memory, Decoding(sample=True))
    with pytest.raises(ValueError, match="key for each image"):
        decode(captioner, memory, Decoding(sample=True), keys(3))
    with pytest.raises(UsageError, match="at most 15 tokens"):
        decode(captioner, memory, Decoding(min_length=20))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beams": 0}, "beams = 0"),
        ({"max_length": 0}, "max_length = 0"),
        ({"min_length": 40}, "below max_length = 40"),
        ({"min_length": -1}, "min_length = -1"),
        ({"no_repeat_ngram": -1}, "no_repeat_ngram = -1"),
        ({"sample": True, "seed": -1}, "seed = -1"),
        ({"sample": True, "temperature": 0.0}, "temperature = 0.0"),
        ({"sample": True, "temperature": math.nan}, "temperature = nan"),
        ({"sample": True, "temperature": math.inf}, "temperature = inf"),
        ({"sample": True, "top_p": 0.0}, "top_p = 0.0"),
        ({"sample": True, "top_p": 1.1}, "top_p = 1.1"),
        ({"sample": True, "beams": 3}, "exclude each other"),
        ({"keep": 0}, "keep = 0"),
        ({"keep": 4, "beams": 3}, "keep = 4"),
        ({"top_p": 0.9}, "sampling alone"),
        ({"temperature": 0.7}, "sampling alone"),
        ({"seed": 3}, "sampling alone"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Decoding(**options)  # type: ignore[arg-type]


def test_plans_of_older_runs_stay_equal() -> None:
    assert Decoding().to_json() == {"beams": 1, "max_length": 40}
    assert Decoding(3, 0.5, 20).to_json() == {"beams": 3, "length_penalty": 0.5, "max_length": 20}
    assert Decoding(no_repeat_ngram=3).to_json() == {"beams": 1, "max_length": 40, "no_repeat_ngram": 3}
    assert Decoding(sample=True, top_p=0.9).to_json() == {
        "beams": 1, "max_length": 40, "sample": True, "temperature": 1.0, "top_p": 0.9, "seed": 0,
    }  # fmt: skip
    assert Decoding(beams=4, keep=2).to_json()["keep"] == 2


@pytest.mark.parametrize(
    "decoding",
    [
        Decoding(),
        Decoding(4, 0.7, 30, min_length=5, no_repeat_ngram=3, keep=2),
        Decoding(sample=True, temperature=0.8, top_p=0.9, seed=5, keep=10, length_penalty=0.0),
    ],
    ids=str,
)
def test_the_report_repeats_the_search(decoding: Decoding) -> None:
    plan = {
        "dataset": {"images": "images", "annotations": None},
        "captioner": {"name": "best"},
        "decoding": decoding.to_json(),
        "clip": {"model": "clip", "pretrained": "local folder", "prefix": ""},
        "metrics": ["cider"],
        "attention": "u8",
        "precision": "fp32",
    }
    line = precompute_line(json.loads(json.dumps(plan)), "out")
    assert decoding_of(build_parser().parse_args(shlex.split(line)[1:])) == decoding


def test_the_table_of_the_docs_has_every_option() -> None:
    page = (Path(__file__).parents[2] / "docs" / "decoding.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(--[a-z-]+)[^`]*` \| ([^|]+?) \|", page, re.MULTILINE))
    parser = argparse.ArgumentParser()
    add_decoding_arguments(parser)
    options = {action.option_strings[0]: action.default for action in parser._actions if action.dest != "help"}
    assert rows.keys() == options.keys()
    for name, told in rows.items():
        assert told.split(":")[0] == ("off" if options[name] is False else str(options[name])), name


def test_the_command_line_says_it_all() -> None:
    parser = argparse.ArgumentParser()
    add_decoding_arguments(parser)
    assert decoding_of(parser.parse_args([])) == Decoding()
    line = "--beams 4 --length-penalty 0.7 --max-length 30 --min-length 5 --no-repeat-ngram 3 --keep 2"
    wanted = Decoding(4, 0.7, 30, min_length=5, no_repeat_ngram=3, keep=2)
    assert decoding_of(parser.parse_args(line.split())) == wanted
    line = "--sample --temperature 0.8 --top-p 0.9 --seed 5 --keep 10"
    wanted = Decoding(sample=True, temperature=0.8, top_p=0.9, seed=5, keep=10)
    assert decoding_of(parser.parse_args(line.split())) == wanted
    assert [Decoding().name, Decoding(beams=5).name, wanted.name] == ["greedy", "beam5", "sample5"]
