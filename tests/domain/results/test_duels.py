"""Duels in the results of a cohort: their tables, and the ranking that they give."""

import attrs
import numpy as np
import pytest
import yaml

from adapters import InMemoryGensStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import axes_of, catalog_of, generate
from daydreaming_dagster.domain.cohort.planning import make_plan, record_plan
from daydreaming_dagster.domain.cohort.spec import make_cohort_spec
from daydreaming_dagster.domain.generation.runner import GenerationRunner
from daydreaming_dagster.domain.results.evaluations import read_evaluations
from daydreaming_dagster.domain.results.places import place_texts
from daydreaming_dagster.domain.results.ranking import rank_texts
from daydreaming_dagster.domain.results.sentences import say_of_duels, say_who_is_best
from daydreaming_dagster.domain.results.tables import make_result_tables
from daydreaming_dagster.domain.results.verdicts import read_verdicts, without_stale_verdicts
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.domain.stages_document import make_pipeline
from daydreaming_dagster.domain.statistics.judgments import read_duels

PAIRS_ALONE = """
stages:
  idea: {from: concepts}
  story: {from: idea}
  contest: {from: {one: story, other: story}, judges: pairs}
"""
BOTH = """
stages:
  draft: {}
  essay: {}
  evaluation: {}
  comparison: {from: {a: essay, b: essay}, judges: pairs}
"""
CONCEPTS = "abcdefgh"


class Cohort:
    """A cohort of eight texts, one of each concept, that was run with these answers."""

    def __init__(self, stages, answer, models=("m",)):
        self.pipeline = make_pipeline(yaml.safe_load(stages), "stages.yaml", SHIPPED)
        self.catalog = catalog_of(CONCEPTS, self.pipeline)
        self.store = InMemoryGensStore(
            templates={
                (row.name, "t"): f"{row.name} "
                + " | ".join(
                    f"{{{{ {name} }}}}" if row.parents else f"{{{{ {name}[0].name }}}}"
                    for name in row.variables[:2]
                )
                for row in self.pipeline.stages
            }
        )
        axes = axes_of(self.pipeline)
        axes |= {f"{stage}_llm": [*models] for stage in self.pipeline.comparing}
        document = {"axes": {"combo": [[name] for name in CONCEPTS], **axes}}
        spec = make_cohort_spec(document, None, self.pipeline)
        plan = make_plan(self.store, "c", spec, self.catalog)
        record_plan(self.store, plan)
        self.members = {stage: plan.gen_ids(stage) for stage in self.pipeline}
        model = ScriptedLanguageModel(answer)
        for done in generate(GenerationRunner(self.store, model, self.catalog), self.members):
            assert done.error is None or "verdict" in str(done.error)

    def duels(self):
        return list(read_verdicts(self.store, self.pipeline, self.members, self.catalog))

    def tables(self):
        evaluations = read_evaluations(self.store, self.pipeline, self.members)
        return make_result_tables(self.pipeline, evaluations, self.duels())


def letter(text):
    """The concept that a text goes back to is its last character."""
    return text.strip()[-1]


def better_by_letter(prompt):
    one, other = prompt.split("|")
    return "WINNER: first" if letter(one) < letter(other) else "WINNER: second"


def answering(verdict=better_by_letter):
    def answer(request):
        kind = request.prompt.split()[0]
        if kind in ("contest", "comparison"):
            return verdict(request.prompt)
        if kind == "evaluation":
            return f"Sound.\nSCORE: {8 - CONCEPTS.index(letter(request.prompt))}"
        return f"A text on {letter(request.prompt)}"

    return answer


def first_letters(cohort, ranks):
    return "".join(letter(cohort.store.read_parsed(*rank.ref)) for rank in ranks)


def test_a_cohort_that_is_only_compared_is_ranked_by_its_duels():
    cohort = Cohort(PAIRS_ALONE, answering())

    ranks = rank_texts(cohort.store, cohort.pipeline, cohort.members)
    tables = cohort.tables()

    assert first_letters(cohort, ranks) == CONCEPTS
    assert {rank.place.source for rank in ranks} == {"duels"}
    assert [rank.duels for rank in ranks] == [14] * 8
    assert ranks[0].place.item.rank_low == 1
    assert 0.5 < ranks[0].place.item.low < ranks[0].place.item.estimate < 1
    ranking = tables.by_name()["stories"]
    assert ranking["story"].to_list() == [rank.gen_id for rank in ranks]
    assert ranking["idea_llm"].to_list() == ["m"] * 8, "the axes of texts without a score"
    assert ranking["strength"][0] > 0 > ranking["strength"][7]
    assert set(tables.duels["other_order"]) == {"agrees"}


def test_the_table_of_duels_is_what_analyse_duels_reads():
    tables = Cohort(PAIRS_ALONE, answering()).tables()

    duels = read_duels(tables.duels.write_csv())

    assert len(duels.items) == 8
    assert len(duels.first) == 56
    assert set(duels.judge.names) == {"contest/t/m"}


def test_a_judge_that_only_looks_at_the_place_is_found_out():
    cohort = Cohort(PAIRS_ALONE, answering(lambda _prompt: "WINNER: first"))
    tables = cohort.tables()

    (judge,) = tables.duel_judges.to_dicts()
    assert judge["position_decides"] == judge["both_orders"] == 56
    assert judge["first_odds_low"] > 5
    assert judge["discrimination"] is None, "of a single judge it is 1 by definition"
    assert "Judges prefer what is shown first" in tables.remarks[0]
    ranks = rank_texts(cohort.store, cohort.pipeline, cohort.members)
    assert {rank.band for rank in ranks} == {"1 to 8"}, "nothing is known of the texts"


def test_ties_and_unreadable_verdicts_are_counted_for_each_judge():
    def verdict(prompt):
        if "on a" in prompt:
            return "WINNER: tie"
        return "I cannot say." if "on b" in prompt else "WINNER: second"

    tables = Cohort(PAIRS_ALONE, answering(verdict), ("m", "n")).tables()

    judges = tables.duel_judges.to_dicts()
    assert [(row["ties"], row["without_verdict"], row["duels"]) for row in judges] == [
        (14, 12, 44)
    ] * 2
    assert judges[0]["first_odds_high"] < 1
    low, high = judges[0]["discrimination_low"], judges[0]["discrimination_high"]
    assert low < judges[0]["discrimination"] < high
    assert "what is shown second" in tables.remarks[0]
    states = dict(tables.duels["state"].value_counts().iter_rows())
    assert states == {"done": 88, "not parsed": 24}


def test_scores_and_duels_of_the_same_texts_make_one_ranking():
    cohort = Cohort(BOTH, answering())

    tables = cohort.tables()
    ranks = rank_texts(cohort.store, cohort.pipeline, cohort.members)

    assert first_letters(cohort, ranks) == CONCEPTS
    assert set(tables.ranking["source"]) == {"scores and duels"}
    assert tables.ranking["mean"][0] == pytest.approx(8 / 9)
    assert "one model of scores and 56 duels: the scores predict" in tables.remarks[0]


def test_scores_narrow_what_few_duels_say():
    cohort = Cohort(BOTH, answering())
    evaluations = list(read_evaluations(cohort.store, cohort.pipeline, cohort.members))
    few = [duel for i, duel in enumerate(cohort.duels()) if i % 5 == 0]

    alone = make_result_tables(cohort.pipeline, [], few).ranking
    together = make_result_tables(cohort.pipeline, evaluations, few).ranking

    assert together["p_best"].max() > alone["p_best"].max()


def test_texts_with_scores_and_others_with_duels_are_two_rankings():
    cohort = Cohort(BOTH, answering())
    one, other, third, fourth = cohort.duels()[0].texts + cohort.duels()[-1].texts
    duels = [duel for duel in cohort.duels() if set(duel.texts) == {third, fourth}]
    scores = {one: [("j", 0.5), ("j", 0.6)], other: [("j", 0.1)], third: [], fourth: []}

    placing = place_texts(scores, duels)

    assert [(place.source, place.rank) for place in placing.places.values()] == [
        ("scores", 1),
        ("scores", 2),
        ("duels", 1),
        ("duels", 2),
    ]
    said = say_who_is_best(placing.places.values(), "essay")
    assert said.startswith("By scores: ")
    assert "By duels: " in said
    assert said.endswith("No essay has both, so these two rankings are not comparable.")
    with_more = say_who_is_best([*placing.places.values(), None], "essay")
    assert with_more == f"{said} 1 more has no score and no rank."
    (position,) = say_of_duels(placing.fitted, "essay")
    assert position.startswith("No preference for what is shown first is certain: odds of 1 (")


def test_stale_verdicts_can_be_left_out():
    duels = Cohort(PAIRS_ALONE, answering()).duels()
    duels = [attrs.evolve(duels[0], stale="the template changed"), *duels[1:]]

    left = list(without_stale_verdicts(duels))

    assert [left[0].first_wins, left[0].outcome.state] == [None, "stale"]
    assert left[1:] == duels[1:]
    assert np.isfinite([duel.first_wins for duel in left[1:]]).all()


def test_what_scores_alone_would_tell_is_said_to_be_so():
    remarks = Cohort(BOTH, answering()).tables().remarks

    assert any(said.startswith("To know more: by scores alone, with 8 ") for said in remarks)
