"""A `LanguageModel` that passes each request to the adapter of its provider."""

from collections.abc import Collection, Mapping

import attrs

from daydreaming_dagster.ports.language_model import (
    Completion,
    LanguageModel,
    ModelKey,
    ModelRequest,
)


@attrs.frozen
class RoutingLanguageModel:
    """Calls the model in `routes` for the request's provider, or else `default`."""

    routes: Mapping[str, LanguageModel]
    default: LanguageModel

    async def complete(self, request: ModelRequest) -> Completion:
        """Return the answer of the provider's model. Raises the same errors as that model."""
        return await self._route(request.provider).complete(request)

    def check(self, models: Collection[ModelKey]) -> tuple[str, ...]:
        problems = [problem for key in models for problem in self._route(key[0]).check([key])]
        return tuple(dict.fromkeys(problems))

    def stop(self, reason: str, model: ModelKey | None = None) -> None:
        """Stop all adapters, or what they do for one model."""
        for adapter in (*self.routes.values(), self.default):
            adapter.stop(reason, model)

    async def aclose(self) -> None:
        """Release the connections of all models."""
        for model in (*self.routes.values(), self.default):
            await model.aclose()

    def _route(self, provider: str) -> LanguageModel:
        return self.routes.get(provider, self.default)
