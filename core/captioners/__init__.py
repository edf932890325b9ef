"""Captioners of every origin behind one protocol (`protocol.CaptionModel`); `open_captioner` finds the right one."""

from __future__ import annotations

from pathlib import Path

import torch

from ...cache.schema import Alternative
from .custom import CustomCaptioner
from .hf import HuggingFaceCaptioner, is_hugging_face
from .own import OwnCaptioner
from .predicted import Predicted, ReadBy, joined
from .protocol import CaptionModel, Explainable, Written, whole_picture

__all__ = [
    "Alternative",
    "CaptionModel",
    "Explainable",
    "HuggingFaceCaptioner",
    "OwnCaptioner",
    "Predicted",
    "ReadBy",
    "Written",
    "joined",
    "open_captioner",
    "whole_picture",
]


def open_captioner(spec: str | Path, device: torch.device, precision: str = "fp32") -> CaptionModel:
    """Open the captioner that a user names.

    Args:
        spec: a checkpoint folder of `hw3 train`, a folder of a Hugging Face model, or ``package.module:factory``, whose
            code is run.
        device: where it runs.
        precision: fp32, fp16 or bf16.

    Raises:
        CheckpointError: there is no such captioner, or it cannot be used.
        UsageError: a user's own captioner breaks the protocol.
    """
    if ":" in str(spec) and not Path(spec).exists():
        return CustomCaptioner.open(str(spec), device)
    if is_hugging_face(Path(spec)):
        return HuggingFaceCaptioner(Path(spec), device, precision)
    return OwnCaptioner(Path(spec), device, precision)
