"""What templates are rendered with."""

from types import SimpleNamespace

import attrs
import pytest

from adapters import InMemoryGensStore
from daydreaming_dagster.data_layer import GenerationMetadata
from daydreaming_dagster.domain.errors import UnknownCombinationError
from daydreaming_dagster.domain.generation.prompt_values import (
    compute_prompt_values,
    read_parent_text,
)
from daydreaming_dagster.ports.errors import (
    InvalidIdError,
    InvalidMetadataError,
    MissingArtifactError,
)

METADATA = GenerationMetadata(
    template_id="t",
    parent_stage=None,
    parent_gen_id=None,
    mode="llm",
    combo_id="c2",
    cohort_id=None,
)
COMBINATIONS = [
    SimpleNamespace(combo_id=combo_id, contents=[{"name": combo_id, "content": "…"}])
    for combo_id in ("c1", "c2", "c3")
]


@pytest.fixture
def store():
    store = InMemoryGensStore()
    store.write_parsed("draft", "d1", "links\r\n")
    store.write_parsed("essay", "e1", "an essay")
    return store


def test_a_draft_gets_the_concepts_of_its_combination(store):
    values = compute_prompt_values(store, "draft", "d9", METADATA, iter(COMBINATIONS))

    assert values == {"concepts": [{"name": "c2", "content": "…"}]}


@pytest.mark.parametrize("combinations", [None, [], COMBINATIONS[:1]])
def test_a_draft_without_its_combination_says_which_one(store, combinations):
    with pytest.raises(UnknownCombinationError, match=r"'c2'.*draft/d9"):
        compute_prompt_values(store, "draft", "d9", METADATA, combinations)


def test_an_essay_gets_its_drafts_text_under_both_names(store):
    metadata = attrs.evolve(METADATA, parent_stage="draft", parent_gen_id="d1")

    values = compute_prompt_values(store, "essay", "e9", metadata, None)

    assert values == {"draft_block": "links\r\n", "links_block": "links\r\n"}


def test_an_evaluation_gets_its_essays_text(store):
    metadata = attrs.evolve(METADATA, parent_stage="essay", parent_gen_id="e1")

    values = compute_prompt_values(store, "evaluation", "v9", metadata, None)

    assert values == {"response": "an essay"}


@pytest.mark.parametrize("stage", ["essay", "evaluation"])
def test_a_child_without_a_parent_is_refused(store, stage):
    with pytest.raises(InvalidMetadataError, match=f"parent_gen_id is missing.*{stage}/x9"):
        compute_prompt_values(store, stage, "x9", METADATA, None)


def test_a_draft_has_no_parent_whatever_its_metadata_names(store):
    metadata = attrs.evolve(METADATA, parent_gen_id="d1")

    with pytest.raises(InvalidMetadataError):
        read_parent_text(store, "draft", "x9", metadata)


def test_a_parent_that_is_not_done_is_named(store):
    metadata = attrs.evolve(METADATA, parent_stage="draft", parent_gen_id="d7")

    with pytest.raises(MissingArtifactError, match="draft/d7 has no parsed"):
        compute_prompt_values(store, "essay", "e9", metadata, None)


def test_another_stage_is_refused(store):
    with pytest.raises(InvalidIdError, match="invalid stage 'poem'"):
        compute_prompt_values(store, "poem", "p1", METADATA, COMBINATIONS)
