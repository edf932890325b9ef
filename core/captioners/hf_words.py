"""The tokens of a Hugging Face tokenizer as words and pieces, whatever it marks words by (``Ġ``, ``##``, ``▁``)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from ..tokenizer import Decoded


class Words:
    """A tokenizer of transformers."""

    def __init__(self, tokenizer: Any, end: Collection[int]) -> None:
        self._tokenizer = tokenizer
        self._end = frozenset(end)
        self._special = frozenset(tokenizer.all_special_ids) | self._end

    def text(self, ids: Sequence[int]) -> str:
        """The caption of generated tokens, as the tokenizer itself writes it."""
        plain = [token for token in ids if token not in self._end]
        return str(self._tokenizer.decode(plain, skip_special_tokens=True)).strip()

    def decode(self, ids: Sequence[int]) -> Decoded:
        """Take generated tokens apart: a piece is what its token adds to the text, a space begins a word."""
        words: list[str] = []
        pieces: list[str] = []
        word_of_piece: list[int] = []
        plain: list[int] = []
        spelt = ""
        for token in ids:
            if token in self._special:
                pieces.append("<EOS>" if token in self._end else str(self._tokenizer.convert_ids_to_tokens(token)))
                word_of_piece.append(-1)
                continue
            plain.append(token)
            longer = str(self._tokenizer.decode(plain, skip_special_tokens=False, clean_up_tokenization_spaces=False))
            added = longer[len(spelt) :]
            if not words or added[:1].isspace() or spelt[-1:].isspace():
                words.append("")
            spelt = longer
            words[-1] += added.strip()
            pieces.append(added.strip())
            word_of_piece.append(len(words) - 1)
        return Decoded(self.text(ids), tuple(pieces), tuple(word_of_piece), tuple(words))
