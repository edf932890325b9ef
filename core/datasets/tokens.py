"""The token files of Flickr8k and Flickr30k: a line a caption, `1000268201.jpg#0<TAB>A child in a dress .`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from ...cache.errors import DatasetError
from ...cache.text import printable
from .entries import Entry, clean, inside
from .wording import show

_LINE: Final = re.compile(r"([^\t\r\n]+)#(\d+)\t([^\r\n]*)")


def is_token_file(text: str) -> bool:
    """Tell whether the first line that is not empty has this form."""
    return bool(_LINE.match(text.lstrip("\r\n")))


def token_entries(text: str, source: Path) -> list[Entry]:
    """Return the pictures in the order of their first captions, the captions in theirs.

    Raises:
        DatasetError: A line has another form, or a caption's number is there twice.
    """
    captions: dict[str, dict[str, str]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"line {number} of {show(source)}"
        match = _LINE.fullmatch(line.removesuffix("\r"))
        if match is None:
            raise DatasetError(f"{where}: expected name#number, a tab and a caption, found {printable(line)[:60]!r}")
        name, turn, caption = match.groups()
        of_picture = captions.setdefault(inside(name, where), {})
        if turn in of_picture:
            raise DatasetError(f"{where}: {printable(name)} has a caption #{turn} already")
        of_picture[turn] = clean(caption)
    return [Entry(name, tuple(texts.values())) for name, texts in captions.items()]
