"""A `BatchModel` that passes each batch to the adapter of its provider."""

from collections.abc import AsyncIterator, Mapping, Sequence

import attrs

from daydreaming_dagster.ports.batch_model import BatchAnswer, BatchModel, BatchState, BatchTerms
from daydreaming_dagster.ports.language_model import ModelKey, ModelRequest


@attrs.frozen
class RoutingBatches:
    """Uses the adapter in `routes` for a model's provider, or else `default`.

    None in place of an adapter says that models there are not asked by batch.
    """

    routes: Mapping[str, BatchModel | None]
    default: BatchModel | None

    def terms(self, model: ModelKey) -> BatchTerms | None:
        route = self._route(model)
        return None if route is None else route.terms(model)

    def line(self, custom_id: str, request: ModelRequest) -> bytes:
        return self._of(request.key).line(custom_id, request)

    async def upload(self, model: ModelKey, name: str, lines: Sequence[bytes]) -> str:
        return await self._of(model).upload(model, name, lines)

    async def submit(self, model: ModelKey, name: str, file_id: str, cohort_id: str) -> BatchState:
        return await self._of(model).submit(model, name, file_id, cohort_id)

    async def find(self, model: ModelKey, name: str, file_id: str) -> BatchState | None:
        return await self._of(model).find(model, name, file_id)

    async def look(self, model: ModelKey, batch_id: str) -> BatchState:
        return await self._of(model).look(model, batch_id)

    def answers(self, model: ModelKey, state: BatchState) -> AsyncIterator[BatchAnswer]:
        return self._of(model).answers(model, state)

    async def cancel(self, model: ModelKey, batch_id: str) -> None:
        await self._of(model).cancel(model, batch_id)

    async def aclose(self) -> None:
        """Release the connections of all."""
        for batches in (*self.routes.values(), self.default):
            if batches is not None:
                await batches.aclose()

    def _route(self, model: ModelKey) -> BatchModel | None:
        return self.routes.get(model[0], self.default)

    def _of(self, model: ModelKey) -> BatchModel:
        route = self._route(model)
        if route is None:
            raise KeyError(model)  # `terms` said so
        return route
