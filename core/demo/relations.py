"""Where two groups of seen things are to each other, read from their true boxes.

Contract: `relate(first, second)` gives "on", "under", "above", "in front of", "behind", "next to",
or None where none is plainly true. Nothing depends on which is further left.
"""

from __future__ import annotations

from .casting import Item
from .drawing import Box, SceneObject
from .things import Pose

Seen = tuple[Item, SceneObject]


def relate(first: list[Seen], second: list[Seen]) -> str | None:
    """The relation that holds for every pair of the two groups, or "next to" for any near pair."""
    pairs = {_relation(a, b) for a in first for b in second}
    if len(pairs) == 1:
        return pairs.pop()
    return "next to" if pairs <= {"next to", None} and "next to" in pairs else None


def _relation(first: Seen, second: Seen) -> str | None:
    (one, a), (two, b) = first, second
    if one.depth > two.depth and _rests_on(a.box, b.box, two):
        return "on"
    if one.depth > two.depth and two.thing.shelter and _is_under(a.box, two):
        return "under"
    ax, ay, aw, ah = a.box
    bx, by, bw, bh = b.box
    across = min(ax + aw, bx + bw) - max(ax, bx)
    down = min(ay + ah, by + bh) - max(ay, by)
    if one.thing.pose is Pose.FLIES and ay + ah <= by + 0.15 * bh and across > 0.3 * min(aw, bw):
        return "above"
    flying = one.thing.pose is Pose.FLIES or two.thing.pose is Pose.FLIES
    if across > 0.35 * min(aw, bw) and down > 0.15 * min(ah, bh) and not flying:
        return "in front of" if one.depth > two.depth else "behind"
    near = -0.3 * max(aw, bw) < across < 0.25 * min(aw, bw)
    return "next to" if near and down > 0.45 * min(ah, bh) and not flying else None


def _rests_on(box: Box, support_box: Box, support: Item) -> bool:
    if support.thing.seat is None:
        return False
    x, y, w, h = box
    seat = support.top + support.thing.seat * support.height
    inside = support_box[0] < x + w / 2 < support_box[0] + support_box[2]
    return inside and abs(y + h - seat) < 0.1 * support.height and w < 1.1 * support.width


def _is_under(box: Box, shelter: Item) -> bool:
    x, y, w, h = box
    inside = abs(x + w / 2 - shelter.centre) < 0.36 * shelter.width
    deep = y > shelter.top + 0.22 * shelter.height and y + h > shelter.bottom - 0.12 * shelter.height
    return inside and deep and y + h < shelter.bottom + 0.15 * shelter.height
