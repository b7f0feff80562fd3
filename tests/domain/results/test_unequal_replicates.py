"""Texts that were scored more often than others, since their scores left them in doubt."""

import attrs
import numpy as np
import pytest
from scipy.stats import ttest_ind

from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.domain.people.passport import JudgedTexts, make_passports
from daydreaming_dagster.domain.results.comparison import compare_scores
from daydreaming_dagster.domain.results.effect_tables import find_effects
from daydreaming_dagster.domain.results.evaluations import Evaluation, GenerationOutcome, Member
from daydreaming_dagster.domain.results.factors import compare_factors
from daydreaming_dagster.domain.results.knowing_more import icc_of, say_how_to_know_more
from daydreaming_dagster.domain.results.ranking import judgment_of, mean_share
from daydreaming_dagster.domain.results.report import CohortReport
from daydreaming_dagster.domain.results.tables import make_result_tables
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.domain.stages import GenerationRef


def scored(number, template, shares):
    """Return the evaluations of an essay, each with one of the shares."""
    combo, essay = f"a+{number}", f"e{number}"
    lineage = {
        "draft": Member(f"d{number}", "t", "m", 1, ""),
        "essay": Member(essay, template, "m", 1, ""),
    }
    ref = GenerationRef("essay", essay)
    return [
        Evaluation(
            combo,
            "",
            lineage | {"evaluation": Member(f"v{number}-{replicate}", "kind", "m", replicate, "")},
            "evaluation",
            ref,
            GenerationOutcome("scored", Score(share, 1.0)),
        )
        for replicate, share in enumerate(shares, start=1)
    ]


@pytest.fixture
def in_doubt():
    """Six letters and six stories. The best of each was scored 40 times, the others once."""
    rng = np.random.default_rng(2)
    means = {"letter": [0.9, 0.6, 0.5, 0.4, 0.5, 0.45], "story": [0.7, 0.4, 0.3, 0.2, 0.25, 0.3]}
    rows = []
    for template, of_template in means.items():
        for number, mean in enumerate(of_template):
            noise = rng.normal(0, 0.01, 40 if number == 0 else 1)
            rows += scored(f"{template}{number}", template, mean + noise - noise.mean())
    return rows, {template: np.array(of_template) for template, of_template in means.items()}


def report_of(rows):
    return CohortReport("c1", SHIPPED, {}, rows, [], {})


def test_a_mean_counts_each_text_once_however_often_it_was_scored(in_doubt):
    rows, means = in_doubt
    tables = make_result_tables(SHIPPED, rows)
    of_stage = tables.templates.filter(tables.templates["stage"] == "essay")
    drafts = tables.models.filter(tables.models["stage"] == "draft")

    every = np.concatenate([*means.values()]).mean()
    assert mean_share(map(judgment_of, rows)) == pytest.approx(every)
    for template, mean, scores in of_stage["template", "mean", "n"].rows():
        assert mean == pytest.approx(means[template].mean())
        assert scores == 45
    assert drafts["mean"].to_list() == pytest.approx([every])


def test_texts_with_missing_scores_alone_enter_no_mean(in_doubt):
    rows, means = in_doubt
    unscored = [attrs.evolve(row, outcome=GenerationOutcome("not answered")) for row in rows]
    others = [row for row in unscored if row.lineage["essay"].template == "story"]
    letters = [row for row in rows if row.lineage["essay"].template == "letter"]

    templates = make_result_tables(SHIPPED, [*letters, *others]).templates

    of_essays = templates.filter(templates["stage"] == "essay")["template", "mean"].rows()
    assert of_essays == [("letter", pytest.approx(means["letter"].mean())), ("story", None)]
    assert mean_share(map(judgment_of, others)) is None


def test_the_error_of_an_effect_is_that_of_texts_and_not_of_scores(in_doubt):
    rows, means = in_doubt

    found = find_effects(SHIPPED, rows)

    (effect,) = (
        row
        for row in found.table.to_dicts()
        if row["group"] == "essay_template" and row["than"] is not None
    )
    theirs = ttest_ind(means["letter"], means["story"], equal_var=False)
    difference = means["letter"].mean() - means["story"].mean()
    assert effect["estimate"] == pytest.approx(difference, abs=0.01)
    assert effect["p"] == pytest.approx(theirs.pvalue, abs=0.01)


def test_the_report_says_the_same_of_a_template(in_doubt):
    rows, means = in_doubt

    factors = {factor.name: factor for factor in compare_factors(report_of(rows))}

    of_name = {level.name: level for level in factors["essay template"].levels}
    assert of_name["letter"].mean == pytest.approx(means["letter"].mean())
    assert (of_name["letter"].texts, of_name["letter"].scores) == (6, 45)
    cells = {cell.template: cell for cell in report_of(rows).cell_means() if cell.stage == "essay"}
    assert cells["story"].mean == pytest.approx(means["story"].mean())
    assert cells["story"].n == 45


def test_cohorts_are_compared_by_their_texts(in_doubt):
    rows, means = in_doubt
    letters, stories = (
        [row for row in rows if row.lineage["essay"].template == template] for template in means
    )

    found = compare_scores(letters, stories)

    difference = means["letter"].mean() - means["story"].mean()
    assert found.estimate == pytest.approx(difference, abs=0.01)


def asked_again(rng, texts=60, spread=0.1, noise=0.1):
    """Return evaluations of texts of which the first five by their first score get 30 more."""
    quality = 0.5 + spread * rng.standard_normal(texts)
    first = quality + noise * rng.standard_normal(texts)
    rows = []
    for number in range(texts):
        again = 30 * (number in np.argsort(-first)[:5])
        more = quality[number] + noise * rng.standard_normal(again)
        rows += scored(number, "letter", [first[number], *more])
    return rows


def test_the_correlation_of_two_scores_does_not_depend_on_which_texts_were_asked_again():
    rng = np.random.default_rng(4)
    cohorts = [asked_again(rng) for _ in range(20)]

    found = [icc_of(map(judgment_of, rows)) for rows in cohorts]
    passports = [make_passports(JudgedTexts(rows, [], [], {})) for rows in cohorts]

    assert np.mean([value for value, _ in found]) == pytest.approx(0.5, abs=0.08)
    assert {texts for _, texts in found} == {5}
    retests = [passport.measures["retest"] for (passport,) in passports]
    assert [retest.value for retest in retests] == pytest.approx([value for value, _ in found])
    assert sum(retest.low <= 0.5 <= retest.high for retest in retests) >= 17


def test_what_more_scores_of_each_would_tell_is_not_said_if_their_numbers_differ_much(in_doubt):
    rows, _ = in_doubt

    known, lucky, agreement = say_how_to_know_more(rows, [], "essay")

    assert "12 essays have 1 to 40 scores each" in known
    assert "probability" not in known
    assert "8 instead of 5 of 100 intervals" in lucky
    assert "alpha is too low" in agreement
