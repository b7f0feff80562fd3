"""What users of the data layer import stays where it was, wherever it is defined."""

import importlib

import pytest

from daydreaming_dagster import data_layer

NAMES = {
    "adapters": "FilesystemGensStore InMemoryGensStore ReadOnlyGensStore "
    "UnsyncedFilesystemGensStore",
    "daydreaming_dagster.data_layer": "GenerationMetadata GensDataLayer GensStore Paths "
    "resolve_generation_metadata",
    "daydreaming_dagster.data_layer.errors": "DataLayerError InvalidIdError InvalidMetadataError "
    "MalformedArtifactError MissingArtifactError MissingTemplateError ReadOnlyStoreError "
    "UnsafePathError UnstorableError",
    "daydreaming_dagster.data_layer.generation_metadata": "FORMAT_VERSION GenerationMetadata "
    "ancestry interpret_main_metadata resolve_generation_metadata text_field",
    "daydreaming_dagster.data_layer.gens_data_layer": "GenerationMetadata GensDataLayer GensStore "
    "Paths resolve_generation_metadata",
    "daydreaming_dagster.data_layer.gens_store": "Claim GensStore",
    "daydreaming_dagster.data_layer.ids": "MAX_ID_LENGTH are_ids check_id check_stage is_id",
    "daydreaming_dagster.data_layer.paths": "ARTIFACT_FILENAMES GENS_DIRNAME METADATA_FILENAME "
    "PARSED_FILENAME PARSED_METADATA_FILENAME PROMPT_FILENAME RAW_FILENAME RAW_METADATA_FILENAME "
    "Artifact Paths as_path",
}


@pytest.mark.parametrize("module", NAMES)
def test_every_name_that_could_be_imported_still_can(module):
    found = importlib.import_module(module)

    assert [name for name in NAMES[module].split() if not hasattr(found, name)] == []


def test_the_data_layer_has_all_that_it_announces():
    assert [name for name in data_layer.__all__ if not hasattr(data_layer, name)] == []
