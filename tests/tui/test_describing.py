"""The texts of the details panel: widths, and what stands out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from fakes import make_cache

from hw3_browse.cache.judgements import Judgement
from hw3_browse.cache.reader import Cache
from hw3_browse.tui import describing
from hw3_browse.tui.standings import Standing, standings
from hw3_browse.tui.summary import summarize

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.content import Content


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    with Cache.open(make_cache(tmp_path_factory.mktemp("details") / "run", count=24)) as opened:
        yield opened


def bold(line: Content) -> list[str]:
    return [line.plain[span.start : span.end] for span in line.spans if "bold" in str(span.style)]


@pytest.mark.parametrize("width", [20, 30, 45, 60, 100])
def test_every_line_fits(cache: Cache, width: int) -> None:
    for index in range(len(cache)):
        sample = cache.sample(index)
        found = standings(cache, index)
        blocks = [
            describing.distribution(summarize(cache, "clipscore"), found, width),
            describing.references(sample, width),
            describing.tokens(sample, width),
        ]
        if width >= 30:
            blocks.append(describing.scores(found, "clipscore", width))
        for line in (line for block in blocks[:2] + blocks[3:] for line in block):
            assert line.cell_length <= width, line.plain
            assert line.plain.isprintable() or "\u200d" in line.plain


def test_words_that_the_caption_has_too_stand_out(cache: Cache) -> None:
    sample = next(
        cache.sample(index)
        for index in range(len(cache))
        if cache.sample(index).references and "beach" in cache.caption(index)
    )
    lines = describing.references(sample, 80)
    shared = {word for line in lines for word in bold(line)}
    assert shared
    assert all(any(word.casefold().startswith(own.casefold()[:3]) for own in sample.words) for word in shared)


def test_several_runs_stand_side_by_side() -> None:
    found = [
        Standing("cider", 0.5, 1, 9),
        Standing("diff.cider", 0.25, 1, 9),
        Standing("b.cider", 0.75, 1, 9),
        Standing("b.bleu4", 0.125, 1, 9),
    ]
    lines = [line.plain for line in describing.scores(found, "diff.cider", 60)]
    assert lines[0].split() == ["a", "diff", "b"]
    assert lines[1].split() == ["cider", "0.5000", "0.2500", "0.7500"]
    assert lines[2].split() == ["bleu4", "\u2013", "\u2013", "0.1250"]


def test_what_a_filter_leaves(cache: Cache) -> None:
    mask = np.arange(len(cache)) < 6
    found = summarize(cache, "clipscore", mask)
    lines = [line.plain for line in describing.left(found, "clipscore", 40)]
    assert lines[0].startswith("6 of 24 left")
    scores = cache.scores("clipscore")
    assert lines[1].split() == ["clipscore", f"{scores[:6].mean():.4f}", f"{scores.mean():.4f}"]
    assert describing.left(summarize(cache, "clipscore"), "clipscore", 40) == []


def test_judgements_are_said_in_words(cache: Cache) -> None:
    sample = cache.sample(0)
    judgement = Judgement(sample.path, sample.caption, False, {}, "two\x1b[31m words", frozenset({"bad", "dark"}))
    text = "\n".join(line.plain for line in describing.heading(sample, judgement))
    assert "not reasonable" in text
    assert "bad, dark" in text
    assert "two words" in text


def test_tokens_say_their_probabilities(cache: Cache) -> None:
    sample = cache.sample(0)
    text = " ".join(line.plain for line in describing.tokens(sample, 80))
    assert f"{len(sample.pieces)} tokens" in text
    assert f"{sum(sample.logprobs):.2f}" in text
    assert text.count("%") == len(sample.pieces)
