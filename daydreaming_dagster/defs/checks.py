"""Checks of generations as Dagster's asset checks: per run, on the assets of the run."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import dagster as dg

# The target of a check is part of its result, but no public module exports its class.
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

from daydreaming_dagster.defs.naming import asset_key, key_prefix_of
from daydreaming_dagster.defs.partitions import partitions_name
from daydreaming_dagster.domain.checks.integrity import Finding
from daydreaming_dagster.domain.checks.quality import CHECKS, Check, check_generations, checks_of
from daydreaming_dagster.domain.stages import Pipeline, StageDefinition
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.types import Stage

_SHOWN: Final = 100


def check_specs(
    asset: dg.AssetKey, checks: Collection[Check] = tuple(CHECKS)
) -> list[dg.AssetCheckSpec]:
    """Return the checks of an asset."""
    return [dg.AssetCheckSpec(check, asset=asset, description=CHECKS[check]) for check in checks]


def check_results(  # noqa: PLR0913, PLR0917  a run, what it made, and what to check of it
    context: dg.AssetExecutionContext,
    pipeline: Pipeline,
    stage: Stage,
    store: GensStore,
    gen_ids: Sequence[str],
    selected: Collection[str],
) -> Iterator[dg.AssetCheckResult]:
    """Yield the results of the selected checks for the generations of a stage.

    Checks those that failed last time, too.
    """
    if not selected:
        return
    known = _known(context, [stage])
    asset = asset_key(key_prefix_of(context), f"{stage}_parsed")
    checked = _with_failed(context.instance, [asset], {stage: gen_ids}, known)[stage]
    for check, findings in check_generations(store, pipeline, stage, checked).items():
        if check in selected:
            yield _result(asset, check, findings, len(checked), len(known[stage]))


def check_results_of_cohort(
    context: dg.AssetExecutionContext,
    pipeline: Pipeline,
    store: GensStore,
    generations: Mapping[Stage, Sequence[str]],
) -> Iterator[dg.AssetCheckResult]:
    """Yield the results of all checks for the generations of a cohort's run.

    Checks those that failed last time, too, of whatever cohort. Also logs the results per stage, as
    results of the stage's own checks.
    """
    known = _known(context, generations)
    names = ["cohort_run", *(f"{stage}_parsed" for stage in generations)]
    assets = [asset_key(key_prefix_of(context), name) for name in names]
    checked = _with_failed(context.instance, assets, generations, known)
    found: dict[Check, list[Finding]] = {check: [] for check in CHECKS}
    for stage, gen_ids in checked.items():
        if gen_ids:
            in_stage = check_generations(store, pipeline, stage, gen_ids)
            for check, findings in in_stage.items():
                found[check] += findings
            _log_results(context, pipeline[stage], in_stage, len(gen_ids), len(known[stage]))
    totals = (sum(map(len, checked.values())), sum(map(len, known.values())))
    for check, findings in found.items():
        yield _result(assets[0], check, findings, *totals)


def _known(
    context: dg.AssetExecutionContext, stages: Iterable[Stage]
) -> dict[Stage, Sequence[str]]:
    key_prefix = key_prefix_of(context)
    return {
        stage: context.instance.get_dynamic_partitions(partitions_name(stage, key_prefix))
        for stage in stages
    }


def _with_failed(
    instance: dg.DagsterInstance,
    assets: Iterable[dg.AssetKey],
    generations: Mapping[Stage, Sequence[str]],
    known: Mapping[Stage, Sequence[str]],
) -> dict[Stage, Sequence[str]]:
    """Return these generations and those in which the assets' checks found something last time.

    A check has one result for all partitions. Without those that failed, a run of one healthy
    generation would show it as passed.
    """
    failed = _failed_before(instance, assets)
    chosen: dict[Stage, Sequence[str]] = {}
    for stage, gen_ids in generations.items():
        others = (key for key in known[stage] if failed is None or f"{stage}/{key}" in failed)
        chosen[stage] = list(dict.fromkeys([*gen_ids, *others]))
    return chosen


def _failed_before(
    instance: dg.DagsterInstance, assets: Iterable[dg.AssetKey]
) -> set[object] | None:
    """Return the subjects of the last findings, None if there were too many to be listed."""
    keys = [dg.AssetCheckKey(asset, check) for asset in assets for check in CHECKS]
    failed = set[object]()
    for record in instance.event_log_storage.get_asset_check_summary_records(keys).values():
        execution = record.last_completed_check_execution_record
        evaluation = execution and execution.event and execution.event.asset_check_evaluation
        if not evaluation or evaluation.passed:
            continue
        table = evaluation.metadata.get("table")
        rows = table.records if isinstance(table, dg.TableMetadataValue) else []
        if evaluation.metadata["findings"].value != len(rows):
            return None
        failed |= {row.data["generation"] for row in rows}
    return failed


def _log_results(
    context: dg.AssetExecutionContext,
    definition: StageDefinition,
    found: Mapping[Check, Sequence[Finding]],
    checked: int,
    known: int,
) -> None:
    """Log the results of a stage's checks. Dagster does not let another step yield them."""
    asset = asset_key(key_prefix_of(context), f"{definition.name}_parsed")
    latest = context.instance.fetch_materializations(asset, limit=1).records
    targets = [
        AssetCheckEvaluationTargetMaterializationData(
            storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
        )
        for record in latest
    ]
    for check in checks_of(definition):
        result = _result(asset, check, found[check], checked, known)
        evaluation = dg.AssetCheckEvaluation(
            asset,
            check,
            result.passed,
            result.metadata,
            # Without a target, the UI assigns the result to an older materialization.
            targets[0] if targets else None,
            description=result.description,
        )
        # Dagster accepts this, although its types do not say so. `report_runless_asset_event` would
        # create a database for events without a run, and the UI would not link to this run.
        context.log_event(evaluation)  # pyright: ignore[reportArgumentType]


def _result(
    asset: dg.AssetKey, check: Check, findings: Sequence[Finding], checked: int, known: int
) -> dg.AssetCheckResult:
    found = counted(len(findings), "finding") if findings else CHECKS[check].removesuffix(".")
    metadata: dict[str, Any] = {"checked": checked, "known": known, "findings": len(findings)}
    if findings:
        records = [
            dg.TableRecord({"generation": finding.subject, "problem": finding.message})
            for finding in findings[:_SHOWN]
        ]
        metadata["table"] = dg.MetadataValue.table(records)
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=check,
        passed=not findings,
        description=f"{found} ({checked:,} of {counted(known, 'generation')} checked)",
        metadata=metadata,
    )
