"""Figures as files: their names, their formats, and never over another file unasked."""

from __future__ import annotations

import io
import re
import unicodedata
from typing import TYPE_CHECKING, Final

from ...cache.errors import UsageError
from ...cache.files import replace_file
from ...cache.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

FORMATS: Final = (".png", ".pdf", ".svg")

# Bytes; together with a score they stay below the 255 that file systems take.
_LONGEST_NAME: Final = 80
_LONGEST_RUNS: Final = 60
_LONGEST_WORDS: Final = 48
_MOST_COPIES: Final = 10_000


def save_figure(figure: Figure, path: Path, *, overwrite: bool = False) -> Path:
    """Write a figure as PNG, PDF or SVG, whole or not at all; missing folders are made.

    The same figure gives the same bytes: no dates, no random ids.

    Args:
        figure: The figure.
        path: Where to; the suffix chooses the format.
        overwrite: Replace a file of that name. Otherwise `name-2.png`, `name-3.png`, ... is written beside
            it.

    Returns:
        The file that was written.

    Raises:
        UsageError: The suffix is none of `FORMATS`, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        known = ", ".join(FORMATS)
        raise UsageError(f"cannot save a figure as {printable(path.name)!r}: end the name in {known}")
    content = _render(figure, suffix)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target = path if overwrite else _reserve(path)
        try:
            replace_file(target, content)
        except OSError:
            if not overwrite:
                target.unlink(missing_ok=True)  # the empty file that reserved the name
            raise
    except OSError as error:
        raise UsageError(f"cannot write {printable(str(path))}: {error.strerror}") from error
    return target


def grid_file_name(
    name: str,
    score: str | None = None,
    value: float | None = None,
    suffix: str = ".png",
    *,
    runs: Sequence[str] = (),
    words: Sequence[str] = (),
) -> str:
    """Return the file name of a sample's grid: its parts, then `suffix`.

    Such as `000000179758-clipscore-0.7150.png`, or, with all parts,
    `000000179758-large-vs-small-clipscore-0.7150-man+umbrella.png`. Characters of texts that could leave the
    folder or trouble a shell become "_", and long texts are cut.

    Args:
        name: Of the sample.
        score: By which it was found.
        value: Of that score.
        suffix: One of `FORMATS`.
        runs: What the runs are called that it compares.
        words: The words in it, where it is not all of them.
    """
    scored = "" if score is None or value is None else f"{score}-{value:.4f}"
    parts = [
        _safe(name, _LONGEST_NAME) or "picture",
        "-vs-".join(filter(None, (_safe(run, _LONGEST_RUNS // len(runs)) for run in runs))),
        scored,
        _cut("+".join(filter(None, (_safe(word, _LONGEST_WORDS) for word in words))), _LONGEST_WORDS),
    ]
    return "-".join(filter(None, parts)) + suffix


def _safe(text: str, longest: int) -> str:
    """Return a text as a part of a file name; empty where it has no letter or digit."""
    return _cut(re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", text)).strip("._-"), longest)


def _cut(text: str, longest: int) -> str:
    """Return the beginning of a text, of at most so many bytes."""
    return text.encode("utf-8", "ignore")[:longest].decode("utf-8", "ignore").rstrip("+")


def _render(figure: Figure, suffix: str) -> bytes:
    """Return a figure as the bytes of a file; without dates and random ids, so that it can be compared."""
    from matplotlib import rc_context  # noqa: PLC0415 (slow, and only for figures)

    metadata = {".png": {}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}[suffix]
    buffer = io.BytesIO()
    # Type 42 fonts: conferences refuse matplotlib's default, Type 3.
    with rc_context({"svg.hashsalt": "hw3-browse", "pdf.fonttype": 42}):
        figure.savefig(buffer, format=suffix[1:], dpi="figure", metadata=metadata)
    return buffer.getvalue()


def _reserve(path: Path) -> Path:
    """Create an empty file under the first free one of the names `path`, `path-2`, ..., and return it."""
    for number in range(1, _MOST_COPIES):
        candidate = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        try:
            candidate.touch(exist_ok=False)  # fails where another process was faster
        except FileExistsError:
            continue
        return candidate
    raise UsageError(f"there are {_MOST_COPIES:,} files like {printable(str(path))}: choose another name")
