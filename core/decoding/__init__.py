"""Writing captions: batched greedy search, beam search and sampling over the decoder's kept keys and values.

Contract: `decode(captioner, memory, decoding)` gives for every image its hypotheses, best first. Token ids are the
GENERATED ones: no ``[BOS]``, with the final ``[EOS]`` unless the length limit cut the caption. Log-probabilities are
of the captioner's own distribution (`Captioner.log_probs`), whatever the search did with them: neither a constraint
nor a temperature changes what a caption is said to be worth.
"""

from __future__ import annotations

from .options import Decoding, Hypothesis
from .sampling import sample
from .search import decode

__all__ = ["Decoding", "Hypothesis", "decode", "sample"]
