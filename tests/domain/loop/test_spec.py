"""What a loop's specification says, and its mistakes: all at once, each with its place."""

import pytest
import yaml

from daydreaming_dagster.domain.cohort.spec import spec_problems
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.loop.decisions import Selection
from daydreaming_dagster.domain.loop.measures import StopRules
from daydreaming_dagster.domain.loop.registry import SAMPLERS
from daydreaming_dagster.domain.loop.spec import GateRules, LoopSpec, loop_problems, make_loop_spec
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.domain.stages_document import make_pipeline

FULL = """
concepts: [ant, bee]
sampler: coverage
exploration: 0.2
pairs: 5
seed: 7
cohort:
  axes:
    draft_template: [links]
    draft_llm: [big]
  replicates: {evaluation: 2}
gate: {false_positives: 0.05}
selection: {bar: 0.6, certainty: 0.9, most: 3}
stop: {rounds: 4, max_cost: 1.5, rounds_without_acceptance: 2, least_chance_of_new: 0.1}
"""


def in_file(name, columns):
    if name != "seeds.csv":
        raise CatalogError(name, (f"{name} is missing",))
    return [["bee"], ["ant"]] if columns == ["concepts"] else [["links"]]


def make(text):
    return make_loop_spec(yaml.safe_load(text), in_file)


def problems(text, concepts=("ant", "bee", "cod")):
    return [str(problem) for problem in loop_problems(make(text), concepts, SAMPLERS)]


def test_a_whole_specification_is_read():
    spec = make(FULL)

    assert problems(FULL) == []
    assert (spec.concepts, spec.sampler, spec.exploration) == (["ant", "bee"], "coverage", 0.2)
    assert (spec.pairs, spec.seed) == (5, 7)
    assert spec.cohort.axes.draft_template == ["links"]
    assert spec.cohort.replicates == {"evaluation": 2}
    assert spec.gate == GateRules(0.05)
    assert spec.selection == Selection(0.6, 0.9, 3)
    assert spec.stop == StopRules(4, 1.5, 2, 0.1)


def test_everything_has_a_default():
    assert make("") == make("{}") == LoopSpec()
    assert problems("") == []


def test_lists_come_from_files():
    spec = make("concepts: '@file:seeds.csv'\ncohort: {axes: {draft_template: '@file:seeds.csv'}}")

    assert spec.concepts == ["bee", "ant"]
    assert spec.cohort.axes.draft_template == ["links"]


def test_a_round_combines_the_chosen_pairs():
    spec = make(FULL).cohort_of([("ant", "bee"), ("ant", "cod")])

    assert spec.values("combo") == ["ant+bee", "ant+cod"]
    assert spec.values("draft_llm") == ["big"]
    assert list(spec_problems(spec, SHIPPED)) == []


def test_all_mistakes_are_reported_each_with_its_place():
    text = """
concepts: [ant, bea, ant]
sampler: tompson
exploration: 0
pairs: 0
sed: 1
cohort:
  axes: {concepts: [ant, bee], k: 2, draft_template: [links, links], essay_templat: [x]}
  replicates: {evaluation: 0}
  scores: {evaluation: {calls: 9, until: top 1 settled}}
gate: {false_positives: 2}
selection: {bar: 70, certainty: 0.5, most: 0}
stop: {rounds: 0, max_cost: -1, rounds_without_acceptance: 0, least_chance_of_new: 5,
       least_accepted_per_dollar: -1, most_drift: 2}
"""
    found = problems(text)

    places = [problem.partition(":")[0] for problem in found]
    assert sorted(places) == [
        "cohort.axes.concepts",
        "cohort.axes.draft_template",
        "cohort.axes.essay_templat",
        "cohort.axes.k",
        "cohort.replicates.evaluation",
        "cohort.scores",
        "concepts[1]",
        "concepts[2]",
        "exploration",
        "gate.false_positives",
        "pairs",
        "sampler",
        "sed",
        "selection.bar",
        "selection.certainty",
        "selection.most",
        "stop.least_accepted_per_dollar",
        "stop.least_chance_of_new",
        "stop.max_cost",
        "stop.most_drift",
        "stop.rounds",
        "stop.rounds_without_acceptance",
    ]
    (of_sampler,) = (problem for problem in found if problem.startswith("sampler"))
    assert of_sampler.endswith("known are coverage, thompson, uniform; did you mean 'thompson'?")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[1]", "the document: expected a mapping, found [1]"),
        ("concepts: ant", "concepts: expected a list, found 'ant'"),
        ("concepts: '@file:other.csv'", "concepts: other.csv is missing"),
        ("cohort: 5", "cohort: expected a mapping, found 5"),
        ("cohort: {ties: nothing}", "cohort.ties: expected a list, found 'nothing'"),
        ("cohort: {axes: {essay_llm: '@file:o.csv'}}", "cohort.axes.essay_llm: o.csv is missing"),
        ("pairs: many", "pairs: expected a whole number, found 'many'"),
        ("stop: {max_cost: .nan}", "stop.max_cost: expected an amount in USD, found nan"),
        ("exploration: .nan", "exploration: expected a share above 0, at most 1, found nan"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_once(text, problem):
    assert problems(text) == [problem]


def test_a_loop_needs_two_concepts():
    assert problems("concepts: [ant]") == ["concepts: expected at least two concepts"]
    assert problems("", concepts=["ant"]) == ["concepts: expected at least two concepts"]


DUELS = """
stages:
  draft: {from: concepts}
  duel:  {from: {first: draft, second: draft}, judges: pairs, within: cohort}
"""


def test_a_loop_decides_by_scores_and_refuses_duels():
    pipeline = make_pipeline(yaml.safe_load(DUELS), "stages.yaml")
    text = (
        "cohort: {axes: {draft_template: [a], draft_llm: [b], duel_template: [c], duel_llm: [b]}}"
    )
    spec = make_loop_spec(yaml.safe_load(text), in_file, pipeline)

    found = [str(each) for each in loop_problems(spec, {"ant", "bee"}, SAMPLERS, pipeline)]

    assert any("no stage scores, so a loop cannot decide" in each for each in found)
    assert any("'duel' says which of two texts is better, not how good" in each for each in found)


DISTILLING = """
stages:
  draft:    {from: concepts}
  essay:    {from: draft}
  verdict:  {from: essay, judges: scores}
  gist:     {from: essay}
"""


@pytest.mark.parametrize(
    ("stage", "more", "problem"),
    [
        ("gist", "gist_template: [a], gist_llm: [b]", None),
        ("gits", "", "there is no stage 'gits'; did you mean 'gist'?"),
        ("verdict", "", "'verdict' must be made from one text of essay, and judge nothing"),
        ("draft", "", "'draft' must be made from one text of essay, and judge nothing"),
        ("gist", "gist_template: [a, c], gist_llm: [b]", "name one template and one model"),
    ],
)
def test_accepted_texts_are_described_by_a_stage_that_can(stage, more, problem):
    pipeline = make_pipeline(yaml.safe_load(DISTILLING), "stages.yaml")
    text = f"feedback: {{distil: {stage}}}\ncohort: {{axes: {{{more}}}}}"
    spec = make_loop_spec(yaml.safe_load(text), in_file, pipeline)

    found = loop_problems(spec, {"ant", "bee"}, SAMPLERS, pipeline)
    of_feedback = [str(each) for each in found if each.path == ("feedback", "distil")]

    assert [problem in each for each in of_feedback] == ([] if problem is None else [True])


def test_a_description_is_made_once_and_from_what_was_judged():
    pipeline = make_pipeline(
        yaml.safe_load(DISTILLING + "  check: {from: gist, judges: scores}\n"), "stages.yaml"
    )
    text = "feedback: {distil: gist}\ncohort: {axes: {gist_template: [a], gist_llm: [b]}}"

    def said(spec, pipeline):
        found = loop_problems(spec, {"ant", "bee"}, SAMPLERS, pipeline)
        return [str(each) for each in found if each.path == ("feedback", "distil")]

    (first,) = said(make_loop_spec(yaml.safe_load(text), in_file, pipeline), pipeline)
    assert "what is judged is made from 'gist'" in first
    plain = make_pipeline(yaml.safe_load(DISTILLING), "stages.yaml")
    repeated = text.replace("axes", "replicates: {gist: 2}, axes")
    (second,) = said(make_loop_spec(yaml.safe_load(repeated), in_file, plain), plain)
    assert "describes each text once; remove its replicates" in second


def test_a_loop_takes_no_texts_that_are_there():
    text = FULL.replace("  replicates:", "  texts: [e_1]\n  replicates:")

    assert "cohort.texts: a loop makes its texts itself; leave them out" in problems(text)


def test_a_renamed_concept_is_chosen_under_the_id_that_it_is_planned_with():
    text = FULL.replace("[ant, bee]", "[zebra, bee]").replace(
        "  replicates:", "  subsets: {combo: [zebra+bee]}\n  replicates:"
    )

    spec = make(text).with_planned_ids({"zebra": "ant"})

    assert spec.concepts == ["ant", "bee"]
    assert spec.cohort.subsets == {"combo": ["ant+bee"]}
    assert spec.with_planned_ids({}) == spec
