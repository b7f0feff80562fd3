"""What a run may spend at most."""

from collections.abc import Iterable, Mapping
from typing import Self

import attrs

from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.domain.generation.cancellation import StoppedError
from daydreaming_dagster.domain.generation.tokens import expected_tokens
from daydreaming_dagster.formatting import counted, money
from daydreaming_dagster.ports.language_model import Completion, ModelRequest


@attrs.define
class Budget:
    """Counts the questions of a run and what they cost, and refuses those beyond a limit.

    A question is counted once, however often the endpoint refuses it before it answers, and held
    back from the limit while it is under way. What it will cost, by `expected_tokens`, is reserved
    until the answer says what it did, and is spent where no answer says it and the model may have
    been at work. The limit can be passed only by as much as the answers under way are longer than
    that.

    Attributes:
        max_calls: How many questions may be put; None is no limit.
        max_cost: What they may cost, in USD; None is no limit.
        calls: How many questions were answered, refused for good, or lost their answer.
        prompt_tokens: What the answered ones sent, where the endpoint says it.
        completion_tokens: What the answers hold, where the endpoint says it.
        cost: What all cost, in USD, where the model catalog has prices.
    """

    max_calls: int | None = None
    max_cost: float | None = None
    calls: int = attrs.field(default=0, init=False)
    prompt_tokens: int = attrs.field(default=0, init=False)
    completion_tokens: int = attrs.field(default=0, init=False)
    cost: float = attrs.field(default=0.0, init=False)
    _models: Mapping[tuple[str, str], ModelEntry] = attrs.field(factory=dict, repr=False)
    _in_flight: int = attrs.field(default=0, init=False)
    _reserved: float = attrs.field(default=0.0, init=False)
    _longest: dict[tuple[str, str], int] = attrs.field(factory=dict, init=False, repr=False)

    @classmethod
    def of(
        cls, models: Iterable[ModelEntry], max_calls: int | None, max_cost: float | None
    ) -> Self:
        """Return a budget that knows the prices of these models."""
        return cls(max_calls, max_cost, {(model.provider, model.model): model for model in models})

    def reserve(self, request: ModelRequest) -> float:
        """Return what is held back for a question, in USD, to be given to one of the others.

        Raises:
            StoppedError: The question would pass a limit. Nothing is held back.
        """
        if self.max_calls is not None and self.calls + self._in_flight >= self.max_calls:
            limit = counted(self.max_calls, "model call")
            raise StoppedError(f"the limit of {limit} is reached")
        expected = self._expected_cost(request)
        committed = self.cost + self._reserved
        if self.max_cost is not None and not committed + expected <= self.max_cost:  # NaN too
            raise StoppedError(
                f"the limit of {money(self.max_cost)} USD is reached: {money(self.cost)} spent, "
                f"and the next answer may cost {money(expected)}"
            )
        self._in_flight += 1
        self._reserved += expected
        return expected

    def withdraw(self, reserved: float) -> None:
        """Take back a question that was not put after all."""
        self._in_flight -= 1
        self._reserved -= reserved

    def settle_unanswered(self, reserved: float, *, may_be_billed: bool) -> None:
        """Count what was reserved as spent if it may be billed, and give it back if not."""
        self.withdraw(reserved)
        self.calls += 1
        if may_be_billed:
            self.cost += reserved

    def settle(self, request: ModelRequest, reserved: float, completion: Completion) -> None:
        """Count what an answer cost in the place of what was reserved."""
        self.withdraw(reserved)
        self.calls += 1
        key = request.provider, request.model
        prompt, answer = completion.prompt_tokens, completion.completion_tokens
        self.prompt_tokens += prompt or 0
        self.completion_tokens += answer or 0
        self._longest[key] = max(self._longest.get(key, 0), answer or 0)
        model = self._models.get(key)
        cost = None if model is None else model.cost(prompt, answer)
        self.cost += reserved if cost is None else cost

    def _expected_cost(self, request: ModelRequest) -> float:
        key = request.provider, request.model
        model = self._models.get(key)
        if model is None:
            return 0.0
        return model.cost(*expected_tokens(request, self._longest.get(key, 0))) or 0.0
