"""Which layout an annotations' file has: found by its content, whatever it is called."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...cache.errors import DatasetError
from .coco import coco_entries, is_karpathy, karpathy_entries
from .columns import Columns
from .entries import Entry
from .source import is_parquet, json_of, text_of
from .table import csv_entries, delimiter_of, json_lines_entries, parquet_entries, records_entries
from .tokens import is_token_file, token_entries
from .wording import show

_JSON_LINES = {".jsonl", ".ndjson"}


def read_entries(source: Path, columns: Columns) -> list[Entry]:
    """Read a file of annotations.

    Args:
        source: Any of the layouts of `docs/datasets.md`.
        columns: Heads of a table's columns, where they are not to be guessed.

    Raises:
        DatasetError: It cannot be read, its layout is not known, or something in it is wrong.
    """
    if is_parquet(source):
        return parquet_entries(columns, source)
    text = text_of(source)
    start = text.lstrip()[:1]
    if start in {"{", "["} and start:
        return _json_entries(text, columns, source)
    if is_token_file(text):
        return token_entries(text, source)
    if (delimiter := delimiter_of(text, columns)) is not None:
        return csv_entries(text, delimiter, columns, source)
    if source.suffix.lower() == ".json":
        return _parsed_entries(json_of(text, source), columns, source)
    raise DatasetError(
        f"{show(source)} is in no layout that is known: a json (COCO's, Karpathy's), Flickr8k's captions or tokens, or "
        "a table whose first line names its columns (image and caption; others: --columns image=HEAD,caption=HEAD)"
    )


def _json_entries(text: str, columns: Columns, source: Path) -> list[Entry]:
    """Read one json, or a json a line."""
    if source.suffix.lower() in _JSON_LINES:
        return json_lines_entries(text, columns, source)
    try:
        data = json.loads(text)
    except (RecursionError, ValueError) as error:
        another_follows = isinstance(error, json.JSONDecodeError) and error.msg == "Extra data"
        if another_follows and text.lstrip().startswith("{"):
            return json_lines_entries(text, columns, source)
        data = json_of(text, source)  # says what is wrong
    return _parsed_entries(data, columns, source)


def _parsed_entries(data: Any, columns: Columns, source: Path) -> list[Entry]:
    if isinstance(data, list) and data and isinstance(data[0], Mapping):
        return records_entries(data, columns, source)
    if isinstance(data, dict) and data and "images" not in data and all(isinstance(v, list) for v in data.values()):
        named = [{"image": name, "captions": captions} for name, captions in data.items()]
        return records_entries(named, Columns(), source)
    if not isinstance(data, dict) or not isinstance(data.get("images"), list):
        raise DatasetError(f'{show(source)} has no list "images": expected COCO-style annotations')
    if is_karpathy(data):
        return karpathy_entries(data, source)
    if not isinstance(data.get("annotations", []), list):
        raise DatasetError(f'"annotations" in {show(source)} is not a list: expected COCO-style annotations')
    return coco_entries(data, source)
