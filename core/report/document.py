"""What a report says, apart from how it looks: a tree of sections that `page` and `markdown` write out.

Texts are as they come, from people, models and datasets; whoever writes them out makes them safe. What strangers wrote
is `Said`, so that a page can keep its direction of writing to itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Said:
    """A text by a stranger: a caption, a reference, a name."""

    text: str


@dataclass(frozen=True, slots=True)
class Strong:
    """What matters most: the best of a column."""

    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """What is typed, or a checksum."""

    text: str


@dataclass(frozen=True, slots=True)
class Link:
    """A reference to a section of the same report; plain text where the format has no stable anchors.

    Attributes:
        text: What it reads.
        anchor: Of the section.
    """

    text: str
    anchor: str


Inline = str | Said | Strong | Code | Link
Line = Inline | tuple[Inline, ...]
"""A line of text, or its parts."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Some text.

    Attributes:
        line: The text.
        role: "caption" for a picture's generated caption, "facts" for the line under it, "small" for what is said by
            the way.
    """

    line: Line
    role: Literal["", "caption", "facts", "small"] = ""


@dataclass(frozen=True, slots=True)
class Note:
    """What a person wrote, its line breaks kept."""

    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what they are, one below the other."""

    rows: tuple[tuple[str, Line], ...]


@dataclass(frozen=True, slots=True)
class Items:
    """A list without order."""

    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Commands:
    """Lines for a shell."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first cell of each row is its head.

    Attributes:
        caption: What it shows.
        head: Of each column.
        rows: As long as the head.
        texts: Columns that hold words; the others hold numbers, which stand below each other.
    """

    caption: str
    head: tuple[Line, ...]
    rows: tuple[tuple[Line, ...], ...]
    texts: frozenset[int] = frozenset({0})


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure.

    Attributes:
        name: Of its file, without folders, fit for every file system.
        content: The file: a JPEG, PNG or SVG, as the name says.
        size: Width and height as shown, in CSS pixels.
        alt: For who cannot see it.
        caption: Stands under it.
    """

    name: str
    content: bytes = field(repr=False)
    size: tuple[int, int]
    alt: str
    caption: Line = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what is under it.

    Attributes:
        title: The heading.
        blocks: In order; sections among them are one level lower.
        anchor: For links; small letters, digits and dashes. Empty for none.
    """

    title: Line
    blocks: tuple[Block, ...]
    anchor: str = ""


Block = Paragraph | Note | Facts | Items | Commands | Table | Figure | Section


@dataclass(frozen=True, slots=True)
class Document:
    """A report.

    Attributes:
        title: Of the whole.
        lead: A line under it.
        sections: In order, each with an anchor.
        made_by: Program and version.
    """

    title: str
    lead: Line
    sections: tuple[Section, ...]
    made_by: str

    def figures(self) -> Iterator[Figure]:
        """Yield all figures in order."""
        return _figures(self.sections)


def parts(line: Line) -> tuple[Inline, ...]:
    """Return the parts of a line."""
    return line if isinstance(line, tuple) else (line,)


def plain(line: Line) -> str:
    """Return a line without its marks."""
    return "".join(part if isinstance(part, str) else part.text for part in parts(line))


def _figures(blocks: tuple[Block, ...]) -> Iterator[Figure]:
    for block in blocks:
        if isinstance(block, Figure):
            yield block
        elif isinstance(block, Section):
            yield from _figures(block.blocks)
