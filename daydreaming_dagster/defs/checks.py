"""Checks of generations as Dagster's asset checks: per run, on the assets of the run."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import dagster as dg

# The target of a check is part of its result, but no public module exports its class.
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

from daydreaming_dagster.domain.checks.integrity import Finding
from daydreaming_dagster.domain.checks.quality import CHECKS, Check, check_generations, checks_of
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.types import Stage

_SHOWN: Final = 100


def check_specs(asset: str, checks: Collection[Check] = tuple(CHECKS)) -> list[dg.AssetCheckSpec]:
    """Return the checks of an asset."""
    return [dg.AssetCheckSpec(check, asset=asset, description=CHECKS[check]) for check in checks]


def check_results(
    stage: Stage, store: GensStore, gen_ids: Sequence[str], selected: Collection[str]
) -> Iterator[dg.AssetCheckResult]:
    """Yield the results of the selected checks for the generations of a stage."""
    if not selected:
        return
    for check, findings in check_generations(store, stage, gen_ids).items():
        if check in selected:
            yield _result(f"{stage}_parsed", check, findings, len(gen_ids))


def check_results_of_cohort(
    context: dg.AssetExecutionContext,
    store: GensStore,
    generations: Mapping[Stage, Sequence[str]],
) -> Iterator[dg.AssetCheckResult]:
    """Yield the results of all checks for the generations of a cohort's run.

    Also logs the results per stage, as results of the stage's own checks.
    """
    found: dict[Check, list[Finding]] = {check: [] for check in CHECKS}
    for stage, gen_ids in generations.items():
        if gen_ids:
            in_stage = check_generations(store, stage, gen_ids)
            for check, findings in in_stage.items():
                found[check] += findings
            _log_results(context, stage, in_stage, len(gen_ids))
    checked = sum(map(len, generations.values()))
    for check, findings in found.items():
        yield _result("cohort_run", check, findings, checked)


def _log_results(
    context: dg.AssetExecutionContext,
    stage: Stage,
    found: Mapping[Check, Sequence[Finding]],
    checked: int,
) -> None:
    """Log the results of a stage's checks. Dagster does not let another step yield them."""
    asset = dg.AssetKey(f"{stage}_parsed")
    latest = context.instance.fetch_materializations(asset, limit=1).records
    targets = [
        AssetCheckEvaluationTargetMaterializationData(
            storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
        )
        for record in latest
    ]
    for check in checks_of(stage):
        result = _result(f"{stage}_parsed", check, found[check], checked)
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
    asset: str, check: Check, findings: Sequence[Finding], checked: int
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=check,
        passed=not findings,
        description=counted(len(findings), "finding") if findings else CHECKS[check],
        metadata=_metadata(findings, checked),
    )


def _metadata(findings: Sequence[Finding], checked: int) -> dict[str, Any]:
    shown: dict[str, Any] = {"checked": checked, "findings": len(findings)}
    if findings:
        records = [
            dg.TableRecord({"generation": finding.subject, "problem": finding.message})
            for finding in findings[:_SHOWN]
        ]
        shown["table"] = dg.MetadataValue.table(records)
    return shown
