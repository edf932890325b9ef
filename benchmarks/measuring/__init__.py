"""What the benchmarks share: clocks, tables, memory, processes of their own, models and pictures to measure with."""
