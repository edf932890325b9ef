"""A precompute in miniature, run by test_cache_writer.py in a process of its own and killed there.

Usage: killed_writer.py FOLDER COUNT. Prints a line after each durable step.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fakes import CAPTIONS, SCORES, fake_embedding, fake_plan, fake_row, fake_scores

from hw3_browse.cache.writer import CacheWriter


def main(folder: Path, count: int) -> None:
    """Do what is left to do, in batches of two."""
    rows = [fake_row(index, CAPTIONS[index % len(CAPTIONS)]) for index in range(count)]
    with CacheWriter(folder, fake_plan(count), count) as writer:
        done = writer.captioned()
        left = [row for row in rows if row.index not in done]
        for start in range(0, len(left), 2):
            batch = left[start : start + 2]
            writer.add_captioned(batch)
            print("captioned", *(row.index for row in batch), flush=True)
        for index in sorted(set(range(count)) - writer.embedded()):
            writer.add_embeddings([(index, fake_embedding(index))])
            print("embedded", index, flush=True)
        print("finishing", flush=True)
        writer.finish(fake_scores(rows), SCORES, {}, {})
        print("finished", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
