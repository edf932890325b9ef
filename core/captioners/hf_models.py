"""The two kinds of Hugging Face captioners, made alike: encode, generate, and read finished captions.

transformers gives them different calls: a `VisionEncoderDecoderModel` is one encoder-decoder; BLIP's text decoder is a
model of its own that gets the picture's states as an argument.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, cast

from jaxtyping import Float, Int
from torch import Tensor, nn

from ...cache.errors import CheckpointError

if TYPE_CHECKING:
    from transformers import GenerationConfig

KINDS: Final = {"vision-encoder-decoder": "VisionEncoderDecoderModel", "blip": "BlipForConditionalGeneration"}
"""Class of each ``model_type`` of a config.json that can be read here."""

_Read = tuple[Float[Tensor, "caption token vocabulary"], tuple[Float[Tensor, "caption head token position"], ...]]


class Model(ABC):
    """A captioner of transformers.

    Attributes:
        start: the token before the first one.
        end: tokens that end a caption.
        pad: what fills a batch.
        room: most tokens of its input, None where there is no limit.
    """

    def __init__(self, model: nn.Module, start: int | None, end: int | list[int] | None, pad: int | None) -> None:
        if start is None or end is None:
            raise CheckpointError(
                f"{cast('Any', model).name_or_path}: names no token to start with, or none to end with "
                "(decoder_start_token_id and eos_token_id in generation_config.json)"
            )
        self.model: Any = model
        self.start = start
        self.end: list[int] = end if isinstance(end, list) else [end]
        self.pad = self.end[0] if pad is None else pad
        config = self.text_config
        limits = (getattr(config, name, None) for name in ("max_position_embeddings", "n_positions"))
        self.room = next((limit for limit in limits if limit), None)

    @property
    @abstractmethod
    def text_config(self) -> Any:
        """The decoder's config."""

    @property
    @abstractmethod
    def vision_config(self) -> Any:
        """The encoder's config."""

    @abstractmethod
    def encode(self, pixels: Float[Tensor, "picture 3 height width"]) -> Float[Tensor, "picture position channel"]:
        """What the decoder looks at."""

    @abstractmethod
    def generate(self, states: Float[Tensor, "picture position channel"], config: GenerationConfig) -> Any:
        """Transformers' own `generate`."""

    @abstractmethod
    def read(
        self,
        states: Float[Tensor, "caption position channel"],
        tokens: Int[Tensor, "caption token"],
        *,
        attentions: bool,
    ) -> _Read:
        """Logits behind each token of finished captions, and the cross-attention of each layer if it is wanted."""


class EncoderDecoder(Model):
    """A `VisionEncoderDecoderModel`."""

    def __init__(self, model: nn.Module) -> None:
        given, config = cast("Any", model).generation_config, cast("Any", model).config
        start = given.decoder_start_token_id
        if start is None:
            start = given.bos_token_id
        if start is None:
            start = getattr(config.decoder, "bos_token_id", None)
        end = given.eos_token_id if given.eos_token_id is not None else getattr(config.decoder, "eos_token_id", None)
        super().__init__(model, start, end, given.pad_token_id)

    @property
    def text_config(self) -> Any:
        """The decoder's config."""
        return self.model.config.decoder

    @property
    def vision_config(self) -> Any:
        """The encoder's config."""
        return self.model.config.encoder

    def encode(self, pixels: Float[Tensor, "picture 3 height width"]) -> Float[Tensor, "picture position channel"]:
        """The encoder's last hidden states."""
        states: Tensor = self.model.encoder(pixel_values=pixels).last_hidden_state
        return states

    def generate(self, states: Float[Tensor, "picture position channel"], config: GenerationConfig) -> Any:
        """Transformers' own `generate`."""
        config.decoder_start_token_id = self.start
        return self.model.generate(encoder_outputs=self._outputs(states), generation_config=config)

    def read(
        self,
        states: Float[Tensor, "caption position channel"],
        tokens: Int[Tensor, "caption token"],
        *,
        attentions: bool,
    ) -> _Read:
        """One pass over finished captions."""
        found = self.model(
            encoder_outputs=self._outputs(states),
            decoder_input_ids=tokens,
            output_attentions=attentions,
            use_cache=False,
            return_dict=True,
        )
        return found.logits, found.cross_attentions or ()

    @staticmethod
    def _outputs(states: Float[Tensor, "picture position channel"]) -> Any:
        from transformers.modeling_outputs import BaseModelOutput  # noqa: PLC0415 (an extra)

        return BaseModelOutput(last_hidden_state=cast("Any", states))


class Blip(Model):
    """A `BlipForConditionalGeneration`."""

    def __init__(self, model: nn.Module) -> None:
        config = cast("Any", model).config.text_config
        super().__init__(model, config.bos_token_id, config.sep_token_id, config.pad_token_id)

    @property
    def text_config(self) -> Any:
        """The decoder's config."""
        return self.model.config.text_config

    @property
    def vision_config(self) -> Any:
        """The encoder's config."""
        return self.model.config.vision_config

    def encode(self, pixels: Float[Tensor, "picture 3 height width"]) -> Float[Tensor, "picture position channel"]:
        """The vision model's last hidden states."""
        states: Tensor = self.model.vision_model(pixel_values=pixels).last_hidden_state
        return states

    def generate(self, states: Float[Tensor, "picture position channel"], config: GenerationConfig) -> Any:
        """Transformers' own `generate` of the text decoder, called as BLIP's own `generate` does."""
        return self.model.text_decoder.generate(
            input_ids=states.new_full((len(states), 1), self.start).long(),
            encoder_hidden_states=states,
            encoder_attention_mask=states.new_ones(states.shape[:2]).long(),
            generation_config=config,
        )

    def read(
        self,
        states: Float[Tensor, "caption position channel"],
        tokens: Int[Tensor, "caption token"],
        *,
        attentions: bool,
    ) -> _Read:
        """One pass over finished captions."""
        found = self.model.text_decoder(
            input_ids=tokens,
            encoder_hidden_states=states,
            output_attentions=attentions,
            use_cache=False,
            return_dict=True,
        )
        return found.logits, found.cross_attentions or ()
