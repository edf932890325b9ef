"""Experiments: found on disk and compared (`hw3 runs`, torch-free); the report's four, for real and small."""
