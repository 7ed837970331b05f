"""The `Simulator` seam and its engines; randomization compiled to each."""
