"""From what was found to how pictures are shown: the choice, its reason, and what else the browser must know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .modes import DEFAULT_CELL, DEFAULT_SIXEL_COLOURS, MODES, Terminal
from .programs import has_placeholders
from .protocols import ALLOW_PASSTHROUGH, TITLES, Protocol, Verdict, verdicts

if TYPE_CHECKING:
    from .findings import Findings
    from .modes import Mode

AUTO: Final = "auto"
_TRUECOLOR_TERMS: Final = ("-direct", "-kitty", "-ghostty", "alacritty", "foot", "wezterm", "contour")
_CELL_WIDTHS: Final = range(2, 257)  # pixels; what is said beyond is no font
_CELL_HEIGHTS: Final = range(4, 513)


def choose(found: Findings, forced: str = AUTO) -> Terminal:
    """Choose how pictures are shown.

    Args:
        found: What is known.
        forced: The mode that the user wants, or "auto".
    """
    judged = verdicts(found)
    mode, why = _best(found, judged)
    if forced != AUTO:
        mode, why = next(known for known in MODES if known == forced), "asked for"
    cell, cell_source = _cell(found)
    truecolor = _truecolor(found)
    return Terminal(
        mode=mode,
        why=why,
        cell=cell or DEFAULT_CELL,
        cell_known=cell is not None,
        multiplexer=found.multiplexer,
        passthrough=_passes(found, mode),
        placeholders=mode == "kitty" and (found.multiplexer == "tmux" or has_placeholders(found.program, found.told)),
        sixel_colours=found.answers.registers or DEFAULT_SIXEL_COLOURS,
        truecolor=truecolor.usable,
        background=found.background,
        program=found.told,
        typed=found.typed,
        facts=(
            ("asked", found.asked),
            *_names(found),
            *((TITLES[protocol], str(verdict)) for protocol, verdict in judged.items()),
            ("24-bit colours", str(truecolor)),
            ("cell", f"{'{} x {}'.format(*(cell or DEFAULT_CELL))} pixels: {cell_source}"),
            ("background", _background(found)),
        ),
    )


def _best(found: Findings, judged: dict[Protocol, Verdict]) -> tuple[Mode, str]:
    if found.environment.term == "dumb":
        return "none", "TERM=dumb"
    for mode in found.program.order:
        for protocol, verdict in judged.items():
            if protocol == mode and verdict.usable:
                return mode, verdict.why
    if found.multiplexer:
        # One reason is worth more than another: the one about which the user can do something.
        reasons = [verdict.why for verdict in judged.values()]
        return "half", next((why for why in reasons if ALLOW_PASSTHROUGH in why), reasons[0])
    return "half", f"no graphics protocol was found ({found.asked})"


def _passes(found: Findings, mode: Mode) -> bool:
    """Return whether pictures must be wrapped for tmux; its own Sixel need not be."""
    own = mode == "sixel" and found.answers.has_sixel
    return found.multiplexer == "tmux" and mode in TITLES and not own


def _cell(found: Findings) -> tuple[tuple[int, int] | None, str]:
    """Return the size of a cell, None if nobody said it, and who said it."""
    size, outer, tmux = found.size, found.outer.cell, found.tmux
    candidates = [
        (found.answers.cell, "the terminal's answer"),
        (_divided((size.width, size.height), found), "the kernel's pixels"),
        (_divided(found.answers.area, found), "the terminal's answer for the whole"),
        (outer, "the answer of the terminal around tmux"),
        (tmux.cell if tmux else None, "tmux"),
    ]
    for cell, source in candidates:
        if cell and cell[0] in _CELL_WIDTHS and cell[1] in _CELL_HEIGHTS:
            return cell, source
    return None, "not said, assumed"


def _divided(area: tuple[int, int] | None, found: Findings) -> tuple[int, int] | None:
    """Return the share of a cell; an area may hold a border, which is less than a pixel a cell."""
    if not area or not found.size.columns or not found.size.lines:
        return None
    return area[0] // found.size.columns, area[1] // found.size.lines


def _truecolor(found: Findings) -> Verdict:
    """Return whether 24-bit colours arrive as they are sent."""
    environment, answers, tmux = found.environment, found.answers, found.tmux
    if found.multiplexer == "tmux" and tmux:
        usable = "RGB" in tmux.features
        return Verdict(usable=usable, why=f"tmux knows the terminal {'for' if usable else 'without'} them (RGB)")
    if environment.colorterm in {"truecolor", "24bit"}:
        return Verdict(usable=True, why=f"COLORTERM={environment.colorterm}")
    if found.multiplexer:
        return Verdict(usable=False, why=f"no COLORTERM in {found.multiplexer}")
    if answers.kitty == "OK" or answers.truecolor:
        seen = "kitty graphics come with them" if answers.kitty == "OK" else "the terminal kept one that was set"
        return Verdict(usable=True, why=seen)
    if found.program.truecolor:
        return Verdict(usable=True, why=f"{found.program.name} has them")
    usable = any(name in environment.term for name in _TRUECOLOR_TERMS) or _in_terminfo(environment.term)
    return Verdict(usable=usable, why=f"TERM={environment.term}")


def _in_terminfo(term: str) -> bool:
    """Return whether the terminal's description names 24-bit colours."""
    try:
        import curses  # noqa: PLC0415 (some Pythons have none)

        curses.setupterm(term, 1)
    except Exception:  # noqa: BLE001 (curses.error cannot be named where the import fails)
        return False
    return any(curses.tigetflag(name) == 1 for name in ("RGB", "Tc"))


def _names(found: Findings) -> list[tuple[str, str]]:
    named = found.told or "it did not say"
    if not found.multiplexer:
        return [("terminal", named)]
    tmux = found.tmux
    if found.multiplexer == "screen" or tmux is None:
        return [("terminal", named), ("multiplexer", found.answers.program or found.multiplexer)]
    passthrough = {True: "on", False: "off", None: "not known"}[tmux.passthrough]
    features = ", ".join(sorted(tmux.features)) or "none"
    return [
        ("terminal", f"{named}, around tmux"),
        ("multiplexer", f"tmux {tmux.version}; allow-passthrough {passthrough}; knows the terminal for: {features}"),
    ]


def _background(found: Findings) -> str:
    if found.background is None:
        return "not said"
    return "#{:02x}{:02x}{:02x}".format(*found.background)
