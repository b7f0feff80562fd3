"""The first step of a stage."""

import pytest

from adapters import InMemoryGensStore
from daydreaming_dagster.domain.catalog import Concept, ConceptCombination
from daydreaming_dagster.domain.errors import TemplateError
from daydreaming_dagster.domain.generation.prompts import write_stage_input
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.errors import DataLayerError

TEMPLATES = {
    ("draft", "links"): "Combine {% for c in concepts %}{{ c.name }} {% endfor %}",
    ("essay", "story"): "Tell: {{ draft_block }}",
    ("evaluation", "judge"): "Judge: {{ response }}",
    ("essay", "broken"): "{{ nothing }}",
}


@pytest.fixture
def store():
    return InMemoryGensStore(templates=TEMPLATES)


def test_a_draft_is_asked_about_its_combination(store):
    store.write_main_metadata("draft", "d1", {"template_id": "links", "combo_id": "ab"})
    combination = ConceptCombination("ab", (Concept("A", "a"), Concept("B", "b")))

    prompt = write_stage_input(store, "draft", "d1", content_combinations=[combination])

    assert prompt == "Combine A B "
    assert store.read_prompt("draft", "d1") == prompt


def test_an_evaluation_is_asked_about_its_essay(store):
    store.write_parsed("essay", "e1", "an essay")
    store.write_main_metadata("evaluation", "v1", {"template_id": "judge", "parent_gen_id": "e1"})

    assert write_stage_input(store, "evaluation", "v1") == "Judge: an essay"


def test_copying_passes_the_parents_text_through_without_a_template(store):
    store.write_parsed("draft", "d1", "the idea\r\n")
    store.write_main_metadata("essay", "e1", {"mode": "copy", "parent_gen_id": "d1"})

    assert write_stage_input(store, "essay", "e1") == "the idea\r\n"
    assert store.read_prompt("essay", "e1") == "the idea\r\n"


@pytest.mark.parametrize("template_id", ["broken", "absent", ""])
def test_what_fails_leaves_the_old_prompt(store, template_id):
    store.write_parsed("draft", "d1", "x")
    store.write_prompt("essay", "e1", "old")
    store.write_main_metadata("essay", "e1", {"template_id": template_id, "parent_gen_id": "d1"})

    with pytest.raises((TemplateError, DataLayerError)) as caught:
        write_stage_input(store, "essay", "e1")

    assert isinstance(caught.value, DaydreamingError)
    assert store.read_prompt("essay", "e1") == "old"
