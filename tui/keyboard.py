r"""What is typed, without what the terminal answers late.

Over a slow line, answers to the questions of `terminal.probe` may come when Textual reads already. It takes sequences
that it does not know for keys: "\x1b[?62;4c" would open the help and copy the caption.
"""

from __future__ import annotations

import re
from time import monotonic
from typing import TYPE_CHECKING, Final

from textual._xterm_parser import XTermParser

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.message import Message

_ANSWER: Final = re.compile(
    r"\x1b\[\?[0-9;]*[cS]"  # device attributes, registers for Sixel
    r"|\x1b\[[46];[0-9;]*t|\x1b\[0n"  # sizes, status
    r"|\x1b[P_^X][^\x1b]*\x1b\\|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # no key sends a string
)
_BEGUN: Final = re.compile(r"\x1b(?:\[[?0-9][0-9;]*|[P_^X\]][^\x07\x1b]+\x1b?)\Z")
_PATIENCE: Final = 2.0  # seconds; what has not been finished by then never will be


class Keyboard(XTermParser):
    """Textual's parser of what comes from the terminal, deaf to answers, also where they come in pieces.

    Args:
        debug: Whether to write a log, as Textual does.
    """

    def __init__(self, debug: bool = False) -> None:  # noqa: FBT001, FBT002 (Textual's own signature)
        super().__init__(debug)
        self._held = ""
        self._since = 0.0

    def feed(self, data: str) -> Iterable[Message]:
        """Return what was typed; "" means that nothing more will come."""
        if not data:
            return super().feed("")
        text = _ANSWER.sub("", self._held + data)
        begun = _BEGUN.search(text)
        self._held = begun[0] if begun else ""
        self._since = monotonic()
        typed = text.removesuffix(self._held)
        return super().feed(typed) if typed else ()

    def tick(self) -> Iterable[Message]:
        """Return what becomes a key because nothing more has come, such as Esc; called from time to time."""
        if self._held and monotonic() - self._since > _PATIENCE:
            self._held = ""
        return super().tick()
