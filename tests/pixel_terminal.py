"""A terminal in memory that shows pictures: kitty's protocol, Sixel and iTerm2's images, also through tmux.

It does what the specifications say, and no more than our own output needs; what it does not know is an error. The
tests read from it which pixels a user would see.
"""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hw3_browse.tui.graphics.kitty import PLACEHOLDER, numerals

_TOKEN: Final = re.compile(
    r"\x1b_G(?P<kitty>[^\x1b]*)\x1b\\"
    r"|\x1bPtmux;(?P<tmux>(?:[^\x1b]|\x1b\x1b)*)\x1b\\"
    r"|\x1bP(?P<sixel>[0-9;]*q[^\x1b]*)\x1b\\"
    r"|\x1b\]1337;(?P<iterm2>[^\x07]*)\x07"
    r"|\x1b\[(?P<numbers>[0-9;]*)(?P<final>[HXm])"
    r"|\x1b(?P<escape>[78\\])"
    r"|(?P<text>[^\x00-\x1f])",
    re.DOTALL,
)


@dataclass
class Put:
    """A placement of kitty's."""

    x: int
    y: int
    columns: int
    lines: int
    source: tuple[int, int]
    depth: int
    parent: int


@dataclass
class Cell:
    """A letter, with the marks that combine with it, and its foreground: one of 256 colours."""

    text: str
    colour: int


@dataclass
class PixelTerminal:
    """See the module.

    Attributes:
        columns: Cells of a line.
        lines: Lines.
        cell: (width, height) of a cell in pixels.
        in_tmux: Whether tmux stands around: what is not wrapped for it must be text then.
        linear: Whether it mixes colours as light, like kitty, and not as numbers.
    """

    columns: int
    lines: int
    cell: tuple[int, int]
    in_tmux: bool = False
    linear: bool = False
    images: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    puts: dict[tuple[int, int], Put] = field(default_factory=dict)
    prepared: dict[int, tuple[int, int]] = field(default_factory=dict)
    cells: dict[tuple[int, int], Cell] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.drawn = np.zeros((self.lines * self.cell[1], self.columns * self.cell[0], 3), np.uint8)
        self.cursor = (0, 0)
        self._saved = (0, 0, 0)
        self._colour = 0
        self._loading: tuple[dict[str, str], str] | None = None
        self._parts: tuple[str, str] | None = None

    # -- Input -----------------------------------------------------------------------------------------------------

    def write(self, text: str, *, wrapped: bool = False) -> None:
        """Do what a text says."""
        position = 0
        while position < len(text):
            token = _TOKEN.match(text, position)
            assert token is not None, f"not understood: {text[position : position + 60]!r}"
            position = token.end()
            self._obey(token, wrapped=wrapped)

    def _obey(self, token: re.Match[str], *, wrapped: bool) -> None:
        kind = token.lastgroup
        assert kind is not None
        if kind in {"kitty", "sixel", "iterm2"}:
            assert wrapped == self.in_tmux, f"{kind}: wrapped for tmux or not"
        if kind == "tmux":
            assert self.in_tmux
            self.write(token[kind].replace("\x1b\x1b", "\x1b"), wrapped=True)
        elif kind == "final":
            self._control(token["numbers"], token["final"])
        elif kind == "escape":
            self._escape(token["escape"])
        else:
            getattr(self, f"_{kind}")(token[kind])

    def _control(self, numbers: str, final: str) -> None:
        values = [int(number or 0) for number in numbers.split(";")]
        if final == "H":
            self.cursor = (values[1] - 1, values[0] - 1)
        elif final == "X":
            self._window(*self.cursor, 1, 1)[...] = 0
        elif values == [0]:
            self._colour = 0
        else:
            assert values[:-1] == [0, 38, 5]
            self._colour = values[-1]

    def _escape(self, letter: str) -> None:
        if letter == "7":
            self._saved = (*self.cursor, self._colour)
        elif letter == "8":
            self.cursor, self._colour = self._saved[:2], self._saved[2]
        else:
            self._loading = None

    def _text(self, letter: str) -> None:
        x, y = self.cursor
        if letter in numerals():
            self.cells[x - 1, y].text += letter
            return
        assert 0 <= x < self.columns, "text beyond the line"
        assert 0 <= y < self.lines, "text beyond the screen"
        self.cells[x, y] = Cell(letter, self._colour)
        self._window(x, y, 1, 1)[...] = 0
        self.cursor = (x + 1, y)

    def _window(self, x: int, y: int, columns: int, lines: int) -> NDArray[np.uint8]:
        width, height = self.cell
        return self.drawn[y * height : (y + lines) * height, x * width : (x + columns) * width]

    # -- kitty -----------------------------------------------------------------------------------------------------

    def _kitty(self, command: str) -> None:
        control, _, payload = command.partition(";")
        keys = dict(pair.split("=") for pair in control.split(","))
        assert keys["q"] == "2", "the terminal would answer"
        assert len(payload) <= 4096
        if "a" not in keys:
            assert self._loading is not None
            assert keys.keys() <= {"m", "q"}
            first, so_far = self._loading
            self._load(first, so_far + payload, more=keys["m"] == "1")
        elif keys["a"] == "t":
            self._load(keys, payload, more=keys.get("m") == "1")
        elif keys["a"] == "p":
            assert self._loading is None, "another command between the chunks of an image"
            self._put({key: int(value) for key, value in keys.items() if key != "a"})
        else:
            assert keys["a"] == "d"
            self._delete(keys["d"], int(keys["i"]), int(keys.get("p", 0)))

    def _load(self, keys: dict[str, str], payload: str, *, more: bool) -> None:
        if more:
            assert len(payload) % 4 == 0
            self._loading = keys, payload
            return
        self._loading = None
        data = base64.b64decode(payload, validate=True)
        if keys.get("f") == "32":
            image = np.frombuffer(data, np.uint8).reshape(int(keys["v"]), int(keys["s"]), 4)
        else:
            assert keys["f"] == "100"
            image = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
        number = int(keys["i"])
        assert 0 < number < 1 << 31
        self._delete("I", number, 0)
        self.images[number] = image

    def _put(self, keys: dict[str, int]) -> None:
        image = keys["i"]
        assert image in self.images, "shown before it was sent, or after it was freed"
        if keys.get("U"):
            self.prepared[image] = keys["c"], keys["r"]
            return
        parent = keys.get("P", 0)
        assert keys.get("C") == 1 or parent in self.prepared
        height, width = self.images[image].shape[:2]
        assert keys["w"] <= width, "more is shown than there is"
        assert keys["h"] <= height, "more is shown than there is"
        self.puts[image, keys["p"]] = Put(*self.cursor, keys["c"], keys["r"], (keys["w"], keys["h"]), keys["z"], parent)

    def _delete(self, what: str, image: int, placement: int) -> None:
        for key in [key for key in self.puts if key[0] == image and placement in {0, key[1]}]:
            del self.puts[key]
        if what == "I":
            self.images.pop(image, None)
            self.prepared.pop(image, None)
            for key in [key for key, put in self.puts.items() if put.parent == image]:
                del self.puts[key]

    # -- Sixel and iTerm2 ------------------------------------------------------------------------------------------

    def _sixel(self, data: str) -> None:
        self._draw(decode_sixel(data))

    def _iterm2(self, command: str) -> None:
        name, _, value = command.partition("=")
        if name == "File":
            self._inline(*value.split(":"))
        elif name == "MultipartFile":
            self._parts = value, ""
        else:
            assert self._parts is not None
            if name == "FilePart":
                self._parts = self._parts[0], self._parts[1] + value
            else:
                assert name == "FileEnd"
                self._inline(*self._parts)
                self._parts = None

    def _inline(self, control: str, data: str) -> None:
        keys = dict(pair.split("=") for pair in control.split(";"))
        assert (keys["inline"], keys["preserveAspectRatio"], keys["doNotMoveCursor"]) == ("1", "0", "1")
        content = base64.b64decode(data, validate=True)
        assert int(keys["size"]) == len(content)
        size = int(keys["width"]) * self.cell[0], int(keys["height"]) * self.cell[1]
        self._draw(np.asarray(Image.open(io.BytesIO(content)).resize(size)))

    def _draw(self, pixels: NDArray[np.uint8]) -> None:
        (x, y), (width, height) = self.cursor, self.cell
        part = self.drawn[y * height :, x * width :]
        assert pixels.shape[0] <= part.shape[0], "the screen would scroll"
        part[: pixels.shape[0], : pixels.shape[1]] = pixels[:, : part.shape[1]]

    # -- What is seen ----------------------------------------------------------------------------------------------

    def pixels(self) -> NDArray[np.uint8]:
        """Return the pixels of all pictures that are seen: [height, width, 3]."""
        canvas = self.drawn.astype(float)
        for x, y, number, line, column in self._placeholders():
            self._draw_placeholder(canvas, (x, y), number, (column, line))
        anchors: dict[int, tuple[int, int]] = {}
        for x, y, number, _, _ in self._placeholders():
            anchors.setdefault(number, (x, y))
        for (image, _), put in sorted(self.puts.items(), key=lambda item: (item[1].depth, item[0])):
            if put.parent and put.parent not in anchors:
                continue
            x, y = anchors[put.parent] if put.parent else (put.x, put.y)
            width, height = put.source
            self._blend(canvas, self.images[image][:height, :width], (x, y), (put.columns, put.lines))
        return canvas.round().astype(np.uint8)

    def _blend(
        self,
        canvas: NDArray[np.float64],
        image: NDArray[np.uint8],
        at: tuple[int, int],
        size: tuple[int, int],
    ) -> None:
        width, height = size[0] * self.cell[0], size[1] * self.cell[1]
        rows = ((np.arange(height) + 0.5) * image.shape[0] / height).astype(int)
        columns = ((np.arange(width) + 0.5) * image.shape[1] / width).astype(int)
        scaled = image[rows[:, None], columns[None]].astype(float)
        left, top = at[0] * self.cell[0], at[1] * self.cell[1]
        below = canvas[top : top + height, left : left + width]
        scaled = scaled[: below.shape[0], : below.shape[1]]
        alpha = scaled[..., 3:] / 255
        if self.linear:
            below[...] = 255 * (((below / 255) ** 2.2) * (1 - alpha) + ((scaled[..., :3] / 255) ** 2.2) * alpha) ** (
                1 / 2.2
            )
        else:
            below[...] = below * (1 - alpha) + scaled[..., :3] * alpha

    def _draw_placeholder(
        self, canvas: NDArray[np.float64], at: tuple[int, int], number: int, part: tuple[int, int]
    ) -> None:
        """Draw one cell of an image that is fitted, in its shape, into the middle of its cells."""
        image, (columns, lines) = self.images[number], self.prepared[number]
        box_width, box_height = columns * self.cell[0], lines * self.cell[1]
        scale = min(box_width / image.shape[1], box_height / image.shape[0])
        left, top = (box_width - image.shape[1] * scale) / 2, (box_height - image.shape[0] * scale) / 2
        for row in range(self.cell[1]):
            for column in range(self.cell[0]):
                u = int((part[0] * self.cell[0] + column + 0.5 - left) // scale)
                v = int((part[1] * self.cell[1] + row + 0.5 - top) // scale)
                if 0 <= v < image.shape[0] and 0 <= u < image.shape[1]:
                    y, x = at[1] * self.cell[1] + row, at[0] * self.cell[0] + column
                    alpha = image[v, u, 3] / 255
                    canvas[y, x] = canvas[y, x] * (1 - alpha) + image[v, u, :3] * alpha

    def _placeholders(self) -> list[tuple[int, int, int, int, int]]:
        """Return (x, y, image, line, column) of every placeholder whose image is known."""
        found = []
        for y in range(self.lines):
            left: tuple[int, int, int] | None = None  # image, line, column
            for x in range(self.columns):
                cell = self.cells.get((x, y))
                if cell is None or cell.text[0] != PLACEHOLDER:
                    left = None
                    continue
                marks = [numerals().index(mark) for mark in cell.text[1:]]
                if marks:
                    line, column, high = marks
                    left = high << 24 | cell.colour, line, column
                elif left is not None and left[0] & 255 == cell.colour:
                    left = left[0], left[1], left[2] + 1
                else:
                    left = None
                if left is not None and left[0] in self.prepared:
                    found.append((x, y, *left))
        return found


def decode_sixel(data: str) -> NDArray[np.uint8]:
    """Return the picture of a Sixel string, [height, width, 3]: every pixel must have been drawn."""
    header, _, body = data.partition("q")
    assert header == "0;1;0"
    attributes = re.match(r'"1;1;(\d+);(\d+)', body)
    assert attributes is not None
    width, height = int(attributes[1]), int(attributes[2])
    canvas = np.full((-(-height // 6) * 6, width), -1)
    registers: dict[int, tuple[int, ...]] = {}
    x = top = colour = 0
    for token in re.finditer(
        r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)([?-~])|([?-~])|([$-])", body[attributes.end() :]
    ):
        if token[1]:
            registers[int(token[1])] = tuple(round(int(token[part]) * 2.55) for part in (2, 3, 4))
        elif token[5]:
            colour = int(token[5])
            assert colour in registers
        elif token[9]:
            x, top = 0, top + (6 if token[9] == "-" else 0)
        else:
            count, bits = int(token[6] or 1), ord(token[7] or token[8]) - ord("?")
            for row in range(6):
                if bits >> row & 1:
                    assert (canvas[top + row, x : x + count] == -1).all(), "drawn twice"
                    canvas[top + row, x : x + count] = colour
            x += count
            assert x <= width
    assert (canvas[:height] >= 0).all()
    assert (canvas[height:] == -1).all()
    table = np.asarray([registers.get(number, (0, 0, 0)) for number in range(256)], np.uint8)
    return table[canvas[:height]]
