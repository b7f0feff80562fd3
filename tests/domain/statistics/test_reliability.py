"""The correlation of two scores of the same item."""

import numpy as np
import pytest

from daydreaming_dagster.domain.statistics.judgments import make_scores
from daydreaming_dagster.domain.statistics.reliability import adjusted_icc, one_way_icc

SHROUT_AND_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)


def test_the_correlations_are_those_of_shrout_and_fleiss():
    item, judge = np.indices(SHROUT_AND_FLEISS.shape).reshape(2, -1)
    scores = make_scores(
        list(map(str, item)), list(map(str, judge)), list(SHROUT_AND_FLEISS.ravel())
    )
    centred = SHROUT_AND_FLEISS - SHROUT_AND_FLEISS.mean(axis=0)

    one_way = one_way_icc(scores)
    adjusted = adjusted_icc(item, centred.ravel(), items=6, judges=4)

    assert (one_way.value, one_way.mean) == pytest.approx((0.17, 0.44), abs=0.005)
    assert (adjusted.value, adjusted.mean) == pytest.approx((0.71, 0.91), abs=0.005)
    # McGraw and Wong (1996) give these intervals for the same scores.
    assert (one_way.low, one_way.high) == pytest.approx((-0.13, 0.72), abs=0.005)
    assert (adjusted.low, adjusted.high) == pytest.approx((0.34, 0.95), abs=0.005)


def test_one_score_per_item_says_nothing_of_reliability():
    icc = one_way_icc(make_scores(["a", "b"], ["j", "j"], [1.0, 2.0]))

    assert np.isnan([icc.value, icc.low, icc.high, icc.mean]).all()
