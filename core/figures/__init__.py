"""Figures: of attention, one picture many times, each with the map of one token or word over it; and of classification
(`bars`, `gallery`), a picture beside its five most probable prompts, and many beside each other.

The layout of attention is that of the assignment: five pictures in a row, the first one plain and titled <BOS>,
then one cell for each token, <EOS> included, with the attention of the query that predicted it. A map is placed
through the inverse of the preprocessing, patch by patch without smoothing; the part of the picture that the model
never saw is dark and hatched.

No torch, and no matplotlib before a figure is drawn: this is the one part of `core` that the browser uses.
It draws with matplotlib's object interface, without pyplot and its global figures, so that a worker thread
may use it.
"""

from __future__ import annotations

from .bars import Bar, Panel, run_panel, top_five
from .files import FORMATS, grid_file_name, save_figure
from .gallery import Shot, gallery, run_shot
from .layout import Block, Map, Style, attention_grid, draw
from .samples import Cell, Pictures, sample_block, sample_grid, token_cells, word_cells

__all__ = [
    "FORMATS",
    "Bar",
    "Block",
    "Cell",
    "Map",
    "Panel",
    "Pictures",
    "Shot",
    "Style",
    "attention_grid",
    "draw",
    "gallery",
    "grid_file_name",
    "run_panel",
    "run_shot",
    "sample_block",
    "sample_grid",
    "save_figure",
    "token_cells",
    "top_five",
    "word_cells",
]
