"""Duels that are chosen by doubt: in batches, from the answers so far, the same after a kill."""

import re

import attrs
import numpy as np
import pytest

from adapters import InMemoryGensStore
from adapters.cohort_store.in_memory import InMemoryCohortStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import axes_of, catalog_of, contest_pipeline
from daydreaming_dagster.application.plan_cohort import estimate_cohort, plan_cohort
from daydreaming_dagster.application.run_cohort import RunOptions, run_cohort
from daydreaming_dagster.application.run_listener import NullRunListener
from daydreaming_dagster.domain.cohort.judgment_choice import DuelChoice
from daydreaming_dagster.domain.cohort.spec import make_cohort_spec
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.generation.state import read_state
from daydreaming_dagster.domain.results.next_duels import is_settled
from daydreaming_dagster.domain.statistics.bradley_terry import fit_duels
from daydreaming_dagster.domain.statistics.covariance import Covariance
from daydreaming_dagster.domain.statistics.judgments import make_duels
from daydreaming_dagster.ports.language_model import Completion

CONCEPTS = "abcdefgh"


class Lab:
    """Eight essays whose quality is their concept; each is scored, and some are compared."""

    def __init__(self, *, calls=24, replicates=1):
        pipeline = contest_pipeline()
        self.store = InMemoryGensStore(
            templates={
                ("draft", "t"): "write {{ concepts[0].name }}",
                ("essay", "t"): "write {{ draft_block }}",
                ("evaluation", "t"): "score {{ response }}",
                ("contest", "t"): "compare {{ one }} {{ other }}",
            }
        )
        document = {
            "axes": {
                **axes_of(pipeline),
                "combo": [[name] for name in CONCEPTS],
                "contest_llm": ["m", "n"],
            },
            "replicates": {"contest": replicates},
            "duels": {"contest": {"choose": "by doubt", "calls": calls, "top": 3}},
        }
        self.cohorts = InMemoryCohortStore(
            catalog_of(CONCEPTS, pipeline), {"c": make_cohort_spec(document, None, pipeline)}
        )
        self.asked = []

    def answer(self, request):
        self.asked.append(request.prompt)
        kind, *texts = request.prompt.split()
        names = [text[-1] for text in texts]
        if kind == "score":
            return f"SCORE: {8 - CONCEPTS.index(names[0])}"
        if kind == "compare":
            return f"WINNER: {'first' if names[0] < names[1] else 'second'}"
        return f"about-{names[0]}"

    def plan(self):
        return plan_cohort(self.store, self.cohorts, "c")

    def run(self, listener=None, token=None, **options):
        return run_cohort(
            self.store,
            self.cohorts,
            ScriptedLanguageModel(self.answer),
            "c",
            RunOptions(**options),
            token=token or CancellationToken(),
            listener=listener or NullRunListener(),
        )

    @property
    def duels(self):
        return self.cohorts.read_membership("c")["contest"]


class Sets(NullRunListener):
    """Keeps how many duels there were to make each time that the run began with some."""

    def __init__(self):
        self.duels = []

    def begin(self, plan):
        self.duels.append(len(plan.todo["contest"]))


def test_one_run_chooses_duels_in_sets_until_all_calls_are_spent():
    lab, sets = Lab(), Sets()
    lab.plan()

    run = lab.run(sets)

    assert sets.duels == [0, 8, 8, 8]
    assert run.complete
    assert (run.outcome.made, run.budget.calls) == (3 * 8 + 24, 3 * 8 + 24)
    assert set(run.plan.todo["contest"]) == set(lab.duels)
    assert len(run.plan.todo["essay"]) == 8
    compared = [prompt for prompt in lab.asked if prompt.startswith("compare")]
    assert len(compared) == 24
    shown = [re.findall(r"about-(.)", prompt) for prompt in compared]
    often = sum(one in "abcd" for pair in shown for one in pair)
    assert often > 2 * 24 * 0.6, "the first three, and those next to them, are compared most"


def test_a_killed_run_chooses_the_same_duels_as_one_that_was_not():
    whole, killed = Lab(), Lab()
    whole.plan()
    killed.plan()
    whole.run()

    for calls in (5, 25, 3, 9, 1, 2):
        before = len(killed.asked)
        killed.run(max_calls=calls)
        assert len(killed.asked) == before + calls, "the limit is one of all sets together"
        killed.plan()
    killed.run()

    assert set(killed.duels) == set(whole.duels)
    assert sorted(killed.asked) == sorted(whole.asked), "nothing is asked twice"


def test_a_pair_is_shown_in_both_orders_and_to_all_judges():
    lab = Lab(calls=112)
    lab.plan()
    lab.run()

    assert len(lab.duels) == len(set(lab.duels)) == 112


def test_an_answer_that_is_forced_is_asked_again_once_however_many_sets_follow():
    lab = Lab()
    lab.plan()
    lab.run(max_calls=24)
    forced = lab.cohorts.read_membership("c")["evaluation"][0]
    before = len(lab.asked)

    lab.run(force=[forced])

    assert sum(prompt.startswith("score") for prompt in lab.asked[before:]) == 1
    assert len(lab.duels) == 24


def test_a_stop_between_two_sets_leaves_the_next_one_to_the_next_run():
    lab, token = Lab(), CancellationToken()

    class Stop(Sets):
        def note(self, finished, budget):
            if len(self.duels) == 2 and len(lab.asked) == 24 + 8:
                token.stop("enough")

    lab.plan()
    stopped = lab.run(Stop(), token=token)
    assert (stopped.stopped, len(lab.duels)) == ("enough", 8)

    lab.run()
    assert len(lab.duels) == 24


def test_no_duel_is_chosen_while_an_answer_is_missing():
    lab = Lab()
    lab.plan()

    lab.run(max_calls=20)
    lab.run(max_calls=1)

    assert lab.duels == []


def test_an_essay_that_cannot_be_read_is_in_no_duel():
    lab = Lab()
    plain = lab.answer
    cut = Completion("about-c", "length", "m", 0.0)
    lab.answer = lambda request: cut if request.prompt == "write about-c" else plain(request)
    lab.plan()
    lab.run()
    (refused,) = [
        gen_id
        for gen_id in lab.cohorts.read_membership("c")["essay"]
        if read_state(lab.store, lab.cohorts.catalog.pipeline["essay"], gen_id).state == "cut off"
    ]

    assert len(lab.duels) == 24
    for gen_id in lab.duels:
        parents = lab.store.read_main_metadata("contest", gen_id)["parents"]
        assert refused not in {parent["gen_id"] for parent in parents}


def test_an_edited_specification_is_planned_before_it_goes_on():
    lab = Lab()
    lab.plan()
    lab.run()
    spec = lab.cohorts.read_spec("c")
    choice = DuelChoice(calls=30)
    lab.cohorts.write_spec("c", attrs.evolve(spec, duels={"contest": choice}))

    with pytest.raises(CatalogError, match="edited after it was planned; plan the cohort again"):
        lab.run()

    lab.plan()
    lab.run()
    assert len(lab.duels) == 30


def test_a_dry_run_counts_the_duels_that_will_be_made():
    lab = Lab()

    plan, estimate = estimate_cohort(lab.store, lab.cohorts, "c")

    assert len(plan.gen_ids("contest")) == 24
    assert estimate.stages["contest"].calls == 24


def test_no_more_duels_are_chosen_once_the_first_places_are_settled():
    lab = Lab(calls=400, replicates=5)
    lab.plan()

    lab.run(until="top 2 settled")

    assert 20 < len(lab.duels) < 400
    spent = len(lab.duels)
    lab.run(until="top 2 settled")
    assert len(lab.duels) == spent
    lab.run()
    assert len(lab.duels) > spent, "the specification has no stop rule"


def test_a_stop_rule_that_cannot_be_read_or_stops_nothing_is_refused():
    lab = Lab()
    lab.plan()

    with pytest.raises(CatalogError, match="a rule such as 'top 3 settled', found 'best'"):
        lab.run(until="best")
    spec = lab.cohorts.read_spec("c")
    lab.cohorts.write_spec("c", attrs.evolve(spec, duels={}))
    with pytest.raises(CatalogError, match="'top 3 settled' may never hold; limit the calls or"):
        lab.run(until="top 3 settled")
    assert lab.asked == []


def test_the_more_looks_there_were_the_surer_each_must_be():
    fit = fit_duels(make_duels(["a", "b"], ["c", "d"], [1.0, 1.0]))
    fit = attrs.evolve(
        fit,
        strength=np.array([3.0, 2.0, 0.0, 0.0]),
        covariance=Covariance.dense(np.eye(4) * 0.11),
        component=np.zeros(4, dtype=np.int64),
    )

    assert is_settled(fit, 2, look=1)
    assert not is_settled(fit, 2, look=1000)


def test_of_two_equal_items_neither_is_said_to_be_the_best_however_often_one_looks():
    names, wrong = np.array(["a", "b"]), 0
    for seed in range(10):
        wins = np.random.default_rng(seed).random(200) < 2 / 3  # of what is shown first
        first = np.tile([0, 1], 100)
        fits = (
            fit_duels(make_duels(names[first[:made]], names[1 - first[:made]], wins[:made]))
            for made in range(20, 201, 20)
        )
        wrong += any(is_settled(fit, 1, look) for look, fit in enumerate(fits, start=1))

    assert wrong == 0, "2 of 10 would be wrong if each look erred in 5 %"


def test_mistakes_about_duels_name_their_place():
    lab = Lab()
    document = {"duels": {"essay": {"calls": 0, "top": 0, "until": "soon"}}}
    spec = make_cohort_spec(document, None, lab.cohorts.catalog.pipeline)
    lab.cohorts.write_spec("c", spec)

    with pytest.raises(CatalogError) as error:
        lab.plan()

    assert {problem for problem in error.value.problems if problem.startswith("duels")} == {
        "duels.essay: the stage does not judge pairs",
        "duels.essay.calls: expected at least 1, found 0",
        "duels.essay.top: expected at least 1, found 0",
        "duels.essay.until: expected a rule such as 'top 3 settled', found 'soon'",
    }
