"""The assets prompt, raw and parsed of each stage, with one partition per generation."""

# No `from __future__ import annotations` here: Dagster reads the annotations.

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import dagster as dg

from daydreaming_dagster.application.batch_lane import Batches
from daydreaming_dagster.application.run_generations import run_generations
from daydreaming_dagster.application.run_listener import RunListener
from daydreaming_dagster.defs.checks import check_results, check_specs
from daydreaming_dagster.defs.event_log import databases_open
from daydreaming_dagster.defs.failures import check_pipeline, run_failure
from daydreaming_dagster.defs.naming import key_prefix_of
from daydreaming_dagster.defs.partitions import (
    LINEAGE_ONLY,
    OWNER,
    partitions_name,
    stage_partitions,
)
from daydreaming_dagster.defs.recording import RecordingListener
from daydreaming_dagster.defs.termination import ending_when_terminated
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.checks.quality import checks_of
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.generation.generated import STEPS, Step
from daydreaming_dagster.domain.generation.runner import GenerationRunner
from daydreaming_dagster.domain.stages import Pipeline, StageDefinition
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.ports.language_model import LanguageModel
from daydreaming_dagster.types import Stage

_DESCRIPTIONS: Final[Mapping[Step, str]] = {
    "prompt": (
        "The prompt of each {stage}: the rendered template or, in mode copy, the parent's parsed "
        "text."
    ),
    "raw": (
        "The model's unchanged answer for each {stage}, with its tokens and duration. A stored "
        "answer is reused. A run with `stale: true` in its config replaces stale answers."
    ),
    "parsed": "The result of the template's parser for each {stage}.",
}
_PARTITIONS: Final = " A partition is one {stage}; its metadata shows its inputs and its folder."
_KINDS: Final[Mapping[Step, set[str]]] = {
    "prompt": {"jinja", "text"},
    "raw": {"llm", "text"},
    "parsed": {"python", "text"},
}


class StageRunConfig(dg.Config):
    """What a run of a stage's assets generates besides what is missing.

    Attributes:
        stale: Whether to replace stale answers. Replaced answers are kept. If False, generations
            with a stale answer fail and say so.
    """

    stale: bool = False


def build_stage_asset(pipeline: Pipeline, stage: Stage) -> dg.AssetsDefinition:
    """Return the three assets of a stage, which one step makes.

    A run can take any range of partitions. If a generation fails, the others are still
    materialized, and the run fails with a table of failures. A stale answer is such a failure,
    unless the run's config says to replace it.
    """

    @dg.multi_asset(
        name=f"{stage}_generations",
        specs=_specs(pipeline[stage]),
        check_specs=check_specs(f"{stage}_parsed", checks_of(pipeline[stage])),
        can_subset=True,
        partitions_def=stage_partitions(stage),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=stage,
    )
    def generations(
        context: dg.AssetExecutionContext,
        config: StageRunConfig,
        gens_store: dg.ResourceParam[GensStoreWithTemplates],
        language_model: dg.ResourceParam[LanguageModel],
        batches: dg.ResourceParam[Batches | None],
        catalog: dg.ResourceParam[Catalog],
        stop: dg.ResourceParam[CancellationToken],
        listener: dg.ResourceParam[RunListener],
    ) -> Iterator[dg.AssetCheckResult]:
        checks = {key.name for key in context.selected_asset_check_keys}
        selected = context.selected_asset_keys
        if not selected:  # the UI executes checks without a partition, so check all generations
            name = partitions_name(stage, key_prefix_of(context))
            known = context.instance.get_dynamic_partitions(name)
            yield from check_results(context, pipeline, stage, gens_store, known, checks)
            return
        check_pipeline(pipeline, catalog)
        chosen = {key.path[-1] for key in selected}
        steps: list[Step] = [step for step in STEPS if f"{stage}_{step}" in chosen]
        budget = Budget()
        runner = GenerationRunner(
            gens_store,
            language_model,
            catalog,
            replace_stale=config.stale,
            stop=stop,
            budget=budget,
            # Without models: it leaves alone what waits in a batch of a cohort.
            lane=None
            if batches is None
            else batches.lane(gens_store, "", set(), budget=budget, stop=stop),
        )
        generations: dict[Stage, Sequence[str]] = {stage: context.partition_keys}
        with databases_open(context.instance, context.run.run_id):
            total = len(context.partition_keys)
            recording = RecordingListener(context, gens_store, stop, listener, steps, total)
            with ending_when_terminated(context, stop) as terminated:
                outcome = run_generations(runner, generations, recording, steps)
                recording.check()
                yield from check_results(
                    context, pipeline, stage, gens_store, context.partition_keys, checks
                )
                if outcome.failed or outcome.left:
                    waits = None if runner.lane is None else runner.lane.waiting
                    reason = stop.reason or waits
                    raise run_failure(context, outcome, reason, terminated=bool(terminated))

    return generations


def _specs(definition: StageDefinition) -> list[dg.AssetSpec]:
    stage = definition.name
    parents = [f"{parent}_parsed" for parent in definition.parent_stages] or ["cohort_membership"]
    deps: dict[Step, list[dg.AssetDep]] = {
        "prompt": [dg.AssetDep(parent, partition_mapping=LINEAGE_ONLY) for parent in parents],
        "raw": [dg.AssetDep(f"{stage}_prompt")],
        "parsed": [dg.AssetDep(f"{stage}_raw")],
    }
    return [
        dg.AssetSpec(
            f"{stage}_{step}",
            deps=deps[step],
            description=(_DESCRIPTIONS[step] + _PARTITIONS).format(stage=stage),
            skippable=True,
            kinds=_KINDS[step],
            owners=[OWNER],
            tags={"stage": stage},
        )
        for step in STEPS
    ]
