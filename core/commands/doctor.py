"""``hw3 doctor``: what was found in this terminal and on this machine, and what is missing.

Exit code 0 if the demo can be computed and browsed; 1 if something that it needs is missing or broken (such lines
begin with "!").
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ...cache.errors import Hw3Error
from ...cache.places import caches_dir
from .arguments import Subparsers, add_command

_PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "open_clip_torch",
    "tokenizers",
    "safetensors",
    "jaxtyping",
    "pycocoevalcap",
)
_MODELS = "pip install 'hw3-browse[models]'"
_LEAST_FREE = 200 << 20  # bytes; a demo's cache with room to work in
_JAVA_PATIENCE = 60  # seconds
_MARK = "!"
_EXAMPLES = """examples:
  hw3 doctor                    all that was found
  hw3 doctor | grep '^!'        what is missing
"""


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    add_command(
        subparsers, "doctor", run, "print what was found in this terminal and on this machine, and why", _EXAMPLES
    )


def run(_: argparse.Namespace) -> int:
    """Print the browser's report, then the computing side's."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` has had enough: end without a word
    browser = subprocess.call([sys.executable, "-m", "hw3_browse.tui.terminal.doctor"])
    print("\ncomputing", flush=True)
    broken = False
    for line in report():
        broken |= line.startswith(_MARK)
        print(line, flush=True)
    return int(broken or browser != 0)


def report() -> Iterator[str]:
    """The lines about computing, each as soon as it is known."""
    yield from _packages()
    yield from _torch()
    yield _java()
    yield _bundle()
    yield from _disk()


def _entry(name: str, value: object, *, broken: bool = False) -> str:
    return f"{_MARK if broken else ' '} {name:<16} {value}"


def _packages() -> Iterator[str]:
    for name in _PACKAGES:
        try:
            yield _entry(name, version(name))
        except PackageNotFoundError:
            yield _entry(name, f"missing: {_MODELS}", broken=True)


def _torch() -> Iterator[str]:
    """What torch computes on; an import that fails says more than a version."""
    yield _entry("processor", f"{os.cpu_count()} cores, {platform.machine()}")
    try:
        import torch  # noqa: PLC0415
    except Exception as error:  # noqa: BLE001 (a broken installation can raise anything)
        yield _entry("torch", f"cannot be imported ({type(error).__name__}: {error}): {_MODELS}", broken=True)
        return
    count = torch.cuda.device_count()
    if not count:
        built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA"
        yield _entry("GPU", f"none: torch ({built}) sees no device; computing runs on the processor")
    for index in range(count):
        yield _entry(f"cuda:{index}", _gpu(index))


def _gpu(index: int) -> str:
    import torch  # noqa: PLC0415

    name = torch.cuda.get_device_name(index)
    try:
        free, total = torch.cuda.mem_get_info(index)
    except RuntimeError as error:
        return f"{name}; not usable now: {str(error).splitlines()[0]}"
    return f"{name}; {_bytes(free)} free of {_bytes(total)}"


def _java() -> str:
    """What runs the tokeniser and METEOR of the caption metrics, started once."""
    from ..metrics import meteor, ptb  # noqa: PLC0415 (numpy)
    from ..metrics.java import jar, java_command  # noqa: PLC0415

    try:
        program = java_command()[0]
        done = subprocess.run(  # noqa: S603
            [program, "-version"], capture_output=True, text=True, check=True, timeout=_JAVA_PATIENCE
        )
        for name in (ptb.JAR, meteor.JAR):
            jar(name)
    except (Hw3Error, OSError, subprocess.SubprocessError) as error:
        return _entry("Java", f"{error}: caption metrics need it", broken=True)
    said = (done.stderr or done.stdout).splitlines()
    return _entry("Java", f"{said[0] if said else 'silent'}, {program}")


def _bundle() -> str:
    from ..demo import recipe  # noqa: PLC0415 (numpy, pillow)

    parts = (recipe.IMAGES, recipe.ANNOTATIONS, recipe.INSTANCES, recipe.CAPTIONER, recipe.CLIP)
    missing = [part for part in parts if not (recipe.BUNDLE / part).exists()]
    if missing:
        return _entry("demo", f"{recipe.BUNDLE} lacks {', '.join(missing)}: install hw3-browse again", broken=True)
    return _entry("demo", recipe.BUNDLE)


def _disk() -> Iterator[str]:
    """Room for caches, and what is kept already."""
    folder = caches_dir()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(there).free
    writable = os.access(there, os.W_OK | os.X_OK)
    state = f"{_bytes(free)} free" if writable else "cannot be written"
    yield _entry("room for caches", f"{state}, {folder}", broken=not writable or free < _LEAST_FREE)
    yield _entry("caches", _bytes(_size(folder)))
    try:
        from ..store import kept_dir  # noqa: PLC0415 (torch)
    except ImportError:
        return  # said above
    kept = kept_dir()
    yield _entry("kept data", f"{_bytes(_size(kept))} of pictures and features, {kept}; can be removed at any time")


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:  # removed meanwhile
            continue
    return total


def _bytes(number: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:  # noqa: PLR2004
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"
