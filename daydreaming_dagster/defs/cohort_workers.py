"""The workers of a run of a cohort in Dagster: what begins it, what each makes and may spend."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import dagster as dg

from daydreaming_dagster.application.run_cohort import prepare_run
from daydreaming_dagster.application.run_parts import PART_SECONDS, PartWorker
from daydreaming_dagster.defs.cohort_run_config import CohortRunConfig
from daydreaming_dagster.defs.failures import forbid_retries
from daydreaming_dagster.defs.part_recording import PartRecorder
from daydreaming_dagster.defs.resources import RunResources
from daydreaming_dagster.domain.cohort.spending import bought
from daydreaming_dagster.domain.errors import CohortBusyError
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import StoppedError
from daydreaming_dagster.domain.generation.ledger import Limits
from daydreaming_dagster.limits_bootstrap import open_ledger, run_ids_of_ledgers


def divide(context: dg.AssetExecutionContext, config: CohortRunConfig, used: RunResources) -> bool:
    """Begin a run of several workers, and return whether they divide it.

    The caller holds the cohort.
    """
    if config.limits_this_run:
        forbid_retries(context)
    root = used.root
    recording = PartRecorder(context, root.store, used.stop, used.catalog)
    prepared = prepare_run(
        root.store,
        root.cohorts,
        used.language_model,
        context.partition_key,
        config.options,
        used.catalog,
        used.batches,
    )
    plan = prepared.plan
    recording.begin(plan)
    if prepared.by_batch.intersection(plan.estimate.called):
        return False
    for run_id in run_ids_of_ledgers(root):
        run = context.instance.get_run_by_id(run_id)
        if run is not None and run.is_finished:
            open_ledger(root, run_id).remove()
    if config.options.limits:
        limits = Limits(
            config.max_calls, config.max_cost, config.max_cost_total, prepared.spent_before
        )
        open_ledger(root, context.run.run_id).begin(limits, config.workers)
    todo = sum(map(len, plan.todo.values()))
    recording.begin_run(root.location, bought(root.store, used.catalog, plan.members), todo)
    return True


def ensure_divided(
    context: dg.AssetExecutionContext,
    config: CohortRunConfig,
    used: RunResources,
    recording: PartRecorder,
) -> bool:
    """Return whether workers divide the run, which one of them begins if `split` is left out.

    Dagster leaves it out when it executes a run again from its failure.

    Raises:
        SetupError: The run was divided in another data root.
    """
    told = False
    location = used.root.location
    while not recording.is_divided(location):
        if used.stop.reason is not None:
            return False
        try:
            with used.root.cohorts.hold(context.partition_key):
                return recording.is_divided(location) or divide(context, config, used)
        except CohortBusyError as error:  # another worker, or another run
            if not told:
                context.log.info(str(error))
                told = True
            time.sleep(PART_SECONDS)
    return True


def part_worker(
    context: dg.AssetExecutionContext,
    config: CohortRunConfig,
    used: RunResources,
    recording: PartRecorder,
) -> PartWorker:
    """Return one of the workers of a run."""
    return PartWorker(
        used.root.store,
        used.root.cohorts,
        used.language_model,
        used.catalog,
        context.partition_key,
        config.options,
        config.workers,
        recording,
        partial(open_budget, context, config, used),
        used.stop,
        recording,
    )


@contextmanager
def open_budget(
    context: dg.AssetExecutionContext, config: CohortRunConfig, used: RunResources
) -> Iterator[Budget]:
    """Open what a worker spends, as a share of what all workers of the run may spend."""
    models = used.catalog.models.values()
    if not config.options.limits:
        yield Budget.of(models, None, None)
        return
    with ExitStack() as stack:
        try:
            share = stack.enter_context(open_ledger(used.root, context.run.run_id).share())
        except StoppedError as ended:  # such as a step that is started again after the end
            used.stop.stop(ended.reason)
            yield Budget.of(models, None, None)
        else:
            yield Budget.of_share(models, share)
