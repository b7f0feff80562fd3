"""The port through which everything asks a language model."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Final, Protocol, Self

import attrs

from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.types import JsonObject, JsonValue

LONGEST_WAIT_SECONDS: Final = 600.0
"""An endpoint that asks to be left alone for longer is not waited for."""


@attrs.frozen
class SamplingParameters:
    """How a model is asked. None leaves the choice to the endpoint.

    `extra_body` holds what only some endpoints know (`grammar`, `response_format`,
    `reasoning_effort`, …) and is sent as it is.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    extra_body: Mapping[str, JsonValue] = attrs.field(factory=dict, hash=False)

    def as_document(self) -> JsonObject:
        """Return what is set, as JSON."""
        return {
            key: dict(value) if isinstance(value, Mapping) else value
            for key, value in attrs.asdict(self, recurse=False).items()
            if value is not None and value != {}
        }

    def for_replicate(self, replicate: int) -> Self:
        """Return the parameters of the n-th replicate, counted from 1: the seed moves on."""
        return self if self.seed is None else attrs.evolve(self, seed=self.seed + replicate - 1)


@attrs.frozen
class ModelRequest:
    """One question to a model.

    `model` is the name that the endpoint knows, `provider` says who serves it. Where there is
    `kept`, the asker closes it when the answer is stored, or will not be: until then a model that
    limits how many calls are under way counts this one, so that a kill loses no more than those.
    """

    prompt: str
    model: str
    provider: str = ""
    parameters: SamplingParameters = attrs.field(factory=SamplingParameters)
    kept: ExitStack | None = attrs.field(default=None, eq=False, repr=False)


@attrs.frozen
class Completion:
    """A model's answer.

    `model` is the one that answered, as the endpoint names it. `finish_reason` is the
    endpoint's (`stop`, `length`, …). Token counts are None where the endpoint gives none.
    `failed_attempts` are the errors of attempts before the one that answered. `reasoning` is what
    the endpoint sends apart from the text. If the answer was paid for and gives no text that can
    be used, `unreadable` says why, and `response` is the whole of what came.
    """

    text: str
    finish_reason: str
    model: str
    duration_seconds: float
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    failed_attempts: tuple[str, ...] = ()
    reasoning: str = ""
    unreadable: str = ""
    response: str = ""


@attrs.define(eq=False)
class LanguageModelError(DaydreamingError):
    """A model gave no answer. The message says which model, why, and what to do.

    `status` is the HTTP status with which the endpoint refused, None where it did not.
    `retryable` says that the same request may succeed later, and `retry_after_seconds`
    is how long the endpoint asked to wait, where it did. `of_endpoint` says that any other
    request would have met the same error. `may_be_billed` says that a model may have been at
    work all the same: no answer came in time, or none that can be used. `failed_attempts` are the
    errors of attempts before this one.
    """

    message: str
    status: int | None = None
    retryable: bool = False
    retry_after_seconds: float | None = None
    of_endpoint: bool = False
    may_be_billed: bool = False
    failed_attempts: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.message


class LanguageModel(Protocol):
    """Answers prompts.

    One instance serves many concurrent calls, all from the same event loop until `aclose`.
    """

    async def complete(self, request: ModelRequest) -> Completion:
        """Return the model's answer, for which at most one request was sent that may be billed.

        Raises:
            LanguageModelError: There was no answer.
            StoppedError: `stop` was called before the request could be sent.
        """
        ...

    def stop(self, reason: str) -> None:
        """Send nothing more: other calls end with a `StoppedError`, those that were sent go on.

        May be called from any thread and from a signal handler.
        """
        ...

    async def aclose(self) -> None:
        """Release connections. The next call opens new ones."""
        ...
