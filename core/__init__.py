"""Computes: datasets, captioner, training, decoding, attention, CLIP, metrics, precompute, figures.

Needs the extra ``models``, but for `figures`, `report` and `export`.
"""
