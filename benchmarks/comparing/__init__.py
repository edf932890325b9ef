"""The parts of `pipeline.py`: each compares the product with the plain script."""
