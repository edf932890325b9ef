"""A report's document as HTML and as Markdown: what is said is what is shown, whoever wrote it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pages import Page

from hw3_browse.cache.text import printable
from hw3_browse.core.report.document import (
    Block,
    Code,
    Commands,
    Document,
    Facts,
    Figure,
    Items,
    Line,
    Link,
    Note,
    Paragraph,
    Said,
    Section,
    Strong,
    Table,
)
from hw3_browse.core.report.elements import Markup, element, join
from hw3_browse.core.report.markdown import escaped, figure_links, to_markdown
from hw3_browse.core.report.page import to_html
from hw3_browse.core.report.settings import _captioner

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a \u202egod\u202c \x1b[31mred\x1b[0m\x00",
    "![x](http://evil.example/x.png) [y](javascript:alert(1))",
    "`code` ``more`` $x$ *a* _b_ ~~c~~ | d | e",
    "www.evil.example https://evil.example",
    "# heading",
    "- item",
    "1. first",
    "---",
    "===",
    "> quote",
    "    indented",
    "&lt;b&gt; &amp; &#60;",
    "a\\",
    "</style></title><svg onload=alert(1)>",
    "קבוצת אנשים sheep",
)
HOSTILE_TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=60))


def document(*blocks: Block) -> Document:
    return Document("A title", "A lead", (Section("A section", blocks, "one"),), "hw3-browse 1.2.3")


def everything(text: str) -> Document:
    """A document with a text in every place that takes one."""
    line: Line = (Said(text), " and ", Strong(text), Code(text), Link(text, "one"), text)
    table = Table(text, (line, text), ((line, text), (text, line)), frozenset({0}))
    return Document(
        text,
        text,
        (
            Section(
                line,
                (
                    Paragraph(line),
                    Paragraph((Said(text),), "caption"),
                    Note(f"{text}\n{text}"),
                    Facts(((text, line),)),
                    Items((line, text)),
                    Commands((text, text)),
                    table,
                    Figure("name.png", b"content", (1, 2), f"picture {text}", line),
                    Section(text, (Paragraph(text),), "two"),
                ),
                "one",
            ),
        ),
        "hw3-browse 1.2.3",
    )


def inline_text(source: str) -> list[str]:
    """The texts of the inline parts of Markdown, none of them anything but plain text, code, strong, link or image."""
    texts = []
    for token in MarkdownIt("commonmark").enable("table").parse(source):
        assert token.type not in {"html_block", "code_block"}, token.content
        for part in token.children or ():
            assert part.type in {
                "text",
                "text_special",
                "code_inline",
                "strong_open",
                "strong_close",
                "image",
                "softbreak",
            }
            if part.type == "text":
                texts.append(part.content)
    return texts


@given(HOSTILE_TEXTS)
def test_any_text_makes_a_sound_page(text: str) -> None:
    page = Page(to_html(everything(text)))
    page.check()
    assert "".join(page.text).count(printable(text)) >= 10


@given(HOSTILE_TEXTS)
def test_html_shows_a_text_as_it_is(text: str) -> None:
    assert "".join(Page(element("p", text)).text) == printable(text)


@given(HOSTILE_TEXTS)
def test_markdown_shows_a_text_as_it_is(text: str) -> None:
    source = to_markdown(document(Paragraph((Said(text),)), Paragraph("behind")))
    texts = inline_text(source.partition("## A section")[2])
    assert "".join(texts[:-1]).strip() == printable(text).strip()
    assert texts[-1] == "behind"


@given(HOSTILE_TEXTS)
def test_markdown_tables_keep_their_shape(text: str) -> None:
    table = Table(text, ("a", text), ((text, Code(text or "x")), (Said(text), Strong("b"))))
    tokens = MarkdownIt("commonmark").enable("table").parse(to_markdown(document(table)))
    assert sum(token.type == "table_open" for token in tokens) == 1
    assert sum(token.type == "tr_open" for token in tokens) == 3
    assert sum(token.type in {"td_open", "th_open"} for token in tokens) == 6


@given(st.lists(HOSTILE_TEXTS, min_size=1, max_size=3))
def test_markdown_commands_stay_together(lines: list[str]) -> None:
    source = to_markdown(document(Commands(tuple(lines)), Paragraph("behind")))
    fences = [token for token in MarkdownIt("commonmark").parse(source) if token.type == "fence"]
    assert [fence.content for fence in fences] == ["".join(f"{printable(line)}\n" for line in lines)]


@pytest.mark.parametrize("text", ["0.7150", "-12.5", "2026-11-24", "57.6 %", "a + b = c", "#1", "1.5."])
def test_harmless_texts_stay_readable_in_the_source(text: str) -> None:
    assert escaped(text) == text


def test_the_two_files_say_the_same() -> None:
    words = [f"word{number}" for number in range(12)]
    whole = document(
        Paragraph(words[0]),
        Facts(((words[1], words[2]),)),
        Items((words[3],)),
        Table(words[4], ("", words[5]), ((words[6], words[7]),)),
        Figure("f.png", b"x", (1, 1), words[8], words[9]),
        Section(words[10], (Note(words[11]),)),
    )
    page, text = to_html(whole), to_markdown(whole)
    for word in words:
        assert word in page
        assert word in text


def test_a_figure_is_a_file_beside_markdown_and_within_the_page() -> None:
    figure = Figure("été 1.jpg", b"\xff\xd8content", (10, 20), "alt", "caption")
    assert figure_links(to_markdown(document(figure))) == {"%C3%A9t%C3%A9%201.jpg"}
    (image,) = Page(to_html(document(figure))).all("img")
    assert image["src"].startswith("data:image/jpeg;base64,/9hj")
    assert (image["width"], image["height"]) == ("10", "20")


def test_a_page_forbids_what_it_does_not_need() -> None:
    page = to_html(document(Paragraph("x")))
    (policy,) = (meta["content"] for meta in Page(page).all("meta") if "http-equiv" in meta)
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert not re.search(r"https?:|//[a-z]|url\(|@import", page)


def test_tables_have_heads_captions_and_numbers() -> None:
    table = Table("About", ("name", "score"), (("a", "1.0"),))
    page = Page(to_html(document(table)))
    assert [head["scope"] for head in page.all("th")] == ["col", "col", "row"]
    assert page.all("td") == [{"class": "number"}]
    assert "About" in page.text
    assert page.all("div")[-1]["tabindex"] == "0"


def test_the_contents_list_linked_sections() -> None:
    inner = Section("Inner", (), "inner")
    page = Page(to_html(document(inner, Section("Unlinked", ()))))
    assert [link["href"] for link in page.all("a")] == ["#report", "#one", "#inner"]
    assert "- [A section](#a-section)" in to_markdown(document(inner))


def test_only_element_and_join_escape() -> None:
    assert element("td", "a < b", class_="number") == '<td class="number">a &lt; b</td>'
    assert join(["<", Markup("<b>"), '"']) == "&lt;<b>&quot;"
    assert element("a", href='"x"', title=None) == '<a href="&quot;x&quot;"></a>'
    assert not isinstance(Markup("<b>") + "x", Markup)  # what is put together by hand is escaped again


def test_an_ensemble_is_named_as_one() -> None:
    captioner: dict[str, Any] = {"encoder": {"name": "vit"}, "decoder": {"layers": 2, "heads": 8, "width": 256}}
    assert _captioner(captioner) == "vit; decoder of 2 layers, 8 heads, width 256"
    captioner["others"] = [{"layers": 3}]
    assert _captioner(captioner) == "vit; decoder of 2 layers, 8 heads, width 256, and 1 further decoder"
