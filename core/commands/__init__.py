"""The subcommands of ``hw3``: each module has ``register(subparsers)`` and ``run(args) -> exit code``."""

from __future__ import annotations

from . import (
    caption,
    convert,
    demo,
    doctor,
    ensemble,
    evaluate,
    experiments,
    export,
    faithfulness,
    grid,
    grounding,
    judgements,
    precompute,
    report,
    runs,
    topfive,
    train,
    train_clip,
    unpack,
    zeroshot,
)

COMMANDS = (
    demo,
    train,
    train_clip,
    runs,
    experiments,
    precompute,
    caption,
    convert,
    unpack,
    ensemble,
    evaluate,
    grid,
    grounding,
    faithfulness,
    judgements,
    zeroshot,
    topfive,
    report,
    export,
    doctor,
)
