"""Adapters of the port `OlderDataRoot`."""
