"""The sensor that finds cohorts, and the job that forgets generations without a cohort."""


# No `from __future__ import annotations` here: Dagster reads the annotations.

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final, Self

import attrs
import dagster as dg

# No public module exports it.
from dagster._core.scheduler.instigation import InstigatorType, SensorInstigatorData

from daydreaming_dagster.bootstrap import KEY_PREFIX_VARIABLE, DataRoot
from daydreaming_dagster.defs.failures import as_failure
from daydreaming_dagster.defs.naming import asset_key, local_name
from daydreaming_dagster.defs.partitions import cohorts_name, partitions_name, planned_cohort
from daydreaming_dagster.defs.resources import resource_key, resources_of
from daydreaming_dagster.errors import DaydreamingError

_DISCOVER_COHORTS: Final = "discover_cohorts"


@attrs.frozen
class _Cursor:
    """The cohorts that a data root had when its code location looked last."""

    data_root: str = ""
    key_prefix: str = ""
    cohorts: Sequence[str] = ()

    @classmethod
    def parse(cls, cursor: str | None) -> Self:
        """Return what a cursor says, nothing if an older version or another sensor wrote it."""
        try:
            return cls(**json.loads(cursor or "{}"))
        except (TypeError, ValueError):
            return cls()

    def __str__(self) -> str:
        return json.dumps(attrs.asdict(self))


def build_cohort_sensor(key_prefix: str = "") -> dg.SensorDefinition:
    """Return the sensor that finds cohorts."""

    @dg.sensor(
        name=local_name(key_prefix, _DISCOVER_COHORTS),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={resource_key(key_prefix)},
        description="Adds a partition for each new cohort, records those that the command planned, "
        "and removes those whose folder is gone.",
    )
    def discover_cohorts(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        """Request one partition for each cohort that has a specification."""
        root = resources_of(context, key_prefix).root
        return _compare_cohorts(context, root, key_prefix)

    return discover_cohorts


def _compare_cohorts(
    context: dg.SensorEvaluationContext, root: DataRoot, key_prefix: str
) -> dg.SensorResult | dg.SkipReason:
    """Return what to add and to remove.

    Removes only cohorts that this data root had before, and no other one has: another code location
    may use the same Dagster instance with another data root, and this one may have been started
    with another data root before.
    """
    name = cohorts_name(key_prefix)
    known = set(context.instance.get_dynamic_partitions(name))
    last = _Cursor.parse(context.cursor)
    before = set(last.cohorts if last.data_root == root.location else ())
    there = set(root.cohorts.list_cohorts())
    # An imported one may have no specification.
    planned = root.cohorts.list_planned_cohorts()
    there.update(planned)
    if before and not there:
        return dg.SkipReason(
            "all cohorts are gone; none is removed, since the data root may not be mounted"
        )
    cursor = str(_Cursor(root.location, key_prefix, sorted(there)))
    others = [*_other_data_roots(context.instance, root.location, key_prefix)]
    elsewhere = {cohort_id for other in others for cohort_id in other.cohorts}
    added, removed = there - known, known & before - there - elsewhere
    events = [*_planned_elsewhere(context.instance, root, planned, key_prefix)]
    if not added and not removed:
        reason = "the cohorts are the same as before"
        if shared := sorted(there & elsewhere):
            roots = ", ".join(sorted({other.data_root for other in others}))
            reason = (
                f"{', '.join(shared)} may also be a cohort of another data root ({roots}), and "
                f"then both are one partition; give each data root a {KEY_PREFIX_VARIABLE}"
            )
        return dg.SensorResult(skip_reason=reason, cursor=cursor, asset_events=events)
    return dg.SensorResult(
        dynamic_partitions_requests=[
            dg.AddDynamicPartitionsRequest(name, sorted(added)),
            dg.DeleteDynamicPartitionsRequest(name, sorted(removed)),
        ],
        cursor=cursor,
        asset_events=events,
    )


def _planned_elsewhere(
    instance: dg.DagsterInstance, root: DataRoot, planned: Sequence[str], key_prefix: str
) -> Iterator[dg.AssetMaterialization]:
    """Yield an event for each cohort that was planned outside Dagster, by the command.

    Without it, Dagster's dialogs warn that the cohort is not planned yet.
    """
    recorded = instance.get_materialized_partitions(asset_key(key_prefix, "cohort_membership"))
    for cohort_id in sorted(set(planned) - recorded):
        with suppress(DaydreamingError):  # a membership that cannot be read; a run says so
            yield planned_cohort(key_prefix, cohort_id, root.cohorts.read_membership(cohort_id))


def _other_data_roots(
    instance: dg.DagsterInstance, data_root: str, key_prefix: str
) -> Iterator[_Cursor]:
    """Yield what other code locations saw that name their partitions as this one does."""
    name = local_name(key_prefix, _DISCOVER_COHORTS)
    for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        data = state.instigator_data
        if isinstance(data, SensorInstigatorData) and state.name == name:
            seen = _Cursor.parse(data.cursor)
            if seen.data_root != data_root and seen.key_prefix == key_prefix:
                yield seen


def build_prune_partitions(key_prefix: str = "") -> dg.JobDefinition:
    """Return the job that forgets generations without a cohort."""

    @dg.op(
        name=local_name(key_prefix, "prune_generations"),
        required_resource_keys={resource_key(key_prefix)},
        description="Removes the partitions of generations that no longer belong to a cohort.",
    )
    def prune_generations(context: dg.OpExecutionContext) -> None:
        """Remove partitions of generations in this data root. The stored generations stay.

        Raises:
            dagster.Failure: No cohort is planned, or a membership cannot be read. Nothing was
                removed.
        """
        _prune(context.instance, resources_of(context, key_prefix).root, key_prefix)

    @dg.job(
        name=local_name(key_prefix, "prune_partitions"),
        description="Removes the partitions of generations that no longer belong to a cohort.",
    )
    def prune_partitions() -> None:
        """Run `prune_generations`."""
        prune_generations()

    return prune_partitions


def _prune(instance: dg.DagsterInstance, root: DataRoot, key_prefix: str) -> None:
    with as_failure(None, DaydreamingError):
        pipeline = root.cohorts.read_pipeline()
        planned = root.cohorts.list_planned_cohorts()
        memberships = [root.cohorts.read_membership(cohort_id) for cohort_id in planned]
    if not planned:
        raise dg.Failure(
            "no cohort is planned, so every partition would be removed; make sure that the data "
            "root is mounted",
            allow_retries=False,
        )
    for stage in pipeline:
        kept = {gen_id for members in memberships for gen_id in members[stage]}
        name = partitions_name(stage, key_prefix)
        known = set(instance.get_dynamic_partitions(name))
        for gen_id in root.store.list_generations(stage):
            if gen_id in known and gen_id not in kept:
                instance.delete_dynamic_partition(name, gen_id)
