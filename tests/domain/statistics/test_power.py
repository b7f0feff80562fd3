"""What a design can tell apart."""

import pytest

from daydreaming_dagster.domain.statistics.power import (
    chance_that_the_best_comes_first,
    say_what_can_be_told,
)


@pytest.mark.parametrize(("items", "chance"), [(20, 1 / 3), (100, 1 / 5)])
def test_four_scores_of_experts_seldom_find_the_best(items, chance):
    assert chance_that_the_best_comes_first(items, 4) == pytest.approx(chance, abs=0.05)


def test_perfect_scores_find_the_best():
    assert chance_that_the_best_comes_first(20, 1, icc=1.0) == 1.0


def test_it_is_said_what_more_scores_would_give():
    said = say_what_can_be_told(20, 80, "essay")

    assert said.startswith("with 20 essays and 4 scores each, the truly best comes first")
    assert "12 more scores each give 0." in said
