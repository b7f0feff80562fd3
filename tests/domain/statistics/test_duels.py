"""Strengths from duels."""

from itertools import permutations

import attrs
import choix
import numpy as np
import pytest
from scipy.special import expit
from statsmodels.discrete.discrete_model import Logit

from daydreaming_dagster.domain.statistics.analysis import analyse_duels, rank_duels
from daydreaming_dagster.domain.statistics.bradley_terry import fit_duels
from daydreaming_dagster.domain.statistics.duel_approximation import settle, settle_likeliest
from daydreaming_dagster.domain.statistics.duel_likelihood import LogOdds, Problem, tilted
from daydreaming_dagster.domain.statistics.judgments import (
    Coded,
    Duels,
    JudgmentsError,
    make_duels,
    make_scores,
    read_duels,
)
from daydreaming_dagster.domain.statistics.pair_choice import Belief, believe, pairs_in_doubt
from daydreaming_dagster.domain.statistics.ranks import Part, best_of_posterior
from daydreaming_dagster.domain.statistics.score_evidence import make_evidence


def drawn(strengths, duels, *, first_odds=1.0, tie=0.0, discrimination=(1.0,)):
    rng = np.random.default_rng(1)
    count = len(strengths)
    first = rng.integers(count, size=duels)
    second = (first + rng.integers(1, count, size=duels)) % count
    judge = rng.integers(len(discrimination), size=duels)
    log_odds = np.array(discrimination)[judge] * (strengths[first] - strengths[second])
    log_odds = log_odds + np.log(first_odds)
    up, down = np.exp(log_odds / 2), np.exp(-log_odds / 2)
    total, luck = up + down + tie, rng.random(duels)
    wins = np.where(luck < up / total, 1.0, np.where(luck < (up + tie) / total, 0.5, 0.0))
    names = list(map(str, range(count)))
    # Every item is named in order, so that strengths come back in it.
    unread = len(names) - 1
    return make_duels(
        [*names[:-1], *map(str, first)],
        [*names[1:], *map(str, second)],
        [*[None] * unread, *wins],
        ["0"] * unread + list(map(str, judge)),
    )


def test_with_many_duels_the_strengths_are_those_of_choix():
    duels = drawn(np.linspace(-1, 1, 6), 20_000)
    wins = np.where(duels.first_wins[:, None] == 1, [[0, 1]], [[1, 0]])
    pairs = np.stack([duels.first, duels.second], axis=1)
    data = np.take_along_axis(pairs, wins, axis=1)

    theirs = choix.ilsr_pairwise(6, [tuple(row) for row in data])

    # Ours know of a position, which such data hardly show, and are shrunk a little.
    assert fit_duels(duels).strength == pytest.approx(theirs - np.mean(theirs), abs=0.03)


@pytest.mark.parametrize(
    ("pairs", "shown"),
    [
        (["ab"] * 20, False),
        (["ab", "bc", "cd"], False),
        (["ab", "cd"], False),
        (["ab", "ba"], True),
        (["ab", "bc", "ac"], True),
        (["ab", "bc", "ca"], True),
    ],
)
def test_it_is_said_if_nothing_tells_the_position_from_strength(pairs, shown):
    wins = [1.0, 0.0, 1.0] * 20

    duels = make_duels(
        [one for one, _ in pairs],
        [other for _, other in pairs],
        wins[: len(pairs)],
        ["j"] * len(pairs),
    )

    said = any("other order" in note for note in analyse_duels(duels).notes)
    assert said == (not shown)


def test_the_position_is_that_of_a_logistic_regression():
    duels = drawn(np.linspace(-1, 1, 6), 20_000, first_odds=2.0)
    columns = np.eye(6)[duels.first] - np.eye(6)[duels.second]
    design = np.column_stack([columns[:, 1:], np.ones(len(columns))])

    theirs = Logit(duels.first_wins, design).fit(disp=False)

    value, error = fit_duels(duels).mean_first
    assert value == pytest.approx(theirs.params[-1], abs=0.01)
    assert error == pytest.approx(theirs.bse[-1], rel=0.05)


def test_the_position_is_that_of_pairs_shown_in_both_orders_whatever_their_strengths():
    rng = np.random.default_rng(5)
    lead, position = 3 * rng.standard_normal(400), np.log(3)
    wins = rng.random((2, 400)) < expit(position + np.array([lead, -lead]))
    ours, theirs = [f"{n}a" for n in range(400)], [f"{n}b" for n in range(400)]

    value, error = fit_duels(
        make_duels([*ours, *theirs], [*theirs, *ours], list(map(float, wins.ravel())))
    ).mean_first

    # Of a pair whose first won in both orders, or in none, the strengths cancel.
    both, neither = wins.all(axis=0).sum(), (~wins.any(axis=0)).sum()
    assert value == pytest.approx(np.log(both / neither) / 2, abs=0.1)
    assert error == pytest.approx(np.sqrt(1 / both + 1 / neither) / 2, rel=0.2)


def test_what_is_known_is_that_of_the_exact_posterior():
    first, second = [0, 1, 0, 2, 1, 0] * 2, [1, 2, 2, 0, 0, 1] * 2
    wins = [1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0]
    rng = np.random.default_rng(3)
    # Draws from the prior, weighted by their likelihood; the spread is half-t.
    spread = 2 * np.abs(rng.standard_t(2, 2_000_000))
    strength = spread[:, None] * rng.standard_normal((len(spread), 3))
    position = np.sqrt(10) * rng.standard_normal(len(spread))
    lead = strength[:, first] - strength[:, second] + position[:, None]
    weight = np.exp(-np.logaddexp(0, np.where(np.array(wins) == 1, -lead, lead)).sum(axis=1))
    weight /= weight.sum()
    strength -= strength.mean(axis=1)[:, None]

    fit = fit_duels(make_duels(list(map(str, first)), list(map(str, second)), wins))

    low, high = fit.interval()
    for item in range(3):
        order = np.argsort(strength[:, item])
        below = weight[order].cumsum()
        exact = strength[order, item][np.searchsorted(below, [0.025, 0.975])]
        assert [low[item], high[item]] == pytest.approx(exact, abs=0.1 * np.ptp(exact))
    mean = weight @ position
    deviation = np.sqrt(weight @ (position - mean) ** 2)
    assert fit.mean_first == pytest.approx((mean, deviation), rel=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_the_likeliest_spread_is_found_if_few_duels_tell_of_it(seed):
    strengths = 2 * np.random.default_rng(seed).standard_normal(300)
    problem = Problem.of(drawn(strengths, 450), None)
    state = problem.start()

    settle_likeliest(problem, state)

    def slope(state):
        """The slope of the log density of the log spread, whose prior is half-t."""
        squares = (state.values[:300] ** 2 + np.diagonal(state.covariance)[:300]).sum()
        return squares / state.spread**2 - 299 - 3 / (8 / state.spread**2 + 1)

    wider = attrs.evolve(state, spread=1.1 * state.spread)
    settle(problem, wider)
    missed = slope(state) * np.log(1.1) / (slope(state) - slope(wider))
    assert missed == pytest.approx(0, abs=0.02)


def test_the_probability_of_being_the_best_allows_for_spreads_that_few_duels_leave_possible():
    pairs = [(a, b) for a in range(5) for b in range(a)]
    duels = make_duels(
        [str(a) for a, _ in pairs], [str(b) for _, b in pairs], [float(a == 4) for a, _ in pairs]
    )
    fit = fit_duels(duels)

    known = best_of_posterior([Part(1.0, fit.strength, fit.covariance)], top=1).best.max()

    found = max(item.p_best for item in rank_duels(duels, fit))
    assert len(fit.mixture.parts) > 3
    assert 0.5 < found < known - 0.01


def test_a_single_judge_is_the_mean_judge():
    (judge,) = analyse_duels(make_duels(["a", "b"], ["b", "a"], [1.0, 1.0])).document["judges"]

    assert judge["discrimination"] == {"value": 1.0, "low": None, "high": None}, "by definition"


def test_verdicts_that_never_contradict_each_other_settle():
    rng = np.random.default_rng(0)
    first = rng.integers(10, size=300)
    second = (first + rng.integers(1, 10, size=300)) % 10
    names = [list(map(str, items)) for items in (first, second)]
    problem = Problem.of(make_duels(*names, list(map(float, first > second))), None)
    state = problem.start()
    settle_likeliest(problem, state)

    longer = attrs.evolve(state)
    settle(problem, longer, 1e-6)

    deviation = np.sqrt(np.diagonal(state.covariance))
    assert np.abs((state.values - longer.values) / deviation).max() < 0.05
    assert deviation == pytest.approx(np.sqrt(np.diagonal(longer.covariance)), rel=0.02)


@pytest.mark.parametrize("tie", [0.0, 0.7])
def test_judges_whom_few_duels_tell_apart_settle_where_many_steps_lead(tie):
    strengths = 2 * np.random.default_rng(2).standard_normal(100)
    problem = Problem.of(drawn(strengths, 300, tie=tie, discrimination=(0.5, 2.0)), None)
    state = problem.start()
    settle_likeliest(problem, state)

    longer = attrs.evolve(state)
    settle(problem, longer, 1e-6)

    assert np.log(state.discrimination) == pytest.approx(np.log(longer.discrimination), abs=0.01)
    assert state.ties == pytest.approx(longer.ties, abs=0.01)


def test_a_verdict_says_which_half_of_very_wide_log_odds_is_true():
    problem = Problem.of(make_duels(["a"], ["b"], [1.0]), None)

    told = tilted(problem, problem.start(), LogOdds(np.zeros(1), np.full(1, 1e4)))

    half_normal = 100 * np.sqrt(2 / np.pi), 1e4 * (1 - 2 / np.pi)
    assert (told.mean[0], told.variance[0]) == pytest.approx(half_normal, rel=0.03)


def test_strengths_that_nearly_certain_verdicts_order_have_wide_enough_intervals():
    covered = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        strengths, fit = 8 * rng.standard_normal(40), None
        pairs, wins = np.zeros((0, 2), dtype=int), np.zeros(0)
        for look in range(4):
            often = np.full((40, 40), 40)
            chosen = pairs_in_doubt(believe(40, fit, None), often, 40, top=20, seed=look)
            lead = strengths[chosen[:, 0]] - strengths[chosen[:, 1]]
            pairs = np.concatenate([pairs, chosen])
            wins = np.append(wins, rng.random(40) < 1 / (1 + np.exp(-lead)))
            fit = fit_duels(numbered(pairs, wins))

        low, high = fit.interval()

        truth = strengths - strengths.mean()
        covered.append(((low < truth) & (truth < high)).mean())
    assert np.mean(covered) > 0.8


def numbered(pairs, wins):
    names = tuple(map(str, range(40)))
    judge = Coded(("judge",), np.zeros(len(wins), dtype=int))
    return Duels(names, *pairs.T, wins, judge, np.zeros(1, dtype=int))


def test_pairs_are_chosen_that_may_be_first_and_no_oftener_than_they_have_duels_left():
    belief = Belief(np.array([3.0, 3.0, 2.9, 0.0, 0.0]), np.eye(5) * 0.1)
    left = np.ones((5, 5), dtype=int) * 2

    few = pairs_in_doubt(belief, left, 6, top=2, seed=1)
    all_of_them = pairs_in_doubt(belief, left, 99, top=2, seed=1)

    assert few.max() < 3
    pairs, often = np.unique(np.sort(all_of_them, axis=1), axis=0, return_counts=True)
    assert len(pairs) == 10
    assert set(often) == {2}


def test_ties_and_discriminations_are_found_again():
    duels = drawn(np.linspace(-2, 2, 12), 30_000, tie=0.8, discrimination=(0.6, 1 / 0.6))

    fit = fit_duels(duels)

    assert fit.tie_odds == pytest.approx([0.8, 0.8], abs=0.1)
    order = [duels.judge.names.index("0"), duels.judge.names.index("1")]
    assert fit.discrimination[order] == pytest.approx([0.6, 1 / 0.6], abs=0.1)


def test_equal_items_have_equal_strengths_and_stand_by_their_names():
    pairs = [*permutations("dacb", 2)]
    first, second = zip(*pairs, strict=True)

    analysis = analyse_duels(make_duels(first, second, [0.5] * len(pairs)))

    assert [(item.item, item.estimate) for item in analysis.items] == [(name, 0) for name in "abcd"]


def test_items_with_scores_and_no_duel_are_named():
    duels = make_duels(["a", "b"] * 5, ["b", "a"] * 5, [1.0, 0.0] * 5)
    scores = make_scores(["a", "b", "c"] * 2, ["j"] * 3 + ["k"] * 3, [3.0, 2.0, 1.0, 4.0, 2.0, 2.0])

    analysis = analyse_duels(duels, scores)

    assert [item.item for item in analysis.items] == ["a", "b"]
    assert "1 item has scores but no duel, and no rank: 'c'" in analysis.notes


def test_an_item_that_always_wins_has_a_finite_interval():
    analysis = analyse_duels(make_duels(["a", "b"] * 5, ["b", "a"] * 5, [1.0, 0.0] * 5))

    best = analysis.items[0]
    assert best.item == "a"
    assert best.low < best.estimate < best.high < 20


def test_parts_that_were_never_compared_keep_every_rank():
    duels = make_duels(["a", "c"] * 20, ["b", "d"] * 20, [1.0, 0.0] * 20)

    analysis = analyse_duels(duels)

    assert all(item.rank_high - item.rank_low >= 2 for item in analysis.items)
    assert "2 parts" in analysis.notes[0]


def test_verdicts_that_repeat_themselves_are_not_counted_as_independent():
    rng = np.random.default_rng(4)
    pairs = [(f"{a}", f"{b}") for a in range(8) for b in range(a)]
    verdicts = rng.integers(2, size=len(pairs))
    once = make_duels(*zip(*pairs, strict=True), list(map(float, verdicts)))
    often = make_duels(*zip(*pairs * 10, strict=True), list(map(float, verdicts)) * 10)

    assert fit_duels(often).dispersion > 3
    narrowest = fit_duels(often).covariance.variances().min()
    assert narrowest > 0.3 * fit_duels(once).covariance.variances().min()


def test_scores_that_predict_the_duels_narrow_the_strengths():
    strengths = np.random.default_rng(9).standard_normal(60) * 2
    duels = drawn(strengths, 150)
    alone = fit_duels(duels)

    noisy = strengths + np.random.default_rng(1).standard_normal(60) * 0.3
    both = fit_duels(duels, make_evidence(duels.items, single_scores(duels.items, noisy)))

    assert both.score_slope is not None
    assert both.score_slope[0] > 4 * both.score_slope[1]
    assert (
        np.corrcoef(both.strength, strengths)[0, 1] > np.corrcoef(alone.strength, strengths)[0, 1]
    )


def single_scores(items, values):
    return make_scores(list(items), ["j"] * len(items), list(values))


def test_an_item_without_a_score_is_less_sure_and_still_compared():
    names = [str(i) for i in range(40)]
    strengths = np.linspace(-2, 2, 40)
    duels = attrs.evolve(drawn(strengths, 200), items=tuple(names))

    fit = fit_duels(duels, make_evidence(names, single_scores(names[1:], strengths[1:])))

    variances = fit.covariance.variances()
    assert variances[0] > 2 * np.median(variances)
    assert fit.score_share > 0.5
    assert len(set(fit.component)) == 1


def test_scores_compare_items_that_no_duel_connects():
    items = [*"abcd", "new"]
    duels = attrs.evolve(make_duels(["a", "c"], ["b", "d"], [1.0, 0.0]), items=tuple(items))
    scores = single_scores("abcd", [4.0, 3.0, 2.0, 3.0])

    assert len(set(fit_duels(duels).component)) == 3
    assert len(set(fit_duels(duels, make_evidence(items, scores)).component)) == 2


@pytest.mark.parametrize("seed", [0, 2])
def test_judges_that_give_all_items_the_same_score_say_nothing_of_the_duels(seed):
    rng = np.random.default_rng(seed)
    given = rng.integers(1, 10, 3) / 9
    rows = [
        (str(item), str(j), given[j]) for item in range(10) for j in range(3) if rng.random() < 0.8
    ]

    assert (
        make_evidence([str(item) for item in range(10)], make_scores(*zip(*rows, strict=True)))
        is None
    )


def test_scores_of_other_items_are_refused():
    with pytest.raises(JudgmentsError, match="the scores are of other items than the duels"):
        analyse_duels(make_duels(["a"], ["b"], [1.0]), make_scores(["c"], ["j"], [1.0]))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("first,second,first_wins\na,a,1\n", "line 2: a is compared with itself"),
        ("first,second,first_wins\na,b,0.7\n", "line 2: first_wins is '0.7'"),
        ("first,second,first_wins\na,b,\n", "no duel has a verdict"),
        ("first,second,first_wins\na,,1\n", "line 2: an item is empty"),
    ],
)
def test_a_table_of_duels_that_cannot_be_read_says_what_is_wrong(text, reason):
    with pytest.raises(JudgmentsError, match=reason):
        read_duels(text)


def test_unreadable_verdicts_are_counted_per_judge_and_left_out():
    duels = read_duels("first,second,first_wins,judge\na,b,1,x\na,b,,y\nb,a,0.5,x\nb,a,nan,y\n")

    assert duels.judge.names == ("x", "y")
    assert duels.unreadable.tolist() == [0, 2]
    assert duels.first_wins.tolist() == [1.0, 0.5]


def test_a_judge_without_a_verdict_changes_nothing_and_has_no_numbers():
    rows = [("a", "b", 1.0, "x"), ("b", "c", 1.0, "x"), ("c", "a", 0.0, "x")]
    alone = analyse_duels(make_duels(*zip(*rows, strict=True))).document
    silent = ("c", "a", None, "silent")

    found = analyse_duels(make_duels(*zip(*rows, silent, strict=True))).document

    assert found["items"] == alone["items"]
    assert found["first_odds"] == alone["first_odds"]
    assert found["judges"][0] == alone["judges"][0]
    nothing = {"value": None, "low": None, "high": None}
    assert found["judges"][1]["discrimination"] == found["judges"][1]["first_odds"] == nothing
    assert found["judges"][1]["unreadable"] == 1
