"""The rule that ends scoring errs seldom, however often one looks, whatever the scale."""

import numpy as np
import pytest

from daydreaming_dagster.domain.statistics.top_scores import (
    items_in_doubt,
    more_rounds,
    top_scores,
)


def column(*scores):
    """Return the rounds of an item with one judge."""
    return np.array(scores, dtype=np.float64).reshape(-1, 1)


def stops_at(new, items, places, most):
    """Score what is in doubt until the rule holds; return the items said to be first, or None."""
    rounds = [new(item, 2) for item in range(items)]
    while sum(map(len, rounds)) < most * items:
        top = top_scores(rounds, places)
        if not len(top.in_doubt):
            return {*top.order[:places].tolist()}
        for item in items_in_doubt(top):
            rounds[item] = np.concatenate([rounds[item], new(item, more_rounds(len(rounds[item])))])
    return None


@pytest.mark.parametrize("judges", [1, 3])
@pytest.mark.parametrize("level", [5.0, 5.4, 9.0])
def test_of_two_equal_items_neither_is_said_to_be_better_however_often_one_looks(judges, level):
    wrong = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found = stops_at(
            lambda _, count, rng=rng: np.clip(
                np.round(level + 0.6 * rng.standard_normal((count, judges))), 1, 9
            ),
            2,
            1,
            most=40,
        )
        wrong += found is not None

    assert wrong <= 2, "5 % of 40"


def test_the_truly_best_are_found_by_scoring_those_next_to_the_last_place_more():
    rng = np.random.default_rng(1)
    quality = np.array([8.0, 7.5, 6.0, 5.5, 2.0, 1.0])
    often = np.zeros(6)

    def new(item, count):
        often[item] += count
        return quality[item] + 1.2 * rng.standard_normal((count, 1))

    assert stops_at(new, 6, 2, most=100) == {0, 1}
    assert often[:4].min() > 2 * often[4:].max()


def test_one_round_of_each_says_nothing():
    top = top_scores([column(9), column(5), column(1)], 1)

    assert top.order.tolist() == [0, 1, 2]
    assert top.in_doubt.tolist() == [[0, 1], [0, 2]], "the closest first"


def test_scores_that_never_differ_are_believed_after_some_rounds_only():
    needed = next(
        count
        for count in range(2, 50)
        if not len(top_scores([column(*[8] * count), column(*[7] * count)], 1).in_doubt)
    )

    assert 4 < needed < 12
    far = [column(8, 8, 8, 8), column(1, 1, 1, 1), column(2, 2, 2, 2)]
    assert not len(top_scores(far, 1).in_doubt), "by more than a step of the scale"


def test_equal_scores_settle_nothing():
    same = [column(*[7] * 30)] * 4

    assert len(top_scores(same, 2).in_doubt) == 4


def test_an_item_that_varies_more_than_the_others_is_known_less():
    steady = [column(*[5, 5, 6] * 5), column(*[3, 3, 4] * 5)]
    wild = column(*[9, 1, 2] * 5)

    variance = top_scores([*steady, wild], 1).variance

    assert variance[2] > 2 * variance[0]


def test_an_item_without_a_score_is_in_doubt_with_all_on_the_other_side():
    rounds = [column(8, 8, 9), column(2, 3, 2), column()]

    top = top_scores(rounds, 1)

    assert 2 in {*top.in_doubt.ravel().tolist()}
    assert items_in_doubt(top)[0] == 2
    assert 2 not in items_in_doubt(top, without={2})
    assert len(top_scores([column()] * 3, 1).in_doubt) == 2


def test_a_judge_with_a_wider_scale_has_no_more_to_say():
    rng = np.random.default_rng(0)
    rounds = [
        np.hstack([mean + 0.05 * rng.standard_normal((3, 2)), np.full((3, 1), 10 * (1 - mean))])
        for mean in np.linspace(0, 1, 30)
    ]

    order = top_scores(rounds, 3).order

    assert order[0] >= 25, "two judges of three put the last items first"
