"""The parts of the contract of `GensStore`."""
