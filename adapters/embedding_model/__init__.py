"""Adapters of the port `EmbeddingModel`."""
