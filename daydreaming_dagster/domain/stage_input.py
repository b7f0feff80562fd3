"""The use case of every stage's first step: the prompt."""

from collections.abc import Iterable

from daydreaming_dagster.data_layer.generation_metadata import resolve_generation_metadata
from daydreaming_dagster.data_layer.gens_store import GensStore
from daydreaming_dagster.domain.prompt_values import (
    ContentCombination,
    compute_prompt_values,
    read_parent_text,
)
from daydreaming_dagster.domain.template_rendering import render_template
from daydreaming_dagster.types import Stage


def write_stage_input(
    store: GensStore,
    stage: Stage,
    gen_id: str,
    *,
    content_combinations: Iterable[ContentCombination] | None = None,
) -> str:
    """Write the generation's prompt and return it.

    In mode copy the prompt is the parent's parsed text, otherwise the rendered template.

    Raises:
        DaydreamingError: As `resolve_generation_metadata`, `compute_prompt_values` and
            `render_template` say. The prompt that was there before is then still there.
    """
    metadata = resolve_generation_metadata(store, stage, gen_id)
    if metadata.mode == "copy":
        prompt = read_parent_text(store, stage, gen_id, metadata)
    else:
        values = compute_prompt_values(store, stage, gen_id, metadata, content_combinations)
        prompt = render_template(store, stage, metadata.template_id, values)
    store.write_prompt(stage, gen_id, prompt)
    return prompt
