"""Reads HTML pages of ours strictly: every element closed in its turn, ids unique, links inside the page."""

from __future__ import annotations

from html.parser import HTMLParser
from itertools import pairwise

VOID = frozenset({"br", "img", "meta", "wbr"})


class Page(HTMLParser):
    """A parsed page.

    Attributes:
        text: All text, one run a piece.
        elements: (tag, attributes) in order.
    """

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == [], f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), (tag, names)
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of all elements of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    def check(self) -> None:
        """Check ids, links, pictures and headings."""
        ids = [attributes["id"] for _, attributes in self.elements if "id" in attributes]
        assert len(set(ids)) == len(ids)
        for link in self.all("a"):
            assert link["href"].startswith("#")
            assert link["href"][1:] in ids
        for image in self.all("img"):
            assert image["src"].startswith("data:image/")
            assert image["alt"]
        levels = [int(tag[1]) for tag, _ in self.elements if tag in {"h1", "h2", "h3", "h4", "h5", "h6"}]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))
        tags = {tag for tag, _ in self.elements}
        assert not tags & {"script", "link", "iframe", "object", "embed", "form", "base"}
        assert not [name for _, attributes in self.elements for name in attributes if name.startswith("on")]
