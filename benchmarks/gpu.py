"""How near `hw3 precompute` comes to what a card can do: ViT-L/16, a decoder of 6 layers, CLIPScore by ViT-B/32.

    python benchmarks/gpu.py                      on a GPU, some minutes; needs no network and no data
    python benchmarks/gpu.py --precisions bf16 --beams 1 --pictures 4096
    python benchmarks/gpu.py --small              a smoke test: tiny models, a few pictures, any machine

Weights are random, as speed does not depend on them, and so are the pictures, JPEGs of COCO's size that are read from
the disk; each caption has as many tokens as --tokens says. The tables: what the card gives in a large matrix product;
each stage by itself, its floating point operations counted, as a share of that; whole runs, pictures to finished cache,
as a share of that; and a plain script (plain.py: one picture at a time, no kept keys, encoded again for the attention
and for CLIP) on the same card, whose captions are compared with ours.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import torch
from card.limits import DTYPES, datasheet, device_name, matmul_peak
from card.plainly import compare
from card.stages import Setup, Stage, on_the_card, on_the_processor, search_name
from card.whole import Whole, precompute
from measuring import made
from measuring.processes import peak_megabytes
from measuring.tables import markdown, number

from hw3_browse.core.device import choose_device, keep_freed_memory

_SMALL: Final = {"pictures": 6, "batch": 4, "tokens": 6, "plain": 3, "models": "tiny", "workers": 2}


def main() -> None:
    """Measure and print, table by table."""
    options = _parser().parse_args()
    if options.small:
        vars(options).update(_SMALL)
    keep_freed_memory()
    with tempfile.TemporaryDirectory(prefix="hw3-benchmark-") as name:
        folder = Path(name)
        os.environ["XDG_STATE_HOME"] = name
        setup = _setup(options, folder)
        _print_heading(setup, options)
        peaks = {precision: matmul_peak(setup.device, precision) for precision in options.precisions}
        _print_peaks(setup.device, peaks)
        stages = {precision: on_the_card(setup, precision, options.beams) for precision in options.precisions}
        for precision, found in stages.items():
            _print_stages(precision, found, peaks[precision])
        _print_processor(on_the_processor(setup, sorted(setup.images.iterdir())))
        runs = {
            (precision, beams): precompute(setup, folder / f"{precision}-{beams}", precision, beams)
            for precision in options.precisions
            for beams in options.beams
        }
        _print_runs(runs, options.pictures, stages, peaks)
        rates = {key: options.pictures / run.seconds for key, run in runs.items()}
        print(compare(setup, options.plain, rates), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2048)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--tokens", type=int, default=16, help="of each caption (default: %(default)s)")
    parser.add_argument("--precisions", nargs="+", choices=tuple(DTYPES), default=("bf16", "fp16", "fp32"))
    parser.add_argument("--beams", type=int, nargs="+", default=(1, 3), help="searches; 1 is greedy")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="threads that read pictures")
    parser.add_argument("--plain", type=int, default=16, metavar="N", help="pictures for the plain script")
    parser.add_argument("--models", choices=tuple(made.CAPTIONERS), default="large", help="default: %(default)s")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--small", action="store_true", help="a smoke test")
    return parser


def _setup(options: argparse.Namespace, folder: Path) -> Setup:
    return Setup(
        captioner=made.write_captioner(folder / "captioner", options.models),
        clip=made.write_clip(folder / "clip", "tiny" if options.models == "tiny" else "ViT-B-32-quickgelu"),
        images=made.write_photographs(folder / "images", options.pictures),
        device=choose_device(options.device),
        batch=options.batch,
        tokens=options.tokens,
        workers=options.workers,
    )


def _print_heading(setup: Setup, options: argparse.Namespace) -> None:
    where = f"{device_name(setup.device)}, torch {torch.__version__}, {os.cpu_count()} cores"
    what = (
        f"captioner {options.models}, {options.pictures} pictures, batch {setup.batch}, {setup.tokens} tokens a caption"
    )
    print(f"{where}; {what}, {setup.workers} threads that read\n", flush=True)


def _print_peaks(device: torch.device, peaks: Mapping[str, float]) -> None:
    rows = []
    for precision, peak in peaks.items():
        known = datasheet(device_name(device), precision)
        rows.append((precision, number(peak), number(known) if known else "not known", _share(peak, known)))
    print(markdown(("matrix product, TFLOP/s", "measured", "datasheet", "share"), rows), "\n", flush=True)


def _print_stages(precision: str, stages: Mapping[str, Stage], peak: float) -> None:
    rows = []
    for name, stage in stages.items():
        rate = 1e-12 * stage.flops / stage.seconds
        shown = (1000 * stage.seconds, 1 / stage.seconds, 1e-9 * stage.flops, rate)
        rows.append((name, *map(number, shown), _share(rate, peak)))
    head = (f"{precision}, by itself", "ms a picture", "pictures/s", "GFLOP a picture", "TFLOP/s", "of the product's")
    print(markdown(head, rows), "\n", flush=True)


def _print_processor(stages: Mapping[str, Stage]) -> None:
    rows = [(name, number(1000 * stage.seconds), number(1 / stage.seconds)) for name, stage in stages.items()]
    print(markdown(("on the processor, by itself", "ms a picture", "pictures/s"), rows), "\n", flush=True)


def _print_runs(
    runs: Mapping[tuple[str, int], Whole],
    pictures: int,
    stages: Mapping[str, Mapping[str, Stage]],
    peaks: Mapping[str, float],
) -> None:
    """Whole runs as shares of what the models alone would do and of the card's product; what was busy how long."""
    rows, busy = [], []
    for (precision, beams), run in runs.items():
        used = _of_search(stages[precision], beams, [other for _, other in runs])
        rate, alone = pictures / run.seconds, 1 / sum(stage.seconds for stage in used)
        work = 1e-12 * rate * sum(stage.flops for stage in used)
        name = f"{precision}, {search_name(beams)}"
        kilobytes = (run.folder / "attention.sqlite").stat().st_size / 1024 / pictures
        shares = (_share(rate, alone), number(work), _share(work, peaks[precision]))
        rows.append((name, number(rate), number(alone), *shares, f"{run.gigabytes:.1f}", number(kilobytes)))
        busy.append((name, *(f"{share:.0%}" for share in run.shares.values())))
        labels = tuple(run.shares)
    head = ("`hw3 precompute`", "pictures/s", "models alone", "share", "TFLOP/s", "of the product's", "GB of the card")
    print(markdown((*head, "attention, KB a picture"), rows), "\n")
    print(markdown(("at work, share of the time", *labels), busy), "\n")
    print(f"most memory of this process: {peak_megabytes():,.0f} MB\n", flush=True)


def _of_search(stages: Mapping[str, Stage], beams: int, searches: Sequence[int]) -> list[Stage]:
    """The stages of a run with this search: all but the other searches."""
    others = {search_name(other) for other in searches if other != beams}
    return [stage for name, stage in stages.items() if name not in others]


def _share(part: float, whole: float | None) -> str:
    return f"{part / whole:.1%}" if whole else ""


if __name__ == "__main__":
    main()
