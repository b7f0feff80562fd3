"""Composes the adapters that embed texts."""

from daydreaming_dagster.bootstrap import DataRoot, compose_language_model
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.ports.embedding_model import EmbeddingModel


def compose_embedding_model(
    catalog: Catalog, concurrency: int | None = None, root: DataRoot | None = None
) -> EmbeddingModel:
    """Return the adapters that embed texts with the models of a catalog.

    Endpoints, keys, limits and retries are those of `compose_language_model`.

    Raises:
        SetupError: The folder for limits is not writable, or the patience is not a number.
    """
    from adapters.embedding_model.answered import AnsweredEmbeddings  # few commands embed

    return AnsweredEmbeddings(compose_language_model(catalog, concurrency, root, embeds=True))
