"""What a cohort has come to: nothing is averaged over that is not there."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters import InMemoryGensStore, ReadOnlyGensStore
from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.domain.cohort.progress import stage_status
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.domain.results.agreement_table import judge_agreement
from daydreaming_dagster.domain.results.evaluations import (
    Evaluation,
    GenerationOutcome,
    Member,
    read_evaluations,
)
from daydreaming_dagster.domain.results.ranking import rank_texts
from daydreaming_dagster.domain.results.tables import make_result_tables
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.ports.errors import (
    InvalidMetadataError,
    MalformedArtifactError,
    MissingArtifactError,
    UnsafePathError,
)

MODELS = {"big": ModelEntry("big", "big-1", "acme", prompt_price=2.0, completion_price=10.0)}


@pytest.fixture
def store():
    """One draft, an essay by a model and one that copies, each with two judges."""
    store = InMemoryGensStore()
    store.write_main_metadata(
        "draft",
        "d1",
        {
            "template_id": "links",
            "llm_model_id": "big",
            "replicate": 1,
            "combo_id": "a+b@article",
            "description_level": "article",
        },
    )
    written = {"template_id": "story", "llm_model_id": "big", "replicate": 2}
    store.write_main_metadata("essay", "e1", {**written, "parent_gen_id": "d1", "combo_id": "a+b"})
    store.write_main_metadata("essay", "e2", {"template_id": "copied", "parent_gen_id": "d1"})
    for essay in ("e1", "e2"):
        for model in ("big", "small"):
            store.write_main_metadata(
                "evaluation",
                f"{essay}-{model}",
                {
                    "template_id": "judge",
                    "llm_model_id": model,
                    "replicate": 1,
                    "parent_gen_id": essay,
                },
            )
    return store


MEMBERS = {
    "draft": ["d1"],
    "essay": ["e1", "e2"],
    "evaluation": ["e1-big", "e1-small", "e2-big", "e2-small"],
}


def answer(store, gen_id, text="an answer", **raw):
    store.write_raw_metadata(
        "evaluation",
        gen_id,
        {
            "raw_sha256": sha256(text),
            "finish_reason": "stop",
            "truncated": False,
            "answered_by": "big-1-0613",
            "duration_seconds": 1.5,
            "usage": {"prompt_tokens": 1000, "completion_tokens": 100},
            **raw,
        },
    )
    store.write_raw("evaluation", gen_id, text)


def judge(store, gen_id, score, maximum=9.0, *, of="an answer"):
    store.write_parsed_metadata(
        "evaluation",
        gen_id,
        {"score": score, "score_maximum": maximum, "raw_sha256": sha256(of)},
    )
    store.write_parsed("evaluation", gen_id, str(score))


def rows(store, models=None):
    return {row.evaluation.gen_id: row for row in read_evaluations(store, SHIPPED, MEMBERS, models)}


def test_a_row_has_all_axes_and_what_the_evaluation_took(store):
    answer(store, "e1-big")
    judge(store, "e1-big", 7.0, 10.0)

    assert rows(store, MODELS)["e1-big"] == Evaluation(
        combo="a+b@article",
        description_level="article",
        lineage={
            "draft": Member("d1", "links", "big", 1, "memory:/gens/draft/d1"),
            "essay": Member("e1", "story", "big", 2, "memory:/gens/essay/e1"),
            "evaluation": Member("e1-big", "judge", "big", 1, "memory:/gens/evaluation/e1-big"),
        },
        stage="evaluation",
        judged=GenerationRef("essay", "e1"),
        outcome=GenerationOutcome(
            state="scored",
            score=Score(7.0, 10.0),
            prompt_tokens=1000,
            completion_tokens=100,
            duration_seconds=1.5,
            cost=0.003,
            finish_reason="stop",
            answered_by="big-1-0613",
        ),
    )


def test_a_row_says_how_the_answers_of_all_stages_ended(store):
    store.write_raw_metadata("draft", "d1", {"finish_reason": "moonrise"})
    store.write_raw_metadata("essay", "e1", {"finish_reason": "stop"})
    answer(store, "e1-big", finish_reason="eos")

    table = make_result_tables(
        SHIPPED, read_evaluations(store, SHIPPED, MEMBERS, MODELS)
    ).evaluations

    columns = ["draft_finish_reason", "essay_finish_reason", "finish_reason"]
    assert table.select(columns).rows()[0] == ("moonrise", "stop", "eos")
    assert table.select(columns).rows()[2] == ("moonrise", None, None)


@pytest.mark.parametrize("finish_reason", ["MAX_TOKENS", "content_filter", "error"])
def test_a_score_of_an_answer_that_broke_off_is_none_though_it_is_stored(store, finish_reason):
    """Versions before took such an answer for whole."""
    answer(store, "e1-big", finish_reason=finish_reason)
    judge(store, "e1-big", 7.0, 10.0)

    outcome = rows(store, MODELS)["e1-big"].outcome

    assert outcome.score is None
    assert outcome.state == ("cut off" if finish_reason == "MAX_TOKENS" else "not parsed")


@pytest.mark.parametrize("count", [10**400, -1, True, "7", 1e300])
def test_a_count_that_cannot_be_is_unknown(store, count):
    usage = {"prompt_tokens": count, "completion_tokens": count}
    answer(store, "e1-big", usage=usage, duration_seconds=count)
    judge(store, "e1-big", 7.0, 10.0)

    outcome = rows(store, MODELS)["e1-big"].outcome

    assert (outcome.prompt_tokens, outcome.completion_tokens, outcome.cost) == (None, None, None)
    assert outcome.score == Score(7.0, 10.0)


def test_a_copy_has_neither_model_nor_replicate(store):
    essay = rows(store)["e2-big"].lineage["essay"]

    assert (essay.template, essay.llm, essay.replicate) == ("copied", "", None)


def test_a_cost_that_is_not_known_is_none(store):
    for gen_id, usage in (("e1-big", None), ("e1-small", {"prompt_tokens": 1})):
        answer(store, gen_id, usage=usage)

    found = rows(store, MODELS)

    assert [found[gen_id].outcome.cost for gen_id in ("e1-big", "e1-small", "e2-big")] == [None] * 3
    assert found["e1-small"].outcome.prompt_tokens == 1


def test_each_evaluation_without_a_score_says_why(store):
    answer(store, "e1-big")
    answer(store, "e1-small", finish_reason="length", truncated=True)
    judge(store, "e1-small", 7.0)
    answer(store, "e2-big", "a new answer")
    judge(store, "e2-big", 7.0, of="the old answer")  # of an answer that was replaced since

    found = rows(store)

    assert {gen_id: row.outcome.state for gen_id, row in found.items()} == {
        "e1-big": "not parsed",
        "e1-small": "cut off",
        "e2-big": "not parsed",
        "e2-small": "not answered",
    }
    assert all(row.outcome.score is None for row in found.values())
    assert found["e1-small"].outcome.finish_reason == "length"


def test_a_score_that_was_stored_without_a_maximum_is_of_nine(store):
    answer(store, "e1-big")
    judge(store, "e1-big", 6, None)

    assert rows(store)["e1-big"].outcome.score == Score(6.0, 9.0)


def test_essays_are_ranked_by_shares_of_the_maximum(store):
    for gen_id in MEMBERS["evaluation"]:
        answer(store, gen_id)
    judge(store, "e1-big", 7.0, 10.0)
    judge(store, "e1-small", 6.3, 9.0)
    judge(store, "e2-big", 8.0, 10.0)

    ranks = rank_texts(store, SHIPPED, MEMBERS)

    assert [rank.gen_id for rank in ranks] == ["e2", "e1"]
    assert ranks[0].mean == pytest.approx(0.8)
    assert (ranks[0].unscored, ranks[0].spread) == (1, None)
    assert ranks[1].mean == pytest.approx(0.7)
    assert ranks[1].spread == pytest.approx(0, abs=1e-9)
    assert ranks[1].scores == (Score(7.0, 10.0), Score(6.3, 9.0))
    assert (ranks[1].template_id, ranks[1].llm_model_id) == ("story", "big")
    assert ranks[1].combo_id == "a+b"


def test_an_essay_that_only_an_evaluation_names_is_ranked_too(store):
    members = {**MEMBERS, "essay": ["e1"]}

    assert [(rank.gen_id, rank.unscored) for rank in rank_texts(store, SHIPPED, members)] == [
        ("e1", 2),
        ("e2", 2),
    ]


@pytest.mark.parametrize("key", ["combo_id", "template_id", "llm_model_id"])
def test_an_essay_with_a_field_of_another_type_is_named(store, key):
    store.write_main_metadata("essay", "e3", {key: 1})

    with pytest.raises(InvalidMetadataError, match=f"{key} must be a string.*essay/e3"):
        rank_texts(store, SHIPPED, {"essay": ["e3"], "evaluation": []})


def test_essays_without_a_score_come_last(store):
    answer(store, "e2-small")
    judge(store, "e2-small", 0.0)

    ranks = rank_texts(store, SHIPPED, MEMBERS)

    assert [(rank.gen_id, rank.mean, rank.unscored) for rank in ranks] == [
        ("e2", 0.0, 1),
        ("e1", None, 2),
    ]


def test_a_member_that_was_not_planned_is_named(store):
    with pytest.raises(MissingArtifactError, match="evaluation/v9 has no main_metadata"):
        list(read_evaluations(store, SHIPPED, {**MEMBERS, "evaluation": ["v9"]}))
    store.write_main_metadata("evaluation", "v9", {})
    with pytest.raises(InvalidMetadataError, match=r"parent_gen_id is missing.*evaluation/v9"):
        list(read_evaluations(store, SHIPPED, {**MEMBERS, "evaluation": ["v9"]}))
    store.write_main_metadata("essay", "e1", {})
    with pytest.raises(InvalidMetadataError, match=r"parent_gen_id is missing.*essay/e1"):
        rows(store)


@pytest.mark.parametrize(
    ("stage", "gen_id", "key"),
    [
        ("draft", "d1", "combo_id"),
        ("draft", "d1", "description_level"),
        ("draft", "d1", "template_id"),
        ("essay", "e1", "llm_model_id"),
        ("evaluation", "e1-big", "template_id"),
    ],
)
def test_a_member_with_a_field_of_another_type_is_named(store, stage, gen_id, key):
    store.write_main_metadata(stage, gen_id, {**store.read_main_metadata(stage, gen_id), key: 1})

    with pytest.raises(InvalidMetadataError, match=f"{key} must be a string.*{stage}/{gen_id}"):
        rows(store)


def test_what_an_endpoint_reports_in_another_type_is_not_known(store):
    answer(store, "e1-big", usage={"prompt_tokens": "7"}, finish_reason=3, duration_seconds="1")
    main = store.read_main_metadata("evaluation", "e1-big")
    store.write_main_metadata("evaluation", "e1-big", {**main, "replicate": "1"})

    row = rows(store, MODELS)["e1-big"]
    outcome = row.outcome

    assert (outcome.prompt_tokens, outcome.finish_reason, outcome.duration_seconds) == (
        None,
        None,
        None,
    )
    assert row.evaluation.replicate is None


def test_results_can_be_read_from_a_store_that_is_read_only(store):
    assert rows(ReadOnlyGensStore(store)) == rows(store)


def test_a_stage_is_done_where_its_texts_are_parsed(store):
    store.write_raw("essay", "e1", "x")
    store.write_raw("essay", "e2", "x")
    store.write_parsed("essay", "e2", "x")

    status = stage_status(store, SHIPPED["essay"], ["e1", "e2", "e3"])

    assert (status.stage, status.planned, status.done) == ("essay", 3, 1)
    assert (status.unparsed, status.missing) == (("e1",), ("e3",))
    assert status.todo == ("e1", "e3")


@pytest.mark.parametrize(
    "error",
    [
        MalformedArtifactError("raw_metadata", "draft/d1", "not JSON"),
        UnsafePathError("draft/d1/raw_metadata.json", "it is a symbolic link"),
    ],
)
def test_what_cannot_be_read_is_to_be_looked_at(error):
    class Broken(InMemoryGensStore):
        def read_raw_metadata(self, stage, gen_id):
            raise error

    store = Broken()
    store.write_parsed("draft", "d1", "a text")

    assert stage_status(store, SHIPPED["draft"], ["d1"]).unparsed == ("d1",)


# Tables


def evaluation(  # noqa: PLR0913  each test names only what it is about
    essay, judge, share, *, template="t", replicate=1, essay_llm="big", state=None
):
    return Evaluation(
        "a+b",
        "paragraph",
        {
            "draft": Member("d", "links", "big", 1, "gens/d"),
            "essay": Member(essay, "story", essay_llm, 1, f"gens/{essay}"),
            "evaluation": Member(
                f"{essay}-{template}-{judge}-{replicate}", template, judge, replicate, "gens/v"
            ),
        },
        "evaluation",
        GenerationRef("essay", essay),
        GenerationOutcome(
            state or ("not answered" if share is None else "scored"),
            None if share is None else Score(share * 10, 10),
        ),
    )


def test_the_tidy_table_has_a_row_an_evaluation(store):
    answer(store, "e1-big")
    judge(store, "e1-big", 7.0, 10.0)

    table = make_result_tables(
        SHIPPED, read_evaluations(store, SHIPPED, MEMBERS, MODELS)
    ).evaluations

    assert table["evaluation"].to_list() == MEMBERS["evaluation"]
    assert table.row(0, named=True) == {
        "combo": "a+b@article",
        "description_level": "article",
        "draft": "d1",
        "draft_template": "links",
        "draft_llm": "big",
        "draft_replicate": 1,
        "essay": "e1",
        "essay_template": "story",
        "essay_llm": "big",
        "essay_replicate": 2,
        "evaluation": "e1-big",
        "evaluation_template": "judge",
        "evaluation_llm": "big",
        "evaluation_replicate": 1,
        "state": "scored",
        "stale": "",
        "scored_by": "",
        "score": 7.0,
        "score_maximum": 10.0,
        "score_normalised": 0.7,
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "duration_seconds": 1.5,
        "cost": 0.003,
        "draft_finish_reason": None,
        "essay_finish_reason": None,
        "finish_reason": "stop",
        "answered_by": "big-1-0613",
        "draft_path": "memory:/gens/draft/d1",
        "essay_path": "memory:/gens/essay/e1",
        "evaluation_path": "memory:/gens/evaluation/e1-big",
    }


def test_means_are_of_the_scores_that_are_there_and_the_others_are_counted():
    tables = make_result_tables(
        SHIPPED,
        [
            evaluation("e1", "j1", 0.2),
            evaluation("e1", "j2", 0.6),
            evaluation("e1", "j3", None),
            evaluation("e2", "j1", 0.5),
            evaluation("e3", "j1", None, state="cut off"),
        ],
    )

    ranking = tables.ranking.select(
        "rank", "essay", "mean", "spread", "lowest", "highest", "n", "missing"
    )
    assert ranking.rows() == [
        (1, "e2", 0.5, None, 0.5, 0.5, 1, 0),
        (2, "e1", 0.4, pytest.approx(0.2 * 2**0.5), 0.2, 0.6, 2, 1),
        (None, "e3", None, None, None, None, 0, 1),
    ]
    assert tables.missing.select("evaluation", "state").rows() == [
        ("e1-t-j3-1", "not answered"),
        ("e3-t-j1-1", "cut off"),
    ]


def test_templates_and_models_are_compared_by_stage():
    tables = make_result_tables(
        SHIPPED,
        [
            evaluation("e1", "j1", 0.2, template="t1"),
            evaluation("e1", "j1", 0.4, template="t2"),
            evaluation("e2", "j2", 0.9, template="t2", essay_llm=""),
        ],
    )

    means = tables.templates.select("stage", "template", pl.col("mean").round(3), "n").rows()
    assert means == [
        ("draft", "links", 0.5, 3),
        ("essay", "story", 0.5, 3),
        ("evaluation", "t2", 0.65, 2),
        ("evaluation", "t1", 0.2, 1),
    ]
    models = tables.models.select("stage", "llm", pl.col("mean").round(3), "n").rows()
    assert models == [
        ("draft", "big", 0.5, 3),
        ("essay", "big", 0.3, 2),  # what was copied has no model
        ("evaluation", "j2", 0.9, 1),
        ("evaluation", "j1", 0.3, 2),
    ]


def test_tables_of_nothing_are_empty():
    tables = make_result_tables(SHIPPED, [])

    for name, table in tables.by_name().items():
        assert table.height == 0, name


# Agreement

# The example of Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011): four observers,
# twelve units, data missing; alpha with the interval metric is 0.849.
KRIPPENDORFF = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""


def agreement_of(evaluations):
    table = make_result_tables(SHIPPED, evaluations).agreement.drop("stale")
    return {row[:2]: row[2:] for row in table.rows()}


def test_agreement_is_krippendorffs_alpha():
    evaluations = [
        evaluation(f"e{unit}", f"j{observer}", None if cell == "." else int(cell) / 10)
        for observer, line in enumerate(KRIPPENDORFF.split("\n")[1:-1])
        for unit, cell in enumerate(line.split())
    ]

    essays, n, alpha = agreement_of(evaluations)["t", None]

    assert (essays, n) == (11, 40)
    assert alpha == pytest.approx(0.849, abs=5e-4)


def pairwise_alpha(units):
    """The definition: squared differences within units against those of all pairs of values."""
    units = [values for values in units if len(values) > 1]
    values = [value for unit in units for value in unit]
    n = len(values)
    observed = sum(
        sum((a - b) ** 2 for a in unit for b in unit) / (len(unit) - 1) for unit in units
    )
    expected = sum((a - b) ** 2 for a in values for b in values) / (n - 1)
    return 1 - observed / expected if n and expected else None


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(0, 10), min_size=1, max_size=4), max_size=6))
def test_agreement_is_that_of_the_definition(units):
    evaluations = [
        evaluation(f"e{i}", f"j{j}", value / 10)
        for i, values in enumerate(units)
        for j, value in enumerate(values)
    ]

    found = agreement_of(evaluations).get(("t", None), (0, 0, None))[2]

    expected = pairwise_alpha([[value / 10 for value in values] for values in units])
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-9))


def test_judges_are_compared_by_their_means_and_with_themselves_by_their_replicates():
    scores = {"j1": [(0.1, 0.3), (0.7, 0.9)], "j2": [(0.2, 0.2), (0.8, 0.8)]}
    evaluations = [
        evaluation(f"e{essay}", judge, share, replicate=replicate)
        for judge, essays in scores.items()
        for essay, shares in enumerate(essays)
        for replicate, share in enumerate(shares)
    ]

    found = agreement_of(evaluations)

    assert found["t", None] == (2, 4, pytest.approx(1.0))
    assert found["t", "j2"] == (2, 4, pytest.approx(1.0))
    assert found["t", "j1"] == (2, 4, pytest.approx(pairwise_alpha([(0.1, 0.3), (0.7, 0.9)])))


@pytest.mark.parametrize(
    "evaluations",
    [
        [evaluation("e1", "j1", 0.1), evaluation("e2", "j1", 0.9)],
        [evaluation("e1", "j1", 0.5), evaluation("e1", "j2", 0.5)],
    ],
    ids=["one judge", "no spread"],
)
def test_agreement_that_cannot_be_known_is_null(evaluations):
    assert agreement_of(evaluations)["t", None][2] is None


def test_a_judge_who_is_stricter_than_another_does_not_agree_with_it():
    strict = [evaluation(f"e{i}", "j1", i / 20) for i in range(10)]
    lenient = [evaluation(f"e{i}", "j2", 0.5 + i / 20) for i in range(10)]

    alpha = judge_agreement(
        make_result_tables(SHIPPED, [*strict, *lenient]).evaluations, "essay", "evaluation"
    )["alpha"][0]

    assert alpha < 0.2  # though they rank all essays alike
