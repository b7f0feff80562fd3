"""Effects of factors in the results of a cohort, and what would tell more."""

import attrs
import numpy as np
import pytest

from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.domain.results.effect_tables import find_effects
from daydreaming_dagster.domain.results.evaluations import Evaluation, GenerationOutcome, Member
from daydreaming_dagster.domain.results.knowing_more import (
    icc_of,
    pooled_icc,
    say_how_to_know_more,
)
from daydreaming_dagster.domain.results.ranking import judgment_of
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.domain.stages import GenerationRef

COMBOS = [f"{a}+{b}" for i, a in enumerate("abcd") for b in "abcd"[i + 1 :]]


def evaluated(effect=lambda _template, _llm, _combo: 0.0, combos=COMBOS, cost=None):
    """Two judges' scores of the essays of two templates and models, from each combination."""
    rng = np.random.default_rng(1)
    rows = []
    for combo in combos:
        of_combo = rng.normal(0, 0.05)
        for template in ("letter", "story"):
            for llm in ("big", "small"):
                essay = f"{combo}-{template}-{llm}"
                quality = 0.5 + of_combo + effect(template, llm, combo) + rng.normal(0, 0.03)
                for judge in ("kind", "strict"):
                    share = quality + rng.normal(0, 0.03) - 0.1 * (judge == "strict")
                    lineage = {
                        "draft": Member(f"d-{combo}", "t", "m", 1, ""),
                        "essay": Member(essay, template, llm, 1, ""),
                        "evaluation": Member(f"v-{essay}-{judge}", judge, "m", 1, ""),
                    }
                    outcome = GenerationOutcome("scored", Score(share, 1.0), cost=cost)
                    ref = GenerationRef("essay", essay)
                    rows.append(Evaluation(combo, "", lineage, "evaluation", ref, outcome))
    return rows


def test_a_template_that_is_better_is_found_and_said_with_its_correction():
    found = find_effects(SHIPPED, evaluated(lambda template, _l, _c: 0.2 * (template == "story")))

    (sentence,) = found.sentences
    assert sentence.startswith("essay_template: letter scores 0.20 lower than story")
    assert "differences compared, errors clustered by combination" in sentence
    by_group = {row["group"] for row in found.table.to_dicts() if row["finding"]}
    assert by_group == {"essay_template"}


def test_without_any_effect_no_difference_is_called_better():
    found = find_effects(SHIPPED, evaluated())

    assert not found.table["finding"].any()
    assert found.sentences[0].startswith("No template, model or concept is certainly better")
    assert {"essay_template", "essay_llm", "concept a"} < set(found.table["group"])


def test_an_interaction_is_found_where_neither_factor_has_an_effect():
    crossed = evaluated(lambda template, llm, _c: 0.1 * ((template == "story") == (llm == "big")))

    found = find_effects(SHIPPED, crossed)

    groups = {row["group"] for row in found.table.to_dicts() if row["finding"]}
    assert groups == {"essay_template and essay_llm"}
    assert "letter with small, story with big" in found.sentences[0]


def test_planned_contrasts_are_told_apart_from_what_was_found_by_looking():
    rows = evaluated(lambda template, llm, _c: 0.2 * (template == "story") + 0.2 * (llm == "big"))

    found = find_effects(SHIPPED, rows, ["essay_llm"])

    planned, looked = found.sentences
    assert planned.startswith("Planned: essay_llm: big scores 0.21 higher than small")
    assert "3 differences compared" in planned
    assert looked.startswith("Found by looking: essay_template: letter scores 0.20 lower")
    of_plan = found.table.filter(found.table["planned"])
    assert set(of_plan["group"]) == {"essay_llm"}
    assert (of_plan["p_corrected"] <= 3 * of_plan["p"] + 1e-12).all()


def test_combinations_are_compared_by_their_texts():
    found = find_effects(SHIPPED, evaluated(lambda _t, _l, combo: 0.3 * (combo == "a+b")))

    found_combos = found.table.filter(found.table["finding"], found.table["group"] == "combo")
    assert "a+b" in set(found_combos["level"])


@pytest.mark.parametrize(("combos", "shared"), [(["a+b", "c+d"], "essay"), (COMBOS, "combination")])
def test_errors_are_clustered_by_what_there_are_several_of(combos, shared):
    (sentence,) = find_effects(SHIPPED, evaluated(combos=combos)).sentences

    assert f"errors clustered by {shared}" in sentence


def test_no_factor_and_no_score_have_no_effect():
    rows = evaluated()
    alone = [row for row in rows if row.judged == rows[0].judged]
    unscored = [attrs.evolve(row, outcome=GenerationOutcome("not answered")) for row in rows]

    for evaluations in (alone, unscored, []):
        found = find_effects(SHIPPED, evaluations)
        assert (found.table.height, found.sentences) == (0, ())


def test_what_would_tell_more_is_said_with_its_cost_and_where_the_correlation_is_from():
    (sentence,) = say_how_to_know_more(evaluated(cost=0.01), [], "essay")

    assert "To know more: with 24 essays and 2 scores each" in sentence
    assert "6 more scores each (144 calls, about 1.44 USD) give 0." in sentence
    assert "as 24 here show)" in sentence
    assert [*say_how_to_know_more([], [], "essay")] == []


def test_correlations_of_cohorts_are_weighted_by_their_texts():
    many = icc_of(map(judgment_of, evaluated()))
    few = icc_of(map(judgment_of, evaluated(combos=["a+b"])))

    assert few is None, "four texts say next to nothing"
    pooled = pooled_icc([many, None, (0.0, 24)])
    assert pooled.value == pytest.approx(many[0] / 2)
    assert pooled.source == "as in 2 earlier cohorts with 48 texts"
    assert pooled_icc([few]).value == 0.19
