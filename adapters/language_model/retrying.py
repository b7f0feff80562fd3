"""A `LanguageModel` that retries calls of another one after temporary errors."""

from collections.abc import Collection, Sequence

import attrs
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from daydreaming_dagster.domain.generation.cancellation import ModelCancellations
from daydreaming_dagster.ports.language_model import (
    LONGEST_WAIT_SECONDS,
    Completion,
    LanguageModel,
    LanguageModelError,
    ModelKey,
    ModelRequest,
)


@attrs.frozen
class RetryingLanguageModel:
    """Calls `inner` up to `attempts` times while its errors are retryable.

    A call that may have been billed is not retried here, because only the budget can allow that.
    Nor is one whose endpoint takes no calls: `LimitingLanguageModel` has waited for that.

    Waits between attempts grow exponentially, with jitter, from `first_wait_seconds`, and last at
    least as long as the endpoint asks. If it asks for more than `longest_wait_seconds`, the call
    fails.
    """

    inner: LanguageModel
    attempts: int = 6
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = LONGEST_WAIT_SECONDS
    _cancellations: ModelCancellations = attrs.field(
        factory=ModelCancellations, init=False, repr=False, eq=False
    )

    async def complete(self, request: ModelRequest) -> Completion:
        """Return the first answer, with the errors before it in `failed_attempts`.

        Raises:
            LanguageModelError: No attempt had an answer, or an attempt may have been billed.
                Earlier errors are in its `failed_attempts`.
            StoppedError: The run ended between two attempts, or before the first was sent.
        """
        failed: list[str] = []
        backoff = wait_random_exponential(self.first_wait_seconds, max=60.0)

        def wait(state: RetryCallState) -> float:
            return max(backoff(state), _asked_to_wait(state))

        def note(state: RetryCallState) -> None:
            error = _error(state)
            failed.extend((*_failed_before(error), str(error)))

        retrying = AsyncRetrying(
            retry=retry_if_exception(self._may_pass),
            stop=stop_after_attempt(self.attempts),
            wait=wait,
            before_sleep=note,
            sleep=self._cancellations.of(request.key).sleep,
            reraise=True,
        )
        try:
            completion: Completion = await retrying(self.inner.complete, request)
        except LanguageModelError as error:
            error.failed_attempts = (*failed, *error.failed_attempts)
            raise
        return attrs.evolve(completion, failed_attempts=(*failed, *completion.failed_attempts))

    def check(self, models: Collection[ModelKey]) -> Sequence[str]:
        return self.inner.check(models)

    def stop(self, reason: str, model: ModelKey | None = None) -> None:
        """Make no further attempts."""
        self._cancellations.stop(reason, model)
        self.inner.stop(reason, model)

    async def aclose(self) -> None:
        """Release the connections of `inner`."""
        await self.inner.aclose()

    def _may_pass(self, error: BaseException) -> bool:
        return (
            isinstance(error, LanguageModelError)
            and error.retryable
            and not error.may_be_billed
            and not error.unavailable
            and (error.retry_after_seconds or 0.0) <= self.longest_wait_seconds
        )


def _error(state: RetryCallState) -> BaseException | None:
    return None if state.outcome is None else state.outcome.exception()


def _failed_before(error: BaseException | None) -> tuple[str, ...]:
    return error.failed_attempts if isinstance(error, LanguageModelError) else ()


def _asked_to_wait(state: RetryCallState) -> float:
    error = _error(state)
    return (error.retry_after_seconds or 0.0) if isinstance(error, LanguageModelError) else 0.0
