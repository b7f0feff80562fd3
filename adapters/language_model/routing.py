"""A `LanguageModel` that leaves each request to the adapter of its provider."""

from collections.abc import Mapping

import attrs

from daydreaming_dagster.ports.language_model import Completion, LanguageModel, ModelRequest


@attrs.frozen
class RoutingLanguageModel:
    """Asks the model of `routes` that the request's provider names, or else `default`."""

    routes: Mapping[str, LanguageModel]
    default: LanguageModel

    async def complete(self, request: ModelRequest) -> Completion:
        """Return the answer of the provider's model; raises what that raises."""
        return await self.routes.get(request.provider, self.default).complete(request)

    def stop(self, reason: str) -> None:
        """Let none of them send anything more."""
        for model in (*self.routes.values(), self.default):
            model.stop(reason)

    async def aclose(self) -> None:
        """Release the connections of all."""
        for model in (*self.routes.values(), self.default):
            await model.aclose()
