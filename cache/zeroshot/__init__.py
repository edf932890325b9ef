"""A zero-shot classification run on disk: writer and reader. In words: `docs/zeroshot-format.md`.

Importing this package imports no pyarrow; the reader does, when it is first asked for a row.
"""

from .by_prompt import TRUE_RANK, ByPrompt
from .reader import VALUES, ZeroShotRun
from .schema import Bin, Comparison, Confusion, Label, Manifest, Prompt, Summary, Tally
from .writer import Guesses, Picture, write_run

__all__ = [
    "TRUE_RANK",
    "VALUES",
    "Bin",
    "ByPrompt",
    "Comparison",
    "Confusion",
    "Guesses",
    "Label",
    "Manifest",
    "Picture",
    "Prompt",
    "Summary",
    "Tally",
    "ZeroShotRun",
    "write_run",
]
