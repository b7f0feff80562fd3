"""The port for calling language models."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import Final, Literal, Protocol, Self

import attrs

from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.types import JsonObject, JsonValue

ModelKey = tuple[str, str]
"""The provider and the endpoint's name of a model."""

DEFAULT_PATIENCE_SECONDS: Final = 600.0
"""How long an endpoint that takes no calls is waited for."""

LONGEST_WAIT_SECONDS: Final = 600.0
"""If an endpoint asks for a longer pause, the call fails instead of waiting."""


@attrs.frozen
class SamplingParameters:
    """The sampling parameters of a request. None leaves the choice to the endpoint.

    `extra_body` holds parameters that only some endpoints accept (`grammar`, `response_format`,
    `reasoning_effort`, …). It is sent unchanged.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    extra_body: Mapping[str, JsonValue] = attrs.field(factory=dict, hash=False)

    def as_document(self) -> JsonObject:
        """Return the parameters that are set, as JSON."""
        return {
            key: dict(value) if isinstance(value, Mapping) else value
            for key, value in attrs.asdict(self, recurse=False).items()
            if value is not None and value != {}
        }

    def for_replicate(self, replicate: int) -> Self:
        """Return the parameters of the n-th replicate, counted from 1: the seed increases."""
        return self if self.seed is None else attrs.evolve(self, seed=self.seed + replicate - 1)


Role = Literal["system", "user", "assistant"]
"""Whose turn a message is."""


@attrs.frozen
class Message:
    """A turn of a question."""

    role: Role
    text: str


def _as_messages(question: str | Sequence[Message]) -> tuple[Message, ...]:
    return (Message("user", question),) if isinstance(question, str) else tuple(question)


@attrs.frozen
class Wait:
    """Why no call of a model is sent, and until when."""

    model: str
    until: datetime
    reason: str

    def __str__(self) -> str:
        return f"waiting for {self.model} until {self.until:%H:%M:%S}: {self.reason}"


@attrs.frozen
class ModelRequest:
    """One question to a model.

    `messages` are its turns, of which the last is the user's; a text is one turn of the user.
    `model` is the endpoint's name for the model, `provider` says who serves it. The caller closes
    `kept`, if there is one, once the answer is stored or abandoned. Until then, a model with a
    limit on calls in flight counts this call, so that a kill loses no more answers than the limit.
    `on_wait` is told, again and again, while the endpoint takes no calls.
    """

    messages: tuple[Message, ...] = attrs.field(converter=_as_messages)
    model: str
    provider: str = ""
    parameters: SamplingParameters = attrs.field(factory=SamplingParameters)
    kept: ExitStack | None = attrs.field(default=None, eq=False, repr=False)
    on_wait: Callable[[Wait], None] | None = attrs.field(default=None, eq=False, repr=False)

    @property
    def key(self) -> ModelKey:
        """The model that is asked."""
        return self.provider, self.model

    @property
    def prompt(self) -> str:
        """The texts of all turns as one, without their roles."""
        return "\n\n".join(message.text for message in self.messages)


@attrs.frozen
class Completion:
    """A model's answer.

    `model` is the model that answered, according to the endpoint. `finish_reason` is the endpoint's
    (`stop`, `length`, …). Token counts are None if the endpoint does not report them; cached tokens
    are among those of the prompt, reasoning tokens among those of the answer. `cost` is what the
    provider says that it billed, in USD. `response_id` and `system_fingerprint` are the endpoint's,
    and so is `batch_id`, the batch that it came in if it did. `failed_attempts` are the errors of
    earlier attempts. `reasoning` is the reasoning that the endpoint sends apart from the text. If
    the answer was paid for but has no usable text, `unreadable` says why. `response` is all that
    the endpoint sent, as compact JSON without secrets, and `headers` are those with its limits;
    both are only kept, and nothing depends on them.
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
    response: str = attrs.field(default="", eq=False)
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: float | None = None
    response_id: str = ""
    system_fingerprint: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict, eq=False)
    batch_id: str = ""


@attrs.define(eq=False)
class LanguageModelError(DaydreamingError):
    """A model gave no answer. The message says which model, why, and what to do.

    `status` is the HTTP status of a refusal, otherwise None. `retryable` says that the same request
    may succeed later, and `retry_after_seconds` how long the endpoint asked to wait, if it did.
    `of_endpoint` says that any other request would get the same error. `unavailable` says that the
    endpoint takes no calls of this model at the moment: there are too many, or it is down.
    `may_be_billed` says that a model may have worked on it although no usable answer came in time.
    `failed_attempts` are the errors of earlier attempts.
    """

    message: str
    status: int | None = None
    retryable: bool = False
    retry_after_seconds: float | None = None
    of_endpoint: bool = False
    unavailable: bool = False
    may_be_billed: bool = False
    failed_attempts: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.message


class LanguageModel(Protocol):
    """Answers questions.

    One instance serves many concurrent calls, all from the same event loop until `aclose`.
    """

    async def complete(self, request: ModelRequest) -> Completion:
        """Return the model's answer. At most one request that may be billed is sent.

        Raises:
            LanguageModelError: There was no answer.
            StoppedError: All models or this one were stopped before the request could be sent.
        """
        ...

    def check(self, models: Collection[ModelKey], /) -> Sequence[str]:
        """Return what prevents calls of these models as they are set up, a sentence each.

        Sends nothing.
        """
        ...

    def stop(self, reason: str, model: ModelKey | None = None) -> None:
        """Send no further requests, to one model or to all.

        Later and waiting calls end with a `StoppedError`. Requests that were sent continue.

        May be called from any thread and from a signal handler.
        """
        ...

    async def aclose(self) -> None:
        """Release connections. The next call opens new ones."""
        ...
