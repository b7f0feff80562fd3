"""Costs beside those of an endpoint that bills, refuses and loses answers."""

import asyncio
import threading

import pytest

from adapters.gens_store.in_memory import InMemoryGensStore
from adapters.language_model.openai import OpenAILanguageModel
from adapters.language_model.retrying import RetryingLanguageModel
from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.domain.cohort.spending import spent_before
from daydreaming_dagster.domain.generation.answers import store_answer
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.generation.recipe import Recipe
from daydreaming_dagster.ports.language_model import (
    LanguageModelError,
    ModelRequest,
    SamplingParameters,
)
from tests.builders import make_catalog
from tests.endpoint import Endpoint, serving

CALLS = 1_000
SAYS = ModelEntry("says", "says-1")
COUNTS = ModelEntry("counts", "counts-1", "", 2.0, 8.0, cached_prompt_price=0.5)
LIMIT = SamplingParameters(max_tokens=500)


class Biller:
    """Refuses each tenth request, loses each twentieth answer and bills the rest."""

    def __init__(self):
        self.requests, self.answered, self.lost = 0, 0.0, 0.0
        self.lock = threading.Lock()

    def __call__(self, handler):
        with self.lock:
            self.requests += 1
            number = self.requests
        if number % 10 == 0:
            handler.reply(429, {"error": {"message": "busy"}}, Retry_After="0")
            return
        prompt, cached, answer, reasoning = 60 + number % 40, number % 50, 100, number % 90
        says = handler.body["model"] == "says-1"
        bill = 0.001 * (number % 7) if says else (prompt - cached) * 2e-6 + cached * 5e-7 + 8e-4
        with self.lock:
            if number % 20 == 1:
                self.lost += bill
            else:
                self.answered += bill
        if number % 20 == 1:
            handler.close_connection = True
            return
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": answer,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": reasoning},
            **({"cost": bill} if says else {}),
        }
        message = {"role": "assistant", "content": "A dream."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        handler.reply(200, {"id": f"r-{number}", "choices": [choice], "usage": usage})


@pytest.mark.parametrize("entry", [SAYS, COUNTS], ids=["says its cost", "counts tokens"])
async def test_what_is_reported_for_answers_is_what_was_billed_and_lost_answers_are_apart(entry):
    biller, store, catalog = Biller(), InMemoryGensStore(), make_catalog(entry)
    budget, stop, room = Budget.of([entry], None, None), CancellationToken(), asyncio.Semaphore(20)
    prompt = "Dream. " * 60
    request = ModelRequest(prompt, entry.model, entry.provider, LIMIT)
    recipe = Recipe(
        "draft",
        "plain",
        "llm",
        catalog.reader(
            "draft", next(name for stage, name in catalog.templates if stage == "draft")
        ),
        model=entry.model,
        parameters=LIMIT,
    )

    async def ask(number):
        async with room:
            reserved = await budget.reserve(request, stop)
            try:
                completion = await model.complete(request)
            except LanguageModelError as error:
                budget.settle_unanswered(request, reserved, may_be_billed=error.may_be_billed)
                return
            budget.settle(request, reserved, completion)
            store_answer(store, f"d{number}", recipe, prompt, completion)

    with serving(Endpoint(biller)) as endpoint:
        model = RetryingLanguageModel(
            OpenAILanguageModel(endpoint.url), attempts=20, first_wait_seconds=0.0
        )
        await asyncio.gather(*(ask(number) for number in range(CALLS)))
        await model.aclose()

    stored = spent_before(store, catalog, {"draft": [f"d{number}" for number in range(CALLS)]})
    assert stored == pytest.approx(biller.answered, abs=1e-9)
    assert budget.cost - budget.cost_of_lost == pytest.approx(biller.answered, abs=1e-9)
    assert biller.lost > 0
    assert budget.cost_of_lost >= biller.lost
    assert budget.of_unknown_cost == 0
