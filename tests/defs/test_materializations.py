"""What Dagster shows of a generation."""

import pytest

from adapters import InMemoryGensStore
from daydreaming_dagster.defs.materializations import GenerationEvents, failed_step
from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.domain.generation.answers import RawAnswer
from daydreaming_dagster.domain.generation.generated import Generated
from daydreaming_dagster.domain.generation.records import RawRecord, Usage

ANSWER = RawAnswer("because", {}, reused=False)


@pytest.mark.parametrize(
    ("generated", "step"),
    [
        (Generated("draft", "d1"), "prompt"),
        (Generated("draft", "d1", prompt="why?"), "raw"),
        (Generated("draft", "d1", prompt="why?", raw=ANSWER), "parsed"),
        # The old prompt stays beside the old answer until the new one is there.
        (Generated("draft", "d1", asked=True), "raw"),
    ],
)
def test_a_failure_is_of_the_first_step_that_made_nothing(generated, step):
    assert failed_step(generated) == step


def test_a_step_that_was_not_chosen_did_not_fail():
    assert failed_step(Generated("draft", "d1"), ["parsed"]) == "parsed"


@pytest.mark.parametrize(
    "answer", ["![](http://evil/x.png)", "``` \n![](http://evil)\n```", "`" * 9]
)
def test_a_text_is_shown_as_text_and_loads_nothing(answer):
    generated = Generated("draft", "d1", raw=RawAnswer(answer, RawRecord(), reused=False))

    event = GenerationEvents("", InMemoryGensStore()).materialization(generated, "raw", None)

    shown = event.metadata["answer"].value
    fence, _, rest = shown.partition("text\n")
    assert set(fence) == {"`"}
    assert fence not in answer
    assert rest == f"{answer}\n{fence}"


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(prompt_tokens=1_000_000, completion_tokens=1_000_000), 3.0),
        (Usage(cost=0.5), 0.5),  # what the endpoint says that it billed
        (None, None),
    ],
)
def test_an_answer_shows_what_it_cost_if_that_is_known(usage, cost):
    big = ModelEntry("big", "big-1", "acme", prompt_price=1.0, completion_price=2.0)
    record = RawRecord(model="big-1", provider="acme", usage=usage)
    generated = Generated("draft", "d1", raw=RawAnswer("because", record, reused=False))

    events = GenerationEvents("", InMemoryGensStore(), {big.key: big})

    shown = events.materialization(generated, "raw", None).metadata
    assert (shown["cost_usd"].value if "cost_usd" in shown else None) == cost
