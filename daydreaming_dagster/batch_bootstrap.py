"""Composes the adapters that ask models by batch."""

from daydreaming_dagster.application.batch_lane import Batches
from daydreaming_dagster.bootstrap import DataRoot
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.endpoints import LOCAL_PROVIDER
from daydreaming_dagster.endpoint_bootstrap import open_default_endpoint, open_endpoint
from daydreaming_dagster.ports.batch_model import BatchModel


def compose_batches(root: DataRoot, catalog: Catalog) -> Batches | None:
    """Return what asks the models of a catalog by batch, None if the data root keeps no batches.

    Each endpoint takes batches at its first row, unless that says that it has none. Keys are read
    from the environment now. An endpoint that is not set up has no batches, and
    `LanguageModel.check` says why.
    """
    # Imported here because most commands call no model.
    from adapters.language_model.openai import OpenAILanguageModel
    from adapters.language_model.openai_batches import OpenAIBatches
    from adapters.language_model.routing_batches import RoutingBatches

    if root.batches is None:
        return None
    routes: dict[str, BatchModel | None] = {LOCAL_PROVIDER: None}
    for endpoint_id, (first, *_) in catalog.endpoints.items():
        endpoint = open_endpoint(first)
        routes[endpoint_id] = None
        if first.batch and isinstance(endpoint, OpenAILanguageModel):
            routes[endpoint_id] = OpenAIBatches(
                endpoint,
                root.location,
                first.batch_requests,
                int(first.batch_megabytes * 1_000_000),
                first.batch_poll_seconds,
            )
    default = open_default_endpoint()
    by_default = None
    if isinstance(default, OpenAILanguageModel):
        by_default = OpenAIBatches(default, root.location)
    return Batches(root.batches, RoutingBatches(routes, by_default))
