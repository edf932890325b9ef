"""A writer that does what it is told, run by test_live.py in a process of its own.

Usage: live_writer.py FOLDER COUNT [overwrite]. Reads commands from standard input, a line each, and answers each with
a line when it is done: `caption INDEX...`, `again INDEX...` (with another caption), `hurry TIMES` (caption all
pictures, one at a time, so many times), `finish`, `die` (amid a commit).
Before the first one it says "ready" or why it cannot write.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from fakes import CAPTIONS, SCORES, fake_embedding, fake_plan, fake_row, fake_scores

from hw3_browse.cache.errors import CacheError
from hw3_browse.cache.schema import Captioned
from hw3_browse.cache.writer import CacheWriter


def row_of(index: int) -> Captioned:
    """The picture as the tests expect it."""
    return fake_row(index, CAPTIONS[index % len(CAPTIONS)])


def main(folder: Path, count: int, *options: str) -> None:
    """Serve until standard input ends."""
    try:
        writer = CacheWriter(folder, fake_plan(count), count, overwrite="overwrite" in options)
    except CacheError as error:
        print(error, flush=True)
        return
    with writer:
        print("ready", flush=True)
        for line in sys.stdin:
            command, *words = line.split()
            rows = [row_of(int(word) % count) for word in words]
            if command == "caption":
                writer.add_captioned(rows)
            elif command == "again":
                writer.add_captioned([replace(row, caption="said again") for row in rows])
            elif command == "hurry":
                for row in [row_of(index) for index in range(count)] * int(words[0]):
                    writer.add_captioned([row])
                    writer.add_embeddings([(row.index, fake_embedding(row.index))])
            elif command == "finish":
                writer.add_embeddings([(index, fake_embedding(index)) for index in range(count)])
                writer.finish(fake_scores([row_of(index) for index in range(count)]), SCORES, {}, {})
            elif command == "die":
                die_amid_a_commit(writer)
            print("done", flush=True)


def die_amid_a_commit(writer: CacheWriter) -> None:
    """Leave changed pages and the journal that undoes them."""
    for connection, table in ((writer._attention, "attention"), (writer._work, "captions")):
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("PRAGMA cache_spill = 1")
        connection.execute(f"UPDATE {table} SET idx = idx + 1000")
        connection.execute("CREATE TABLE filler AS SELECT zeroblob(1000000) AS filler")
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
