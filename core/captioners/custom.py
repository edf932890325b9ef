"""A user's own captioner, ``package.module:factory``: imported, called, and checked at every step.

What comes from it goes into a cache that must hold together, so a mistake in it is told in one line where it is made,
and not as a damaged cache later. Its own exceptions are not touched: their traceback is what its author needs.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ...cache.errors import UsageError
from ...cache.geometry import View
from ..decoding import Decoding
from .protocol import CaptionModel, Written

_MEMBERS = ("identity", "prefix", "input", "view", "write")


class CustomCaptioner:
    """A captioner that somebody else has written, with checks around it."""

    def __init__(self, spec: str, model: CaptionModel) -> None:
        """Keep the captioner.

        Args:
            spec: what the user calls it.
            model: the captioner.

        Raises:
            UsageError: it lacks something, or its identity is not plain JSON.
        """
        self._spec, self._model = spec, model
        lacking = [name for name in _MEMBERS if not hasattr(model, name)]
        if lacking:
            raise self._wrong(f"has no {', '.join(lacking)}")
        try:
            self._identity = {"name": spec, **json.loads(json.dumps(dict(model.identity), allow_nan=False))}
        except (TypeError, ValueError) as error:
            raise self._wrong(f"its identity is not a dict of plain JSON values ({error})") from error
        self._shape: tuple[int, ...] | None = None

    @classmethod
    def open(cls, spec: str, device: torch.device) -> CustomCaptioner:
        """Import the module, from the current directory too, and call the factory, with the device if it takes one.

        Raises:
            UsageError: there is no such module or factory, or what it makes is no captioner.
        """
        module_name, _, name = spec.partition(":")
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.insert(0, here)
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is None or not (module_name + ".").startswith(error.name + "."):
                raise  # the module is there; what it imports is not
            raise UsageError(
                f"captioner {spec}: no module {error.name} here or among the installed packages; expected "
                "package.module:factory"
            ) from error
        except ValueError as error:  # an empty name
            raise UsageError(f"captioner {spec}: expected a folder or package.module:factory") from error
        factory = getattr(module, name, None)
        if not callable(factory):
            raise UsageError(f"captioner {spec}: {module_name} has no function or class {name!r}")
        return cls(spec, factory(device) if _wants_device(factory) else factory())

    @property
    def identity(self) -> Mapping[str, Any]:
        """The captioner's own, and how it is called."""
        return self._identity

    @property
    def prefix(self) -> int:
        """The captioner's own."""
        return self._model.prefix

    def input(self, image: Image.Image) -> NDArray[Any]:
        """The captioner's own."""
        return np.asarray(self._model.input(image))

    def view(self, size: tuple[int, int]) -> View:
        """The captioner's own."""
        return self._model.view(size)

    def write(
        self, inputs: NDArray[Any], decoding: Decoding, *, look: bool = True, keys: Sequence[str] = ()
    ) -> list[Written]:
        """The captioner's own captions.

        Raises:
            UsageError: they contradict themselves.
        """
        found = list(self._model.write(inputs, decoding, look=look, keys=keys))
        if len(found) != len(inputs):
            raise self._wrong(f"write gave {len(found)} captions for {len(inputs)} pictures")
        return [self._checked(written, look=look) for written in found]

    def _checked(self, written: Written, *, look: bool) -> Written:
        """A caption with plain numbers in place of numpy's."""
        if not isinstance(written, Written):
            raise self._wrong(f"write gave {type(written).__name__}, expected Written")
        tokens = len(written.token_ids)
        if {len(written.pieces), len(written.word_of_piece), len(written.logprobs)} != {tokens}:
            raise self._wrong("token_ids, pieces, word_of_piece and logprobs of a caption differ in length")
        if any(not -1 <= word < len(written.words) for word in written.word_of_piece):
            raise self._wrong(f"word_of_piece points outside of the {len(written.words)} words")
        if look:
            self._check_attention(written.attention, tokens)
        return replace(
            written,
            token_ids=tuple(map(int, written.token_ids)),
            word_of_piece=tuple(map(int, written.word_of_piece)),
            logprobs=tuple(map(float, written.logprobs)),
        )

    def _check_attention(self, attention: NDArray[np.floating[Any]] | None, tokens: int) -> None:
        if attention is None:
            self._agree(())
            return
        view = self.view((1000, 1000))
        positions = self.prefix + view.rows * view.cols
        if attention.ndim != 4 or (attention.shape[0], attention.shape[3]) != (tokens, positions):  # noqa: PLR2004
            raise self._wrong(
                f"expected attention [{tokens} tokens, layers, heads, {positions} positions] "
                f"({self.prefix} before {view.rows} x {view.cols} patches), found shape {list(attention.shape)}"
            )
        if not np.isfinite(attention).all() or attention.min(initial=0) < 0:
            raise self._wrong("attention has negative values, or some that are not finite")
        self._agree(attention.shape[1:3])

    def _agree(self, shape: tuple[int, ...]) -> None:
        """Check layers and heads, none for a caption without attention, against those of the captions before."""
        if self._shape is not None and self._shape != shape:
            raise self._wrong(
                "all captions have attention of the same layers and heads, or none has; found (layers, heads) = "
                f"{shape} after {self._shape}"
            )
        self._shape = shape

    def _wrong(self, what: str) -> UsageError:
        return UsageError(f"captioner {self._spec}: {what} (docs/captioners.md)")


def _wants_device(factory: Callable[..., Any]) -> bool:
    """Whether a factory has a parameter that must be given, or that is called device."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return False
    several = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    return any(one.name == "device" or (one.default is one.empty and one.kind not in several) for one in parameters)
