"""A report as Markdown (CommonMark with GitHub's tables), its figures in a folder beside it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, assert_never
from urllib.parse import quote

from ...cache.text import printable
from .document import Code, Commands, Facts, Figure, Items, Link, Note, Paragraph, Said, Section, Strong, Table, parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .document import Document, Inline, Line

FIGURES_DIR: Final = "figures"
MARK: Final = "<!-- Made by hw3-browse "
"""How every report of ours begins: a folder is known by it."""

_TOP: Final = 2
_LOWEST: Final = 6
# What means something inside of a line, and what makes a link of a plain text: "www.", "://".
_SPECIAL: Final = re.compile(r"[\\`*_\[\]<>|~$&]|:(?=//)|(?<=[wW]{3})\.")
# What begins a heading, a list or a rule: a sign, or a number with a point, and a space behind it.
_AT_LINE_START: Final = re.compile(
    r"^(\s*)(#(?=[#\s]|$)|[+](?=\s|$)|-(?=[\s-]|$)|=(?=[\s=]*$)|\d{1,9}(?=[.)](?:\s|$)))"
)
_BACKTICKS: Final = re.compile("`+")


def to_markdown(document: Document) -> str:
    """Return the text; it refers to the figures of the document as files in `FIGURES_DIR`."""
    contents = [f"- [{_line(section.title)}](#{_github_anchor(section)})" for section in document.sections]
    blocks = [
        f"{MARK}{document.made_by.rpartition(' ')[2]} -->",
        f"# {escaped(document.title)}",
        _line(document.lead),
        "\n".join(contents),
    ]
    for section in document.sections:
        blocks += _section(section, _TOP)
    return "\n\n".join(blocks) + "\n"


def figure_links(text: str) -> set[str]:
    """Return the names of the figures that a report in Markdown refers to, as they stand in the file."""
    return set(re.findall(rf"\]\({FIGURES_DIR}/([^)/]+)\)", text))


def link_to(figure: Figure) -> str:
    """Return a figure's name as it stands in the file."""
    return quote(figure.name)


def escaped(text: str) -> str:
    r"""Return a text as one line that Markdown shows as it is.

    >>> escaped("1. a *dog* <b>")
    '1\\. a \\*dog\\* \\<b\\>'
    """
    line = _SPECIAL.sub(lambda found: "\\" + found[0], printable(text))
    return _AT_LINE_START.sub(lambda found: _harmless(found[1], found[2]), line)


def _harmless(space: str, sign: str) -> str:
    """Return the beginning of a line that would make a list or a heading; a number is harmless without its point."""
    return f"{space}{sign}\\" if sign.isdigit() else f"{space}\\{sign}"


def _section(section: Section, level: int) -> Iterator[str]:
    yield f"{'#' * min(level, _LOWEST)} {_line(section.title)}"
    for block in section.blocks:
        if isinstance(block, Section):
            yield from _section(block, level + 1)
        else:
            yield _block(block)


def _block(block: Paragraph | Note | Facts | Items | Commands | Table | Figure) -> str:
    match block:
        case Paragraph(line=line, role=role):
            made = f"> {_line(line)}" if role == "caption" else _line(line)
        case Note(text=text):
            made = "\n>\n".join(f"> {escaped(line.strip())}" for line in text.splitlines())
        case Facts(rows=rows):
            made = "\n".join(f"- {escaped(name)}: {_line(line)}" for name, line in rows)
        case Items(lines=lines):
            made = "\n".join(f"- {_line(line)}" for line in lines)
        case Commands(lines=lines):
            made = _fenced([printable(line) for line in lines])
        case Table():
            made = _table(block)
        case Figure():
            made = _figure(block)
        case _:
            assert_never(block)
    return made


def _figure(figure: Figure) -> str:
    image = f"![{escaped(figure.alt)}]({FIGURES_DIR}/{link_to(figure)})"
    return f"{image}\n\n{_line(figure.caption)}" if figure.caption else image


def _table(table: Table) -> str:
    rule = (":--" if column in table.texts else "--:" for column in range(len(table.head)))
    rows = [_row(map(_line, table.head)), _row(rule), *(_row(map(_line, row)) for row in table.rows)]
    return f"{escaped(table.caption)}:\n\n" + "\n".join(rows)


def _row(cells: Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _fenced(lines: list[str]) -> str:
    fence = "`" * max(3, 1 + _longest_backticks("".join(lines)))
    return "\n".join([f"{fence}sh", *lines, fence])


def _line(line: Line) -> str:
    return "".join(map(_inline, parts(line))).strip()


def _inline(part: Inline) -> str:
    match part:
        case str():
            return escaped(part)
        case Said(text=text) | Link(text=text):
            return escaped(text)
        case Strong(text=text):
            return f"**{escaped(text)}**"
        case Code(text=text):
            return _code(printable(text))
    assert_never(part)


def _code(text: str) -> str:
    """Return a code span; a bar is escaped, since in a table it would end the cell (elsewhere we write none)."""
    fence = "`" * (1 + _longest_backticks(text))
    space = " " if text.startswith("`") or text.endswith("`") else ""
    bars = text.replace("|", r"\|")
    return f"{fence}{space}{bars}{space}{fence}"


def _longest_backticks(text: str) -> int:
    return max(map(len, _BACKTICKS.findall(text)), default=0)


def _github_anchor(section: Section) -> str:
    """Return the anchor that GitHub gives to a heading: ours are plain words."""
    words = re.sub(
        r"[^\w\- ]", "", "".join(part if isinstance(part, str) else part.text for part in parts(section.title))
    )
    return words.strip().lower().replace(" ", "-")
