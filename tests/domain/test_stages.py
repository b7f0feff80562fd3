"""What is said of a stage stands in its row."""

import pickle

import attrs

from daydreaming_dagster import types
from daydreaming_dagster.domain.checks.quality import checks_of
from daydreaming_dagster.domain.cohort.couplings import AXES
from daydreaming_dagster.domain.cohort.spec import Axes
from daydreaming_dagster.domain.parsing.registry import PARSERS, parser_name
from daydreaming_dagster.domain.stages import (
    JUDGED_LINEAGE,
    PARENT_STAGE,
    STAGE_DEFINITIONS,
    GenerationRef,
)
from daydreaming_dagster.types import STAGES


def test_a_generation_is_named_by_its_stage_and_id():
    ref = GenerationRef("draft", "d1")

    assert str(ref) == f"{ref}" == "draft/d1"
    assert {ref: "found"}["draft", "d1"] == "found"
    assert pickle.loads(pickle.dumps(ref)) == ref  # noqa: S301  Dagster sends errors so


def test_there_is_a_row_for_each_stage_and_all_else_follows_from_it():
    assert tuple(STAGE_DEFINITIONS) == STAGES == JUDGED_LINEAGE == tuple(PARSERS)
    assert types.PARENT_STAGE == PARENT_STAGE == {"essay": "draft", "evaluation": "essay"}
    assert ("combo", *(axis for row in STAGE_DEFINITIONS.values() for axis in row.axes)) == AXES
    assert {field.name for field in attrs.fields(Axes)} == {*AXES, "concepts", "k"}
    for stage, row in STAGE_DEFINITIONS.items():
        assert parser_name(stage, "") == row.default_parser
        assert row.default_parser in PARSERS[stage]
        assert ("score_in_range" in checks_of(stage)) == row.judges


def test_no_two_stages_share_a_prefix():
    prefixes = [row.id_prefix for row in STAGE_DEFINITIONS.values()]

    assert len(set(prefixes)) == len(prefixes)
