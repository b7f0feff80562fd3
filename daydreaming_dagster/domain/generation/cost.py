"""What an answer cost."""

from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.domain.generation.records import Usage


def answer_cost(usage: Usage, model: ModelEntry | None, *, by_batch: bool = False) -> float | None:
    """Return the cost of an answer in USD, None if it is unknown.

    It is what the provider says that it billed, otherwise the tokens at the prices of the catalog,
    with its discount for an answer that came by batch.
    """
    if usage.cost is not None:
        return usage.cost
    if model is None:
        return None
    return model.cost(
        usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, by_batch=by_batch
    )
