"""Imported generations of the older project: a plan that comes to the same keeps their ids."""

import re
from collections.abc import Hashable, Mapping
from typing import Final

from daydreaming_dagster.domain.generation.records import MainRecord
from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.ports.errors import ArtifactError
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.types import JsonObject, Stage

# Ours are the stage's prefix and 128 bits in base 32; the older project's have 16 characters.
_OUR_HASH: Final = re.compile(r"[a-z2-7]{26}")
_PARAMETERS: Final = "parameters"


def read_older_generations(
    store: GensStore, pipeline: Pipeline
) -> dict[Hashable, tuple[str, JsonObject]]:
    """Return the gen_id and the main metadata of each imported generation, by what it is.

    Those whose metadata are malformed are left out, and of two that are the same, the second.
    """
    found: dict[Hashable, tuple[str, JsonObject]] = {}
    for definition in pipeline.stages:
        prefix = f"{definition.id_prefix}_"
        for gen_id in store.list_generations(definition.name):
            if gen_id.startswith(prefix) and _OUR_HASH.fullmatch(gen_id, len(prefix)):
                continue
            try:
                document = store.read_main_metadata(definition.name, gen_id)
            except ArtifactError:
                continue
            if MainRecord.from_document(document).origin_cohort_id is not None:
                key = _what_it_is(definition.name, document)
                if key is not None:
                    found.setdefault(key, (gen_id, document))
    return found


def find_older(
    older: Mapping[Hashable, tuple[str, JsonObject]], stage: Stage, planned: JsonObject
) -> tuple[str, JsonObject] | None:
    """Return the imported generation that is what a planned one is, None if there is none.

    The older project chose no parameters, so one that is planned with some is another.
    """
    if planned.get(_PARAMETERS):
        return None
    key = _what_it_is(stage, planned)
    return None if key is None else older.get(key)


def _what_it_is(stage: Stage, document: JsonObject) -> Hashable | None:
    """Return what a generation is made of and by; None if it is not one of the older project's."""
    record = MainRecord.from_document(document)
    if not record.parent_gen_id and not record.concept_ids:
        return None
    return (
        stage,
        record.mode or "llm",
        record.template_id,
        None if record.mode == "copy" else record.llm_model_id,
        record.replicate or 1,  # copies are counted there, too
        record.parent_gen_id,
        tuple(record.concept_ids or ()),
        record.description_level if record.concept_ids else None,
    )
