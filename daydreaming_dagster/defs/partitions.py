"""The partitions and the owner of all assets: a dynamic partition per generation or cohort."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

import dagster as dg

# No public module exports it.
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from sqlalchemy.exc import IntegrityError

from daydreaming_dagster.defs.naming import asset_key, with_prefix
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.formatting import plural
from daydreaming_dagster.types import Stage

# Dagster passes all keys in one statement, and SQLite's default limit is 32,766 parameters.
_AT_ONCE: Final = 10_000

_PARTITION_TAG: Final = "dagster/partition"
_UNFINISHED: Final = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)

OWNER: Final = "team:researchers"
"""The owner of all assets in the UI."""

LINEAGE_ONLY: Final = dg.SpecificPartitionsPartitionMapping([])
"""The mapping between assets whose partitions correspond in a way that Dagster cannot express.

Each generation has its own parent, and each cohort its own generations. Dagster's pages know
Dagster's own mappings only, and none of them says so. This one draws the edge, and maps no
partition to another. With `AllPartitionMapping`, a backfill of one draft and the stages below would
generate and pay for the essays of all cohorts, and a new cohort would mark all others as outdated.
Without a mapping, a backfill of a child stage fails in the pages.
"""


def partitions_name(stage: Stage, key_prefix: str = "") -> str:
    """Return the name of a stage's partitions definition."""
    return with_prefix(key_prefix, f"{stage}_generations")


def stage_partitions(stage: Stage, key_prefix: str = "") -> dg.DynamicPartitionsDefinition:
    """Return the partitions of a stage's assets."""
    return dg.DynamicPartitionsDefinition(name=partitions_name(stage, key_prefix))


def cohorts_name(key_prefix: str = "") -> str:
    """Return the name of the partitions definition of cohorts."""
    return with_prefix(key_prefix, "cohorts")


def cohort_partitions(key_prefix: str) -> dg.DynamicPartitionsDefinition:
    """Return the partitions of the assets of cohorts."""
    return dg.DynamicPartitionsDefinition(name=cohorts_name(key_prefix))


def loops_name(key_prefix: str = "") -> str:
    """Return the name of the partitions definition of loops."""
    return with_prefix(key_prefix, "loops")


def loop_partitions(key_prefix: str) -> dg.DynamicPartitionsDefinition:
    """Return the partitions of the assets of loops."""
    return dg.DynamicPartitionsDefinition(name=loops_name(key_prefix))


def add_partitions(instance: dg.DagsterInstance, name: str, keys: Sequence[str]) -> None:
    """Add the partitions that Dagster does not know yet, in the order given.

    Other processes may add the same ones at the same time. In SQLite, Dagster reads which of them
    exist and then inserts the others, and fails if another process was faster in between.
    """
    for _ in keys:  # each failure means that there is one more of them
        with suppress(IntegrityError):
            instance.add_dynamic_partitions(name, keys)
            return


def register_partitions(
    instance: dg.DagsterInstance, members: Mapping[Stage, Sequence[str]], key_prefix: str = ""
) -> None:
    """Add the generations that Dagster does not know yet as partitions, in the order given."""
    for stage, gen_ids in members.items():
        name = partitions_name(stage, key_prefix)
        known = set(instance.get_dynamic_partitions(name))
        added = [gen_id for gen_id in gen_ids if gen_id not in known]
        for first in range(0, len(added), _AT_ONCE):
            add_partitions(instance, name, added[first : first + _AT_ONCE])


def forget_partitions(
    instance: dg.DagsterInstance, refs: Sequence[GenerationRef], key_prefix: str = ""
) -> None:
    """Remove the partitions of generations that were deleted."""
    known: dict[str, set[str]] = {}
    for stage, gen_id in refs:
        name = partitions_name(stage, key_prefix)
        if name not in known:
            known[name] = set(instance.get_dynamic_partitions(name))
        if gen_id in known[name]:
            instance.delete_dynamic_partition(name, gen_id)


def membership_version(members: Mapping[Stage, Sequence[str]]) -> str:
    """Return the data version of `cohort_membership`: the same if a plan changes nothing."""
    return sha256("\n".join(f"{stage}/{key}" for stage, keys in members.items() for key in keys))


def planned_cohort(
    key_prefix: str, cohort_id: str, members: Mapping[Stage, Sequence[str]]
) -> dg.AssetMaterialization:
    """Return the event for a cohort that was planned outside Dagster, by the command."""
    return dg.AssetMaterialization(
        asset_key(key_prefix, "cohort_membership"),
        partition=cohort_id,
        metadata={plural(stage): len(gen_ids) for stage, gen_ids in members.items()},
        tags={DATA_VERSION_TAG: membership_version(members)},
    )


def partitions_in_runs(instance: dg.DagsterInstance, job_name: str) -> set[str | None]:
    """Return the partitions that a run of the job makes, or waits to make."""
    runs = instance.get_runs(dg.RunsFilter(statuses=[*_UNFINISHED], job_name=job_name))
    return {run.tags.get(_PARTITION_TAG) for run in runs}
