"""Zero-shot classification by CLIP: labels, prompts, probabilities, and how good the prompts are."""
