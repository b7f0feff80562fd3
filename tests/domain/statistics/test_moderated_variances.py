"""Groups of few measurements borrow from each other what they do not show of their variance."""

import numpy as np
import pytest
from scipy.stats import t

from daydreaming_dagster.domain.statistics.judge_model import fit_scores
from daydreaming_dagster.domain.statistics.judgments import Coded, Scores
from daydreaming_dagster.domain.statistics.moderated_variance import moderated_variances


def test_groups_that_differ_by_chance_share_one_variance():
    variance, df = moderated_variances(np.array([2.0, 4.0, 3.0]), np.array([2.0, 2.0, 2.0]))

    assert variance == pytest.approx([1.5] * 3)
    assert df == pytest.approx([6.0] * 3)


def test_groups_that_were_measured_often_do_not_speak_for_the_others():
    squares, df = np.array([0.5, 0.5, 0.5, 8.0, 18.0]), np.array([200.0, 200.0, 200.0, 1.0, 1.0])

    variance, _ = moderated_variances(squares, df)

    assert (variance[:3] < 0.3).all()
    assert (variance[3:] > 2).all()


def test_a_group_without_repetition_gets_what_the_others_show():
    variance, df = moderated_variances(np.array([0.0, 3.0, 3.0]), np.array([0.0, 1.0, 1.0]))

    assert variance == pytest.approx([3.0] * 3)
    assert df == pytest.approx([2.0] * 3)


@pytest.mark.parametrize("prior_df", [6.0, 20.0, np.inf])
def test_intervals_with_them_contain_the_truth_as_often_as_they_say(prior_df):
    rng = np.random.default_rng(7)
    hits = []
    for _ in range(300):
        df = rng.integers(1, 8, size=20).astype(float)
        true = np.ones(20) if prior_df == np.inf else prior_df / rng.chisquare(prior_df, size=20)
        variance, freedom = moderated_variances(true * rng.chisquare(df), df)
        error = np.sqrt(true / (df + 1)) * rng.standard_normal(20)
        hits.append(np.abs(error) <= t.ppf(0.975, freedom) * np.sqrt(variance / (df + 1)))

    assert np.mean(hits) == pytest.approx(0.95, abs=0.02)


def test_a_text_that_was_seldom_scored_is_not_made_certain_by_many_scores_of_others():
    """Those at the top of the scale hardly vary, and are asked about again and again."""
    often = [9.0] * 39 + [8.0]
    scores = [*often * 4, 2.0, 6.0, 7.0, 3.0]
    item = np.repeat(np.arange(6), [40] * 4 + [2] * 2)
    judge = Coded(("judge",), np.zeros(len(scores), dtype=np.int64))

    fit = fit_scores(Scores(Coded(tuple("abcdef"), item), judge, np.array(scores)))

    low, high = fit.interval()
    assert ((high - low)[:4] < 1).all()
    assert ((high - low)[4:] > 4).all()
