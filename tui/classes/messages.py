"""What the worker threads tell the browser of a zero-shot run, beside the messages that all browsers have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from ..standings import Standing
    from .guess import Classified


class PictureRead(Message):
    """What the prompts made of a picture has been read; the ranks are those by one of the prompts."""

    def __init__(self, prompt: int, picture: Classified, standings: tuple[Standing, ...]) -> None:
        self.prompt = prompt
        self.picture = picture
        self.standings = standings
        super().__init__()
