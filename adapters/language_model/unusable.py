"""A `LanguageModel` that stands for an endpoint that is not set up."""

from collections.abc import Collection

import attrs

from daydreaming_dagster.ports.language_model import (
    Completion,
    LanguageModelError,
    ModelKey,
    ModelRequest,
)


@attrs.frozen
class UnusableLanguageModel:
    """Refuses every call, because `reason`: for instance, the variable with its key is not set."""

    reason: str

    async def complete(self, request: ModelRequest) -> Completion:
        """Send nothing.

        Raises:
            LanguageModelError: Always.
        """
        message = f"{request.model} was not called: {self.reason}"
        raise LanguageModelError(message, of_endpoint=True)

    def check(self, _models: Collection[ModelKey]) -> tuple[str, ...]:
        return (self.reason,)

    def stop(self, reason: str, model: ModelKey | None = None) -> None:
        """Do nothing: nothing is sent anyway."""

    async def aclose(self) -> None:
        """Do nothing: there is nothing to release."""
