"""Cohorts in Dagster: planning, a run of all stages, results and report, as assets.

Each cohort is a partition. The sensor `discover_cohorts` adds one for each new specification, so a
new cohort needs no restart.
"""


# No `from __future__ import annotations` here: Dagster reads the annotations.

from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import Field

from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.application.run_cohort import RunOptions
from daydreaming_dagster.defs.checks import check_results_of_cohort, check_specs
from daydreaming_dagster.defs.cohort_estimate import build_cohort_estimate
from daydreaming_dagster.defs.cohort_results import build_cohort_report, build_cohort_results
from daydreaming_dagster.defs.event_log import databases_open
from daydreaming_dagster.defs.failures import (
    as_failure,
    check_pipeline,
    forbid_retries,
    run_failure,
)
from daydreaming_dagster.defs.naming import asset_key, with_prefix
from daydreaming_dagster.defs.partitions import (
    OWNER,
    cohort_partitions,
    membership_version,
    register_partitions,
)
from daydreaming_dagster.defs.recording import RecordingListener, mark_failed
from daydreaming_dagster.defs.resources import resource_key, resources_of
from daydreaming_dagster.defs.termination import ending_when_terminated
from daydreaming_dagster.domain.cohort.spending import known_spending
from daydreaming_dagster.domain.cohort.version import texts_version
from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.formatting import plural


class CohortPlanConfig(dg.Config):
    """How a cohort is planned."""

    allow_missing: bool = Field(
        False,
        description="Plan it though a description is missing, or a template uses none of its "
        "variables.",
    )


def build_cohort_membership(key_prefix: str = "") -> dg.AssetsDefinition:
    """Return the asset of the plans of cohorts."""

    @dg.asset(
        key=asset_key(key_prefix, "cohort_membership"),
        partitions_def=cohort_partitions(key_prefix),
        deps=[asset_key(key_prefix, "cohort_spec")],
        group_name=with_prefix(key_prefix, "cohort"),
        owners=[OWNER],
        kinds={"csv"},
        required_resource_keys={resource_key(key_prefix)},
        description=(
            "The generations of each cohort, `cohorts/<cohort_id>/membership.csv`. Materialize it "
            "to plan a cohort. It calls no model, and adds the generations to the stages' "
            "partitions."
        ),
    )
    def cohort_membership(
        context: dg.AssetExecutionContext, config: CohortPlanConfig
    ) -> dg.MaterializeResult[Any]:
        """Plan the cohort of the run's partition. Planning again changes nothing."""
        root = resources_of(context, key_prefix).root
        with as_failure(context, DaydreamingError):
            recorded = plan_cohort(
                root.store,
                root.cohorts,
                context.partition_key,
                allow_missing=config.allow_missing,
            )
        members = root.cohorts.read_membership(context.partition_key)
        register_partitions(context.instance, members, key_prefix)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(membership_version(members)),
            metadata={
                **{plural(stage): len(gen_ids) for stage, gen_ids in members.items()},
                "new": recorded.record.created,
                "stale": sum(map(len, recorded.stale.values())),
                "notices": dg.MetadataValue.md(
                    "\n".join(f"- {notice}" for notice in recorded.plan.notices)
                ),
            },
        )

    return cohort_membership


class CohortRunConfig(dg.Config):
    """What a run of a cohort generates besides what is missing, and what it may spend."""

    stale: bool = Field(False, description="Replace stale answers. Replaced ones are kept.")
    force: list[str] = Field(
        default_factory=list, description="The gen_ids to generate again in any case."
    )
    max_calls: int | None = Field(
        None, description="Make at most this many model calls. No limit by default."
    )
    max_cost: float | None = Field(
        None, description="Spend at most this much in this run, in USD. No limit by default."
    )
    max_cost_total: float | None = Field(
        None,
        description="Spend at most this much in all runs of the cohort together, in USD, also in "
        "those that resume or repeat one. No limit by default.",
    )
    batch: bool = Field(
        False,
        description="Ask by batch where the endpoint can, which is cheaper and takes up to a day.",
    )
    cancel_batches: bool = Field(
        False,
        description="Cancel the cohort's batches, keep what was answered, and ask nothing.",
    )
    until: str | None = Field(
        None,
        description="A stop rule for duels that are chosen by doubt, such as `top 3 settled`.",
    )


def build_cohort_run(
    pipeline: Pipeline, key_prefix: str = "", pool: str | None = None
) -> dg.AssetsDefinition:
    """Return the asset of the runs of cohorts of these stages."""
    key = asset_key(key_prefix, "cohort_run")

    @dg.asset(
        key=key,
        partitions_def=cohort_partitions(key_prefix),
        deps=[asset_key(key_prefix, "cohort_membership")],
        group_name=with_prefix(key_prefix, "cohort"),
        owners=[OWNER],
        kinds={"llm", "text"},
        check_specs=check_specs(key),
        required_resource_keys={resource_key(key_prefix)},
        pool=pool,
        description=(
            "Materialize it to generate everything that a cohort lacks, in all stages at once: a "
            "generation starts when its parents are done. Each is a partition of its stage's "
            "assets, which show its prompt, answer and failure. After a failure, materialize it "
            "again: stored answers are reused."
        ),
    )
    def cohort_run(
        context: dg.AssetExecutionContext, config: CohortRunConfig
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        """Generate what the cohort of the run's partition lacks."""
        used = resources_of(context, key_prefix)
        store, stop = used.root.store, used.stop
        with as_failure(context, DaydreamingError):
            check_pipeline(pipeline, used.catalog)
        if config.max_calls is not None or config.max_cost is not None:
            forbid_retries(context)
        recording = RecordingListener(context, store, stop, used.catalog, used.listener)
        with (
            as_failure(context, DaydreamingError),
            databases_open(context.instance, context.run.run_id),
            ending_when_terminated(context, stop) as terminated,
        ):
            run = used.runner(
                store,
                used.root.cohorts,
                used.language_model,
                context.partition_key,
                RunOptions(**config.model_dump()),
                token=stop,
                listener=recording,
                catalog=used.catalog,
                batches=used.batches,
            )
            recording.check()
            mark_failed(context, run.outcome.failed)
            yield from check_results_of_cohort(context, pipeline, store, run.plan.todo)
            if not run.complete:
                raise run_failure(context, run.outcome, run.stopped, terminated=bool(terminated))
            spent = known_spending(store, used.catalog, run.plan.members)
            yield dg.MaterializeResult(
                # After a run that changes nothing, the results are not out of date.
                data_version=dg.DataVersion(texts_version(store, run.plan.members)),
                metadata={
                    **{plural(stage): len(gen_ids) for stage, gen_ids in run.plan.members.items()},
                    **({} if spent is None else {"cost_of_cohort_usd": spent}),
                    "made": run.outcome.made,
                    "model_calls": run.budget.calls,
                    "prompt_tokens": run.budget.prompt_tokens,
                    "completion_tokens": run.budget.completion_tokens,
                    "cost_usd": run.budget.cost,
                    "cost_of_lost_usd": run.budget.cost_of_lost,
                    "calls_of_unknown_cost": run.budget.of_unknown_cost,
                },
            )

    return cohort_run


def build_cohort_assets(
    pipeline: Pipeline, key_prefix: str = "", pool: str | None = None
) -> list[dg.AssetSpec | dg.AssetsDefinition]:
    """Return the assets of cohorts of these stages."""
    spec = dg.AssetSpec(
        asset_key(key_prefix, "cohort_spec"),
        partitions_def=cohort_partitions(key_prefix),
        group_name=with_prefix(key_prefix, "cohort"),
        owners=[OWNER],
        kinds={"yaml"},
        description="What a cohort combines: its `cohorts/<cohort_id>/spec/config.yaml`.",
    )
    return [
        spec,
        build_cohort_membership(key_prefix),
        build_cohort_estimate(key_prefix),
        build_cohort_run(pipeline, key_prefix, pool),
        build_cohort_results(pipeline, key_prefix),
        build_cohort_report(key_prefix),
    ]
