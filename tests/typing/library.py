"""The data layer as a library. Never run: type checkers read it, see test_types.py."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import assert_type

from adapters import FilesystemGensStore, ReadOnlyGensStore, UnsyncedFilesystemGensStore
from daydreaming_dagster.data_layer import (
    Claim,
    Claims,
    DataLayerError,
    GenerationMetadata,
    GensDataLayer,
    GensStore,
    GensStoreWithTemplates,
    InMemoryGensStore,
    InvalidIdError,
    JsonObject,
    MissingArtifactError,
    Paths,
    Stage,
    Templates,
    Versions,
    resolve_generation_metadata,
)
from daydreaming_dagster.data_layer.gens_data_layer import GensDataLayer as GensDataLayerToo
from daydreaming_dagster.domain.generation.prompt_values import compute_prompt_values
from daydreaming_dagster.domain.generation.prompts import write_stage_input
from daydreaming_dagster.domain.generation.template_rendering import render_template
from daydreaming_dagster.ports.gens_store import claim_generation, versions_of

ON_DISK = GensDataLayer.from_root("data")
assert_type(ON_DISK, FilesystemGensStore)
assert_type(GensDataLayerToo.from_root(Path("data")), FilesystemGensStore)
assert_type(UnsyncedFilesystemGensStore.from_root("data"), UnsyncedFilesystemGensStore)
assert_type(ON_DISK.paths, Paths)
assert_type(ON_DISK.reserve_generation("draft", "a"), Path)
assert_type(ON_DISK.read_many("draft", ["a"], ["raw"]), FilesystemGensStore)
assert_type(ON_DISK.main_metadata_path("draft", "a"), Path)


IN_MEMORY = InMemoryGensStore({("draft", "links"): "{{ concepts }}"})
PORTS: Sequence[GensStoreWithTemplates] = (ON_DISK, IN_MEMORY, ReadOnlyGensStore(IN_MEMORY))
WITH_VERSIONS: Sequence[Versions] = (ON_DISK, IN_MEMORY, ReadOnlyGensStore(IN_MEMORY))
WITH_CLAIMS: Sequence[Claims] = (ON_DISK, IN_MEMORY, ReadOnlyGensStore(IN_MEMORY))


def read_and_write(store: GensStore, stage: Stage, gen_id: str) -> None:
    assert_type(store.locate(stage, gen_id), str)
    assert_type(store.list_generations(stage), Sequence[str])
    assert_type(store.read_raw(stage, gen_id), str)
    assert_type(store.read_raw_metadata(stage, gen_id), JsonObject)
    document: dict[str, int] = {"tokens": 1}
    store.write_raw_metadata(stage, gen_id, {**document, "model": "big"})
    store.write_parsed(stage, gen_id, "text")
    metadata = resolve_generation_metadata(store, stage, gen_id)
    assert_type(metadata, GenerationMetadata)
    assert_type(compute_prompt_values(store, stage, gen_id, metadata, None), dict[str, object])
    assert_type(versions_of(store, stage), Mapping[str, str])
    assert_type(claim_generation(store, stage, gen_id), Claim | None)


def make_a_prompt(store: GensStoreWithTemplates, templates: Templates) -> None:
    assert_type(write_stage_input(store, "essay", "a"), str)
    assert_type(render_template(templates, "draft", "links", {"concepts": []}), str)
    assert_type(render_template(store, "draft", "links", {"concepts": []}), str)


def catch(read: Callable[[], str]) -> str:
    try:
        return read()
    except MissingArtifactError as error:
        return error.artifact
    except InvalidIdError as error:
        return error.reason
    except DataLayerError as error:
        return str(error)


def mistakes(store: GensStore) -> None:
    """Each is an error; an ignore that is not needed fails the check."""
    store.read_raw(1, "a")  # type: ignore[arg-type]
    store.write_raw("draft", "a", b"text")  # type: ignore[arg-type]
    store.write_raw_metadata("draft", "a", {"a": object()})  # type: ignore[dict-item]
    store.read_template("draft", "a")  # type: ignore[attr-defined]  # an ability of its own
    render_template(store, "draft", "a", {})  # type: ignore[arg-type]
