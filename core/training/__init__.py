"""Training a captioner: cross-entropy on the next token, then (if wanted) CIDEr as the reward; AdamW; validation.

Contract of the output folder: ``best/`` and ``last/`` are captioner checkpoints, ``log.jsonl`` has a line an epoch and
a validation, ``run.json`` the settings and where the run stands, ``state.pt`` is the resumable state,
``tokenizer.json`` the tokenizer learnt from the captions. Every step draws its randomness (order, captions, views,
dropout, samples) from (seed, step) alone, so that a run that was killed goes on with the very steps that were left.
"""

from __future__ import annotations

from .captions import caption_loss
from .pictures import Pictures
from .run import Run, train

__all__ = ["Pictures", "Run", "caption_loss", "train"]
