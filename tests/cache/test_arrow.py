"""Between Python, Arrow and numpy."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from hw3_browse.cache import arrow

texts = st.text(st.sampled_from("a\u00e9猫👩 \t\n\x0b\x1c\x1f\x1b\u3000."), max_size=8)


@given(st.lists(texts))
def test_strings(values: list[str]) -> None:
    assert arrow.strings(values).to_pylist() == values


def test_lone_surrogates_are_replaced() -> None:
    assert arrow.strings(["a\udc80"]).to_pylist() == ["a?"]


@given(st.lists(st.none() | st.booleans()), st.integers(0, 9))
def test_bools(values: list[bool | None], start: int) -> None:
    assert arrow.bools(pa.array(values, pa.bool_()).slice(start)).tolist() == [
        value is True for value in values[start:]
    ]


@given(st.lists(st.none() | texts), st.integers(0, 3))
def test_count_words(values: list[str | None], start: int) -> None:
    found = arrow.count_words(pa.array(values, pa.string()).slice(start))
    # U+3000 and other white space beyond ASCII stays within a word
    kept = [(value or "").replace("\u3000", "x") for value in values[start:]]
    assert found.tolist() == [len(value.split()) for value in kept]


@given(st.lists(st.none() | st.lists(st.booleans(), max_size=3)), st.integers(0, 3))
def test_any_of_each(values: list[list[bool] | None], start: int) -> None:
    offsets, flat = arrow.entries(pa.array(values, pa.list_(pa.bool_())).slice(start))
    assert arrow.any_of_each(offsets, np.array(flat.to_pylist(), bool)).tolist() == [
        any(v or ()) for v in values[start:]
    ]
