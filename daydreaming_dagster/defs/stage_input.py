"""The first step of a stage for one partition, for your own assets."""

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
    """Write and return the prompt of the run's partition.

    The asset needs the resource `gens_store`. For a draft, `content_combinations` must contain the
    combination that its metadata names.

    Raises:
        dagster.Failure: An error of `write_stage_input`, with stage and gen_id as metadata.
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
