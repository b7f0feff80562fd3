"""Jobs that delete: a cohort with what only it has, and generations of no cohort."""


# No `from __future__ import annotations` here: Dagster reads the annotations.

from collections.abc import Sequence

import dagster as dg

from daydreaming_dagster.application.curate import (
    delete_cohort,
    find_orphans,
    preview_deletion,
    prune_orphans,
)
from daydreaming_dagster.defs.failures import as_failure
from daydreaming_dagster.defs.naming import local_name
from daydreaming_dagster.defs.partitions import forget_partitions
from daydreaming_dagster.defs.resources import resource_key, resources_of
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.errors import DaydreamingError


class DeletionConfig(dg.Config):
    """Which cohort is deleted. Without `yes`, the run only lists what would be."""

    cohort_id: str
    yes: bool = False


class PruningConfig(dg.Config):
    """Whether the orphans are deleted. Without `yes`, the run only lists them."""

    yes: bool = False


def build_deletion_jobs(key_prefix: str = "") -> list[dg.JobDefinition]:
    """Return the jobs that delete a cohort and that prune orphans."""

    @dg.op(
        name=local_name(key_prefix, "delete_cohort_op"),
        required_resource_keys={resource_key(key_prefix)},
        description="Deletes a cohort with the generations that only it has, or lists them.",
    )
    def delete_cohort_op(context: dg.OpExecutionContext, config: DeletionConfig) -> None:
        """Delete the cohort and the partitions of its generations. The sensor removes its own.

        Raises:
            dagster.Failure: See `daydreaming_dagster.application.curate.delete_cohort`.
        """
        root = resources_of(context, key_prefix).root
        with as_failure(None, DaydreamingError):
            act = delete_cohort if config.yes else preview_deletion
            deletion = act(root.store, root.cohorts, root.loops, config.cohort_id, root.batches)
        _conclude(context, deletion.deleted, key_prefix, done=config.yes)

    @dg.job(
        name=local_name(key_prefix, "delete_cohort"),
        description="Deletes a cohort with the generations that only it has. Lists them first.",
    )
    def delete_cohort_job() -> None:
        """Run `delete_cohort_op`."""
        delete_cohort_op()

    @dg.op(
        name=local_name(key_prefix, "prune_orphans_op"),
        required_resource_keys={resource_key(key_prefix)},
        description="Deletes the generations that no cohort and no loop needs, or lists them.",
    )
    def prune_orphans_op(context: dg.OpExecutionContext, config: PruningConfig) -> None:
        """Delete the orphans and their partitions.

        Raises:
            dagster.Failure: See `daydreaming_dagster.application.curate.prune_orphans`.
        """
        root = resources_of(context, key_prefix).root
        with as_failure(None, DaydreamingError):
            act = prune_orphans if config.yes else find_orphans
            orphans = act(root.store, root.cohorts, root.loops, root.batches)
        _conclude(context, orphans, key_prefix, done=config.yes)

    @dg.job(
        name=local_name(key_prefix, "prune_orphans"),
        description="Deletes the generations that no cohort and no loop needs. Lists them first.",
    )
    def prune_orphans_job() -> None:
        """Run `prune_orphans_op`."""
        prune_orphans_op()

    return [delete_cohort_job, prune_orphans_job]


def _conclude(
    context: dg.OpExecutionContext, refs: Sequence[GenerationRef], key_prefix: str, *, done: bool
) -> None:
    if done:
        forget_partitions(context.instance, refs, key_prefix)
    context.log.info("deleted:" if done else "would be deleted, with yes: true:")
    for ref in refs:
        context.log.info(str(ref))
    context.add_output_metadata({"generations": len(refs), "deleted": done})
