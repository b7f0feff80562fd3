"""Items ranked by scores of judges that differ."""

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS

from daydreaming_dagster.domain.statistics.analysis import analyse_scores, rank_scores
from daydreaming_dagster.domain.statistics.judge_model import fit_scores
from daydreaming_dagster.domain.statistics.judgments import JudgmentsError, make_scores, read_scores


def table(rows):
    items, judges, scores = zip(*rows, strict=True)
    return make_scores(items, judges, scores)


def test_with_one_judge_the_estimate_is_the_mean_and_the_interval_that_of_pooled_noise():
    fit = fit_scores(table([("a", "j", 1.0), ("a", "j", 3.0), ("b", "j", 5.0), ("b", "j", 9.0)]))

    low, high = fit.interval()
    assert fit.estimate == pytest.approx([2, 7])
    # Pooled variance (2 + 8) / 2 with 2 degrees of freedom; t quantile 4.303.
    assert high - low == pytest.approx(2 * 4.30265 * np.sqrt(5 / 2))


def test_a_strict_judge_who_saw_few_items_does_not_lower_them():
    kind, strict = [5.0, 6.0, 7.0, 8.0, 9.0, 4.0], [1.1, 2.0, 2.9, 4.1, None, None]
    rows = [(item, "kind", score) for item, score in zip("abcdef", kind, strict=True)]
    rows += [(item, "strict", score) for item, score in zip("abcdef", strict, strict=True)]

    fit = fit_scores(table(rows))

    assert np.diff(fit.estimate[:5]) == pytest.approx([1, 1, 1, 1], abs=0.15)
    assert fit.severity[0] - fit.severity[1] == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize("items", [3, 5, 6, 7])
@pytest.mark.parametrize("score", [1 / 9, 2 / 9, 3 / 9, 8 / 9, 0.1])
@pytest.mark.parametrize("replicates", [1, 3])
def test_which_score_a_judge_gives_to_all_changes_no_difference(items, score, replicates):
    """A mean of equal numbers may differ from them by rounding, which is no scale."""
    rng = np.random.default_rng(items)
    told = [
        (f"i{i}", judge, share)
        for i in range(items)
        for judge, share in zip("jk", rng.random(2), strict=True)
    ]

    def widths_and_leads(same):
        given = [(f"i{i}", "same", same) for i in range(items) for _ in range(replicates)]
        fit = fit_scores(table(told + given))
        low, high = fit.interval()
        return [*(high - low), *(fit.estimate - fit.estimate[0])]

    assert widths_and_leads(score) == pytest.approx(widths_and_leads(0.5), abs=1e-9)


def test_two_items_do_not_tell_the_scales_of_their_judges_apart():
    """Then the standard deviation of a judge's scores is mostly chance, which is no scale."""
    rng = np.random.default_rng(3)
    truth, judges, hits = np.array([0.0, 1.0]), list("jklmn"), 0
    for _ in range(400):
        given = truth[:, None] + rng.standard_normal((2, 5))
        fit = fit_scores(make_scores(["a"] * 5 + ["b"] * 5, judges * 2, list(given.ravel())))
        low, high = fit.interval()
        hits += int(((low <= truth) & (truth <= high)).sum())

    assert hits / 800 > 0.87


def test_items_of_a_connected_design_get_the_least_squares_estimates():
    rng = np.random.default_rng(5)
    item, judge = np.nonzero(rng.random((40, 4)) < 0.7)
    severity = np.array([-30.0, 0.0, 10.0, 40.0])
    score = rng.standard_normal(40)[item] + severity[judge] + rng.standard_normal(len(item))

    fit = fit_scores(make_scores(list(map(str, item)), list(map(str, judge)), list(score)))

    # With such strictness, random judges are as good as fixed ones, on their common scale.
    level = fit.scales.mean[judge]
    names = [int(name) for name in dict.fromkeys(map(str, item))]
    equal = level + (score - level) * fit.scales.weight[judge]
    columns = np.hstack([np.eye(40)[item][:, names], np.eye(4)[judge][:, 1:]])
    theirs = OLS(equal, columns).fit()
    ours = fit.estimate - fit.estimate[0]
    assert ours == pytest.approx(theirs.params[: len(names)] - theirs.params[0], abs=0.01)


def test_an_item_without_a_score_is_named():
    scores = read_scores("item,judge,score\na,j,1\na,k,2\nb,j,\nc,j,3\nc,k,3\n")

    assert scores.unscored == ("b",)
    notes = analyse_scores(scores).notes
    assert "1 judgment without a score is left out" in notes
    assert "1 item has no score and no rank: 'b'" in notes


def test_a_judges_mean_and_scale_are_those_of_all_its_scores():
    rows = [("a", "x", 1.0), ("a", "x", 3.0), ("b", "x", 9.0), ("a", "y", 4.0)]

    often, once = analyse_scores(table(rows)).document["judges"]

    assert (often["mean"], often["scale"]) == pytest.approx((13 / 3, np.std([1, 3, 9], ddof=1)))
    assert (once["mean"], once["scale"]) == (4.0, None)


def test_scores_missing_everywhere_are_refused():
    with pytest.raises(JudgmentsError, match="no judgment has a score"):
        read_scores("item,judge,score\na,j,\nb,j,nan\n")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the file is empty"),
        ("item,judge,score,score\na,j,1,2\n", "names 'score' twice"),
        ("item,score\na,1\n", "lacks judge"),
        ("item,judge,score\na,j,much\n", "line 2: score is 'much', not a number"),
        ("item,judge,score\na,j,inf\n", "line 2: score is inf"),
        ("item,judge,score\na,j\n", "line 2: 2 cells"),
        ("item,judge,score\n,j,1\n", "line 2: the item is empty"),
        (
            'item,judge,score\na,j,1\nb,j,"2\n',
            "line 3: a quotation mark is not closed",
        ),
        ('"item,judge,score\na,j,1\n', "line 1: a quotation mark is not closed"),
        ('item,judge,score\na,j,"1"2\n', "line 2: ',' expected after"),
        ("item;judge;score\na;j;1\n", "separate cells by commas"),
        ("item,judge,score\na,j,1_0\n", "line 2: score is '1_0', not a number"),
        ('item,judge,score\n"a\nb",j,1\nc,j,much\n', "line 4: score is 'much'"),
        ("item,judge,score\na,j,1e60\n", "line 2: score is 1e60"),
    ],
)
def test_a_table_that_cannot_be_read_says_what_is_wrong(text, reason):
    with pytest.raises(JudgmentsError, match=reason):
        read_scores(text)


@pytest.mark.parametrize("name", ["a\u2028b", "a\x85b", "a\x0cb", "a\x1cb"])
def test_only_line_breaks_end_a_row(name):
    assert read_scores(f"\r\nitem,judge,score\r\n{name},j,1\rc,j,2\n").item.names == (name, "c")


@pytest.mark.parametrize(("begin", "unit"), [(1e9, 1.0), (-1e9, 1.0), (0.0, 1e45), (0.0, 1e-45)])
def test_the_ranking_does_not_depend_on_where_a_scale_begins_and_on_its_unit(begin, unit):
    rng = np.random.default_rng(3)
    noise = {judge: rng.standard_normal(6).round(3) for judge in "xy"}
    plain = [
        (str(item), judge, item / 4 + noise[judge][item]) for judge in "xy" for item in range(6)
    ]
    moved = [(item, judge, begin + unit * score) for item, judge, score in plain]

    ours, theirs = rank_scores(table(plain)), rank_scores(table(moved))

    assert ours.fit.noise_source == theirs.fit.noise_source == "judges"
    assert [(one.item, one.rank_low, one.rank_high) for one in ours.items] == [
        (one.item, one.rank_low, one.rank_high) for one in theirs.items
    ]
    for one, other in zip(ours.items, theirs.items, strict=True):
        assert other.p_best == pytest.approx(one.p_best, abs=0.02)
        assert (other.low - begin) / unit == pytest.approx(one.low, abs=0.01)


def test_without_repetition_all_that_differs_counts_as_noise():
    analysis = analyse_scores(table([(item, "j", n) for n, item in enumerate("abcdef")]))

    assert [(item.rank_low, item.rank_high) for item in analysis.items] == [(1, 6)] * 6
    assert "too little is judged twice" in analysis.notes[0]


@pytest.mark.parametrize(
    ("rows", "note"),
    [
        ("aj1 bj2", "too little is judged twice"),
        ("aj1 bj2 ak2", "too little is judged twice"),
        ("aj1 aj2 ak2 bj3", "too few items were scored by several"),
        ("aj1 aj2 bj3", "there is one judge"),
        ("aj1 ak2 bl3", "each judge scored one item"),
        ("aj1", "there is one score"),
        ("aj1 bj1", "all scores are equal"),
    ],
)
def test_it_is_said_what_shows_the_noise(rows, note):
    analysis = analyse_scores(table([(item, judge, float(n)) for item, judge, n in rows.split()]))

    assert [note in said for said in analysis.notes] == [True]
    known = note not in {"there is one score", "all scores are equal"}
    assert all((judge["noise"] is not None) == known for judge in analysis.document["judges"])


def test_equal_scores_have_no_interval_and_one_band():
    ranked = rank_scores(table([(item, judge, 5.0) for item in "abc" for judge in "xy"]))

    assert [(item.low, item.high) for item in ranked.items] == [(None, None)] * 3
    assert [(item.rank_low, item.rank_high) for item in ranked.items] == [(1, 3)] * 3
    assert [item.p_best for item in ranked.items] == pytest.approx([1 / 3] * 3, abs=0.03)


def test_items_that_share_no_judge_are_not_compared():
    rows = [(f"{judge}{n}", judge, n + 100.0 * (judge == "y")) for judge in "xy" for n in range(4)]
    rows += [(item, judge, score + 0.1) for item, judge, score in rows]

    ranked = rank_scores(table(rows))

    assert ranked.items[0].item == "y3"
    assert (ranked.items[0].rank_low, ranked.items[0].rank_high) == (1, 5)
    assert (ranked.items[-1].rank_low, ranked.items[-1].rank_high) == (4, 8)


def test_judges_of_one_item_each_are_replicates_of_anyone():
    rows = [("a", 5.0), ("a", 7.0), ("b", 1.0), ("b", 2.0), ("b", 3.0)]
    strangers = table([(item, f"j{n}", score) for n, (item, score) in enumerate(rows)])
    anyone = fit_scores(table([(item, "", score) for item, score in rows]))

    fit = fit_scores(strangers)

    assert fit.estimate == pytest.approx(anyone.estimate)
    assert fit.interval()[0] == pytest.approx(anyone.interval()[0])
    assert "each judge scored one item" in analyse_scores(strangers).notes[0]


def test_a_lone_item_is_first_with_its_interval():
    (item,) = rank_scores(table([("a", "x", 1.0), ("a", "x", 3.0)])).items

    assert (item.rank_low, item.rank_high, item.p_best) == (1, 1, 1.0)
    assert (item.low, item.high) == pytest.approx((2 - 12.706, 2 + 12.706), abs=0.001)


def test_names_composed_in_two_ways_are_one_item_and_one_judge():
    table = "item,judge,score\ncaf\u00e9,Ren\u00e9,1\ncafe\u0301,Rene\u0301,2\nCaf\u00e9,Ana,3\n"

    scores = read_scores(table)

    assert scores.item.names == ("caf\u00e9", "Caf\u00e9")
    assert scores.judge.names == ("Ren\u00e9", "Ana")
    assert read_scores(table, ["Rene\u0301"]).judge.names == ("Ana",)
