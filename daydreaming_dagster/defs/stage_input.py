"""The first step of a stage for one partition, for assets of one's own."""

from collections.abc import Iterable

import dagster as dg

from daydreaming_dagster.defs.failures import generation_failure
from daydreaming_dagster.domain.generation.prompt_values import ContentCombination
from daydreaming_dagster.domain.generation.prompts import write_stage_input
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.types import Stage


def stage_input_asset(
    context: dg.AssetExecutionContext,
    stage: Stage,
    *,
    content_combinations: Iterable[ContentCombination] | None = None,
) -> str:
    """Write the prompt of the generation that is the run's partition, and return it.

    The asset needs the resource `gens_store`. A draft needs the combination that its metadata
    names among `content_combinations`.

    Raises:
        dagster.Failure: As `write_stage_input` says, with stage and gen_id as metadata.
    """
    gen_id = context.partition_key
    try:
        return write_stage_input(
            context.resources.gens_store,
            stage,
            gen_id,
            content_combinations=content_combinations,
        )
    except (DaydreamingError, OSError) as error:
        raise generation_failure(stage, gen_id, error) from error
