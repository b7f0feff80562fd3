"""What a design can tell apart."""

import pytest

from daydreaming_dagster.domain.statistics.power import (
    AssumedIcc,
    Price,
    chance_that_the_best_comes_first,
    say_what_can_be_told,
)


@pytest.mark.parametrize(("items", "chance"), [(20, 1 / 3), (100, 1 / 5)])
def test_four_scores_of_experts_seldom_find_the_best(items, chance):
    assert chance_that_the_best_comes_first(items, 4) == pytest.approx(chance, abs=0.05)


def test_perfect_scores_find_the_best():
    assert chance_that_the_best_comes_first(20, 1, icc=1.0) == 1.0


def test_it_is_said_what_more_scores_would_give():
    said = say_what_can_be_told([4] * 20, "essay")

    assert said.startswith("with 20 essays and 4 scores each, the truly best comes first")
    assert "12 more scores each (240 calls) give 0." in said
    assert "as many duels among the first 5 give 0." in said
    assert said.endswith(
        "(two scores of one essay correlate by 0.19, assumed, as experts' of research ideas do)"
    )


def test_a_known_correlation_and_price_are_named():
    said = say_what_can_be_told([4] * 20, "essay", AssumedIcc(0.5, "as 30 here show"), Price(0.002))

    assert "(240 calls, about 0.48 USD)" in said
    assert said.endswith("correlate by 0.5, as 30 here show)")


def test_numbers_of_scores_that_differ_much_have_no_typical_one():
    said = say_what_can_be_told([1, 1, 1, 30, 61], "essay")

    assert (
        said == "5 essays have 1 to 61 scores each; a run with --until asks on where it is in doubt"
    )
    assert "with 5 essays and 3.6 scores each" in say_what_can_be_told([2, 4, 4, 4, 4], "essay")


def test_a_price_that_leaves_calls_out_is_said_to_be_a_lower_bound():
    assert Price.of([0.01, None, 0.02, None]).of_calls(100) == "at least 0.75 USD"
    assert Price.of([0.01, 0.02]).of_calls(100) == "about 1.50 USD"
    assert Price.of([None]) is Price.of([]) is None


def test_a_fraction_of_a_duel_per_pair_is_no_whole_one():
    def found(duels_per_pair):
        return chance_that_the_best_comes_first(8, 2, duels_per_order=duels_per_pair / 2)

    assert found(1) + 0.005 < found(1.5) < found(2) - 0.005


def test_duels_among_the_first_find_the_best_more_often_than_their_scores_did():
    alone = chance_that_the_best_comes_first(20, 4)

    assert chance_that_the_best_comes_first(20, 4, duels_per_order=12) > alone + 0.1
    assert chance_that_the_best_comes_first(2, 4, duels_per_order=50) > 0.9
