"""Validation in training: captions of the product's own search, scored by corpus CIDEr."""

from __future__ import annotations

import numpy as np
import torch

from ..captioner import Captioner
from ..datasets import Dataset
from ..decoding import Decoding, decode
from ..metrics.evaluate import evaluate
from ..train_config import TrainConfig
from .pictures import Pictures

_BATCH = 100


class Validation:
    """The validation pictures, ready to be captioned again and again.

    Args:
        dataset: pictures with references.
        captioner: of the run; with a frozen encoder its features are kept.
        config: settings of the run.
    """

    def __init__(self, dataset: Dataset, captioner: Captioner, config: TrainConfig) -> None:
        self._items = dataset.items[: config.optim.validate_pictures or None]
        self._decoding = Decoding(beams=config.optim.validate_beams)
        self._pictures = Pictures(dataset, captioner, config, augmented=False)

    def cider(self, captioner: Captioner) -> float:
        """Corpus CIDEr of `captioner`'s captions; its mode (dropout) is as before afterwards."""
        training = captioner.training
        captioner.eval()
        texts: list[str] = []
        for start in range(0, len(self._items), _BATCH):
            indices = np.arange(start, min(start + _BATCH, len(self._items)))
            with torch.inference_mode():
                memory = self._pictures.memory(captioner, indices)
            best = [found[0] for found in decode(captioner, memory, self._decoding)]
            texts += [captioner.tokenizer.decode(hypothesis.token_ids).text for hypothesis in best]
        captioner.train(training)
        references = [item.references for item in self._items]
        return float(evaluate(texts, references, metrics=("cider",)).corpus["cider"])
