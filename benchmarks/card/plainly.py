"""The plain script on the same card, and that it says and sees the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import plain
from measuring.clocks import once
from measuring.tables import markdown, number

from hw3_browse.core.captioners import OwnCaptioner
from hw3_browse.core.datasets import load_image
from hw3_browse.core.decoding import Decoding

from .stages import Setup, search_name

TOLERANCE: Final = 1e-3  # of a weight of attention between 0 and 1, in fp32


def compare(setup: Setup, pictures: int, rates: Mapping[tuple[str, int], float]) -> str:
    """A table of whole runs, pictures a second by precision and beams, against the plain script in fp32.

    Raises:
        SystemExit: attention differs where captions are the same, or no caption is.
    """
    files = sorted(setup.images.iterdir())[:pictures]
    captioner = plain.PlainCaptioner(setup.captioner, str(setup.device))
    clip = plain.PlainClip(setup.clip, str(setup.device))
    ours = OwnCaptioner(setup.captioner, setup.device)
    rows = []
    for beams in dict.fromkeys(beams for _, beams in rates):

        def script(beams: int = beams) -> tuple[list[plain.Caption], list[np.ndarray]]:
            captions = [captioner.caption(file, beams, setup.tokens) for file in files]
            looked = [captioner.attention(file, caption) for file, caption in zip(files, captions, strict=True)]
            for file, caption in zip(files, captions, strict=True):
                clip.score(file, caption.text)
            return captions, looked

        captioner.caption(files[0], beams, setup.tokens)  # what a card does once
        seconds, (captions, looked) = once(script)
        inputs = np.stack([ours.input(load_image(file)) for file in files])
        written = ours.write(inputs, Decoding(beams=beams, max_length=setup.tokens))
        pairs = zip(captions, looked, written, strict=True)
        differ = [float(np.abs(b - c.attention).max()) for a, b, c in pairs if a.tokens == c.token_ids]
        if not differ or max(differ) > TOLERANCE:
            raise SystemExit(f"{search_name(beams)}: not what the plain script says and sees: {differ}")
        for (precision, _), rate in ((key, rate) for key, rate in rates.items() if key[1] == beams):
            shown = (number(len(files) / seconds), number(rate), number(rate * seconds / len(files)))
            same = f"{len(differ)} of {len(files)}"
            rows.append((f"{search_name(beams)}, ours in {precision}", *shown, same, f"{max(differ):.1g}"))
    head = (
        "a plain script in fp32",
        "pictures/s",
        "ours",
        "times",
        "same captions, both in fp32",
        "attention differs by",
    )
    return markdown(head, rows)
