"""Per stage the assets prompt, raw and parsed, with one partition per generation."""

# No `from __future__ import annotations` here: Dagster reads the annotations.

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from typing import Final

import dagster as dg

from daydreaming_dagster.data_layer.gens_store import GensStore
from daydreaming_dagster.defs.failures import stage_failure
from daydreaming_dagster.defs.materializations import materializations
from daydreaming_dagster.defs.partitions import PARTITIONS
from daydreaming_dagster.defs.resources import Listener
from daydreaming_dagster.defs.threads import iterate_in_thread
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.language_model import LanguageModel
from daydreaming_dagster.domain.stage_run import (
    DEFAULT_CONCURRENCY,
    STEPS,
    Generated,
    StageRunner,
    Step,
)
from daydreaming_dagster.types import PARENT_STAGE, STAGES, Stage

_DESCRIPTIONS: Final[Mapping[Step, str]] = {
    "prompt": "The rendered template of each {stage}; in mode copy, the parent's parsed text.",
    "raw": "The model's answer to each prompt as it came, with what it cost.",
    "parsed": "What the template's parser reads in each answer.",
}


class StageConfig(dg.Config):
    """How a stage runs."""

    concurrency: int = DEFAULT_CONCURRENCY
    """How many generations are under way at once."""


def build_stage_asset(stage: Stage) -> dg.AssetsDefinition:
    """Return the three assets of a stage, made in one step.

    One run takes any range of partitions. A generation that fails does so alone: the others
    are materialized, and the run fails with a table of those that did.
    """

    @dg.multi_asset(
        name=f"{stage}_generations",
        specs=_specs(stage),
        can_subset=True,
        partitions_def=PARTITIONS[stage],
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=stage,
    )
    def generations(
        context: dg.AssetExecutionContext,
        config: StageConfig,
        gens_store: dg.ResourceParam[GensStore],
        language_model: dg.ResourceParam[LanguageModel],
        catalog: dg.ResourceParam[Catalog],
        listener: dg.ResourceParam[Listener],
    ) -> Iterator[dg.AssetMaterialization]:
        selected = context.selected_asset_keys
        steps: list[Step] = [step for step in STEPS if dg.AssetKey(f"{stage}_{step}") in selected]
        runner = StageRunner(gens_store, language_model, catalog)

        async def run() -> AsyncGenerator[Generated, None]:
            generated = runner.generate_many(
                stage, context.partition_keys, steps, concurrency=config.concurrency
            )
            try:
                async with aclosing(generated):
                    async for item in generated:
                        yield item
            finally:
                await language_model.aclose()

        failed = []
        for item in iterate_in_thread(run):
            yield from materializations(gens_store, item)
            listener(item)
            if item.error is not None:
                failed.append(item)
        if failed:
            raise stage_failure(stage, failed, len(context.partition_keys))

    return generations


def _specs(stage: Stage) -> list[dg.AssetSpec]:
    parent = f"{PARENT_STAGE[stage]}_parsed" if stage in PARENT_STAGE else "cohort_membership"
    # Each generation has its own parent, which its metadata names; no mapping of Dagster's can
    # say so in the UI, and without one a backfill of a child stage fails there.
    deps: dict[Step, list[dg.AssetDep]] = {
        "prompt": [dg.AssetDep(parent, partition_mapping=dg.AllPartitionMapping())],
        "raw": [dg.AssetDep(f"{stage}_prompt")],
        "parsed": [dg.AssetDep(f"{stage}_raw")],
    }
    return [
        dg.AssetSpec(
            f"{stage}_{step}",
            deps=deps[step],
            description=_DESCRIPTIONS[step].format(stage=stage),
            skippable=True,
        )
        for step in STEPS
    ]


STAGE_ASSETS: Final = {stage: build_stage_asset(stage) for stage in STAGES}
