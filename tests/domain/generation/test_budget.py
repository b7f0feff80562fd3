"""Limits on what a run may spend."""

import asyncio
import pickle

import attrs
import pytest

from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.budget import spent as shown_cost
from daydreaming_dagster.domain.generation.cancellation import CancellationToken, StoppedError
from daydreaming_dagster.formatting import money
from daydreaming_dagster.ports.language_model import Completion, ModelRequest, SamplingParameters

MODEL = ModelEntry("big", "big-1", "acme", prompt_price=1.0, completion_price=10.0)
REQUEST = ModelRequest("x" * 400, "big-1", "acme", SamplingParameters(max_tokens=1000))
EXPECTED = (100 + 10 * 1000) / 1e6
"""What the request may cost: 100 tokens of prompt, at most 1000 of answer."""


def budget(max_calls=None, max_cost=None, model=MODEL):
    return Budget.of([model], max_calls, max_cost)


def completion(prompt_tokens=100, completion_tokens=10):
    return Completion("because", "stop", "big-1", 1.0, prompt_tokens, completion_tokens)


async def reserve(budget, request=REQUEST):
    return await budget.reserve(request, CancellationToken())


async def spend(budget, answer, request=REQUEST):
    budget.settle(request, await reserve(budget, request), answer)


async def test_without_a_limit_all_is_counted_and_nothing_refused():
    spent = budget()

    await spend(spent, completion())
    await spend(spent, completion())

    assert (spent.calls, spent.prompt_tokens, spent.completion_tokens) == (2, 200, 20)
    assert spent.cost == pytest.approx(2 * (100 + 10 * 10) / 1e6)


async def test_the_call_after_the_last_one_is_refused():
    spent = budget(max_calls=2)
    await spend(spent, completion())
    await spend(spent, completion())

    with pytest.raises(StoppedError, match="the limit of 2 model calls is reached"):
        await reserve(spent)


async def after(spent, settle, stop=None):
    """Return what a second reservation comes to when `settle` is called with the first."""

    first = await spent.reserve(REQUEST, CancellationToken())
    second = asyncio.create_task(spent.reserve(REQUEST, stop or CancellationToken()))
    await asyncio.sleep(0.01)
    assert not second.done()
    settle(first)
    return await asyncio.wait_for(second, timeout=60)


async def test_a_call_waits_for_the_one_in_flight_and_takes_the_place_that_it_gives_back():
    spent = budget(max_calls=1)

    await after(spent, spent.withdraw)

    assert spent.calls == 0


async def test_a_call_that_waits_is_refused_when_the_last_one_was_made():
    spent = budget(max_calls=1)

    with pytest.raises(StoppedError, match="the limit of 1 model call is reached"):
        await after(spent, lambda held: spent.settle(REQUEST, held, completion()))


async def test_a_call_that_waits_ends_with_the_run():
    spent, stop = budget(max_calls=1), CancellationToken()

    with pytest.raises(StoppedError, match="enough"):
        await after(spent, lambda _held: stop.stop("enough"), stop)


async def test_calls_that_wait_keep_their_order():
    spent, order = budget(max_calls=1), []

    async def reserve_and_withdraw(name):
        held = await spent.reserve(REQUEST, CancellationToken())
        order.append(name)
        await asyncio.sleep(0.001)
        spent.withdraw(held)

    await asyncio.gather(*(reserve_and_withdraw(name) for name in range(5)))

    assert order == [0, 1, 2, 3, 4]


async def test_a_limit_of_none_at_all_refuses_the_first():
    with pytest.raises(StoppedError):
        await reserve(budget(max_calls=0))


async def test_a_limit_of_cost_that_is_no_number_lets_nothing_through():
    with pytest.raises(StoppedError, match="limit of nan USD"):
        await reserve(budget(max_cost=float("nan")))


async def test_what_an_answer_did_not_cost_can_be_spent_again():
    spent = budget(max_cost=1.5 * EXPECTED)

    assert (
        await after(spent, lambda held: spent.settle(REQUEST, held, completion()))
    ) == pytest.approx(EXPECTED)


async def test_what_an_answer_did_cost_cannot():
    spent = budget(max_cost=1.5 * EXPECTED)

    with pytest.raises(StoppedError, match="USD is reached"):
        await after(spent, lambda held: spent.settle(REQUEST, held, completion(100, 1000)))


async def test_rounding_keeps_no_call_from_a_limit_that_it_fits_exactly():
    spent = budget(max_cost=EXPECTED)
    first, second = ModelRequest("x" * 4, "big-1", "acme"), ModelRequest("", "big-1", "acme")

    unlimited, spent.max_cost = spent.max_cost, None
    held = [await spent.reserve(each, CancellationToken()) for each in (first, second) * 9]
    for reserved in held:
        spent.withdraw(reserved)
    spent.max_cost = unlimited

    assert await reserve(spent) == pytest.approx(EXPECTED)


async def test_a_call_that_was_refused_costs_nothing():
    spent = budget(max_cost=1.5 * EXPECTED)

    spent.settle_unanswered(REQUEST, await reserve(spent), may_be_billed=False)

    assert spent.cost == 0.0
    assert spent.calls == 1
    await reserve(spent)


async def test_a_call_whose_answer_was_lost_costs_what_was_expected():
    spent = budget(max_cost=1.5 * EXPECTED)

    spent.settle_unanswered(REQUEST, await reserve(spent), may_be_billed=True)

    assert spent.cost == pytest.approx(EXPECTED)
    with pytest.raises(StoppedError, match="USD is reached"):
        await reserve(spent)


async def test_what_lost_answers_may_have_cost_is_shown_apart():
    spent = budget()
    await spend(spent, completion())
    answered = spent.cost
    assert shown_cost(spent) == f"{money(answered)} USD"

    spent.settle_unanswered(REQUEST, await reserve(spent), may_be_billed=True)

    assert spent.cost_of_lost == pytest.approx(spent.cost - answered)
    lost = money(spent.cost_of_lost)
    assert shown_cost(spent) == (
        f"{money(spent.cost)} USD (up to {lost} of it for answers that were lost)"
    )


async def test_what_the_provider_billed_counts_in_place_of_the_catalogs_price():
    spent = budget()

    await spend(spent, attrs.evolve(completion(), cost=0.25))

    assert (spent.cost, spent.cost_of_lost) == (0.25, 0.0)


async def test_an_answer_that_does_not_say_its_tokens_costs_what_was_expected():
    spent = budget()

    await spend(spent, completion(None, None))

    assert spent.cost == pytest.approx(EXPECTED)


async def test_without_max_tokens_the_longest_answer_so_far_is_expected():
    spent = budget(max_cost=1.0)
    request = ModelRequest("x" * 400, "big-1", "acme")
    assert await reserve(spent, request) == pytest.approx((100 + 10 * 1500) / 1e6)

    spent.settle(request, 0.0, completion(completion_tokens=70))
    spent.settle(request, 0.0, completion(completion_tokens=50))

    assert await reserve(spent, request) == pytest.approx((100 + 10 * 70) / 1e6)


async def test_a_limit_that_reasoning_models_take_bounds_the_answer_too():
    limit = SamplingParameters(extra_body={"max_completion_tokens": 4000})

    expected = await reserve(budget(), ModelRequest("x" * 400, "big-1", "acme", limit))

    assert expected == pytest.approx((100 + 10 * 4000) / 1e6)


async def test_a_model_without_a_price_counts_calls_and_tokens_alone():
    spent = budget(max_cost=0.0, model=ModelEntry("big", "big-1", "acme"))

    await spend(spent, completion())

    assert (spent.calls, spent.completion_tokens, spent.cost) == (1, 10, 0.0)


async def test_the_same_model_of_another_provider_has_its_own_price():
    spent = budget()

    await spend(spent, completion(), ModelRequest("x", "big-1", "other"))

    assert spent.cost == 0.0


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(0.0, "0.00"), (1234.5, "1234.50"), (0.01, "0.01"), (0.0016, "0.0016"), (1e-6, "0.0000010")],
)
def test_money_is_shown_with_what_tells_it_from_nothing(amount, shown):
    assert money(amount) == shown


UNPRICED = ModelEntry("big", "big-1", "acme")


def billed(cost, prompt_tokens=100, completion_tokens=10, cached_tokens=None):
    answer = completion(prompt_tokens, completion_tokens)
    return attrs.evolve(answer, cost=cost, cached_tokens=cached_tokens)


async def test_a_lost_answer_without_a_price_costs_at_most_what_others_tell():
    """At 1 USD per million tokens of prompt, and 10 of answer."""
    spent = budget(model=UNPRICED)
    spent.settle_unanswered(REQUEST, await reserve(spent), may_be_billed=True)
    assert (spent.cost, spent.of_unknown_cost, shown_cost(spent)) == (0.0, 1, "cost unknown")

    await spend(spent, billed((1_000 + 10 * 1) / 1e6, 1_000, 1))
    await spend(spent, billed((50 + 10 * 1_000) / 1e6, 100, 1_000, cached_tokens=50))

    assert spent.of_unknown_cost == 0
    assert EXPECTED <= spent.cost_of_lost <= 1.1 * EXPECTED
    assert spent.cost == pytest.approx(spent.cost_of_lost + (1_010 + 10_050) / 1e6)
    assert "of unknown cost" not in shown_cost(spent)


async def test_calls_of_unknown_cost_are_counted_beside_the_cost_of_others():
    spent = Budget.of([MODEL, ModelEntry("free", "free-1", "acme")], None, None)
    unpriced = attrs.evolve(REQUEST, model="free-1")
    await spend(spent, completion())

    await spend(spent, completion(), unpriced)
    spent.settle_unanswered(unpriced, await reserve(spent, unpriced), may_be_billed=True)

    assert spent.of_unknown_cost == 2
    assert shown_cost(spent) == f"{money(spent.cost)} USD, and 2 calls of unknown cost"
    assert spent.cost == pytest.approx(200 / 1e6)


@pytest.mark.parametrize("model", [MODEL, ModelEntry("big", "big-1", "acme")])
async def test_another_process_knows_what_was_spent(model):
    spent = budget(max_calls=3, model=model)
    await spend(spent, completion())
    spent.settle_unanswered(REQUEST, await reserve(spent), may_be_billed=True)
    await reserve(spent)

    elsewhere = pickle.loads(pickle.dumps(spent))  # noqa: S301  made here

    for name in ("calls", "prompt_tokens", "completion_tokens", "cost_of_lost", "of_unknown_cost"):
        assert getattr(elsewhere, name) == getattr(spent, name)
    assert elsewhere.cost == pytest.approx(spent.cost)
    assert shown_cost(elsewhere) == shown_cost(spent)
