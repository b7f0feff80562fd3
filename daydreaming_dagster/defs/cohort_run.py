"""The run of a cohort in Dagster: a graph that divides the work, does it, and completes it.

`split` divides the cohort if several workers are wanted, `shard` is the step of each worker, and
`finish` makes whatever is left: everything, if there is one worker.
"""


# No `from __future__ import annotations` here: Dagster reads the annotations.

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import dagster as dg

from daydreaming_dagster.application.run_cohort import RestOfRun
from daydreaming_dagster.defs.checks import check_results_of_cohort, check_specs
from daydreaming_dagster.defs.cohort_run_config import CohortRunConfig
from daydreaming_dagster.defs.cohort_workers import (
    divide,
    ensure_divided,
    open_budget,
    part_worker,
)
from daydreaming_dagster.defs.event_log import databases_open
from daydreaming_dagster.defs.failures import as_failure, check_pipeline, forbid_retries
from daydreaming_dagster.defs.naming import asset_key, local_name, with_prefix
from daydreaming_dagster.defs.part_recording import PartRecorder
from daydreaming_dagster.defs.partitions import OWNER, cohort_partitions
from daydreaming_dagster.defs.recording import mark_failed
from daydreaming_dagster.defs.resources import RunResources, resource_key, resources_of
from daydreaming_dagster.defs.run_summary import RunSummary, run_failure
from daydreaming_dagster.defs.termination import ending_when_terminated, never_repeated
from daydreaming_dagster.domain.checks.quality import CHECKS
from daydreaming_dagster.domain.cohort.spending import bought, known_spending
from daydreaming_dagster.domain.cohort.version import texts_version
from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.formatting import plural
from daydreaming_dagster.limits_bootstrap import open_ledger
from daydreaming_dagster.types import Stage

_REPEATED: Final = dg.RetryPolicy(max_retries=100)
"""A step whose process is killed is started again; other failures forbid it.

Each time, only what was in flight is asked again, so a limit only keeps a run from going on for
ever on a machine that kills every process.
"""


@dg.config_mapping
def _config_of_all_steps(config: CohortRunConfig) -> dict[str, Any]:
    values = {"config": config.model_dump()}
    return {"split": values, "shard": values, "finish": values}


def _split_op(pipeline: Pipeline, key_prefix: str) -> dg.OpDefinition:
    @dg.op(
        name=local_name(key_prefix, "split"),
        description="Divides what is to do among workers, if there are several.",
        ins={"planned": dg.In(dg.Nothing)},
        out={"parts": dg.DynamicOut(dg.Nothing)},
        required_resource_keys={resource_key(key_prefix)},
        retry_policy=_REPEATED,
    )
    def split(
        context: dg.AssetExecutionContext, config: CohortRunConfig
    ) -> Iterator[dg.DynamicOutput[None]]:
        if config.workers == 1:
            return
        used = resources_of(context, key_prefix)
        with _step(context, pipeline, used), used.root.cohorts.hold(context.partition_key):
            if not divide(context, config, used):
                context.log.info("one worker makes everything, since models are asked by batch")
                return
        for number in range(config.workers):
            yield dg.DynamicOutput(None, str(number), output_name="parts")

    return split


def _shard_op(pipeline: Pipeline, key_prefix: str, pool: str | None) -> dg.OpDefinition:
    @dg.op(
        name=local_name(key_prefix, "shard"),
        description="Makes a part of the cohort, and what workers that were killed have left.",
        ins={"part": dg.In(dg.Nothing)},
        out=dg.Out(dg.Nothing),
        required_resource_keys={resource_key(key_prefix)},
        pool=pool,
        retry_policy=_REPEATED,
    )
    def shard(context: dg.AssetExecutionContext, config: CohortRunConfig) -> None:
        if config.workers == 1:
            return
        used = resources_of(context, key_prefix).shared_by(config.workers)
        with _step(context, pipeline, used):
            recording = PartRecorder(
                context, used.root.store, used.stop, used.catalog, used.listener
            )
            if not ensure_divided(context, config, used, recording):
                return
            number = int(context.op_execution_context.get_mapping_key() or 0)
            part_worker(context, config, used, recording).run(number)
            recording.check()

    return shard


def _finish_op(pipeline: Pipeline, key_prefix: str, pool: str | None) -> dg.OpDefinition:
    @dg.op(
        name=local_name(key_prefix, "finish"),
        description="Makes what is left, checks everything, and says what the run came to.",
        ins={"parts": dg.In(dg.Nothing)},
        out={name: dg.Out(dg.Nothing) for name in _results(key_prefix)},
        required_resource_keys={resource_key(key_prefix)},
        pool=pool,
        retry_policy=_REPEATED,
    )
    def finish(
        context: dg.AssetExecutionContext, config: CohortRunConfig
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        used = resources_of(context, key_prefix)
        store = used.root.store
        if config.limits_this_run:
            forbid_retries(context)
        with _step(context, pipeline, used) as terminated, ExitStack() as stack:
            recording = PartRecorder(context, store, used.stop, used.catalog, used.listener)
            divided = config.workers > 1 and recording.is_divided(used.root.location)
            rest = None
            if divided:
                # Workers that were killed may have left parts.
                part_worker(context, config, used, recording).run()
                recording.check()
                budget = stack.enter_context(open_budget(context, config, used))
                rest = RestOfRun(budget, recording.failed_in_parts)
            run = used.run(context.partition_key, config.options, recording, rest)
            recording.check()
            mark_failed(context, run.outcome.failed)
            made = run.plan.members if divided else run.plan.todo
            yield from check_results_of_cohort(context, pipeline, store, made)
            summary = RunSummary.of(run.outcome, run.stopped, run.budget)
            if divided:
                now = bought(store, used.catalog, run.plan.members)
                summary = recording.whole(summary, now, run.plan.todo)
            if divided and config.options.limits:  # after a failure, too: it repeats no step
                open_ledger(used.root, context.run.run_id).remove()
            if summary.failed or summary.left:
                raise run_failure(context, summary, terminated=bool(terminated))
            spent = known_spending(store, used.catalog, run.plan.members)
            yield dg.MaterializeResult(
                # After a run that changes nothing, the results are not out of date.
                data_version=dg.DataVersion(texts_version(store, run.plan.members)),
                metadata=_metadata(summary, run.plan.members, spent),
            )

    return finish


def build_cohort_run(
    pipeline: Pipeline, key_prefix: str = "", pool: str | None = None
) -> dg.AssetsDefinition:
    """Return the asset of the runs of cohorts of these stages."""
    # Definitions share their names with those of other data roots, the nodes of a graph do not.
    split = _split_op(pipeline, key_prefix).alias("split")
    shard = _shard_op(pipeline, key_prefix, pool).alias("shard")
    finish = _finish_op(pipeline, key_prefix, pool).alias("finish")
    key = asset_key(key_prefix, "cohort_run")

    @dg.graph_asset(
        key=key,
        partitions_def=cohort_partitions(key_prefix),
        ins={
            "planned": dg.AssetIn(
                asset_key(key_prefix, "cohort_membership"), dagster_type=dg.Nothing
            )
        },
        config=_config_of_all_steps,
        group_name=with_prefix(key_prefix, "cohort"),
        owners=[OWNER],
        kinds={"llm", "text"},
        check_specs=check_specs(key),
        description=(
            "Materialize it to generate everything that a cohort lacks, in all stages at once: a "
            "generation starts when its parents are done. Each is a partition of its stage's "
            "assets, which show its prompt, answer and failure. After a failure, materialize it "
            "again: stored answers are reused."
        ),
    )
    def cohort_run(planned: Any) -> dict[str, Any]:
        results = finish(split(planned).map(shard).collect())
        return dict(zip(_results(key_prefix), results, strict=True))

    return cohort_run


def _metadata(
    run: RunSummary, members: Mapping[Stage, Sequence[str]], cost_of_cohort: float | None
) -> dict[str, Any]:
    return {
        **{plural(stage): len(gen_ids) for stage, gen_ids in members.items()},
        **({} if cost_of_cohort is None else {"cost_of_cohort_usd": cost_of_cohort}),
        "made_by_run": run.made,
        "calls_of_run": run.calls,
        "prompt_tokens_of_run": run.prompt_tokens,
        "completion_tokens_of_run": run.completion_tokens,
        "cost_of_run_usd": run.cost,
        "cost_of_lost_usd": run.cost_of_lost,
        "calls_of_unknown_cost": run.of_unknown_cost,
    }


@contextmanager
def _step(
    context: dg.AssetExecutionContext, pipeline: Pipeline, used: RunResources
) -> Iterator[Sequence[str]]:
    """Show errors as failures, and let the answers in flight arrive when the run is terminated.

    The block gets the reasons for which it was terminated.
    """
    with (
        never_repeated(),
        as_failure(context, DaydreamingError),
        databases_open(context.instance, context.run.run_id),
        ending_when_terminated(context, used.stop) as terminated,
    ):
        check_pipeline(pipeline, used.catalog)
        yield terminated


def _results(key_prefix: str) -> Sequence[str]:
    """Return the names of the outputs of the asset and its checks."""
    name = local_name(key_prefix, "cohort_run")
    return ("result", *(f"{name}_{check}" for check in CHECKS))
