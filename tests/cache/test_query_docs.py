"""What `docs/filter-language.md` shows is true."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from hw3_browse.cache.query import TEXTS, Fields, QueryError, RunTable, parse
from hw3_browse.cache.reader import Cache

PAGE = (Path(__file__).parents[2] / "docs" / "filter-language.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", PAGE, re.MULTILINE))
EXAMPLES = [row.replace(r"\|", "|") for row in re.findall(r"^\| `(.+?)` +\| ", SECTIONS["Examples"], re.MULTILINE)]


class TwoRuns:
    """A cache, compared with itself."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self.score_names = (*cache.score_names, "b.clipscore", "diff.clipscore")

    def __len__(self) -> int:
        return len(self._cache)

    def scores(self, name: str) -> np.ndarray:
        values = self._cache.scores(name.rpartition(".")[2])
        return values - values if name.startswith("diff.") else values

    def order(self, name: str) -> np.ndarray:
        return self._cache.order(name)

    def texts(self, column: str) -> object:
        return self._cache.texts(column.removeprefix("b."))


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 20


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples(text: str, cache: Cache) -> None:
    table = RunTable(TwoRuns(cache), text_names=(*TEXTS, "b.caption"))
    query = parse(text, Fields.of(table))
    assert query.condition is not None
    assert query.mask(table).shape == (len(cache),)


def test_the_field_table_is_complete(cache: Cache) -> None:
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.+?) \|", SECTIONS["Fields"], re.MULTILINE))))
    assert named - {"reference"} == set(Fields(()).kinds)


def test_the_error_that_is_shown(cache: Cache) -> None:
    (block,) = re.findall(r"((?:^ {4}.*\n)+)", SECTIONS["When it makes no sense"], re.MULTILINE)
    message, line, carets = (row[4:] for row in block.splitlines())
    with pytest.raises(QueryError) as caught:
        parse(line, Fields(cache.score_names))
    assert [str(caught.value), *caught.value.pointing()] == [message, line, carets]


def test_the_python_that_is_shown(finished: Path) -> None:
    (code,) = re.findall(r"```python\n(.+?)```", SECTIONS["In Python"], re.DOTALL)
    found: dict[str, np.ndarray] = {}
    exec(code.replace('Path("RUN")', f"Path({str(finished)!r})"), found)
    assert found["rows"].dtype.kind == "i"
