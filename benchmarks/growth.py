"""How time, memory and disk grow with the number of pictures: from 200 to 20,000 by default.

    python benchmarks/growth.py [--sizes 200 2000 20000]     some minutes
    python benchmarks/growth.py --small                      a smoke test: a few pictures, mostly in one process

The pictures are the bundled scenes under ever new names, five references each; captioner and CLIP are tiny and have
random weights, so that what is left is everything but the models: files, previews, packing, the cache, the scores. Each
figure comes from a process of its own. The baseline of the reference metrics is pycocoevalcap, on the same captions.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from measuring.clocks import in_turn, once
from measuring.processes import CHILD, answer, fresh, here
from measuring.tables import markdown, number

_SIZES: Final = (200, 2_000, 20_000)
_READ: Final = 200
_TOLERANCE: Final = 1e-9
_HOMES: Final = ("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME")


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == [CHILD]:
        answer(do, sys.argv[2])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=_SIZES, metavar="N", help="numbers of pictures")
    parser.add_argument("--small", action="store_true", help="a smoke test")
    options = parser.parse_args()
    sizes = (4,) if options.small else options.sizes
    with tempfile.TemporaryDirectory(prefix="hw3-benchmark-") as folder:
        _precompute(Path(folder), sizes, small=options.small)
        _metrics(sizes, small=options.small)


def do(job: dict[str, Any]) -> dict[str, Any]:
    """One job in a process of its own."""
    jobs: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"run": _run, "read": _read, "score": _score}
    return jobs[job["what"]](job)


def _ask(job: dict[str, Any], *, small: bool) -> dict[str, Any]:
    return here(do, job) if small else fresh(Path(__file__).resolve(), job)


# --- hw3 precompute ---


def _precompute(folder: Path, sizes: Sequence[int], *, small: bool) -> None:
    from measuring import made  # noqa: PLC0415 (torch, which the reading process must not have)

    from hw3_browse.core.demo.recipe import ANNOTATIONS, BUNDLE, IMAGES  # noqa: PLC0415 (as above)

    captioner = made.write_captioner(folder / "captioner", "tiny")
    clip = made.write_clip(folder / "clip", "tiny")
    wrote: list[tuple[str, ...]] = []
    read: list[tuple[str, ...]] = []
    for count in sizes:
        data = made.repeat_dataset(BUNDLE / IMAGES, BUNDLE / ANNOTATIONS, folder / f"data-{count}", count)
        out = folder / f"run-{count}"
        job = {"what": "run", "images": str(data[0]), "annotations": str(data[1]), "captioner": str(captioner)}
        job |= {"clip": str(clip), "home": str(folder / f"home-{count}"), "metrics": "cider" if small else ""}
        runs = [_ask({**job, "out": f"{out}{again}"}, small=small) for again in ("", "-again")]
        size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) / 1024 / count
        times = [f"{run['seconds']:.1f}" for run in runs]
        each = [f"{1000 * runs[0][clock] / count:.1f}" for clock in ("seconds", "processor")]
        wrote.append((f"{count:,}", *times, *each, f"{runs[0]['peak']:,.0f}", number(size)))
        # The browser's side: a process of its own in a smoke test too, as it has no torch to load.
        found = fresh(Path(__file__).resolve(), {"what": "read", "folder": str(out)})
        read.append(
            (f"{count:,}", *(number(found[name]) for name in ("opened", "sample", "map")), f"{found['peak']:,.0f}")
        )
    head = (
        "`hw3 precompute`, pictures",
        "seconds",
        "CLIP kept",
        "ms a picture",
        "of the processor",
        "peak MB",
        "cache, KB a picture",
    )
    print(markdown(head, wrote), "\n", flush=True)
    head = ("a cache read, pictures", "opened, first caption, ms", "a sample, ms", "a word's map, ms", "peak MB")
    print(markdown(head, read), "\n", flush=True)


def _run(job: dict[str, Any]) -> dict[str, Any]:
    """`hw3 precompute`, greedy."""
    os.environ |= dict.fromkeys(_HOMES, job["home"])
    from hw3_browse.core import cli  # noqa: PLC0415 (as above)

    named = {name: job[name] for name in ("captioner", "clip", "out", "metrics") if job[name]} | {"device": "cpu"}
    options = [text for name, value in named.items() for text in (f"--{name}", value)]
    if code := cli.main(["precompute", job["images"], job["annotations"], *options]):
        raise SystemExit(code)
    return {}


def _read(job: dict[str, Any]) -> dict[str, Any]:
    """Milliseconds to open a cache, to read a sample, and to read the map of a word."""
    folder = Path(job["folder"])
    import pyarrow.parquet  # noqa: F401, PLC0415 (its import is the machine's, not the cache's)

    from hw3_browse.cache.reader import Cache  # noqa: PLC0415 (of what is measured)

    def first() -> Cache:
        cache = Cache.open(folder)
        cache.caption(0)
        return cache

    opened, cache = once(first)
    with cache:
        chosen = np.random.default_rng(0).permutation(len(cache))[:_READ].tolist()
        samples = [once(lambda index=index: cache.sample(index))[0] for index in chosen]  # type: ignore[misc]
        maps = [once(lambda index=index: cache.mean_map(index, [0]))[0] for index in chosen]  # type: ignore[misc]
    if "torch" in sys.modules:
        raise SystemExit("a cache was read with torch")
    return {"opened": 1000 * opened, "sample": 1000 * statistics.median(samples), "map": 1000 * statistics.median(maps)}


# --- reference metrics ---


def _metrics(sizes: Sequence[int], *, small: bool) -> None:
    rows = []
    for count in sizes:
        for used in (["cider"],) if small else (["cider"], ["bleu", "rouge_l", "cider", "meteor"]):
            job = {"what": "score", "count": count, "metrics": used}
            theirs, ours = (_ask({**job, "side": side}, small=small) for side in ("theirs", "ours"))
            difference = max(abs(theirs["corpus"][name] - score) for name, score in ours["corpus"].items())
            if not difference <= _TOLERANCE:
                raise SystemExit(f"{', '.join(used)}: corpus scores differ by {difference:.1g}")
            name = f"{count:,}, {'CIDEr' if len(used) == 1 else 'all metrics'}"
            took = [f"{side['took']:.1f} ({side['of_processor']:.1f})" for side in (theirs, ours)]
            memory = [f"{side['peak']:,.0f}" for side in (theirs, ours)]
            rows.append((name, *took, number(theirs["took"] / ours["took"]), *memory, f"{difference:.0e}"))
    head = (
        "captions",
        "pycocoevalcap, s (processor)",
        "ours, s (processor)",
        "times",
        "pycocoevalcap, MB",
        "ours, MB",
        "differ by",
    )
    print(markdown(head, rows), flush=True)


def _score(job: dict[str, Any]) -> dict[str, Any]:
    """Seconds of the metrics of synthetic captions, by ours or theirs."""
    import metrics  # noqa: PLC0415 (pycocoevalcap)

    metrics.java_on_path()
    captions, references = metrics.synthetic(job["count"])
    side = metrics.ours if job["side"] == "ours" else metrics.theirs
    timed = in_turn({"side": lambda: side(captions, references, job["metrics"])}, 1)["side"]
    found = timed.found
    return {
        "took": timed.median,
        "of_processor": timed.processor[0],
        "corpus": {name: float(corpus) for name, (corpus, _) in found.items()},
    }


if __name__ == "__main__":
    main()
