"""The report of runs: one HTML page that needs nothing else, and the same as Markdown with its figures beside it.

`compose` makes a `document.Document` of runs; `page` and `markdown` write one out, `folder` puts it on the disk. No
torch: a laptop makes reports of caches that were copied from the server.
"""

from __future__ import annotations

from .compose import make_report
from .options import ASSIGNMENT_NAMES, STYLE, Options

__all__ = ["ASSIGNMENT_NAMES", "STYLE", "Options", "make_report"]
