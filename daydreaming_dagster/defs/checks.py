"""Checks of generations as Dagster shows them, per run, on the assets that it made."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import dagster as dg

from daydreaming_dagster.data_layer.gens_store import GensStore
from daydreaming_dagster.domain.integrity import Finding
from daydreaming_dagster.domain.quality import CHECKS, Check, check_generations
from daydreaming_dagster.types import Stage

_SHOWN: Final = 100


def check_specs(asset: str, checks: Collection[Check] = tuple(CHECKS)) -> list[dg.AssetCheckSpec]:
    """Return the checks of an asset."""
    return [dg.AssetCheckSpec(check, asset=asset, description=CHECKS[check]) for check in checks]


def check_results(
    asset: str,
    store: GensStore,
    generations: Mapping[Stage, Sequence[str]],
    selected: Collection[str] = tuple(CHECKS),
) -> Iterator[dg.AssetCheckResult]:
    """Yield what the selected checks found in the generations of a run."""
    if not selected:
        return
    for check, findings in check_generations(store, generations).items():
        if check in selected:
            yield dg.AssetCheckResult(
                asset_key=asset,
                check_name=check,
                passed=not findings,
                description=f"{len(findings)} findings" if findings else CHECKS[check],
                metadata=_metadata(findings, sum(map(len, generations.values()))),
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
