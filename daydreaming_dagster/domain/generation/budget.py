"""Limits what a run may spend."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Self

import attrs

from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.domain.generation.cancellation import CancellationToken, StoppedError
from daydreaming_dagster.domain.generation.cost import answer_cost
from daydreaming_dagster.domain.generation.in_thread import in_thread
from daydreaming_dagster.domain.generation.ledger import Share, Spending
from daydreaming_dagster.domain.generation.price_bounds import PriceBounds
from daydreaming_dagster.domain.generation.records import Usage
from daydreaming_dagster.domain.generation.tokens import expected_tokens
from daydreaming_dagster.formatting import counted, money
from daydreaming_dagster.ports.language_model import Completion, ModelKey, ModelRequest

SHARE_SECONDS: Final = 1.0
"""How long a question waits between two looks at what other processes have given back."""


@attrs.define
class Budget:
    """Counts a run's questions and their cost, and refuses questions beyond a limit.

    A question counts once, however often the endpoint refuses it before it answers. While it is in
    flight, one call and its cost according to `expected_tokens` are reserved. The answer's own cost
    replaces the estimate. If there is no such cost and the model may have worked, the estimate
    counts as spent.

    A question that does not fit next to the reservations waits until they settle, because most cost
    less than reserved and some are never sent. Questions that wait in a batch are reserved like
    those in flight, also in a later run. The limit of cost can be exceeded only by as much as
    answers in flight are longer than expected; the limit of calls cannot be exceeded.

    If several processes work on the run, each has a budget with the same limits, and a share of
    them. A question then also waits for what the other processes may give back.

    Attributes:
        max_calls: The maximum number of questions; None means no limit.
        max_cost: Their maximum cost in USD; None means no limit.
        max_cost_total: The maximum of their cost and `spent_before` in USD; None means no limit.
        spent_before: What the cohort's earlier runs cost in USD.
        share: What this process may spend of the limits; None if it has them for itself.
        exhausted: Whether a question was refused because it passed a limit.
        calls: The number of questions that were answered, finally refused, or lost their answer.
        prompt_tokens: The tokens sent for answered questions, as far as endpoints report them.
        completion_tokens: The tokens of the answers, as far as endpoints report them.
    """

    max_calls: int | None = None
    max_cost: float | None = None
    max_cost_total: float | None = attrs.field(default=None, kw_only=True)
    spent_before: float = attrs.field(default=0.0, kw_only=True)
    share: Share | None = attrs.field(default=None, kw_only=True, repr=False)
    exhausted: bool = attrs.field(default=False, init=False)
    calls: int = attrs.field(default=0, init=False)
    prompt_tokens: int = attrs.field(default=0, init=False)
    completion_tokens: int = attrs.field(default=0, init=False)
    _cost: float = attrs.field(default=0.0, init=False)
    _of_lost: float = attrs.field(default=0.0, init=False)
    _unknown: int = attrs.field(default=0, init=False)
    _unpriced: list[tuple[ModelKey, tuple[int, int]]] = attrs.field(
        factory=list, init=False, repr=False
    )
    _bounds: defaultdict[ModelKey, PriceBounds] = attrs.field(
        factory=lambda: defaultdict(PriceBounds), init=False, repr=False
    )
    _models: Mapping[ModelKey, ModelEntry] = attrs.field(factory=dict, repr=False)
    _in_flight: int = attrs.field(default=0, init=False)
    _in_batches: int = attrs.field(default=0, init=False)
    _reserved: float = attrs.field(default=0.0, init=False)
    _longest: dict[ModelKey, int] = attrs.field(factory=dict, init=False, repr=False)
    _queue: asyncio.Lock = attrs.field(factory=asyncio.Lock, init=False, repr=False, eq=False)
    _settled: asyncio.Event = attrs.field(factory=asyncio.Event, init=False, repr=False, eq=False)

    @property
    def in_flight(self) -> int:
        """The number of questions that wait for their answers."""
        return self._in_flight

    @property
    def cost(self) -> float:
        """The cost of all questions in USD, as far as anything tells it."""
        return self._cost + self.cost_of_lost

    @property
    def cost_of_lost(self) -> float:
        """The part of the cost that is an upper bound, for calls whose answer never came."""
        return self._of_lost + sum(cost for cost in self._unpriced_costs() if cost is not None)

    @property
    def of_unknown_cost(self) -> int:
        """The number of answered and lost calls of which nothing tells the cost."""
        return self._unknown + sum(cost is None for cost in self._unpriced_costs())

    @property
    def reservations(self) -> tuple[int, int, int]:
        """Changes whenever a reservation is made or ends."""
        return self.calls, self._in_flight, self._in_batches

    @classmethod
    def of(
        cls,
        models: Iterable[ModelEntry],
        max_calls: int | None,
        max_cost: float | None,
        *,
        max_cost_total: float | None = None,
        spent_before: float = 0.0,
    ) -> Self:
        """Return a budget that knows the prices of these models."""
        return cls(
            max_calls,
            max_cost,
            {model.key: model for model in models},
            max_cost_total=max_cost_total,
            spent_before=spent_before,
        )

    @classmethod
    def of_share(cls, models: Iterable[ModelEntry], share: Share) -> Self:
        """Return the budget of one of the processes that share the limits of a run."""
        limits = share.limits
        budget = cls.of(
            models,
            limits.max_calls,
            limits.max_cost,
            max_cost_total=limits.max_cost_total,
            spent_before=limits.spent_before,
        )
        budget.share = share
        return budget

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        """Let another process know what was spent; what is left of limits stays with this one."""
        spent = {
            "calls": self.calls,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "_cost": self._cost,
            "_of_lost": self.cost_of_lost,
            "_unknown": self.of_unknown_cost,
        }
        return _with_spent, (type(self), spent)

    async def reserve(self, request: ModelRequest, stop: CancellationToken) -> float:
        """Return what is reserved for a question, in USD, to be given to one of the others.

        A question that does not fit waits, in order, until it does.

        Raises:
            StoppedError: The question does not fit and nothing is in flight that could make room,
                or `stop` ended the run. Nothing is reserved.
            OSError: The share cannot be written. Nothing is reserved.
        """
        async with self._queue:
            while True:
                stop.check()
                expected = self._expected_cost(request)
                gone: Spending | None = Spending()
                if self.share is not None:
                    gone = await in_thread(self.share.take, Spending(1, expected))
                if gone is None:
                    break
                if (reason := self._why_too_much(request, gone)) is None:
                    if self.share is None:
                        break
                    await stop.sleep(SHARE_SECONDS)
                elif not self._in_flight + self._in_batches:
                    self.exhausted = True
                    raise StoppedError(reason)
                else:
                    self._settled.clear()
                    await stop.wait(self._settled)
            self._in_flight += 1
            self._reserved += expected
            return expected

    def reserve_in_batch(self, request: ModelRequest) -> float | None:
        """Return what is reserved for a question of a batch, in USD; None if it does not fit now.

        Raises:
            StoppedError: The question does not fit, and nothing is reserved that could make room.
        """
        expected = self._expected_cost(request, by_batch=True)
        gone = Spending() if self.share is None else self.share.take(Spending(1, expected))
        if gone is not None:
            reason = self._why_too_much(request, gone, by_batch=True)
            if reason is None and self.share is not None:
                reason = "the other processes of the run hold what is left of its limits"
            if reason is not None:
                if not self._in_flight + self._in_batches:
                    self.exhausted = True
                    raise StoppedError(reason)
                return None
        self._in_batches += 1
        self._reserved += expected
        return expected

    def resume_in_batch(self, reserved: float) -> None:
        """Reserve for a question that an earlier run put into a batch, whatever the limits."""
        self._in_batches += 1
        self._reserved += reserved
        if self.share is not None:
            self.share.note(Spending(1, reserved), Spending())

    def take_from_batch(self) -> None:
        """Count the reservation of a question in a batch as that of one in flight.

        Its outcome is known, so it is settled or withdrawn next.
        """
        self._in_batches -= 1
        self._in_flight += 1

    def withdraw(self, reserved: float) -> None:
        """Give back the reservation of a question that was not put after all."""
        self._release(reserved, Spending())

    def _release(self, reserved: float, spent: Spending) -> None:
        """Replace a reservation by what was spent."""
        if self.share is not None:
            self.share.note(spent - Spending(1, reserved), spent)
        self._in_flight -= 1
        # The sum of rounding errors would keep the last question from fitting exactly.
        left = self._in_flight + self._in_batches
        self._reserved = self._reserved - reserved if left else 0.0
        self._settled.set()

    def settle_unanswered(
        self, request: ModelRequest, reserved: float, *, may_be_billed: bool
    ) -> None:
        """Count what was reserved as spent if it may be billed, and give it back if not.

        Without a price, what later answers of the model cost may tell how much it is.
        """
        self.calls += 1
        if may_be_billed and self._has_price(request.key):
            self._of_lost += reserved
        elif may_be_billed:
            self._unpriced.append((request.key, self._expected_tokens(request)))
        self._release(reserved, Spending(1, reserved if may_be_billed else 0.0))

    def settle(self, request: ModelRequest, reserved: float, completion: Completion) -> float:
        """Count what an answer cost in the place of what was reserved, and return it."""
        self.calls += 1
        key = request.key
        prompt, answer = completion.prompt_tokens, completion.completion_tokens
        self.prompt_tokens += prompt or 0
        self.completion_tokens += answer or 0
        self._longest[key] = max(self._longest.get(key, 0), answer or 0)
        usage, by_batch = Usage.of(completion), bool(completion.batch_id)
        self._bounds[key].note(usage)
        known = answer_cost(usage, self._models.get(key), by_batch=by_batch)
        cost = reserved if known is None else known
        self._cost += cost
        self._unknown += known is None and not reserved
        self._release(reserved, Spending(1, cost))
        return cost

    def _why_too_much(
        self, request: ModelRequest, gone: Spending, *, by_batch: bool = False
    ) -> str | None:
        """Return which limit a question would pass now, None if it fits.

        `gone` is what other processes of the run have spent.
        """
        asked = self.calls + self._in_flight + self._in_batches + gone.calls
        if self.max_calls is not None and asked >= self.max_calls:
            return f"the limit of {counted(self.max_calls, 'model call')} is reached"
        expected = self._expected_cost(request, by_batch=by_batch)
        spent = self.cost + gone.cost
        committed = spent + self._reserved
        if self.max_cost is not None and not committed + expected <= self.max_cost:  # NaN too
            return (
                f"the limit of {self.max_cost:.12g} USD is reached: {money(spent)} spent, "
                f"and the next answer may cost {money(expected)}"
            )
        before = self.spent_before
        if self.max_cost_total is not None and not before + committed + expected <= (
            self.max_cost_total
        ):
            return (
                f"the limit of {self.max_cost_total:.12g} USD for all runs of the cohort is "
                f"reached: {money(before + spent)} spent in total, {money(before)} of it "
                f"before this run, and the next answer may cost {money(expected)}"
            )
        return None

    def _expected_cost(self, request: ModelRequest, *, by_batch: bool = False) -> float:
        tokens, model = self._expected_tokens(request), self._models.get(request.key)
        return 0.0 if model is None else model.cost(*tokens, by_batch=by_batch) or 0.0

    def _expected_tokens(self, request: ModelRequest) -> tuple[int, int]:
        return expected_tokens(request, self._longest.get(request.key, 0))

    def _has_price(self, key: ModelKey) -> bool:
        model = self._models.get(key)
        return model is not None and model.cost(0, 0) is not None

    def _unpriced_costs(self) -> Iterator[float | None]:
        """Yield what each lost call of a model without a price cost at most, None if unknown."""
        return (self._bounds[key].cost(*tokens) for key, tokens in self._unpriced)


def _with_spent(kind: type[Budget], spent: Mapping[str, float]) -> Budget:
    budget = kind()
    for name, amount in spent.items():
        setattr(budget, name, amount)
    return budget


def spent(*budgets: Budget) -> str:
    """Return the cost of runs' questions as a text, with what of it is not known for sure."""
    cost, lost, unknown = (
        sum(getattr(budget, name) for budget in budgets)
        for name in ("cost", "cost_of_lost", "of_unknown_cost")
    )
    if unknown and not cost:
        return "cost unknown"
    estimated = f" (up to {money(lost)} of it for answers that were lost)" if lost else ""
    more = f", and {counted(unknown, 'call')} of unknown cost" if unknown else ""
    return f"{money(cost)} USD{estimated}{more}"
