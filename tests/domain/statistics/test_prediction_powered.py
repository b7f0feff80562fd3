"""Estimates of what people would say, corrected by what they said of some texts."""

import warnings

import numpy as np
import pytest

from daydreaming_dagster.domain.statistics.judgments import Coded, JudgmentsError
from daydreaming_dagster.domain.statistics.prediction_powered import group_means


def one_group(items):
    return Coded(("all",), np.zeros(items, dtype=np.int64))


def groups(count, items):
    names = tuple(f"g{number}" for number in range(count))
    return Coded(names, np.repeat(np.arange(count), items))


def simulated(rng, count=12, items=60, labelled=4, bias=0.3):
    """Groups whose people deviate from their judges, a line that is steeper than the slope."""
    quality = rng.normal(5, 1, count)
    group = groups(count, items)
    judged = quality[group.codes] + rng.normal(0, 0.8, len(group.codes))
    truth = 1.3 * quality - 2 + rng.normal(0, bias, count)
    labels = truth[group.codes] + 0.4 * (judged - quality[group.codes])
    labels += rng.normal(0, 0.7, len(labels))
    hidden = np.ones((count, items), dtype=bool)
    for row in hidden:
        row[rng.permutation(items)[:labelled]] = False
    rest = np.array([labels[group.codes == g][hidden[g]].mean() for g in range(count)])
    return group, judged, np.where(hidden.ravel(), np.nan, labels), truth, rest


def test_one_group_gets_the_estimate_and_the_interval_of_ppi_python():
    with warnings.catch_warnings():  # the package silences all warnings when it is imported
        from ppi_py import ppi_mean_ci, ppi_mean_pointestimate

    rng = np.random.default_rng(1)
    judged = rng.normal(5, 1, 400)
    labels = 0.7 * judged + rng.normal(0, 1, 400)
    labels[100:] = np.nan
    found = group_means(one_group(400), judged, labels)
    tuning = found.slope * 300 / 400  # their lambda: the slope, less for a finite sample

    given = labels[:100], judged[:100], judged[100:]
    estimate = ppi_mean_pointestimate(*given, lam=tuning)
    low, high = ppi_mean_ci(*given, alpha=0.05, lam=tuning)
    tuned = ppi_mean_pointestimate(*given)
    assert found.value[0] == pytest.approx(float(np.squeeze(estimate)), abs=1e-12)
    assert found.value[0] == pytest.approx(float(np.squeeze(tuned)), abs=0.02)
    # Theirs is normal and divides by n; ours has n - 2 degrees of freedom.
    width = found.interval()[1][0] - found.interval()[0][0]
    assert width == pytest.approx(float(np.squeeze(high - low)), rel=0.04)


def test_judges_that_say_nothing_leave_the_mean_of_the_labels_with_its_t_interval():
    labels = np.array([3.0, 4.0, 8.0, np.nan])
    found = group_means(one_group(4), np.ones(4), labels)

    assert found.value[0] == pytest.approx(5.0)
    assert found.slope == 0.0
    assert found.error[0] == pytest.approx(np.std([3, 4, 8]) * np.sqrt(3 / found.df / 3))


@pytest.mark.parametrize("target", ["expected", "unlabelled"])
def test_intervals_cover_and_are_shorter_than_those_of_labels_alone(target):
    rng = np.random.default_rng(7)
    inside, width, alone = [], [], []
    for _ in range(60):
        group, judged, labels, truth, rest = simulated(rng)
        found = group_means(group, judged, labels, target)
        low, high = found.interval()
        true = truth if target == "expected" else rest
        inside.append((low <= true) & (true <= high))
        width.append((high - low).mean())
        silent = group_means(group, np.ones(len(judged)), labels, target)
        alone.append(np.diff(silent.interval(), axis=0).mean())
    assert 0.93 < np.mean(inside) < 0.985
    assert np.mean(width) < 0.8 * np.mean(alone)


def test_few_groups_learn_nothing_from_each_other():
    rng = np.random.default_rng(2)
    group, judged, labels, *_ = simulated(rng, count=4, labelled=9)
    labels[group.codes == 3] = np.nan
    found = group_means(group, judged, labels)

    own = group.codes == 0
    expected = np.nanmean(labels[own])
    expected -= found.slope * (judged[own & ~np.isnan(labels)].mean() - judged[own].mean())
    assert found.value[0] == pytest.approx(expected)
    assert np.isnan([found.value[3], found.error[3]]).all()


def test_a_group_without_a_label_is_predicted_from_the_others_and_is_less_sure():
    rng = np.random.default_rng(3)
    group, judged, labels, truth, _ = simulated(rng, bias=0.05)
    labels[group.codes == 5] = np.nan
    found = group_means(group, judged, labels)

    low, high = found.interval()
    assert low[5] < truth[5] < high[5]
    assert found.error[5] > np.median(found.error)
    assert found.labelled[5] == 0


def test_a_group_that_people_scored_whole_has_no_unlabelled_mean():
    rng = np.random.default_rng(4)
    group, judged, labels, *_ = simulated(rng)
    whole = group.codes == 0
    labels[whole] = judged[whole]
    found = group_means(group, judged, labels, "unlabelled")

    assert np.isnan(found.value[0])
    assert np.isfinite(found.value[1:]).all()


def test_labels_without_noise_are_taken_as_they_are():
    group = groups(6, 4)
    judged = np.tile([1.0, 2.0, 3.0, 4.0], 6)
    labels = judged + group.codes
    found = group_means(group, judged, labels)

    assert found.value == pytest.approx(2.5 + np.arange(6))


def test_too_few_labels_are_refused():
    labels = np.array([3.0, np.nan, 4.0, np.nan])

    with pytest.raises(JudgmentsError, match="people scored 2 texts of 2 groups, too few"):
        group_means(groups(2, 2), np.arange(4.0), labels)
