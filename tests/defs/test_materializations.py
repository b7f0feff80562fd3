"""What Dagster shows of a generation."""

import pytest

from adapters import InMemoryGensStore
from daydreaming_dagster.defs.materializations import failed_step, materialization
from daydreaming_dagster.domain.generation.answers import RawAnswer
from daydreaming_dagster.domain.generation.generated import Generated
from daydreaming_dagster.domain.generation.records import RawRecord

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

    event = materialization("", InMemoryGensStore(), generated, "raw", None)

    shown = event.metadata["answer"].value
    fence, _, rest = shown.partition("text\n")
    assert set(fence) == {"`"}
    assert fence not in answer
    assert rest == f"{answer}\n{fence}"
