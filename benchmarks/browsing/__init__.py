"""The parts of `benchmarks/browser.py`: what is measured, in which pseudo-terminal, and how the numbers are written."""
