"""Pictures in real pixels: who makes and who writes them, and how large a cell is for them.

Where the terminal shows no pixels, pictures are cells of Textual's frames, and there is nothing to do here.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ..frames import written
from ..terminal.line import Line

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ..app import BrowserApp
    from ..graphics.encoder import Encoder
    from ..graphics.painter import Painter
    from ..terminal.modes import Terminal

_MODES: Final = frozenset({"kitty", "iterm2", "sixel"})
_HALF_BLOCK: Final = (1, 2)  # half blocks are square


class Pixels:
    """What the terminal shows in pixels.

    Args:
        app: The browser.
        terminal: What the terminal can do.

    Attributes:
        painter: Writes pictures; None where they are cells.
    """

    def __init__(self, app: BrowserApp[Any], terminal: Terminal) -> None:
        self._app = app
        self._terminal = terminal
        self._told = _cell_of_kernel()
        self.painter = _painter(terminal)

    @property
    def cell(self) -> tuple[int, int]:
        """Width and height of a cell in pixels, as pictures are fitted to it."""
        return _HALF_BLOCK if self.painter is None else self._terminal.cell

    def encoder(self) -> Encoder | None:
        """Return what makes the pictures, or None where they are cells; called by a worker."""
        if self.painter is None:
            return None
        from ..graphics.encoder import Encoder  # noqa: PLC0415 (imports Pillow: not before the first frame)

        # Over SSH a third of the bytes is worth more than the last shade of a colour.
        background = self._app.board.background_colors[1].rgb
        return Encoder(self._terminal, background=background, frugal="SSH_CONNECTION" in os.environ)

    def note_frame(self, frame: RenderableType | None) -> None:
        """Tell the board what Textual has written."""
        if self.painter is not None and self._app.board.is_attached:
            self._app.board.touched(written(frame))

    def note_size(self) -> None:
        """Make the pictures again where the size of the terminal's letters has been changed."""
        told = _cell_of_kernel()
        if self.painter is None or told in {self._told, None}:
            return
        self._told = told
        self._terminal = replace(self._terminal, cell=told)
        self._app.pictures.develop_anew()

    def leave(self) -> None:
        """Let the terminal forget all pictures: another program is going to use it."""
        if self.painter is not None and self._app._driver is not None:  # noqa: SLF001 (Textual has no public way)
            self._app._driver.write(self.painter.leave())  # noqa: SLF001

    def come_back(self) -> None:
        """Show everything again: another program has used the terminal."""
        if self.painter is not None:
            self.painter.forget()
        self._app.refresh(layout=True)


def _painter(terminal: Terminal) -> Painter | None:
    if terminal.mode not in _MODES:
        return None
    from ..graphics.painter import painter_for  # noqa: PLC0415 (only where the terminal shows pixels)

    return painter_for(terminal)


def _cell_of_kernel() -> tuple[int, int] | None:
    """Return the size of a cell as the kernel knows it now; None where it does not."""
    line = Line.standard()
    size = None if line is None else line.size()
    if size is None or not (size.columns and size.lines and size.width and size.height):
        return None
    return size.width // size.columns, size.height // size.lines
