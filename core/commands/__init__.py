"""The subcommands of ``hw3``: each module has ``register(subparsers)`` and ``run(args) -> exit code``."""

from __future__ import annotations

from . import demo, doctor, grid, grounding, judgements, precompute, train, train_clip

COMMANDS = (demo, train, train_clip, precompute, grid, grounding, judgements, doctor)
