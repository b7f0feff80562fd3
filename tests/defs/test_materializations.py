"""What Dagster shows of a generation."""

import pytest

from daydreaming_dagster.defs.materializations import failed_step
from daydreaming_dagster.domain.generation.answers import RawAnswer
from daydreaming_dagster.domain.generation.generated import Generated

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
