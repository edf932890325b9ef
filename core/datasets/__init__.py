"""Datasets: folders of pictures, with or without reference captions, and the pictures themselves.

`open_dataset` reads all layouts of `docs/datasets.md`; which one a file has is found by its content. Whatever is wrong
with a dataset is found when it is opened and said in one line, before a model is loaded. Predictions are keyed by file
name without extension, so these names must differ.
"""

from .columns import Columns
from .files import MissingPicturesError
from .items import Dataset, Item, Skipped
from .opening import Broken, open_dataset, open_folders, open_references
from .pictures import IMAGE_SUFFIXES, MAX_PIXELS, PictureError, load_image, make_preview

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "Broken",
    "Columns",
    "Dataset",
    "Item",
    "MissingPicturesError",
    "PictureError",
    "Skipped",
    "load_image",
    "make_preview",
    "open_dataset",
    "open_folders",
    "open_references",
]
