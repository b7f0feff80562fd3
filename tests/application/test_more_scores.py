"""More scores under a stop rule: where it matters, until it holds, the same after a kill."""

import random
from collections import Counter

import attrs
import pytest

from adapters import InMemoryGensStore
from adapters.cohort_store.in_memory import InMemoryCohortStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import axes_of, catalog_of
from daydreaming_dagster.application.plan_cohort import estimate_cohort, plan_cohort
from daydreaming_dagster.application.run_cohort import RunOptions, run_cohort
from daydreaming_dagster.application.run_listener import NullRunListener
from daydreaming_dagster.application.stop_rules import say_stop_rules
from daydreaming_dagster.domain.cohort.judgment_choice import ScoreChoice
from daydreaming_dagster.domain.cohort.spec import make_cohort_spec
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.results.evaluations import read_evaluations
from daydreaming_dagster.domain.results.ranking import rank_texts
from daydreaming_dagster.domain.shipped_stages import SHIPPED

QUALITY = {"a": 8.0, "b": 7.0, "c": 5.0, "d": 5.0, "e": 2.0, "f": 1.0}
RULE = "top 2 settled"


class Lab:
    """Six essays whose quality is their concept, scored by two judges who are not always sure."""

    def __init__(self, quality=QUALITY, *, noise=0.7, **document):
        self.quality, self.noise = quality, noise
        self.store = InMemoryGensStore(
            templates={
                ("draft", "t"): "write {{ concepts[0].name }}",
                ("essay", "t"): "write {{ draft_block }}",
                ("evaluation", "t"): "score {{ response }}",
            }
        )
        axes = {
            **axes_of(),
            "combo": [[name] for name in quality],
            "evaluation_llm": ["m", "n"],
        }
        sampling = {"evaluation": {"seed": 1}}
        document = {"axes": axes, "sampling": sampling, **document}
        self.cohorts = InMemoryCohortStore(
            catalog_of(quality), {"c": make_cohort_spec(document, None)}
        )
        self.asked = []

    def answer(self, request):
        kind, text = request.prompt.split()
        name = text[-1]
        if kind == "write":
            return f"about-{name}"
        self.asked.append((name, request.model, request.parameters.seed))
        luck = random.Random(repr(self.asked[-1])).gauss(0, self.noise)
        return f"SCORE: {min(9, max(0, round(self.quality[name] + luck)))}"

    def plan(self):
        return plan_cohort(self.store, self.cohorts, "c")

    def edit(self, **changes):
        spec = attrs.evolve(self.cohorts.read_spec("c"), **changes)
        self.cohorts.write_spec("c", spec)

    def run(self, cohort="c", **options):
        return run_cohort(
            self.store,
            self.cohorts,
            ScriptedLanguageModel(self.answer),
            cohort,
            RunOptions(**options),
            token=CancellationToken(),
            listener=NullRunListener(),
        )

    @property
    def scores(self):
        return self.cohorts.read_membership("c")["evaluation"]

    def said(self, until=None):
        evaluations = read_evaluations(self.store, SHIPPED, self.cohorts.read_membership("c"))
        return [*say_stop_rules(self.cohorts, ["c"], self.cohorts.catalog, evaluations, until)]

    def essay_of(self, gen_id):
        return self.store.read_main_metadata("evaluation", gen_id)["parent_gen_id"]

    @property
    def per_essay(self):
        return Counter(name for name, _, _ in self.asked)


def planned_lab(**options):
    lab = Lab(**options)
    lab.plan()
    return lab


def test_a_run_asks_more_scores_where_it_matters_until_the_first_places_are_settled():
    lab = planned_lab()

    run = lab.run(until=RULE, max_calls=1000)

    assert run.complete
    assert run.stopped is None
    assert len(lab.asked) == len(set(lab.asked)) == len(lab.scores) < 500
    often = lab.per_essay
    assert often["b"] > often["f"], "b is next to the second place"
    assert {each % 2 for each in often.values()} == {0}, "each round is one score by each judge"
    first = rank_texts(lab.store, SHIPPED, lab.cohorts.read_membership("c"))[:2]
    assert {rank.combo_id[0] for rank in first} == {"a", "b"}


def test_scores_that_another_cohort_has_asked_count_and_more_are_asked_after_them():
    lab, alone = Lab(), planned_lab()
    alone.run(until=RULE, max_calls=1000)
    lab.edit(replicates={"evaluation": 2})
    lab.cohorts.write_spec("other", lab.cohorts.read_spec("c"))
    plan_cohort(lab.store, lab.cohorts, "other")
    lab.edit(replicates={})
    lab.plan()
    lab.run("other")
    assert len(lab.asked) == 24

    lab.run(until=RULE, max_calls=1000)

    assert lab.scores == alone.scores
    assert len(lab.asked) == len(set(lab.asked))


def test_once_the_rule_holds_nothing_more_is_asked():
    lab = planned_lab()
    lab.run(until=RULE, max_calls=1000)
    spent = len(lab.asked)

    lab.run(until=RULE, max_calls=1000)
    lab.run()

    assert len(lab.asked) == spent


def test_a_killed_run_asks_the_same_as_one_that_was_not():
    whole, killed = planned_lab(), planned_lab()
    whole.run(until=RULE, max_calls=1000)

    for calls in (5, 25, 3, 9, 1, 2, 1000):
        before = len(killed.asked)
        killed.run(until=RULE, max_calls=calls)
        assert len(killed.asked) <= before + calls
        killed.plan()

    assert set(killed.scores) == set(whole.scores)
    assert sorted(killed.asked) == sorted(whole.asked), "nothing is asked twice"


def test_equal_essays_are_asked_until_the_limit_and_never_settled():
    lab = planned_lab(quality=dict.fromkeys("abcd", 5.0))

    run = lab.run(until="top 1 settled", max_calls=400)

    assert "calls" in run.stopped
    assert run.budget.calls == 400


def test_judges_that_never_differ_from_themselves_are_not_believed_at_once():
    lab = planned_lab(noise=0.0)

    lab.run(until=RULE, max_calls=1000)

    often = lab.per_essay
    assert 2 * 2 < often["b"] < 2 * 20, "a next score may differ by a step of the scale"


def test_a_run_without_the_rule_asks_what_was_chosen_and_no_more():
    lab = planned_lab()
    lab.run(until=RULE, max_calls=12 + 12 + 3)
    chosen = len(lab.scores)
    assert chosen > len(lab.asked) > 12

    run = lab.run()

    assert run.complete
    assert len(lab.asked) == len(lab.scores) == chosen


def test_scores_that_a_rule_asked_stay_members_when_the_cohort_is_planned_again():
    lab = planned_lab()
    lab.run(until=RULE, max_calls=1000)
    before = set(lab.scores)

    plan, estimate = estimate_cohort(lab.store, lab.cohorts, "c")
    assert set(plan.gen_ids("evaluation")) == before
    assert estimate.stages["evaluation"].calls == 0
    lab.plan()
    assert set(lab.scores) == before

    lab.edit(replicates={"evaluation": 2})
    lab.plan()
    assert set(lab.scores) >= before
    assert all(each >= 4 for each in Counter(lab.essay_of(one) for one in lab.scores).values())
    lab.run(until=RULE, max_calls=1000)
    assert len(lab.asked) == len(set(lab.asked))


def test_a_plan_with_more_replicates_than_a_rule_asked_has_all_of_them():
    lab = planned_lab()
    lab.run(until=RULE, max_calls=12 + 12 + 4)
    before = set(lab.scores)

    lab.edit(replicates={"evaluation": 9})
    lab.plan()

    assert len(lab.scores) == 9 * 12
    assert before < set(lab.scores)


def test_fewer_replicates_are_members_of_a_plan_if_no_rule_asked_for_more():
    lab = planned_lab(replicates={"evaluation": 3})
    lab.run()

    lab.edit(replicates={"evaluation": 2})
    lab.plan()

    assert len(lab.scores) == 2 * 12


def test_a_specification_chooses_scores_up_to_its_calls_or_until_its_rule_holds():
    choice = {"choose": "by doubt", "calls": 20, "until": RULE}
    few, many = (
        planned_lab(scores={"evaluation": choice | {"calls": calls}}) for calls in (20, 500)
    )

    few.run()
    many.run()

    assert len(few.scores) == 20
    assert 20 < len(many.scores) < 500
    assert set(few.scores) <= set(many.scores)


def test_a_dry_run_counts_the_scores_that_will_be_asked():
    lab = Lab(scores={"evaluation": {"calls": 50, "until": RULE}})

    plan, estimate = estimate_cohort(lab.store, lab.cohorts, "c")
    assert len(plan.gen_ids("evaluation")) == estimate.stages["evaluation"].calls == 50

    lab.plan()
    assert len(lab.scores) == 12
    lab.run()
    _, estimate = estimate_cohort(lab.store, lab.cohorts, "c")
    assert estimate.stages["evaluation"].calls == 50 - len(lab.scores)


def test_a_score_choice_is_part_of_the_plan_and_its_absence_is_no_difference():
    lab = planned_lab()
    before = lab.cohorts.read_manifest("c")
    lab.edit(scores={"evaluation": ScoreChoice(calls=50, until=RULE)})
    with pytest.raises(CatalogError, match="edited after it was planned; plan the cohort again"):
        lab.run()
    lab.plan()
    assert lab.cohorts.read_manifest("c").spec != before.spec
    lab.edit(scores={})
    lab.plan()
    assert lab.cohorts.read_manifest("c").spec == before.spec


def test_an_essay_whose_scores_cannot_be_read_does_not_use_up_the_calls():
    lab = planned_lab()
    plain = lab.answer

    def answer(request):
        score = plain(request)
        return "no score" if request.prompt == "score about-f" else score

    lab.answer = answer
    lab.run(until=RULE, max_calls=1000)

    assert lab.per_essay["f"] < 20
    assert len(lab.asked) < 1000


def test_mistakes_are_refused_before_anything_is_asked():
    lab = planned_lab()
    with pytest.raises(CatalogError, match="limit the calls or the cost of the run, too"):
        lab.run(until=RULE)
    with pytest.raises(CatalogError, match="a rule such as 'top 3 settled', found 'best'"):
        lab.run(until="best", max_calls=9)
    assert lab.asked == []

    document = {"scores": {"evaluation": {"calls": 0}, "essay": {"calls": 9, "until": RULE}}}
    lab.cohorts.write_spec("c", make_cohort_spec(document, None))
    with pytest.raises(CatalogError) as error:
        lab.plan()
    assert {problem for problem in error.value.problems if problem.startswith("scores")} == {
        "scores.evaluation.calls: expected at least 1, found 0",
        "scores.evaluation.until: expected a rule such as 'top 3 settled', found ''",
        "scores.essay: the stage does not score",
    }


def test_essays_with_different_judges_are_not_compared_by_a_rule():
    rows = [["a", "m"], ["b", "n"], ["c", "m"], ["d", "n"], ["e", "m"], ["f", "n"]]
    pairs = [{"left": "combo", "right": "evaluation_llm", "allowed": rows}]
    lab = planned_lab(pairs=pairs)

    with pytest.raises(CatalogError, match=r"has no score by t/.; a stop rule needs the same"):
        lab.run(until=RULE, max_calls=100)


def test_it_is_said_whether_the_rule_holds_and_about_what():
    lab = planned_lab(scores={"evaluation": {"calls": 14, "until": RULE}})
    lab.run()
    (early,) = lab.said()
    assert early.startswith("top 2 settled: not yet. ")
    assert "pairs of essays across place 2 are in doubt, most of all e_" in early

    lab.edit(scores={"evaluation": ScoreChoice(calls=500, until=RULE)})
    assert lab.said() == [], "the specification was edited since"
    lab.plan()
    lab.run()
    (settled,) = lab.said()
    first = rank_texts(lab.store, SHIPPED, lab.cohorts.read_membership("c"))[:2]
    assert settled.startswith("top 2 settled: yes, with 95 % however often one looks.")
    assert all(rank.gen_id in settled for rank in first)
    assert "What these judges get wrong alike stays in it." in settled
    assert lab.said("top 6 settled") == [
        "top 6 settled: there are only 6 texts, so there is nothing to settle."
    ]


def test_without_a_rule_nothing_is_said_of_one():
    lab = planned_lab()
    lab.run()

    assert lab.said() == []
