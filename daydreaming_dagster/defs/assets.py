"""Per stage the assets prompt, raw and parsed, with one partition per generation."""

# No `from __future__ import annotations` here: Dagster reads the annotations.

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import dagster as dg

from daydreaming_dagster.application.run_generations import run_generations
from daydreaming_dagster.application.run_listener import RunListener
from daydreaming_dagster.defs.checks import check_results, check_specs
from daydreaming_dagster.defs.event_log import databases_open
from daydreaming_dagster.defs.failures import run_failure
from daydreaming_dagster.defs.partitions import OWNER, PARTITIONS, partitions_name
from daydreaming_dagster.defs.recording import RecordingListener
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.checks.quality import checks_of
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.generation.generated import STEPS, Step
from daydreaming_dagster.domain.generation.runner import GenerationRunner
from daydreaming_dagster.domain.stages import PARENT_STAGE
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.ports.language_model import LanguageModel
from daydreaming_dagster.types import STAGES, Stage

_DESCRIPTIONS: Final[Mapping[Step, str]] = {
    "prompt": (
        "What the model is asked for each {stage}: the rendered template; in mode copy, the "
        "parent's parsed text."
    ),
    "raw": (
        "The model's answer for each {stage} as it came, with its tokens and duration. An answer "
        "that is there is used; a stale one is replaced by a run with `stale: true` in its config."
    ),
    "parsed": "What the template's parser reads in the answer for each {stage}.",
}
_PARTITIONS: Final = (
    " A partition is one {stage}; its metadata says what it is made of and where its files are."
)
_KINDS: Final[Mapping[Step, set[str]]] = {
    "prompt": {"jinja", "text"},
    "raw": {"llm", "text"},
    "parsed": {"python", "text"},
}


class StageRunConfig(dg.Config):
    """What a run of a stage's assets makes beside what is missing.

    Attributes:
        stale: Whether answers to what is no longer asked are replaced; they are kept beside the
            new ones. Where they are not, their generations fail and say so.
    """

    stale: bool = False


def build_stage_asset(stage: Stage) -> dg.AssetsDefinition:
    """Return the three assets of a stage, made in one step.

    One run takes any range of partitions. A generation that fails does so alone: the others
    are materialized, and the run fails with a table of those that did. A stale answer is such a
    failure, unless the run is told to replace it.
    """

    @dg.multi_asset(
        name=f"{stage}_generations",
        specs=_specs(stage),
        check_specs=check_specs(f"{stage}_parsed", checks_of(stage)),
        can_subset=True,
        partitions_def=PARTITIONS[stage],
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=stage,
    )
    def generations(
        context: dg.AssetExecutionContext,
        config: StageRunConfig,
        gens_store: dg.ResourceParam[GensStoreWithTemplates],
        language_model: dg.ResourceParam[LanguageModel],
        catalog: dg.ResourceParam[Catalog],
        stop: dg.ResourceParam[CancellationToken],
        listener: dg.ResourceParam[RunListener],
    ) -> Iterator[dg.AssetCheckResult]:
        checks = {key.name for key in context.selected_asset_check_keys}
        selected = context.selected_asset_keys
        if not selected:  # the UI executes checks without a partition: they are about all of them
            known = context.instance.get_dynamic_partitions(partitions_name(stage))
            yield from check_results(stage, gens_store, known, checks)
            return
        steps: list[Step] = [step for step in STEPS if dg.AssetKey(f"{stage}_{step}") in selected]
        runner = GenerationRunner(
            gens_store, language_model, catalog, replace_stale=config.stale, stop=stop
        )
        generations: dict[Stage, Sequence[str]] = {stage: context.partition_keys}
        with databases_open(context.instance, context.run.run_id):
            total = len(context.partition_keys)
            recording = RecordingListener(context, gens_store, listener, steps, total)
            outcome = run_generations(runner, generations, recording, steps)
            yield from check_results(stage, gens_store, context.partition_keys, checks)
        if outcome.failed or outcome.left:
            raise run_failure(outcome, stop.reason)

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
            description=(_DESCRIPTIONS[step] + _PARTITIONS).format(stage=stage),
            skippable=True,
            kinds=_KINDS[step],
            owners=[OWNER],
            tags={"stage": stage},
        )
        for step in STEPS
    ]


STAGE_ASSETS: Final = {stage: build_stage_asset(stage) for stage in STAGES}
