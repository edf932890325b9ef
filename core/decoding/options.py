"""How captions are searched, and what a search finds. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from ...cache.errors import UsageError

_OF_SAMPLING: Final = ("temperature", "top_p", "seed")
_ADDED: Final = ("sample", *_OF_SAMPLING, "no_repeat_ngram", "min_length", "keep")  # not in the plans of old caches


@dataclass(frozen=True)
class Decoding:
    """How captions are searched.

    Attributes:
        beams: captions kept at each step; 1 is greedy search.
        length_penalty: exponent of the length in ``log p / length ** length_penalty`` (Wu et al. 2016 use a close
            relative); 0 compares plain log-probabilities, which favours short captions.
        max_length: most tokens generated, ``[EOS]`` included; bounded by the decoder's own limit.
        temperature: of sampling: logits are divided by it; below 1 likely tokens become likelier.
        top_p: of sampling: each token is drawn from the smallest set of tokens whose probabilities, after the
            temperature, sum to at least this (the nucleus, Holtzman et al. 2020); at least one; 1 draws from all.
        sample: draw tokens instead of searching for the likeliest.
        seed: of sampling; what is drawn for a picture depends on the seed and the picture's key alone.
        no_repeat_ngram: no n-gram of so many tokens comes twice in a caption; 0 for no such rule.
        min_length: fewest tokens before ``[EOS]``.
        keep: most hypotheses handed out for a picture, best first: of the beams, or of so many samples.
    """

    beams: int = 1
    length_penalty: float = 1.0
    max_length: int = 40
    temperature: float = 1.0
    top_p: float = 1.0
    sample: bool = False
    seed: int = 0
    no_repeat_ngram: int = 0
    min_length: int = 0
    keep: int = 1

    def __post_init__(self) -> None:
        self._check_ranges()
        self._check_search()

    def _check_ranges(self) -> None:
        if self.beams < 1:
            raise UsageError(f"beams = {self.beams}: needs at least 1 (1 is greedy search)")
        if self.max_length < 1:
            raise UsageError(f"max_length = {self.max_length}: needs at least 1 token")
        if not 0 < self.temperature < float("inf"):
            raise UsageError(f"temperature = {self.temperature}: needs a number above 0 (for none, leave sampling out)")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"top_p = {self.top_p}: needs a share of the probability, above 0 up to 1")
        for name in ("seed", "no_repeat_ngram", "min_length"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} = {getattr(self, name)}: needs a whole number from 0")
        if self.min_length >= self.max_length:
            raise UsageError(
                f"min_length = {self.min_length}: must be below max_length = {self.max_length}, which counts [EOS]"
            )

    def _check_search(self) -> None:
        if self.sample and self.beams > 1:
            raise UsageError(f"sampling and beams = {self.beams} exclude each other; leave one of them out")
        if self.keep < 1:
            raise UsageError(f"keep = {self.keep}: needs at least 1 caption")
        if not self.sample and self.keep > self.beams:
            raise UsageError(
                f"keep = {self.keep}: beams = {self.beams} find no more than that; take more beams, or sample"
            )
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _OF_SAMPLING and value != field.default and not self.sample:
                raise UsageError(f"{field.name} = {value}: acts on sampling alone; ask for that too")

    @property
    def name(self) -> str:
        """The search in a word, for names of folders."""
        if self.sample:
            return f"sample{self.seed}"
        return "greedy" if self.beams == 1 else f"beam{self.beams}"

    def to_json(self) -> Mapping[str, Any]:
        """The fields as plain JSON values, without those that change nothing in this search."""
        shown = asdict(self)
        ranked = self.beams > 1 or self.keep > 1
        if not ranked:
            del shown["length_penalty"]
        for field in fields(self):
            of_this = self.sample and field.name in _OF_SAMPLING
            if field.name in _ADDED and not of_this and shown[field.name] == field.default:
                del shown[field.name]
        return shown

    def steps(self, room: int) -> int:
        """Most tokens that a decoder writes, with room for `room` of them, ``[BOS]`` included.

        Raises:
            UsageError: that is less than the shortest caption wanted.
        """
        steps = min(self.max_length, room - 1)
        if self.min_length >= steps:
            raise UsageError(
                f"min_length = {self.min_length}: this captioner writes at most {steps} tokens, [EOS] included"
            )
        return steps

    def score(self, logprobs: Sequence[float]) -> float:
        """What a caption of these log-probabilities is ranked by."""
        return float(sum(logprobs) / len(logprobs) ** self.length_penalty)


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One caption of one image.

    Attributes:
        token_ids: generated tokens.
        logprobs: natural-log probability of each.
        score: what the search ranked it by.
    """

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    score: float


def until_end(tokens: list[int], eos: int) -> int:
    """How many of the tokens are the caption's: up to the first ``[EOS]``, that one included."""
    return tokens.index(eos) + 1 if eos in tokens else len(tokens)
