"""The stages as a researcher writes them, and what is said of each mistake."""

import pytest
import yaml

from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.shipped_stages import SHIPPED, SHIPPED_DOCUMENT
from daydreaming_dagster.domain.stages import ParentRole
from daydreaming_dagster.domain.stages_document import make_pipeline

RICH = """
stages:
  draft:      {from: concepts}
  essay:      {from: draft, variables: [draft_block, links_block]}
  critique:   {from: essay, variables: [essay]}
  revision:   {from: {essay: essay, critique: critique}}
  summary:    {from: {essays: {all: essay, of: combo}}, id_prefix: sum}
  evaluation: {from: [essay, revision], variables: [response], parser: in_last_line, judges: true}
"""


def make(text):
    return make_pipeline(yaml.safe_load(text), "stages.yaml", SHIPPED)


def problems(text):
    with pytest.raises(CatalogError) as caught:
        make(text)
    assert caught.value.location == "stages.yaml"
    return list(caught.value.problems)


def test_the_shipped_document_describes_the_shipped_stages():
    text = yaml.safe_dump(SHIPPED_DOCUMENT, sort_keys=False)

    assert make(text) == make_pipeline(yaml.safe_load(text), "") == SHIPPED


def test_a_shipped_stage_keeps_what_its_row_leaves_out():
    pipeline = make("stages: {draft: {from: concepts}, essay: {from: draft}, evaluation: {}}")

    assert pipeline == SHIPPED


def test_a_stage_says_what_it_is_made_from():
    pipeline = make(RICH)

    assert pipeline.names == ("draft", "essay", "critique", "revision", "summary", "evaluation")
    assert pipeline["draft"].parents == ()
    assert pipeline["revision"].parents == (
        ParentRole("essay", ("essay",)),
        ParentRole("critique", ("critique",)),
    )
    assert pipeline["summary"].parents == (ParentRole("essays", ("essay",), "combo"),)
    assert pipeline["evaluation"].parents[0].stages == ("essay", "revision")


def test_variables_prefixes_and_judging_follow_from_the_row():
    pipeline = make(RICH)

    assert pipeline["draft"].variables == ("concepts",)
    assert pipeline["critique"].variables == ("essay",)
    assert pipeline["revision"].variables == ("essay", "critique")
    assert pipeline["critique"].id_prefix == "critique"
    assert pipeline["summary"].id_prefix == "sum"
    assert [pipeline[stage].id_prefix for stage in SHIPPED] == ["d", "e", "v"]
    assert pipeline.scoring == ("evaluation",)
    assert pipeline.scored == ("essay", "revision")
    assert (pipeline.judged, pipeline.judge) == ("text", "evaluation")
    assert "summary" not in pipeline.judged_lineage
    assert pipeline.axes[-2:] == ("evaluation_template", "evaluation_llm")


def test_duels_are_over_the_whole_cohort_unless_they_say_otherwise():
    duel = "stages: {draft: {}, duel: {from: {first: draft, second: draft}, judges: pairs%s}}"

    assert make(duel % "")["duel"].within == "cohort"
    assert make(duel % ", within: combo")["duel"].within == "combo"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", ["the document: expected a mapping with the key stages"]),
        ("stages: []", ["the document: expected a mapping with the key stages"]),
        ("stages: {}", ["stages: empty"]),
        ("{stages: {draft: {}}, stage: 1}", ["stage: unknown key; did you mean 'stages'?"]),
        ("stages: {draft: [concepts]}", ["stages.draft: expected a mapping, found ['concepts']"]),
        ("stages: {Draft: {from: concepts}}", ["stages.Draft: invalid stage 'Draft'"]),
        ("stages: {con: {from: concepts}}", ["stages.con: invalid stage 'con'"]),
        ("stages: {1: {from: concepts}}", ["stages.1: invalid stage 1"]),
        ("stages: {cohort: {from: concepts}}", ["stages.cohort: choose another name"]),
        ("stages: {plot: {}}", ["stages.plot.from: missing"]),
        ("stages: {plot: {from: 3}}", ["stages.plot.from: expected concepts, a stage, a list"]),
        ("stages: {plot: {from: []}}", ["stages.plot.from: expected a stage or a list of stages"]),
        ("stages: {plot: {from: {}}}", ["stages.plot.from: expected concepts, a stage, a list"]),
        ("stages: {draft: {}, plot: {from: drafts}}", ["there is no stage 'drafts'; did you mean"]),
        ("stages: {plot: {from: draft}, draft: {}}", ["'draft' has to stand above the stages"]),
        ("stages: {plot: {from: plot}}", ["'plot' has to stand above the stages"]),
        ("stages: {draft: {}, plot: {from: [draft, draft]}}", ["plot.from: names a stage twice"]),
        ("stages: {draft: {}, plot: {from: {a-b: draft}}}", ["plot.from.a-b: expected a role"]),
        ("stages: {draft: {}, plot: {from: {class: draft}}}", ["plot.from.class: expected a role"]),
        (
            "stages: {draft: {}, plot: {from: {a: {all: draft}}}}",
            ["stages.plot.from.a.of: missing; name combo, cohort, or the stage"],
        ),
        (
            "stages: {draft: {}, plot: {from: {a: {all: draft, of: draft}}}}",
            ["stages.plot.from.a.of: expected one of combo, cohort, found 'draft'"],
        ),
        (
            "stages: {draft: {}, plot: {from: {a: {every: draft, of: combo}}}}",
            ["plot.from.a.every: unknown key", "plot.from.a.all: expected a stage"],
        ),
        ("stages: {draft: {}, plot: {from: draft, judge: true}}", ["judge: unknown key; did you"]),
        ("stages: {draft: {}, plot: {from: draft, judges: 5}}", ["plot.judges: expected one of"]),
        ("stages: {draft: {}, plot: {from: draft, judges: 1}}", ["plot.judges: expected one of"]),
        ("stages: {plot: {from: concepts, judges: true}}", ["judges: a stage that scores is made"]),
        (
            "stages: {draft: {}, duel: {from: draft, judges: pairs}}",
            ["duel.judges: a stage that compares is made from two roles with the same stages"],
        ),
        (
            "stages: {draft: {}, plot: {from: {a: draft, b: draft}, variables: [x]}}",
            ["plot.variables: left out where there are several roles"],
        ),
        ("stages: {draft: {}, plot: {from: draft, variables: []}}", ["plot.variables: empty"]),
        ("stages: {draft: {}, plot: {from: draft, variables: [a b]}}", ["variables[0]: 'a b'"]),
        ("stages: {draft: {}, plot: {from: draft, within: combo}}", ["plot.within: left out"]),
        ("stages: {draft: {}, plot: {from: draft, id_prefix: d}}", ["id_prefix: 'd' is that of"]),
        ("stages: {draft: {}, plot: {from: draft, id_prefix: ../x}}", ["plot.id_prefix: expected"]),
        ("stages: {draft: {}, plot: {from: draft, id_prefix: X}}", ["plot.id_prefix: expected"]),
        (
            "stages: {draft: {}, plot: {from: draft, typical_answer_tokens: 0}}",
            ["plot.typical_answer_tokens: expected at least 1"],
        ),
        (
            "stages: {draft: {}, draft_llm: {from: draft}}",
            ["stages.draft_llm: its columns in tables would be those of draft"],
        ),
    ],
)
def test_each_mistake_is_told_with_its_place(text, expected):
    found = problems(text)

    assert len(found) == len(expected)
    for problem, wanted in zip(found, expected, strict=True):
        assert wanted in problem


def test_all_mistakes_are_told_at_once():
    assert len(problems("stages: {draft: {from: 3}, plot: {from: essay}, 5: {}, n: {}}")) == 4


def test_an_unknown_stage_is_refused_before_anything_is_read():
    with pytest.raises(ValueError, match="invalid stage 'reply': expected one of draft, essay"):
        SHIPPED["reply"]
