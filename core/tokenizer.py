"""Captions to token ids and back, through a Hugging Face `tokenizers` file.

Contract: `encode` gives ``[BOS] ... [EOS]`` whatever the file's own post-processor does; `decode` gives the caption,
the pieces and the word that each piece belongs to. The quirks of the assignment's ``caption_tokenizer.json`` are
handled here and nowhere else: it has no normalizer and knows no capital letter (every one would become ``[UNK]``),
it has no decoder (``##`` pieces would stay in the text), it pads every batch, it adds ``[BOS]`` and ``[EOS]`` itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from ..cache.errors import CheckpointError

_SPECIALS = {
    "pad": ("[PAD]", "<pad>", "<PAD>"),
    "unk": ("[UNK]", "<unk>", "<UNK>"),
    "bos": ("[BOS]", "<s>", "<bos>", "<BOS>", "<|startoftext|>"),
    "eos": ("[EOS]", "</s>", "<eos>", "<EOS>", "<|endoftext|>"),
}
_CONTINUES = "##"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A generated caption, taken apart.

    Attributes:
        text: the caption, words separated by one space.
        pieces: display text of each token, ``<EOS>`` for the end token; as long as the ids given.
        word_of_piece: for each token the index of its word in `words`, -1 for special tokens.
        words: the words of the caption.
    """

    text: str
    pieces: tuple[str, ...]
    word_of_piece: tuple[int, ...]
    words: tuple[str, ...]


class CaptionTokenizer:
    """A `tokenizers.Tokenizer` with the four special tokens known and the file's quirks out of the way."""

    def __init__(self, tokenizer: Tokenizer, origin: str = "tokenizer") -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._vocabulary: dict[str, int] = tokenizer.get_vocab()
        self.vocab_size: int = max(self._vocabulary.values()) + 1
        self.pad_id = self._special("pad", origin)
        self.unk_id = self._special("unk", origin)
        self.bos_id = self._special("bos", origin)
        self.eos_id = self._special("eos", origin)
        specials = {name for names in _SPECIALS.values() for name in names}
        self._lower = not any(ch.isupper() for token in self._vocabulary if token not in specials for ch in token)
        self._has_decoder = tokenizer.decoder is not None

    @classmethod
    def from_file(cls, path: Path) -> CaptionTokenizer:
        """Read a ``tokenizer.json``.

        Raises:
            CheckpointError: the file is missing, is not a tokenizer, or lacks one of PAD, UNK, BOS, EOS.
        """
        if not path.is_file():
            raise CheckpointError(f"{path}: no such tokenizer file; give a Hugging Face `tokenizers` json")
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises a bare Exception
            raise CheckpointError(f"{path}: not a `tokenizers` json file ({error})") from error
        return cls(tokenizer, str(path))

    @classmethod
    def train(cls, captions: Iterable[str], vocab_size: int) -> CaptionTokenizer:
        """Learn a BPE of at most `vocab_size` tokens, laid out as the assignment's file, lower-casing included."""
        tokenizer = Tokenizer(models.BPE(unk_token=_SPECIALS["unk"][0], continuing_subword_prefix=_CONTINUES))
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=["[PAD]", "[UNK]", "[BOS]", "[EOS]"],
            continuing_subword_prefix=_CONTINUES,
            min_frequency=2,
            show_progress=False,
        )
        tokenizer.train_from_iterator(captions, trainer)
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[BOS] $A [EOS]", special_tokens=[("[BOS]", 2), ("[EOS]", 3)]
        )
        return cls(tokenizer)

    def save(self, path: Path) -> None:
        """Write the ``tokenizer.json``."""
        path.write_text(self.to_json(), encoding="utf-8")

    def to_json(self) -> str:
        """The text of the ``tokenizer.json``."""
        return str(self._tokenizer.to_str(pretty=False))

    def encode(self, caption: str) -> list[int]:
        """Token ids of one caption, ``[BOS]`` and ``[EOS]`` included."""
        return self.encode_batch([caption])[0]

    def encode_batch(self, captions: Sequence[str]) -> list[list[int]]:
        """Token ids of each caption, ``[BOS]`` and ``[EOS]`` included, not padded."""
        texts = [caption.lower() if self._lower else caption for caption in captions]
        encodings = self._tokenizer.encode_batch(texts, add_special_tokens=False)
        return [[self.bos_id, *encoding.ids, self.eos_id] for encoding in encodings]

    def spans(self, caption: str) -> list[tuple[int, int, int]]:
        """(token id, start, end) of each token of a caption, without ``[BOS]`` and ``[EOS]``: where it was written."""
        text = caption.lower() if self._lower else caption
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return [(token, *span) for token, span in zip(encoding.ids, encoding.offsets, strict=True)]

    def decode(self, ids: Sequence[int]) -> Decoded:
        """Take generated ids (without ``[BOS]``, ``[EOS]`` where it was emitted) apart into words and pieces."""
        return self._decode_by_decoder(ids) if self._has_decoder else self._decode_by_prefix(ids)

    def _decode_by_prefix(self, ids: Sequence[int]) -> Decoded:
        """Join ``##`` pieces to the word before them; every other piece begins a word."""
        words: list[str] = []
        pieces: list[str] = []
        word_of_piece: list[int] = []
        for token_id in ids:
            piece = self._piece(token_id)
            if token_id in (self.pad_id, self.bos_id, self.eos_id):
                pieces.append(piece)
                word_of_piece.append(-1)
                continue
            continues = piece.startswith(_CONTINUES) and len(piece) > len(_CONTINUES)
            shown = piece[len(_CONTINUES) :] if continues else piece
            if continues and words:
                words[-1] += shown
            else:
                words.append(shown)
            pieces.append(shown)
            word_of_piece.append(len(words) - 1)
        return Decoded(" ".join(words), tuple(pieces), tuple(word_of_piece), tuple(words))

    def _decode_by_decoder(self, ids: Sequence[int]) -> Decoded:
        """Let the file's decoder spell ever longer prefixes; a piece is what its token adds, a space begins a word."""
        words: list[str] = []
        pieces: list[str] = []
        word_of_piece: list[int] = []
        spelt = ""
        plain: list[int] = []
        for token_id in ids:
            if token_id in (self.pad_id, self.bos_id, self.eos_id):
                pieces.append(self._piece(token_id))
                word_of_piece.append(-1)
                continue
            plain.append(token_id)
            longer = self._tokenizer.decode(plain, skip_special_tokens=False)
            added = longer[len(spelt) :]
            if not words or added[:1].isspace() or spelt[-1:].isspace():
                words.append("")
            spelt = longer
            words[-1] += added.strip()
            pieces.append(added.strip())
            word_of_piece.append(len(words) - 1)
        return Decoded(" ".join(word for word in words if word), tuple(pieces), tuple(word_of_piece), tuple(words))

    def _piece(self, token_id: int) -> str:
        if token_id == self.eos_id:
            return "<EOS>"
        return self._tokenizer.id_to_token(token_id) or "[UNK]"

    def _special(self, role: str, origin: str) -> int:
        for name in _SPECIALS[role]:
            if name in self._vocabulary:
                return self._vocabulary[name]
        raise CheckpointError(f"{origin}: has no {role.upper()} token (looked for {', '.join(_SPECIALS[role])})")
