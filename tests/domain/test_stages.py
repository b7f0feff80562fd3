"""What is said of a stage stands in its definition."""

import pickle

import attrs

from daydreaming_dagster import types
from daydreaming_dagster.domain.checks.quality import checks_of
from daydreaming_dagster.domain.cohort.spec import Axes
from daydreaming_dagster.domain.parsing.registry import parsers_of
from daydreaming_dagster.domain.shipped_stages import PARENT_STAGE, SHIPPED
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.types import STAGES


def test_a_generation_is_named_by_its_stage_and_id():
    ref = GenerationRef("draft", "d1")

    assert str(ref) == f"{ref}" == "draft/d1"
    assert {ref: "found"}["draft", "d1"] == "found"
    assert pickle.loads(pickle.dumps(ref)) == ref  # noqa: S301  Dagster sends errors so


def test_all_else_about_a_stage_follows_from_its_definition():
    assert SHIPPED.names == STAGES == SHIPPED.judged_lineage
    assert types.PARENT_STAGE == PARENT_STAGE == {"essay": "draft", "evaluation": "essay"}
    assert (SHIPPED.judged, SHIPPED.judge) == ("essay", "evaluation")
    assert {field.name for field in attrs.fields(Axes)} == {*SHIPPED.axes, "concepts", "k"}
    for row in SHIPPED.stages:
        assert row.default_parser in parsers_of(row)
        assert ("score_in_range" in checks_of(row)) == row.scores
        assert ("parent_present" in checks_of(row)) == bool(row.parents)
