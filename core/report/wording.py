"""Numbers and names as a reader expects them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

UNDEFINED: Final = "\N{EN DASH}"
_LABELS: Final = {
    "clipscore": "CLIPScore",
    "refclipscore": "RefCLIPScore",
    "cider": "CIDEr",
    "rouge_l": "ROUGE-L",
    "meteor": "METEOR",
    "logprob": "log-probability",
    "distinct1": "distinct-1",
    "distinct2": "distinct-2",
    "mean_length": "mean length",
}
_DIGITS: Final = {"vocabulary": 0, "mean_length": 2}
UNRANKED: Final = frozenset({"mean_length"})  # neither more nor less of it is better
_ISO: Final = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)")


def score_label(name: str) -> str:
    """Return what a score is called in print.

    >>> [score_label(name) for name in ("cider", "bleu4", "my_score")]
    ['CIDEr', 'BLEU-4', 'my_score']
    """
    bleu = re.fullmatch(r"bleu(\d)", name)
    return f"BLEU-{bleu[1]}" if bleu else _LABELS.get(name, name)


def digits_of(name: str) -> int:
    """Return how many decimals a score has in print."""
    return _DIGITS.get(name, 4)


def number(value: float | None, digits: int = 4) -> str:
    """Return a number with so many decimals; a dash where it is undefined."""
    return UNDEFINED if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def share(part: int, whole: int) -> str:
    """Return a share as the assignment writes it.

    >>> share(1523, 2500)
    '1523/2500 (60.920%)'
    """
    return f"{part}/{whole} ({100 * part / whole:.3f}%)" if whole else UNDEFINED


def percent(value: float, digits: int = 1) -> str:
    """Return a share of 0 to 1 in percent."""
    return UNDEFINED if not math.isfinite(value) else f"{100 * value:.{digits}f} %"


def count(number_of: int, one: str, many: str | None = None) -> str:
    """Return a number of things.

    >>> count(1, "picture"), count(1789, "picture")
    ('1 picture', '1,789 pictures')
    """
    return f"{number_of:,} {one if number_of == 1 else many or one + 's'}"


def moment(created: str) -> str:
    """Return an ISO time in UTC as date and time; anything else as it is."""
    found = _ISO.match(created)
    return f"{found[1]} {found[2]} UTC" if found else created


def yes_no(value: bool | None) -> str:  # noqa: FBT001 (it is the value)
    """Return a verdict."""
    return UNDEFINED if value is None else "yes" if value else "no"


def flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested settings as lines: dotted names and values.

    >>> flat({"decoding": {"beams": 3}, "metrics": ["bleu", "cider"]})
    {'decoding.beams': '3', 'metrics': 'bleu, cider'}
    """
    lines: dict[str, str] = {}
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            lines |= flat(value, f"{name}.")
        else:
            lines[name] = setting(value)
    return lines


def setting(value: Any) -> str:
    """Return the value of a setting."""
    if value is None or value in ({}, [], ""):
        return "none"
    if isinstance(value, bool):
        return yes_no(value)
    return ", ".join(map(setting, value)) if isinstance(value, list | tuple) else str(value)
