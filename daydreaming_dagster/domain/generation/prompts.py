"""The first step of every stage: the prompt."""

from collections.abc import Iterable

import attrs

from daydreaming_dagster.domain.catalog import (
    DEFAULT_LEVEL,
    Catalog,
    ConceptCombination,
    combine_concepts,
)
from daydreaming_dagster.domain.generation.metadata import (
    GenerationMetadata,
    resolve_generation_metadata,
)
from daydreaming_dagster.domain.generation.prompt_values import (
    ContentCombination,
    compute_prompt_values,
    read_parent_text,
)
from daydreaming_dagster.domain.generation.recipe import Recipe
from daydreaming_dagster.domain.generation.records import MainRecord
from daydreaming_dagster.ports.errors import InvalidMetadataError
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.types import Stage


def write_stage_input(
    store: GensStoreWithTemplates,
    stage: Stage,
    gen_id: str,
    *,
    content_combinations: Iterable[ContentCombination] | None = None,
) -> str:
    """Write the generation's prompt and return it.

    In mode copy the prompt is the parent's parsed text, otherwise the rendered template.

    Raises:
        DaydreamingError: See `resolve_generation_metadata`, `compute_prompt_values` and
            `render_template`. The previous prompt stays.
    """
    metadata = resolve_generation_metadata(store, stage, gen_id)
    if metadata.mode == "copy":
        prompt = read_parent_text(store, stage, gen_id, metadata)
    else:
        from daydreaming_dagster.domain.generation.template_rendering import render_template

        values = compute_prompt_values(store, stage, gen_id, metadata, content_combinations)
        prompt = render_template(store, stage, metadata.template_id, values)
    store.write_prompt(stage, gen_id, prompt)
    return prompt


def render_planned_input(
    store: GensStoreWithTemplates,
    catalog: Catalog,
    gen_id: str,
    metadata: GenerationMetadata,
    recipe: Recipe,
) -> str:
    """Return the prompt of a generation that is made by this recipe, without writing it.

    It is rendered from the recipe's template, or from the current one if the recipe has none.

    Raises:
        DaydreamingError: See `write_stage_input`.
        InvalidMetadataError: Metadata names no concepts, or one that the catalog lacks.
    """
    # Imported where it is needed: Jinja costs `daydream status` a tenth of its time.
    from daydreaming_dagster.domain.generation.template_rendering import render_source

    stage = recipe.stage
    if recipe.mode == "copy":
        return read_parent_text(store, stage, gen_id, metadata)
    first = not catalog.pipeline[stage].parents
    combinations = [_combination(catalog, stage, gen_id, metadata.record)] if first else None
    values = compute_prompt_values(store, stage, gen_id, metadata, combinations, catalog.pipeline)
    template = recipe.template
    if template is None:
        template = store.read_template(stage, recipe.template_id)
    return render_source(stage, recipe.template_id, template, values)


def _combination(
    catalog: Catalog, stage: Stage, gen_id: str, record: MainRecord
) -> ConceptCombination:
    """Return the planned combination with the catalog's current descriptions."""
    if attrs.fields(MainRecord).concept_ids.name in record.malformed:
        reason = "concept_ids in the metadata is not a list of strings"
        raise InvalidMetadataError(stage, gen_id, reason)
    if not record.concept_ids:
        raise InvalidMetadataError(stage, gen_id, "concept_ids is missing in the metadata")
    concepts = [catalog.concepts.get(concept_id) for concept_id in record.concept_ids]
    known = [concept for concept in concepts if concept is not None]
    if len(known) < len(concepts):
        reason = f"the concept catalog lacks one of {record.concept_ids}"
        raise InvalidMetadataError(stage, gen_id, reason)
    combination = combine_concepts(known, record.description_level or DEFAULT_LEVEL)
    # Older data roots name it otherwise; the concepts say what it is.
    return attrs.evolve(combination, combo_id=record.combo_id or "")
