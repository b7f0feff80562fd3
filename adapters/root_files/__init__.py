"""Adapters of the port for files of a data root."""
