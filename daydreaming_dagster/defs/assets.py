"""The assets prompt, raw and parsed of each stage, with one partition per generation."""

# No `from __future__ import annotations` here: Dagster reads the annotations.

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import dagster as dg

from daydreaming_dagster.application.run_generations import run_generations
from daydreaming_dagster.defs.checks import check_results, check_specs
from daydreaming_dagster.defs.event_log import databases_open
from daydreaming_dagster.defs.failures import as_failure, check_pipeline
from daydreaming_dagster.defs.naming import asset_key, local_name, with_prefix
from daydreaming_dagster.defs.partitions import (
    LINEAGE_ONLY,
    OWNER,
    partitions_name,
    stage_partitions,
)
from daydreaming_dagster.defs.recording import RecordingListener
from daydreaming_dagster.defs.resources import resource_key, resources_of
from daydreaming_dagster.defs.run_summary import RunSummary, run_failure
from daydreaming_dagster.defs.termination import ending_when_terminated
from daydreaming_dagster.domain.checks.quality import checks_of
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.generated import STEPS, Step
from daydreaming_dagster.domain.generation.runner import GenerationRunner
from daydreaming_dagster.domain.stages import Pipeline, StageDefinition
from daydreaming_dagster.errors import DaydreamingError
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


def build_stage_asset(
    pipeline: Pipeline, stage: Stage, key_prefix: str = "", pool: str | None = None
) -> dg.AssetsDefinition:
    """Return the three assets of a stage, which one step makes.

    A run can take any range of partitions. If a generation fails, the others are still
    materialized, and the run fails with a table of failures. A stale answer is such a failure,
    unless the run's config says to replace it.
    """
    parsed = asset_key(key_prefix, f"{stage}_parsed")

    @dg.multi_asset(
        name=local_name(key_prefix, f"{stage}_generations"),
        specs=_specs(pipeline[stage], key_prefix),
        check_specs=check_specs(parsed, checks_of(pipeline[stage])),
        can_subset=True,
        partitions_def=stage_partitions(stage, key_prefix),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=with_prefix(key_prefix, stage),
        required_resource_keys={resource_key(key_prefix)},
        pool=pool,
    )
    def generations(
        context: dg.AssetExecutionContext,
        config: StageRunConfig,
    ) -> Iterator[dg.AssetCheckResult]:
        used = resources_of(context, key_prefix)
        store, stop = used.root.store, used.stop
        checks = {key.name for key in context.selected_asset_check_keys}
        selected = context.selected_asset_keys
        if not selected:  # the UI executes checks without a partition, so check all generations
            name = partitions_name(stage, key_prefix)
            known = context.instance.get_dynamic_partitions(name)
            yield from check_results(context, pipeline, stage, store, known, checks)
            return
        with as_failure(context, DaydreamingError):
            check_pipeline(pipeline, used.catalog)
            model, batches = used.language_model, used.batches
        chosen = {key.path[-1] for key in selected}
        steps: list[Step] = [step for step in STEPS if f"{stage}_{step}" in chosen]
        budget = Budget()
        runner = GenerationRunner(
            store,
            model,
            used.catalog,
            replace_stale=config.stale,
            stop=stop,
            budget=budget,
            # Without models: it leaves alone what waits in a batch of a cohort.
            lane=None
            if batches is None
            else batches.lane(store, "", set(), budget=budget, stop=stop),
        )
        generations: dict[Stage, Sequence[str]] = {stage: context.partition_keys}
        with databases_open(context.instance, context.run.run_id):
            total = len(context.partition_keys)
            recording = RecordingListener(
                context, store, stop, used.catalog, used.listener, steps, total
            )
            with ending_when_terminated(context, stop) as terminated:
                outcome = run_generations(runner, generations, recording, steps)
                recording.check()
                yield from check_results(
                    context, pipeline, stage, store, context.partition_keys, checks
                )
                if outcome.failed or outcome.left:
                    waits = None if runner.lane is None else runner.lane.waiting
                    summary = RunSummary.of(outcome, stop.reason or waits, budget)
                    raise run_failure(context, summary, terminated=bool(terminated))

    return generations


def _specs(definition: StageDefinition, key_prefix: str) -> list[dg.AssetSpec]:
    stage = definition.name
    parents = [f"{parent}_parsed" for parent in definition.parent_stages] or ["cohort_membership"]
    deps: dict[Step, list[dg.AssetDep]] = {
        "prompt": [
            dg.AssetDep(asset_key(key_prefix, parent), partition_mapping=LINEAGE_ONLY)
            for parent in parents
        ],
        "raw": [dg.AssetDep(asset_key(key_prefix, f"{stage}_prompt"))],
        "parsed": [dg.AssetDep(asset_key(key_prefix, f"{stage}_raw"))],
    }
    return [
        dg.AssetSpec(
            asset_key(key_prefix, f"{stage}_{step}"),
            deps=deps[step],
            description=(_DESCRIPTIONS[step] + _PARTITIONS).format(stage=stage),
            skippable=True,
            kinds=_KINDS[step],
            owners=[OWNER],
            tags={"stage": stage},
        )
        for step in STEPS
    ]
