"""The parts of `gpu.py`: what a card could do, what each stage of a run asks of it, and whole runs."""
