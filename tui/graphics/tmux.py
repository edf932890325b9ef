"""Sequences that tmux hands on to the terminal around it, unread (`set -g allow-passthrough on`)."""

from __future__ import annotations


def through(sequence: str) -> str:
    """Wrap a sequence for tmux."""
    return "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
