"""Adapters of `BatchStore`."""
