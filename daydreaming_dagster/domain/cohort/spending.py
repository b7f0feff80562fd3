"""What the stored answers of a cohort have cost."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Self

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.cost import answer_cost
from daydreaming_dagster.domain.generation.records import RawRecord, Usage
from daydreaming_dagster.domain.generation.stored import if_there
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.ports.gens_store import GensStore, read_ahead
from daydreaming_dagster.types import Stage


@attrs.frozen
class Bought:
    """The stored answers of models, what they consist of, and what they cost.

    Attributes:
        cost: In USD; None if the cost of an answer is not known.
    """

    answers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = 0.0

    def since(self, before: Self) -> Self:
        """Return what was bought after `before`."""
        known = self.cost is not None and before.cost is not None
        return type(self)(
            self.answers - before.answers,
            self.prompt_tokens - before.prompt_tokens,
            self.completion_tokens - before.completion_tokens,
            (self.cost or 0.0) - (before.cost or 0.0) if known else None,
        )


def bought(store: GensStore, catalog: Catalog, members: Mapping[Stage, Sequence[str]]) -> Bought:
    """Return what the stored answers of these generations are, replaced ones too.

    Raises:
        DataLayerError: The metadata of an answer cannot be read.
    """
    found = Bought()
    for _ref, record, cost in _answers(store, catalog, members):
        usage = record.usage or Usage()
        found = Bought(
            found.answers + 1,
            found.prompt_tokens + (usage.prompt_tokens or 0),
            found.completion_tokens + (usage.completion_tokens or 0),
            None if cost is None or found.cost is None else found.cost + cost,
        )
    return found


def spent_before(
    store: GensStore, catalog: Catalog, members: Mapping[Stage, Sequence[str]]
) -> float:
    """Return what the stored answers of these generations cost in USD.

    `answer_cost` says how; the prices are today's. Replaced answers count too, and those that were
    cut off, refused or unreadable. A call whose answer never came has no record.

    Raises:
        CatalogError: A model has no price, or an answer no token counts. A limit of the total could
            not be kept.
        DataLayerError: The metadata of an answer cannot be read.
    """
    total, unknown = 0.0, dict[str, None]()
    for ref, record, cost in _answers(store, catalog, members):
        if cost is None:
            unknown[f"{ref.stage}/{ref.gen_id} ({record.model})"] = None
        else:
            total += cost
    if unknown:
        problem = (
            f"a limit of the total needs the cost of every stored answer, and there is no price or "
            f"no token count for {counted(len(unknown), 'answer')}, such as {next(iter(unknown))}"
        )
        raise CatalogError("the model catalog", (problem,))
    return total


def known_spending(
    store: GensStore, catalog: Catalog, members: Mapping[Stage, Sequence[str]]
) -> float | None:
    """Return the result of `spent_before`, or None if the cost of an answer is not known.

    Raises:
        DataLayerError: The metadata of an answer cannot be read.
    """
    try:
        return spent_before(store, catalog, members)
    except CatalogError:
        return None


def known_sum(costs: Iterable[float | None]) -> float | None:
    """Return the sum of costs, or None if one is not known."""
    total = 0.0
    for cost in costs:
        if cost is None:
            return None
        total += cost
    return total


def _answers(
    store: GensStore, catalog: Catalog, members: Mapping[Stage, Sequence[str]]
) -> Iterator[tuple[GenerationRef, RawRecord, float | None]]:
    """Yield each stored answer of a model, and each that it replaced, with its cost in USD."""
    models = {model.key: model for model in catalog.models.values()}
    for stage, gen_ids in members.items():
        for gen_id, view in read_ahead(store, stage, gen_ids, ["raw_metadata"]):
            for record in _bought(if_there(view.read_raw_metadata, stage, gen_id)):
                model = models.get((record.provider or "", record.model or ""))
                by_batch = record.batch_id is not None
                cost = answer_cost(record.usage or Usage(), model, by_batch=by_batch)
                yield GenerationRef(stage, gen_id), record, cost


def _bought(document: object) -> Iterator[RawRecord]:
    """Yield the record of a model's answer, and those of the answers that it replaced."""
    if not isinstance(document, dict):
        return
    record = RawRecord.from_document(document)
    if record.mode == "llm":
        yield record
    replaced: Iterable[object] = record.replaced if isinstance(record.replaced, list) else ()
    for earlier in replaced:
        yield from _bought(earlier)
