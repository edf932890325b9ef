"""Colours for attention: tables of 256 colours, equal to matplotlib's of the same names, without matplotlib.

A saved figure asks matplotlib for the map of the same name, so that file and screen agree. "viridis" grows evenly
brighter and is read the same by the colour-blind, as are "magma" and "inferno"; "jet" is that of the assignment's
figures; "gray" shows brightness alone.
"""

from __future__ import annotations

import base64
import zlib
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from ..cache.errors import UsageError
from ..cache.text import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEFAULT: Final = "jet"
LEVELS: Final = 256
OPACITIES: Final = (0.2, 0.35, 0.5, 0.65, 0.8, 1.0)

# Each table [256, 3] as the differences between its rows, channel by channel, compressed; `packed` in
# tests/tui/test_colormap.py makes them.
# viridis, magma and inferno are by Nathaniel J. Smith, Stefan van der Walt and Eric Firing, public domain (CC0).
_PACKED: Final = {
    "jet": (
        "c-muNpcP<ZVP<9qVP*^lc2WG&jO4rI_a88XQm9OVnpr3V%v1=;zkmMz0U=Zh8w-yV4zn9rSYeQrg%yoMzLWp|1v(mnF&WrJ@k#%qSt<npF%q$X"
    ),
    "viridis": (
        "c-n<hi4lY#3{0@KE8+St<xsL4Sjp&Rzu+jyOg`opECkc)X`Q6qnhK3HNo_OG;RhV>kb4UegZDb1pdhW1hA(9608i7%o<`5u+O6#W6MI|R-q~_nLK"
        "yo3Fq1@l=e3($blyl0DjP1z=#&|HsQxfvb9OjPgHv1mpkyG8q{bp%?-(;)vb7T{kBAB"
    ),
    "magma": (
        "c-nnZ0TRO?2ov1@zwB-SL$G!b1Lv7mfnj3+W>_$1*l-6$vculB^q1sG_f&LnT*IwwB;bXl<Uh79*?xVvf`0)m>K0|9YP!<*pnj$WHo~<BT6(W=N!"
        "o!IuJjWh_vy5m1SCzK_+2Be79*q0Xg#o_&`SykB*7c7NQn@fO{<x$$z{pxF?9O+h+oRdEx7"
    ),
    "inferno": (
        "c-nnYff9uv2!rhX{~u?`HW6PJ%pqLTG0e>d{DJHs!U>Qs;e$R4<q|F;;(*eOB!nkOv@Yrca*^RRewRH^w6*urP6u^geWN|pynv!x9d(YM%G6!t7O"
        ")v|#%cbNLw)LdoUU&gNobki>0F5>sw(}<pOS}zaOtF1yLP_vOejQK(?U6N(<p5Kb`Gcg5T42nM;>jU"
    ),
    "gray": "c-muN9NB<j)c+$I004fx0{#",
}


def names() -> tuple[str, ...]:
    """Return the names of the colour maps, the usual one first."""
    return tuple(_PACKED)


@lru_cache(maxsize=len(_PACKED))
def table(name: str = DEFAULT) -> NDArray[np.uint8]:
    """Return the colours of a map from low to high: [256, 3], RGB, read-only.

    Raises:
        UsageError: There is no such map.
    """
    if name not in _PACKED:
        close = get_close_matches(name, names(), n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names())}"
        raise UsageError(f"no colour map {printable(name)!r}: {hint}")
    steps = np.frombuffer(zlib.decompress(base64.b85decode(_PACKED[name])), np.uint8).reshape(3, LEVELS)
    colors = np.cumsum(steps, axis=1, dtype=np.uint8).T.copy()
    colors.flags.writeable = False
    return colors


def next_name(name: str, step: int = 1) -> str:
    """Return the map after (or before) another; after the last comes the first, as after an unknown one."""
    known = names()
    return known[(known.index(name) + step) % len(known)] if name in known else known[0]


def next_opacity(opacity: float, step: int = 1) -> float:
    """Return the next stronger (or weaker) one of `OPACITIES`; at an end that end.

    Args:
        opacity: Any, also one between two steps.
        step: 1 or -1.
    """
    beyond = [known for known in OPACITIES[::step] if (known - opacity) * step > 0]
    return beyond[0] if beyond else OPACITIES[::step][-1]
