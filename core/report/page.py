"""A report as one HTML page that needs nothing else: pictures and style within, no scripts, no network."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Final, assert_never

from .document import (
    Block,
    Code,
    Commands,
    Document,
    Facts,
    Figure,
    Inline,
    Items,
    Line,
    Link,
    Note,
    Paragraph,
    Said,
    Section,
    Strong,
    Table,
    parts,
)
from .elements import Markup, element, join, style_sheet
from .files import MEDIA

STYLE_FILE: Final = Path(__file__).with_name("page.css")
GENERATOR: Final = 'name="generator" content="hw3-browse '
"""What every page of ours has near its beginning: a folder is known by it."""

_TOP: Final = 2  # level of the first headings under the title
_LOWEST: Final = 6
_WIDE: Final = 8  # columns from which a table is set smaller
# Whatever a caption might smuggle in, a browser that knows this would neither run nor fetch it.
_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def to_html(document: Document) -> str:
    """Return the page."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="generator", content=document.made_by),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", document.title),
        style_sheet(STYLE_FILE.read_text("utf-8")),
    )
    body = element(
        "body",
        element("a", "Skip to the report", class_="skip", href="#report"),
        element("header", element("h1", document.title), element("p", _line(document.lead))),
        _contents(document),
        element("main", *(_section(section, _TOP) for section in document.sections), id="report"),
        element("footer", element("p", f"Made by {document.made_by}.")),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _contents(document: Document) -> Markup:
    """Return the table of contents: sections, and the sections in them that can be linked to."""
    entries = []
    for section in document.sections:
        inner = [block for block in section.blocks if isinstance(block, Section) and block.anchor]
        below = element("ol", *(element("li", _to(block)) for block in inner)) if inner else ""
        entries.append(element("li", _to(section), below))
    return element("nav", element("h2", "Contents"), element("ol", *entries), aria_label="Contents")


def _to(section: Section) -> Markup:
    return element("a", _line(section.title), href=f"#{section.anchor}")


def _section(section: Section, level: int) -> Markup:
    heading = element(f"h{min(level, _LOWEST)}", _line(section.title))
    blocks = (_block(block, level + 1) for block in section.blocks)
    return element("section", heading, *blocks, id=section.anchor or None)


def _block(block: Block, level: int) -> Markup:
    match block:
        case Section():
            made = _section(block, level)
        case Table():
            made = _table(block)
        case Figure():
            made = _figure(block)
        case Paragraph(line=line, role=role):
            made = element("p", _line(line), class_=role or None, dir="auto" if role == "caption" else None)
        case Note(text=text):
            made = element("blockquote", *(element("p", line, dir="auto") for line in text.splitlines()))
        case Facts(rows=rows):
            made = element(
                "dl", *(element("div", element("dt", name), element("dd", _line(line))) for name, line in rows)
            )
        case Items(lines=lines):
            made = element("ul", *(element("li", _line(line)) for line in lines))
        case Commands(lines=lines):
            made = element(
                "pre", element("code", *(piece for line in lines for piece in (line, Markup("\n")))), tabindex=0
            )
        case _:
            assert_never(block)
    return made


def _table(table: Table) -> Markup:
    classes = [None if column in table.texts else "number" for column in range(len(table.head))]
    head = (element("th", _line(cell), scope="col", class_=of) for cell, of in zip(table.head, classes, strict=True))
    rows = []
    for first, *others in table.rows:
        cells = (element("td", _line(cell), class_=of) for cell, of in zip(others, classes[1:], strict=True))
        rows.append(element("tr", element("th", _line(first), scope="row", class_=classes[0]), *cells))
    whole = element(
        "table",
        element("caption", table.caption),
        element("thead", element("tr", *head)),
        element("tbody", *rows),
    )
    kind = "table wide" if len(table.head) > _WIDE else "table"
    # A wide table scrolls by itself; who has no mouse can reach it with the Tab key.
    return element("div", whole, class_=kind, role="region", aria_label=table.caption, tabindex=0)


def _figure(figure: Figure) -> Markup:
    width, height = figure.size
    media = MEDIA[Path(figure.name).suffix]
    source = f"data:{media};base64,{base64.b64encode(figure.content).decode()}"
    image = element("img", src=source, alt=figure.alt, width=width, height=height)
    return element("figure", image, element("figcaption", _line(figure.caption)) if figure.caption else "")


def _line(line: Line) -> Markup:
    return join(map(_inline, parts(line)))


def _inline(part: Inline) -> str:
    match part:
        case str():
            return part
        case Said(text=text):
            return element("bdi", text)
        case Strong(text=text):
            return element("strong", text)
        case Code(text=text):
            return element("code", text)
        case Link(text=text, anchor=anchor):
            return element("a", text, href=f"#{anchor}")
    assert_never(part)
