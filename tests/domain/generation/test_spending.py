"""What a whole run spends: 64 drafts, a model that takes four calls at once, and a limit."""

import asyncio
import errno
import itertools

import attrs
import pytest

from adapters import InMemoryGensStore
from adapters.language_model.limiting import LimitingLanguageModel
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import make_catalog, plan_draft
from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.runner import GenerationRunner
from daydreaming_dagster.ports.language_model import Completion, LanguageModelError

MODEL = ModelEntry("big", "big-1", "acme", prompt_price=0.0, completion_price=40.0)
CATALOG = make_catalog(MODEL)
DRAFTS = [f"d{number}" for number in range(64)]


@pytest.fixture
def store():
    store = InMemoryGensStore(templates={("draft", "links"): "{{ concepts[0].name }}"})
    for gen_id in DRAFTS:
        plan_draft(store, gen_id, "a")
    return store


async def spend(store, tmp_path, script, max_calls=None, max_cost=None):
    """Run all drafts, and return the requests that the model got and the runner."""
    model = ScriptedLanguageModel(script, latency_seconds=0.01)
    runner = GenerationRunner(
        store,
        LimitingLanguageModel(model, {}, tmp_path, concurrency=4),
        CATALOG,
        budget=Budget.of([MODEL], max_calls, max_cost),
    )
    async with asyncio.timeout(60):
        async for _ in runner.generate_many({"draft": DRAFTS}):
            pass
    return model.requests, runner


def answering(tokens):
    return lambda _request: Completion("because", "stop", "big-1", 0.01, 0, tokens)


async def test_a_limit_of_20_calls_lets_20_calls_through(store, tmp_path):
    requests, runner = await spend(store, tmp_path, answering(100), max_calls=20)

    assert len(requests) == runner.budget.calls == 20
    assert runner.stop.reason == "the limit of 20 model calls is reached"


async def test_calls_that_are_refused_and_not_billed_count_in_the_limit_too(store, tmp_path):
    def script(request):
        refused = len(model_requests) % 2
        model_requests.append(request)
        if refused:
            return LanguageModelError("no", 400)
        return answering(100)(request)

    model_requests = []
    requests, runner = await spend(store, tmp_path, script, max_calls=20)

    assert len(requests) == runner.budget.calls == 20
    assert runner.stop.reason == "the limit of 20 model calls is reached"


async def test_what_answers_cost_less_than_expected_buys_others(store, tmp_path):
    """1500 tokens, 0.06 USD, are expected of the first answer; each turns out to cost 0.004."""
    requests, runner = await spend(store, tmp_path, answering(100), max_cost=0.065)

    assert len(requests) == 16
    assert runner.budget.cost == pytest.approx(0.064)
    assert "the limit of 0.065 USD is reached: 0.06 spent" in runner.stop.reason


async def test_a_limit_of_cost_is_kept_where_max_tokens_bounds_each_answer(store, tmp_path):
    """Each may cost 0.04 USD and costs 0.004, so that the third leaves too little for a fourth."""
    for gen_id in DRAFTS:
        document = store.read_main_metadata("draft", gen_id)
        store.write_main_metadata("draft", gen_id, {**document, "parameters": {"max_tokens": 1000}})

    requests, runner = await spend(store, tmp_path, answering(100), max_cost=0.05)

    assert len(requests) == 3
    assert "0.01 spent, and the next answer may cost 0.04" in runner.stop.reason


async def test_a_call_that_could_not_be_sent_holds_up_no_other(store, tmp_path):
    failed = []

    def script(request):
        if not failed:
            failed.append(request)
            raise OSError(errno.EMFILE, "Too many open files")
        return answering(100)(request)

    requests, runner = await spend(store, tmp_path, script, max_calls=5)

    assert len(requests) == 6
    assert runner.budget.calls == 5


async def test_a_call_that_is_cancelled_counts_as_what_it_may_have_cost(store):
    begun = asyncio.Event()
    model = ScriptedLanguageModel(lambda _request: begun.set() or "late", latency_seconds=60)
    budget = Budget.of([MODEL], None, None)
    runner = GenerationRunner(store, model, CATALOG, budget=budget)
    making = asyncio.create_task(runner.generate("draft", "d1"))
    await begun.wait()
    making.cancel()
    await asyncio.wait([making])

    assert budget.calls == 1
    assert budget.cost == pytest.approx(0.06)


UNREADABLE = Completion("", "stop", "big-1", 0.01, 0, 100, unreadable="it holds no text")


@pytest.mark.parametrize("finish_reason", ["stop", "length"])
async def test_answers_that_could_not_be_read_set_the_model_aside_and_are_not_bought_again(
    store, tmp_path, finish_reason
):
    unreadable = attrs.evolve(UNREADABLE, finish_reason=finish_reason)

    requests, runner = await spend(store, tmp_path, lambda _request: unreadable)

    assert 10 <= len(requests) < len(DRAFTS)
    reason = "big-1 was set aside: its last 10 answers could not be read: it holds no text"
    assert list(runner.set_aside.values()) == [reason]

    again, _ = await spend(store, tmp_path, answering(100))

    assert len(again) == len(DRAFTS) - len(requests)


async def test_answers_that_can_be_read_between_the_others_let_the_run_go_on(store, tmp_path):
    answers = itertools.cycle([UNREADABLE] * 8 + [answering(100)(None)])

    requests, runner = await spend(store, tmp_path, lambda _request: next(answers))

    assert len(requests) == len(DRAFTS)
    assert runner.set_aside == {}
