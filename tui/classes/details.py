"""The details of a classified picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import describing as shared
from ..widgets.details import Details
from . import describing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..describing import Block
    from ..standings import Standing
    from .guess import Classified
    from .view import ClassView


class ClassDetails(Details):
    """What a picture was taken for, by each prompt; its scores, and the prompts' accuracies."""

    def __init__(self) -> None:
        super().__init__()
        self._picture: Classified | None = None
        self._view: ClassView | None = None

    def show(self, picture: Classified, view: ClassView, standings: tuple[Standing, ...], sorted_by: str) -> None:
        """Show another picture, or the same by another prompt."""
        self._picture, self._view = picture, view
        self.show_standings(standings, sorted_by)

    def blocks(self, standings: tuple[Standing, ...], sorted_by: str, width: int) -> Sequence[Block]:
        """Return what is written."""
        picture, view = self._picture, self._view
        if picture is None or view is None:
            return []
        return [
            describing.heading(picture, picture.guesses[view.prompt], self.judgement),
            describing.prompts(picture, view.prompt, width),
            # A rank among right and wrong says nothing.
            shared.scores([one for one in standings if one.name != "correct"], sorted_by, width),
            shared.distribution(self.summary, standings, width),
            shared.left(self.summary, sorted_by, width),
            describing.accuracies(view.run.prompts, view.prompt, width),
        ]
