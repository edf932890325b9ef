"""Names for the files and anchors of a report."""

from __future__ import annotations


class Names:
    """Names for the files and anchors of a report, no two of them alike on any file system."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def free(self, stem: str, suffix: str = "") -> str:
        """Return `stem` with the suffix, or the first free one of `stem-2`, `stem-3`, ...; it is taken then."""
        candidate, copy = f"{stem}{suffix}", 1
        while candidate.casefold() in self._taken:
            copy += 1
            candidate = f"{stem}-{copy}{suffix}"
        self._taken.add(candidate.casefold())
        return candidate
