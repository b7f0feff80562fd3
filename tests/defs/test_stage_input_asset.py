"""The first step of a stage in an asset of one's own."""

import dagster as dg
import pytest

from adapters import InMemoryGensStore
from daydreaming_dagster.defs.stage_input import stage_input_asset
from daydreaming_dagster.domain.catalog import Concept, ConceptCombination

PARTITIONS = dg.StaticPartitionsDefinition(["d1"])
COMBINATION = ConceptCombination("ab", (Concept("A", "a"),))


@pytest.fixture
def store():
    return InMemoryGensStore(templates={("draft", "links"): "Combine {{ concepts[0].name }}"})


@dg.asset(partitions_def=PARTITIONS, required_resource_keys={"gens_store"})
def own_prompt(context: dg.AssetExecutionContext) -> str:
    return stage_input_asset(context, "draft", content_combinations=[COMBINATION])


def materialize(store):
    return dg.materialize([own_prompt], partition_key="d1", resources={"gens_store": store})


def test_it_writes_and_returns_the_prompt_of_the_partition(store):
    store.write_main_metadata("draft", "d1", {"template_id": "links", "combo_id": "ab"})

    result = materialize(store)

    assert result.output_for_node("own_prompt") == "Combine A"
    assert store.read_prompt("draft", "d1") == "Combine A"


def test_an_error_of_the_domain_becomes_a_failure_that_names_the_generation(store):
    store.write_main_metadata("draft", "d1", {"template_id": "links", "combo_id": "other"})

    with pytest.raises(dg.Failure, match="draft/d1: no combination 'other'") as caught:
        materialize(store)

    metadata = {key: value.value for key, value in caught.value.metadata.items()}
    assert metadata == {"stage": "draft", "gen_id": "d1", "error": "UnknownCombinationError"}


def test_a_fault_of_the_disk_becomes_a_failure_too(store):
    class FullStore(InMemoryGensStore):
        def write_prompt(self, stage, gen_id, text):
            raise OSError(28, "No space left on device")

    full = FullStore(templates=store.templates)
    full.write_main_metadata("draft", "d1", {"template_id": "links", "combo_id": "ab"})

    with pytest.raises(dg.Failure, match="No space left on device"):
        materialize(full)
