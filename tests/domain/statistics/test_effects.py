"""Effects of factors, clustered by what scores share."""

import numpy as np
import pytest
from scipy.stats import t, ttest_ind, ttest_rel

from daydreaming_dagster.domain.statistics.analysis import analyse_scores
from daydreaming_dagster.domain.statistics.effects import estimate_effects
from daydreaming_dagster.domain.statistics.judgments import JudgmentsError, code, make_scores


def crossed(item_effects, groups, replicates=3, judges=("j",), seed=1):
    rng = np.random.default_rng(seed)
    rows = [
        (f"i{item}", judge, effect + rng.standard_normal(), groups[item])
        for item, effect in enumerate(item_effects)
        for judge in judges
        for _ in range(replicates)
    ]
    items, who, scores, group = zip(*rows, strict=True)
    return make_scores(items, who, scores, {"g": group})


def test_between_items_the_error_is_that_of_the_items_means():
    scores = crossed(np.linspace(0, 4, 13), ["u"] * 5 + ["v"] * 8)
    means = np.bincount(scores.item.codes, weights=scores.score) / 3

    (contrast,) = estimate_effects(scores).contrasts

    theirs = ttest_ind(means[:5], means[5:], equal_var=False)
    assert contrast.estimate == pytest.approx(means[:5].mean() - means[5:].mean())
    error = contrast.estimate / theirs.statistic
    # Bell and McCaffrey's degrees of freedom for two means.
    df = (1 / 5 + 1 / 8) ** 2 / (1 / (5**2 * 4) + 1 / (8**2 * 7))
    assert contrast.p == pytest.approx(2 * t.sf(abs(contrast.estimate / error), df))


def test_within_items_differences_are_paired():
    rng = np.random.default_rng(3)
    level = rng.standard_normal(12) * 10
    first, second = level + rng.standard_normal(12), level + 1 + rng.standard_normal(12)
    names = [f"i{n}" for n in range(12)] * 2
    scores = make_scores(names, ["j"] * 24, [*first, *second], {"g": ["u"] * 12 + ["v"] * 12})

    (contrast,) = estimate_effects(scores).contrasts

    theirs = ttest_rel(first, second)
    assert contrast.p == pytest.approx(theirs.pvalue, rel=1e-6)
    interval = theirs.confidence_interval()
    assert (contrast.low, contrast.high) == pytest.approx((interval.low, interval.high), rel=1e-6)


def test_a_level_with_one_item_has_no_interval_and_leaves_the_mean_of_two_in_the_middle():
    effects = estimate_effects(crossed([8.0, 2.0, 3.0, 4.0], ["u", "v", "v", "v"]))

    (contrast,) = effects.contrasts
    u, v = effects.levels
    assert u.estimate == pytest.approx(contrast.estimate / 2)
    assert v.estimate == pytest.approx(-contrast.estimate / 2)
    assert np.isnan([effect.low for effect in (u, v, contrast)]).all()


@pytest.mark.parametrize("better", [0.0, 1.0])
def test_scores_that_do_not_vary_within_levels_have_no_interval_and_find_nothing(better):
    levels = ["u", "v"] * 5
    names, scores = [f"i{n}" for n in range(10)], [0.7 + better * (one == "v") for one in levels]
    effects = estimate_effects(make_scores(names, ["j"] * 10, scores, {"g": levels}))

    (contrast,) = effects.contrasts
    assert contrast.estimate == pytest.approx(-better)
    assert np.isnan([contrast.low, contrast.high, contrast.p]).all()
    assert not any(effect.is_finding for effect in (*effects.levels, contrast))


def test_with_two_levels_the_correction_for_one_difference_changes_nothing():
    (contrast,) = estimate_effects(crossed(np.arange(10.0), ["u", "v"] * 5)).contrasts

    assert contrast.p_corrected == pytest.approx(contrast.p, abs=0.02)


def test_many_differences_without_an_effect_are_corrected():
    rng = np.random.default_rng(7)
    found = 0
    for seed in range(60):
        groups = [f"g{n % 6}" for n in range(36)]
        effects = estimate_effects(crossed(rng.standard_normal(36), groups, 2, seed=seed))
        found += any(effect.p_corrected < 0.05 for effect in (*effects.levels, *effects.contrasts))

    assert found <= 7  # 3 expected


def test_a_level_of_one_item_has_no_interval_and_does_not_disturb_the_others():
    effects = estimate_effects(crossed(np.arange(9.0), ["lone"] + ["u", "v"] * 4))

    lone, u, _ = effects.levels
    assert np.isnan([lone.low, lone.p_corrected]).all()
    assert u.low < u.estimate < u.high


def test_groups_that_always_go_together_have_no_estimate():
    scores = crossed(np.arange(8.0), ["u", "v"] * 4)
    twins = make_scores(
        [scores.item.names[code] for code in scores.item.codes],
        ["j"] * len(scores.score),
        list(scores.score),
        {name: [scores.groups["g"].names[c] for c in scores.groups["g"].codes] for name in "gh"},
    )

    assert all(np.isnan(effect.estimate) for effect in estimate_effects(twins).levels)


def test_a_group_of_one_level_is_left_out_with_the_reason():
    assert estimate_effects(crossed(np.arange(4.0), ["u"] * 4)).left_out == {
        "g": "it has one level"
    }


def test_errors_cluster_only_by_what_is_coarser_than_items():
    scores = make_scores(["a", "a"], ["j", "j"], [1.0, 2.0], {"g": ["u", "v"]})

    with pytest.raises(JudgmentsError, match="item 'a' has more than one 'g'"):
        analyse_scores(scores, "g")


@pytest.mark.parametrize("score", [6 / 9, 1 / 3, 0.0, 1e6 / 7])
def test_scores_that_are_all_the_same_have_no_effect(score):
    drafts = [f"d{number}" for number in range(6) for _ in range(4)]
    scores = make_scores(
        [f"e{number // 2}" for number in range(24)],
        ["j", "k"] * 12,
        [score] * 24,
        {"combo": ["a" if draft < "d3" else "b" for draft in drafts], "template": list("xxyy") * 6},
    )

    found = estimate_effects(scores, code(drafts))

    assert not any(effect.is_finding for effect in (*found.levels, *found.contrasts))
    assert {effect.estimate for effect in found.contrasts} == {0.0}
