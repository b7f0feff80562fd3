"""Adapters of the port `LoopStore`."""
