"""The folder of a report: `report.html`, `report.md` and its figures; never over what is somebody else's.

A report replaces an older one of ours file by file: the page first, which needs nothing else and by which the folder is
known; then the figures, which older text may still show; then the text that shows them; then what nothing shows any
more goes. Whenever it stops, every file is whole and the folder is known as ours. Other files in it stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from ...cache.errors import UsageError
from ...cache.files import replace_file
from . import markdown, page

if TYPE_CHECKING:
    from pathlib import Path

    from .document import Document

PAGE_FILE: Final = "report.html"
TEXT_FILE: Final = "report.md"
_BEGINNING: Final = 2048  # bytes in which the mark of a page of ours stands


def check_folder(folder: Path) -> None:
    """Check that a report may be written there.

    Raises:
        UsageError: It is a file, or has files but no report of ours.
    """
    try:
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return
        if not folder.is_dir():
            raise UsageError(f"{folder} is a file; give a folder for the report")
        if not _is_ours(folder):
            raise UsageError(f"{folder} is not empty and holds no report of ours; give another folder")
    except OSError as error:
        raise UsageError(f"{folder}: cannot be read ({error.strerror or error})") from error


def write(document: Document, folder: Path) -> tuple[Path, Path]:
    """Write a report; raises as `check_folder`.

    Returns:
        The page and the text.
    """
    check_folder(folder)
    whole_page, text = page.to_html(document).encode(), markdown.to_markdown(document)
    figures = folder / markdown.FIGURES_DIR
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shown_before = _shown(folder / TEXT_FILE)
        replace_file(folder / PAGE_FILE, whole_page)
        for figure in document.figures():
            figures.mkdir(exist_ok=True)
            replace_file(figures / figure.name, figure.content)
        replace_file(folder / TEXT_FILE, text.encode())
        _remove(figures, shown_before - _names(text))
    except OSError as error:
        raise UsageError(f"{folder}: the report cannot be written ({error.strerror or error})") from error
    return folder / PAGE_FILE, folder / TEXT_FILE


def _is_ours(folder: Path) -> bool:
    try:
        with (folder / PAGE_FILE).open("rb") as stream:
            return page.GENERATOR.encode() in stream.read(_BEGINNING)
    except FileNotFoundError:
        return False


def _shown(file: Path) -> set[str]:
    """Return the figures that an older text of ours shows."""
    try:
        text = file.read_text("utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return set()
    return _names(text) if text.startswith(markdown.MARK) else set()


def _names(text: str) -> set[str]:
    return {unquote(link) for link in markdown.figure_links(text)}


def _remove(figures: Path, names: set[str]) -> None:
    """Remove old figures, and their folder if nothing is left in it."""
    for name in names:
        if "/" not in name and name not in {".", ".."}:  # a text that somebody has changed
            (figures / name).unlink(missing_ok=True)
    if figures.is_dir() and not any(figures.iterdir()):
        figures.rmdir()
