"""Work in advance: in order, at the same time, and nothing lost where something fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from hw3_browse.core.ahead import ahead, meanwhile


def test_the_next_is_begun_while_this_one_is_used() -> None:
    begun = [threading.Event() for _ in range(3)]

    def work(number: int) -> int:
        begun[number].set()
        return number * 2

    for number, result in enumerate(meanwhile(work, range(3))):
        assert result == 2 * number
        assert begun[min(number + 1, 2)].wait(60)


def test_nothing_of_nothing() -> None:
    assert list(meanwhile(str, [])) == []


def test_what_was_there_before_an_error_is_not_lost() -> None:
    def numbers() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("the drive is gone")

    found: list[str] = []
    with pytest.raises(OSError, match="drive"):
        found.extend(meanwhile(str, numbers()))
    assert found == ["1", "2"]


def test_an_error_of_the_work_comes_in_its_place() -> None:
    found: list[int] = []
    with pytest.raises(ZeroDivisionError):
        found.extend(meanwhile(lambda number: 6 // number, [3, 2, 0, 1]))
    assert found == [2, 3]


def test_batches_are_read_in_order() -> None:
    with ThreadPoolExecutor(2) as pool:
        assert list(ahead(pool, str, [[1, 2], [3], [4]])) == [["1", "2"], ["3"], ["4"]]
