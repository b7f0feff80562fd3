"""The first screen says what won, by how much, what did best, and what is wrong with the data."""

import hashlib
import re

import attrs
import pytest

from adapters import InMemoryGensStore
from builders import make_concepts
from daydreaming_dagster.domain.catalog import Catalog, ModelEntry, TemplateEntry
from daydreaming_dagster.domain.cohort.index import CohortIndex
from daydreaming_dagster.domain.cohort.spec import Axes, CohortSpec
from daydreaming_dagster.domain.generation.stored import read_stored_generation
from daydreaming_dagster.domain.results.factors import CONCEPT, compare_factors
from daydreaming_dagster.domain.results.naming import name_generations, short_id
from daydreaming_dagster.domain.results.report import gather_report
from daydreaming_dagster.domain.results.tables import make_result_tables
from daydreaming_dagster.report.finding import find, scores_by_judge
from reports import report_of

SOURCES = {
    ("draft", "links"): "Link {% for c in concepts %}{{ c.name }} {% endfor %}",
    ("essay", "plain"): "Plain: {{ draft_block }}",
    ("essay", "vivid"): "Vivid: {{ draft_block }}",
    ("evaluation", "judge"): "Judge: {{ response }}",
}


def noise(prompt, most):
    return int(hashlib.sha256(prompt.encode()).hexdigest()[:8], 16) % (most + 1)


def make(judge, *, concepts="abcdef", templates=("plain", "vivid"), replicates=1):
    """Return a report of all pairs of the concepts; `judge` gives the score of a prompt."""

    def answer(request):
        if request.prompt.startswith("Judge"):
            said = judge(request)
            return f"SCORE: {said}" if isinstance(said, int) else said
        return f"{request.prompt} {noise(request.prompt, 10**6)}"

    catalog = Catalog(
        concepts=make_concepts(concepts),
        templates={name: TemplateEntry(name[1]) for name in SOURCES},
        models={name: ModelEntry(name, f"{name}-1", "acme") for name in ("big", "small")},
    )
    spec = CohortSpec(
        Axes(
            concepts=[*concepts],
            k=2,
            draft_template=["links"],
            draft_llm=["big"],
            essay_template=[*templates],
            essay_llm=["big"],
            evaluation_template=["judge"],
            evaluation_llm=["big", "small"],
        ),
        description_level="sentence",
        replicates={"draft": replicates},
    )
    return report_of(InMemoryGensStore(templates=SOURCES), catalog, spec, answer)


def factors_of(made):
    return {factor.name: factor for factor in compare_factors(made.report)}


def found(made):
    def read(stage, gen_id):
        return read_stored_generation(made.store, stage, gen_id)

    return find(made.report, name_generations(made.report), read)


@pytest.fixture(scope="module")
def vivid():
    """Essays of one template are better; everything else is chance."""

    def judge(request):
        return 3 + 3 * ("Vivid" in request.prompt) + noise(request.prompt, 2)

    return make(judge)


def test_a_template_that_is_better_is_a_finding_and_chance_is_none(vivid):
    factors = factors_of(vivid)

    template = factors["essay template"]
    assert [level.name for level in template.levels] == ["vivid", "plain"]
    assert template.verdict == "better than the other"
    better = template.levels[0]
    assert better.low < 0.15 < better.high
    assert (better.texts, better.scores) == (15, 30)
    assert not any(level.is_finding for level in factors[CONCEPT].levels)
    assert factors[CONCEPT].verdict == "may be chance"


def test_levels_of_one_text_each_are_listed_but_not_compared():
    factors = factors_of(
        make(lambda request: 3 + noise(request.prompt, 4), concepts="abc", templates=["plain"])
    )

    combination = factors["combination"]
    assert len(combination.levels) == 3
    assert combination.verdict == (
        "cannot be compared: too few independent texts, no scores that vary, or always with"
        " another factor"
    )
    assert {level.difference for level in combination.levels} == {None}
    means = [level.mean for level in combination.levels]
    assert means == sorted(means, reverse=True)


def test_equal_scores_have_no_interval_in_any_table_of_the_report():
    made = make(lambda request: 6)

    ranking = made.figures[0]
    low, high = (ranking.columns.index(name) for name in ("low", "high"))
    assert {(row[low], row[high]) for row in ranking.rows} == {(None, None)}
    assert ranking.svg()
    factors = factors_of(made).values()
    assert {level.low for factor in factors for level in factor.levels} == {None}
    assert "no scores that vary" in factors_of(made)["essay template"].verdict


def test_the_report_and_the_tables_call_the_same_differences_findings(vivid):
    table = make_result_tables(vivid.report.pipeline, vivid.report.evaluations).effects

    found = set(table.filter(table["finding"])["group"])
    better = {
        factor.name
        for factor in factors_of(vivid).values()
        if any(level.is_finding for level in factor.levels)
    }
    assert (found, better) == ({"essay_template"}, {"essay template"})


def test_a_concept_that_makes_texts_better_is_a_finding():
    factors = factors_of(
        make(lambda request: 2 + 5 * ("A " in request.prompt) + noise(request.prompt, 1))
    )

    best = factors[CONCEPT].levels[0]
    assert best.name == "A"
    assert best.is_finding
    assert best.difference > 0.3
    assert factors[CONCEPT].verdict == "better than those without it"
    assert factors["essay template"].verdict == "may be chance"


def test_where_nothing_differs_nothing_is_compared():
    made = make(lambda request: 5 + noise(request.prompt, 1), concepts="ab", templates=["plain"])

    assert compare_factors(made.report) == []
    assert found(made).headline == "There is only one essay."


def test_names_say_what_tells_texts_apart_and_ids_come_second(vivid):
    names = name_generations(vivid.report)
    rank = vivid.report.ranks[0]
    name = names[rank.ref]

    assert re.fullmatch(r"[A-F] \+ [A-F]", name.combo)
    assert name.maker == "vivid by big"
    shown = re.search(
        r'<th scope="row">\s*<a [^>]*><bdi>(.*?)</bdi></a> <span.*?>(.*?)<', vivid.html
    )
    assert shown.groups() == (str(name), short_id(rank.gen_id))


def test_replicates_and_drafts_are_part_of_a_name_where_they_differ():
    made = make(lambda _: 5, concepts="ab", replicates=2)

    names = {
        str(name) for ref, name in name_generations(made.report).items() if ref.stage == "essay"
    }

    assert names == {
        f"A + B: {template} by big, draft {replicate}"
        for template in ("plain", "vivid")
        for replicate in (1, 2)
    }


def test_the_first_texts_can_be_read_and_say_who_gave_which_score(vivid):
    finding = found(vivid)
    first = finding.leaders[0]
    given = scores_by_judge(vivid.report)[first.rank.ref]

    assert "cannot be told apart" in finding.headline
    assert first.begins.startswith("Vivid: Link")
    assert [*given] == ["judge by big", "judge by small"]
    assert [score for scores in given.values() for score in scores] == [*first.rank.scores]


def test_what_is_wrong_with_the_data_is_said_and_leads_to_it():
    def judge(request):
        return 7 if request.model == "small-1" else "I cannot say."

    made = make(judge, concepts="abcd")
    missing = made.report.generations["essay"][0].ref
    made.store.delete_generation(*missing)
    made.store.write_main_metadata(
        *missing,
        {
            **METADATA,
            "gen_id": missing.gen_id,
            "parent_gen_id": made.report.generations["draft"][0].ref.gen_id,
        },
    )
    members = {
        stage: [item.member.gen_id for item in items]
        for stage, items in made.report.generations.items()
    }
    report = gather_report(made.store, made.catalog, "c1", members, CohortIndex())

    flaws = dict(found(attrs.evolve(made, report=report)).flaws)

    assert flaws["1 essay has no answer yet."] == "missing/essay"
    assert flaws["12 evaluations have answers that cannot be used."] == "failed/evaluation"
    alike = "The judge judge by small gave all its 12 scores alike: it tells nothing."
    assert flaws[alike] == ""


METADATA = {"template_id": "plain", "llm_model_id": "big"}
