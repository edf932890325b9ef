"""The subcommands of ``hw3``: each module has ``register(subparsers)`` and ``run(args) -> exit code``."""

from __future__ import annotations

from . import (
    demo,
    doctor,
    export,
    grid,
    grounding,
    judgements,
    precompute,
    report,
    topfive,
    train,
    train_clip,
    zeroshot,
)

COMMANDS = (demo, train, train_clip, precompute, grid, grounding, judgements, zeroshot, topfive, report, export, doctor)
