"""No result rests on texts of today and of yesterday without a word, whenever a run is killed."""

import attrs
import pytest

from builders import Killed, MortalStore, catalog_with
from daydreaming_dagster.application.check_data_root import check_data_root
from daydreaming_dagster.application.cohort_results import tabulate_cohort
from daydreaming_dagster.application.cohort_status import look
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.types import STAGES


@pytest.fixture
def make_small(make_lab):
    """Make a lab with a draft, an essay and its copy, and four evaluations, all done."""

    def make():
        return done_and_small(make_lab(MortalStore))

    return make


@pytest.fixture
def small(make_small):
    return make_small()


def done_and_small(lab):
    spec = lab.cohorts.specs["c1"]
    lab.cohorts.specs["c1"] = attrs.evolve(
        spec, axes=attrs.evolve(spec.axes, concepts=["ant", "bee"])
    )
    plan_cohort(lab.store, lab.cohorts, "c1")
    lab.run()
    return lab


def seen(lab):
    """Return all that anybody sees of the cohort, and every artifact, without times."""
    state = look(lab.store, lab.cohorts, "c1", lab.cohorts.catalog)
    tables = tabulate_cohort(lab.store, lab.cohorts, "c1").tables
    checked = check_data_root(lab.store, lab.cohorts, None)
    texts = {}
    for stage in STAGES:
        for gen_id in lab.store.list_generations(stage):
            raw = lab.store.read_raw_metadata(stage, gen_id)
            texts[stage, gen_id] = (
                lab.store.read_prompt(stage, gen_id),
                lab.store.read_raw(stage, gen_id),
                lab.store.read_parsed(stage, gen_id),
                lab.store.read_parsed_metadata(stage, gen_id),
                [answer["text"] for answer in raw.get("replaced", [])],
            )
    return (
        {stage: (status.done, status.planned) for stage, status in state.stages.items()},
        state.stale,
        state.outdated,
        tables.evaluations.drop("duration_seconds").to_dicts(),
        tables.ranking.to_dicts(),
        checked.findings,
        texts,
    )


def edit(lab):
    lab.store.templates["essay", "story"] = "Sing of: {{ draft_block }}"
    lab.store.templates["draft", "links"] = "Join {{ concepts[0].name }}, {{ concepts[1].name }}"


def rerun_until_killed(lab, writes):
    lab.store.left[0] = writes
    try:
        lab.run(stale=True)
    except Killed:
        return True
    finally:
        lab.store.left[0] = float("inf")
    return False


def test_a_run_that_replaces_and_is_killed_at_any_write_ends_as_one_that_was_not(make_small):
    whole = make_small()
    edit(whole)
    whole.run(stale=True)
    expected = seen(whole)

    writes = 0
    while True:
        killed = make_small()
        edit(killed)
        if not rerun_until_killed(killed, writes):
            break
        run = killed.run(stale=True)
        assert run.complete, writes
        assert seen(killed) == expected, writes
        writes += 1
    assert writes > 20


# What a parsed text depends on


def test_a_corrected_maximum_is_read_anew_without_a_call(small):
    before = tabulate_cohort(small.store, small.cohorts, "c1")
    assert before.ranks[0].mean == pytest.approx(6 / 9)
    small.asked.clear()
    catalog_with(small, "evaluation", "judge", score_maximum=10.0)

    marked = tabulate_cohort(small.store, small.cohorts, "c1")
    assert sum(rank.stale for rank in marked.ranks) == 4
    assert set(marked.tables.evaluations["stale"]) == {"its score_maximum was 9.0 and is 10.0 now"}
    status = look(small.store, small.cohorts, "c1", small.cohorts.catalog)
    assert len(status.outdated["evaluation"]) == len(status.stages["evaluation"].unparsed) == 4

    run = small.run()

    assert (run.plan.parsed_again, small.asked) == (4, [])
    after = tabulate_cohort(small.store, small.cohorts, "c1")
    assert [rank.mean for rank in after.ranks] == [pytest.approx(0.6)] * 2
    assert sum(rank.stale for rank in after.ranks) == 0


def test_another_parser_is_read_anew_and_its_children_are_stale_then(small):
    small.asked.clear()
    catalog_with(small, "draft", "links", parser="essay_block_lenient", minimum_lines=0)
    status = look(small.store, small.cohorts, "c1", small.cohorts.catalog)
    assert set(status.outdated["draft"].values()) == {
        "its parser was identity and is essay_block_lenient now"
    }

    assert small.run().plan.parsed_again == 1
    assert small.asked == []


def test_an_answer_that_is_refused_now_has_no_score_any_more(small):
    catalog_with(small, "evaluation", "judge", score_maximum=5.0)

    run = small.run()

    assert {failed.stage for failed in run.outcome.failed} == {"evaluation"}
    tabulated = tabulate_cohort(small.store, small.cohorts, "c1")
    assert [rank.mean for rank in tabulated.ranks] == [None, None]
    assert tabulated.tables.missing.height == 4

    catalog_with(small, "evaluation", "judge", score_maximum=9.0)
    small.asked.clear()
    assert small.run().complete
    assert small.asked == []


def test_a_score_that_an_earlier_version_read_otherwise_is_read_anew(small):
    gen_id = small.store.list_generations("evaluation")[0]
    record = small.store.read_parsed_metadata("evaluation", gen_id)
    del record["settings"]
    small.store.write_parsed_metadata("evaluation", gen_id, {**record, "score": 8.0})

    status = look(small.store, small.cohorts, "c1", small.cohorts.catalog)
    assert status.outdated["evaluation"] == {gen_id: "its score was 8/9 and is read as 6/9 now"}
    assert small.run().plan.parsed_again == 1
    assert small.store.read_parsed_metadata("evaluation", gen_id)["score"] == 6.0


def test_stale_scores_are_marked_counted_and_left_out_on_request(small):
    small.store.templates["evaluation", "judge"] = "Judge harder: {{ response }}"

    counted = tabulate_cohort(small.store, small.cohorts, "c1")
    assert [(rank.mean, rank.stale) for rank in counted.ranks] == [(pytest.approx(6 / 9), 2)] * 2
    for table in (counted.tables.ranking, counted.tables.templates, counted.tables.models):
        assert set(table["stale"]) <= {2, 4}
    assert counted.tables.agreement["stale"].to_list() == [4, 4]

    fresh = tabulate_cohort(small.store, small.cohorts, "c1", fresh=True)
    assert [rank.mean for rank in fresh.ranks] == [None, None]
    assert set(fresh.tables.missing["state"]) == {"stale"}


# What is not the product's own


@pytest.mark.parametrize(
    "parser",
    [
        lambda _answer: 1 / 0,
        lambda _answer: None,
        lambda _answer: "a text",
        lambda _answer: {}["key"],
    ],
)
def test_a_parser_that_fails_fails_its_generations_alone(small, parser):
    parsers = {**small.cohorts.catalog.parsers}
    parsers["evaluation"] = {**parsers["evaluation"], "mine": parser}
    small.cohorts.catalog = attrs.evolve(small.cohorts.catalog, parsers=parsers)
    catalog_with(small, "evaluation", "judge", parser="mine")

    run = small.run()

    assert len(run.outcome.failed) == 4
    assert all("the parser itself failed" in str(failed.error) for failed in run.outcome.failed)


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in b %}" * 25 + "{% endfor %}" * 25,
        f"{{{{ {'9' * 5_000} }}}}",
        f"{{{{ {'(' * 300}1{')' * 300} }}}}",
        f"{{{{ {'-' * 5_000}1 }}}}",
    ],
    ids=["nested loops", "a long number", "parentheses", "minuses"],
)
def test_a_template_that_does_not_compile_is_a_problem_of_the_plan(lab, source):
    lab.store.templates["draft", "links"] = source

    with pytest.raises(CatalogError, match="draft template 'links'"):
        plan_cohort(lab.store, lab.cohorts, "c1")
