"""What a run may spend at most."""

import pytest

from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import StoppedError
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


def spend(budget, answer, request=REQUEST):
    budget.settle(request, budget.reserve(request), answer)


def test_without_a_limit_all_is_counted_and_nothing_refused():
    spent = budget()

    spend(spent, completion())
    spend(spent, completion())

    assert (spent.calls, spent.prompt_tokens, spent.completion_tokens) == (2, 200, 20)
    assert spent.cost == pytest.approx(2 * (100 + 10 * 10) / 1e6)


def test_the_call_after_the_last_one_is_refused():
    spent = budget(max_calls=2)
    spent.reserve(REQUEST)
    spent.reserve(REQUEST)

    with pytest.raises(StoppedError, match="the limit of 2 model calls is reached"):
        spent.reserve(REQUEST)


def test_a_call_that_waits_is_not_counted_as_made():
    spent = budget(max_calls=1)

    held = spent.reserve(REQUEST)
    assert spent.calls == 0

    spent.withdraw(held)
    spend(spent, completion())
    assert spent.calls == 1
    with pytest.raises(StoppedError):
        spent.reserve(REQUEST)


def test_a_limit_of_one_call_is_said_in_the_singular():
    spent = budget(max_calls=1)
    spent.reserve(REQUEST)

    with pytest.raises(StoppedError, match="the limit of 1 model call is reached"):
        spent.reserve(REQUEST)


def test_a_limit_of_none_at_all_refuses_the_first():
    with pytest.raises(StoppedError):
        budget(max_calls=0).reserve(REQUEST)


def test_a_limit_of_cost_that_is_no_number_lets_nothing_through():
    with pytest.raises(StoppedError, match="limit of nan USD"):
        budget(max_cost=float("nan")).reserve(REQUEST)


def test_calls_under_way_are_held_back_from_the_limit_of_cost():
    spent = budget(max_cost=2.5 * EXPECTED)

    assert spent.reserve(REQUEST) == pytest.approx(EXPECTED)
    spent.reserve(REQUEST)
    with pytest.raises(StoppedError, match="USD is reached"):
        spent.reserve(REQUEST)


def test_what_an_answer_did_not_cost_can_be_spent_again():
    spent = budget(max_cost=1.5 * EXPECTED)
    held = spent.reserve(REQUEST)
    spent.settle(REQUEST, held, completion())

    spent.reserve(REQUEST)


def test_a_call_that_was_refused_costs_nothing():
    spent = budget(max_cost=1.5 * EXPECTED)

    spent.settle_unanswered(spent.reserve(REQUEST), may_be_billed=False)

    assert spent.cost == 0.0
    assert spent.calls == 1
    spent.reserve(REQUEST)


def test_a_call_whose_answer_was_lost_costs_what_was_expected():
    spent = budget(max_cost=1.5 * EXPECTED)

    spent.settle_unanswered(spent.reserve(REQUEST), may_be_billed=True)

    assert spent.cost == pytest.approx(EXPECTED)
    with pytest.raises(StoppedError, match="USD is reached"):
        spent.reserve(REQUEST)


def test_an_answer_that_does_not_say_its_tokens_costs_what_was_expected():
    spent = budget()

    spend(spent, completion(None, None))

    assert spent.cost == pytest.approx(EXPECTED)


def test_without_max_tokens_the_longest_answer_so_far_is_expected():
    spent = budget(max_cost=1.0)
    request = ModelRequest("x" * 400, "big-1", "acme")
    assert spent.reserve(request) == pytest.approx((100 + 10 * 1500) / 1e6)

    spent.settle(request, 0.0, completion(completion_tokens=70))
    spent.settle(request, 0.0, completion(completion_tokens=50))

    assert spent.reserve(request) == pytest.approx((100 + 10 * 70) / 1e6)


def test_a_model_without_a_price_counts_calls_and_tokens_alone():
    spent = budget(max_cost=0.0, model=ModelEntry("big", "big-1", "acme"))

    spend(spent, completion())

    assert (spent.calls, spent.completion_tokens, spent.cost) == (1, 10, 0.0)


def test_the_same_model_of_another_provider_has_its_own_price():
    spent = budget()

    spend(spent, completion(), ModelRequest("x", "big-1", "other"))

    assert spent.cost == 0.0


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(0.0, "0.00"), (1234.5, "1234.50"), (0.01, "0.01"), (0.0016, "0.0016"), (1e-6, "0.0000010")],
)
def test_money_is_shown_with_what_tells_it_from_nothing(amount, shown):
    assert money(amount) == shown
