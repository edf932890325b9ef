"""What one can select in a caption: its words, or the tokens that they were generated from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .cells import in_cells

if TYPE_CHECKING:
    from ..cache.schema import Sample


@dataclass(frozen=True, slots=True)
class Unit:
    """One selectable part of a caption.

    Attributes:
        text: What the terminal shows; sanitized, never empty.
        tokens: Indices of the generated tokens that it is made of; empty if nothing is known of them.
        pieces: (display text, probability) of each of these tokens.
    """

    text: str
    tokens: tuple[int, ...]
    pieces: tuple[tuple[str, float], ...]


def units_of(sample: Sample, *, by_pieces: bool) -> tuple[Unit, ...]:
    """Return the tokens or the words of a caption."""
    return pieces_of(sample) if by_pieces else words_of(sample)


def words_of(sample: Sample) -> tuple[Unit, ...]:
    """Return the words of the caption in order. Special tokens belong to none of them."""
    tokens: list[list[int]] = [[] for _ in sample.words]
    for token, word in enumerate(sample.word_of_piece):
        if word >= 0:
            tokens[word].append(token)
    return tuple(_unit(sample, text, own) for text, own in zip(sample.words, tokens, strict=True))


def pieces_of(sample: Sample) -> tuple[Unit, ...]:
    """Return the tokens of the caption in order, the final <EOS> included."""
    return tuple(_unit(sample, piece, [token]) for token, piece in enumerate(sample.pieces))


def _unit(sample: Sample, text: str, tokens: list[int]) -> Unit:
    pieces = tuple((visible(sample.pieces[token]), math.exp(sample.logprobs[token])) for token in tokens)
    return Unit(visible(text), tuple(tokens), pieces)


def visible(text: str) -> str:
    """Return text as one non-empty, safe line; a middle dot for what shows nothing."""
    return in_cells(text).strip() or "·"
