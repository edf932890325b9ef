"""How much of the attention falls on what the words name, where the true boxes are known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...cache.errors import DatasetError
from ...cache.reader import Cache
from .document import Paragraph, Section, Table
from .runs import part_of
from .wording import count, number, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..grounding import Boxes, Grounding
    from .document import Block, Line
    from .runs import CaptionRun


def grounding_of(runs: Sequence[CaptionRun], instances: Path | None) -> Section | None:
    """Measure finished runs against true boxes; None where no boxes are known.

    Args:
        runs: The runs; those about other pictures than the boxes, or without maps, are left out.
        instances: COCO instances; None is the demo's, for runs of the demo.

    Raises:
        DatasetError: The file cannot be read, or no run names anything that has a box.
    """
    measured = [(run, run.cache) for run in runs if isinstance(run.cache, Cache) and run.manifest.attention]
    if instances is None:
        instances, measured = _of_demo(measured)
    if instances is None or not measured:
        return None
    from ..grounding import read_boxes  # noqa: PLC0415

    boxes = read_boxes(instances)
    blocks = [block for run, cache in measured for block in _measured(run, cache, boxes)]
    if not blocks:
        raise DatasetError(f"{instances}: no caption of these runs names a thing that has a box there")
    return Section("Attention on what words name", tuple(blocks), "grounding")


def _of_demo(runs: list[tuple[CaptionRun, Cache]]) -> tuple[Path | None, list[tuple[CaptionRun, Cache]]]:
    """Return the demo's boxes and the runs over the demo's pictures."""
    from ..demo import recipe  # noqa: PLC0415 (pillow)

    images = str((recipe.BUNDLE / recipe.IMAGES).resolve())
    found = [(run, cache) for run, cache in runs if part_of(cache.manifest.plan, "dataset").get("images") == images]
    return recipe.BUNDLE / recipe.INSTANCES, found


def _measured(run: CaptionRun, cache: Cache, boxes: Boxes) -> list[Block]:
    from ..grounding import grounding  # noqa: PLC0415

    try:
        found = grounding(cache, boxes)
    except DatasetError:  # these boxes are of other pictures
        return []
    unseen = f"; {count(found.unseen, 'word')} more had all boxes outside of the crop" if found.unseen else ""
    last, maps = found.mass_of_mean[-1], run.manifest.maps
    text = (
        f"{run.title}: words that name a thing with a box have {percent(last)} of their {maps} in its boxes (last "
        f"layer, mean over heads), where {percent(found.chance)} would be there by chance; the strongest patch "
        f"lies in a box for {percent(found.pointing_of_mean[-1])} of {count(found.words, 'word')}{unseen}."
    )
    return [Paragraph(text), _by_head(run, found)]


def _by_head(run: CaptionRun, found: Grounding) -> Table:
    heads = range(found.mass.shape[1])
    rows: list[tuple[Line, ...]] = [
        (
            f"layer {layer + 1}",
            *(number(found.mass[layer, head], 3) for head in heads),
            number(found.mass_of_mean[layer], 3),
            number(found.pointing_of_mean[layer], 3),
        )
        for layer in range(found.mass.shape[0])
    ]
    head = ("", *(f"head {head + 1}" for head in heads), "mean over heads", "pointing")
    return Table(
        f"Share of {run.manifest.maps} in the boxes, {run.title}; pointing is by the mean over heads", head, tuple(rows)
    )
