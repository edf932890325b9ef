"""What is written about a classified picture: what it was taken for, and by which prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from .. import describing
from ..cells import in_cells
from ..formats import MUTED
from .drawing import percent
from .view import RIGHT, UNKNOWN, WRONG

if TYPE_CHECKING:
    from ...cache.judgements import Judgement
    from ...cache.zeroshot import Prompt, Summary
    from ..describing import Block
    from .guess import Bar, Classified, Guess

_WIDEST_LABEL: Final = 24
_CURRENT: Final = "▸"


def sign(guess: Guess) -> tuple[str, str]:
    """Return the sign of a guess and its style: right, wrong or unknown, without colour too."""
    if guess.is_right is None:
        return UNKNOWN, MUTED
    return (RIGHT, "$text-success") if guess.is_right else (WRONG, "$text-error")


def heading(picture: Classified, guess: Guess, judgement: Judgement | None) -> Block:
    """Return the name and size of the picture, what it is and was taken for, and what was said of it."""
    name = describing.named(picture.name, picture.size)
    truth = Content.assemble(("is ", MUTED), (picture.truth, "bold")) if picture.truth else _unknown()
    taken = Content.assemble(sign(guess), (" taken for ", MUTED), (guess.best.label, "bold"))
    lines = [name, Content(", ").join([taken, truth])] if not guess.is_right else [name, taken]
    return [*lines, *describing.said(judgement)]


def _unknown() -> Content:
    return Content.styled("the true class is not known", MUTED)


def prompts(picture: Classified, current: int, width: int) -> Block:
    """Return a line for each prompt: what it took the picture for, and where it has the true class."""
    if len(picture.guesses) == 1:
        return []
    room = max(4, min(_WIDEST_LABEL, width - 22))
    column = min(room, max(cell_len(guess.best.label) for guess in picture.guesses))
    lines = [Content.styled("by each prompt, and the true class", MUTED)]
    for number, guess in enumerate(picture.guesses):
        here = number == current
        lines.append(
            Content.assemble(
                (f"{_CURRENT if here else ' '}{number + 1:>2} ", "bold $text-accent" if here else MUTED),
                sign(guess),
                (f" {set_cell_size(guess.best.label, column)}", "bold" if here else ""),
                (f" {percent(guess.best.probability):>6}", "bold" if here else MUTED),
                ("" if guess.is_right is not False else f"  {_true(guess.true)}", MUTED),
            ).truncate(width, ellipsis=True)
        )
    return lines


def _true(bar: Bar | None) -> str:
    """Return where a prompt has the true class, if it is none of its first."""
    return "" if bar is None else f"{ordinal(bar.place)} {percent(bar.probability)}"


def ordinal(place: int) -> str:
    """Return a place in words.

    >>> [ordinal(place) for place in (1, 2, 3, 11, 22, 113)]
    ['1st', '2nd', '3rd', '11th', '22nd', '113th']
    """
    teens = 11 <= place % 100 <= 13  # noqa: PLR2004 (eleventh, twelfth, thirteenth)
    return f"{place:,}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(place % 10, 'th')}"


def accuracies(known: tuple[Prompt, ...], current: int, width: int) -> Block:
    """Return each prompt with its accuracy over the whole run."""
    if known[0].summary is None:
        return []
    lines = [Content.styled("accuracy of the run", MUTED)]
    for number, prompt in enumerate(known):
        here = number == current
        lines.append(
            Content.assemble(
                (f"{_CURRENT if here else ' '}{number + 1:>2} ", "bold $text-accent" if here else MUTED),
                (f"{accuracy(prompt.summary)}  " if prompt.summary else "", "bold" if here else ""),
                (in_cells(prompt.name), MUTED),
            ).truncate(width, ellipsis=True)
        )
    return lines


def accuracy(summary: Summary) -> str:
    """Return an accuracy: `258/448 (57.6 %)`."""
    return f"{summary.correct:,}/{summary.count:,} ({100 * summary.accuracy:.1f} %)"


def prompt_line(known: tuple[Prompt, ...], current: int) -> Content:
    """Return which prompt is asked."""
    number = f"prompt {current + 1}/{len(known)}  " if len(known) > 1 else "prompt  "
    return Content.assemble((number, MUTED), (in_cells(known[current].name), "bold $text-accent"))
