"""A `LanguageModel` that passes each request to the adapter of its provider."""

from collections.abc import Mapping

import attrs

from daydreaming_dagster.ports.language_model import Completion, LanguageModel, ModelRequest


@attrs.frozen
class RoutingLanguageModel:
    """Calls the model in `routes` for the request's provider, or else `default`."""

    routes: Mapping[str, LanguageModel]
    default: LanguageModel

    async def complete(self, request: ModelRequest) -> Completion:
        """Return the answer of the provider's model. Raises the same errors as that model."""
        return await self.routes.get(request.provider, self.default).complete(request)

    def stop(self, reason: str) -> None:
        """Stop all models."""
        for model in (*self.routes.values(), self.default):
            model.stop(reason)

    async def aclose(self) -> None:
        """Release the connections of all models."""
        for model in (*self.routes.values(), self.default):
            await model.aclose()
