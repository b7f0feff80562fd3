"""Cohorts in Dagster: from the specification to partitions, a run of all stages, and results.

A partition per cohort. The sensor `discover_cohorts` adds one for each specification that it
finds, so that a new cohort needs no restart.
"""


# No `from __future__ import annotations` here: Dagster reads the annotations.

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, Final

import dagster as dg
from pydantic import Field

from adapters.cohort_store.cohort_files import (
    hold_cohort,
    read_cohort_index,
    read_membership,
    write_cohort_index,
)
from daydreaming_dagster.application.plan_cohort import record_cohort
from daydreaming_dagster.application.run_listener import RunListener
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.defs.checks import check_results_of_cohort, check_specs
from daydreaming_dagster.defs.cohort_results import cohort_report, cohort_results
from daydreaming_dagster.defs.event_log import databases_open
from daydreaming_dagster.defs.failures import as_failure, run_failure
from daydreaming_dagster.defs.partitions import (
    COHORTS,
    OWNER,
    register_partitions,
)
from daydreaming_dagster.defs.recording import make_and_record, mark_failed, record
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.estimate import estimate_generations, planned_generations
from daydreaming_dagster.domain.cohort.progress import generations_to_make
from daydreaming_dagster.domain.cohort.staleness import CohortState, look_at_cohort
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.generation.generated import read_generated
from daydreaming_dagster.domain.generation.runner import GenerationRunner
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.ports.language_model import LanguageModel
from daydreaming_dagster.types import STAGES, Stage

_RECORDED_TOGETHER: Final = 500
"""Generations, with their texts in memory."""

_WORTH_A_LOOK: Final = 5_000
"""Generations that a run made; the next look at fewer takes a second or two."""

cohort_spec: Final = dg.AssetSpec(
    "cohort_spec",
    partitions_def=COHORTS,
    group_name="cohort",
    owners=[OWNER],
    kinds={"yaml"},
    description="What to combine: `cohorts/<cohort_id>/spec/config.yaml`, the researcher's own.",
)


@dg.asset(
    partitions_def=COHORTS,
    deps=[cohort_spec],
    group_name="cohort",
    owners=[OWNER],
    kinds={"csv"},
    description=(
        "The generations of each cohort, `cohorts/<cohort_id>/membership.csv`. Materialize it to "
        "plan a cohort: it asks no model, and adds the generations to the partitions of the stages."
    ),
)
def cohort_membership(
    context: dg.AssetExecutionContext, data_root: dg.ResourceParam[str]
) -> dg.MaterializeResult[Any]:
    """Plan the cohort that is the run's partition. Planning again changes nothing."""
    cohort_id = context.partition_key
    with as_failure(DaydreamingError):
        recorded = record_cohort(Path(data_root), cohort_id)
    members: dict[Stage, list[str]] = {stage: recorded.plan.gen_ids(stage) for stage in STAGES}
    register_partitions(context.instance, members)
    stale = recorded.stale
    return dg.MaterializeResult(
        metadata={
            **{f"{stage}s": len(gen_ids) for stage, gen_ids in members.items()},
            "new": recorded.record.created,
            "stale": 0 if stale is None else stale.direct.total() + stale.inherited.total(),
            "notices": dg.MetadataValue.md(
                "\n".join(f"- {notice}" for notice in recorded.plan.notices)
            ),
        }
    )


class CohortRunConfig(dg.Config):
    """What a run of a cohort makes beside what is missing, and what it may spend.

    Attributes:
        stale: Whether answers to what is no longer asked are replaced; they are kept beside the
            new ones.
        again: gen_ids whose model is asked again in any case.
        max_calls: How many model calls it may make; None is no limit.
        max_cost: What they may cost, in USD; None is no limit.
    """

    stale: bool = False
    again: list[str] = Field(default_factory=list)
    max_calls: int | None = None
    max_cost: float | None = None


@dg.asset(
    partitions_def=COHORTS,
    deps=[cohort_membership],
    group_name="cohort",
    owners=[OWNER],
    kinds={"llm", "text"},
    check_specs=check_specs("cohort_run"),
    description=(
        "Materialize it to generate all that a cohort lacks, in all stages at once: an essay "
        "begins when its draft is done. Each generation is then a partition of its stage's assets, "
        "where its prompt, answer and failure are. After a failure, materialize it again: nothing "
        "that is done is asked again."
    ),
)
def cohort_run(
    context: dg.AssetExecutionContext,
    config: CohortRunConfig,
    data_root: dg.ResourceParam[str],
    gens_store: dg.ResourceParam[GensStoreWithTemplates],
    language_model: dg.ResourceParam[LanguageModel],
    catalog: dg.ResourceParam[Catalog],
    stop: dg.ResourceParam[CancellationToken],
    listener: dg.ResourceParam[RunListener],
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Make what is missing of the cohort that is the run's partition."""
    paths, cohort_id = Paths.from_str(data_root), context.partition_key
    members = read_members(data_root, cohort_id)
    register_partitions(context.instance, members)
    with (
        as_failure(DaydreamingError),
        hold_cohort(paths, cohort_id),
        databases_open(context.instance, context.run.run_id),
    ):
        state = _look(paths, cohort_id, gens_store, catalog, members)
        budget = Budget.of(catalog.models.values(), config.max_calls, config.max_cost)
        stale = state.stale if config.stale else None
        todo = generations_to_make(members, state.stages, stale, config.again)
        unanswered = [status.missing for status in state.stages.values()]
        asked = {*config.again, *chain(*unanswered, *(stale or {}).values())}
        planned = planned_generations(gens_store, todo)
        estimate = estimate_generations(gens_store, catalog, planned, asked)
        if config.max_cost is not None and estimate.unpriced:
            problem = f"a limit of cost needs a price for {', '.join(estimate.unpriced)}"
            raise CatalogError("llm_models.csv", (problem,))
        again: set[tuple[Stage, str]] = {
            (stage, gen_id)
            for stage, gen_ids in todo.items()
            for gen_id in gen_ids
            if gen_id in config.again
        }
        left_stale = 0 if config.stale else sum(map(len, state.stale.values()))
        listener.begin(todo, estimate, left_stale)
        runner = GenerationRunner(
            gens_store, language_model, catalog, config.stale, again, stop, budget
        )
        _record_done(context, runner, members, todo)
        outcome = make_and_record(context, runner, todo, listener)
        mark_failed(context, outcome.failed)
        if outcome.made >= _WORTH_A_LOOK:
            _look(paths, cohort_id, gens_store, catalog, members)
        yield from check_results_of_cohort(context, gens_store, todo)
        if outcome.failed or outcome.left:
            raise run_failure(outcome, stop.reason)
        yield dg.MaterializeResult(
            metadata={
                **{f"{stage}s": len(gen_ids) for stage, gen_ids in members.items()},
                "made": outcome.made,
                "model_calls": budget.calls,
                "prompt_tokens": budget.prompt_tokens,
                "completion_tokens": budget.completion_tokens,
                "cost_usd": budget.cost,
            }
        )


def _look(
    paths: Paths,
    cohort_id: str,
    store: GensStoreWithTemplates,
    catalog: Catalog,
    members: Mapping[Stage, Sequence[str]],
) -> CohortState:
    """Return the state of the cohort, and keep what was seen for the next look."""
    state = look_at_cohort(store, catalog, members, read_cohort_index(paths, cohort_id))
    with suppress(OSError):  # what only saves reading is no reason to end a run
        write_cohort_index(paths, cohort_id, state.index)
    return state


def _record_done(
    context: dg.AssetExecutionContext,
    runner: GenerationRunner,
    members: Mapping[Stage, Sequence[str]],
    todo: Mapping[Stage, Sequence[str]],
) -> None:
    """Record what is done and unknown to Dagster: by the command line, or before a kill."""
    planned = cohort_membership.key
    if context.partition_key not in context.instance.get_materialized_partitions(planned):
        counts = {f"{stage}s": len(gen_ids) for stage, gen_ids in members.items()}
        context.log_event(
            dg.AssetMaterialization(planned, partition=context.partition_key, metadata=counts)
        )
    for stage, gen_ids in members.items():
        known = context.instance.get_materialized_partitions(dg.AssetKey(f"{stage}_parsed"))
        known |= set(todo[stage])
        unknown = [gen_id for gen_id in gen_ids if gen_id not in known]
        for start in range(0, len(unknown), _RECORDED_TOGETHER):
            some = unknown[start : start + _RECORDED_TOGETHER]
            record(context, runner, [read_generated(runner.store, stage, key) for key in some])


def read_members(data_root: str, cohort_id: str) -> dict[Stage, list[str]]:
    """Return the gen_ids of a cohort by stage; a failure of the run where it is not planned."""
    with as_failure(DaydreamingError):
        return read_membership(Paths.from_str(data_root), cohort_id)


COHORT_ASSETS: Final[list[dg.AssetSpec | dg.AssetsDefinition]] = [
    cohort_spec,
    cohort_membership,
    cohort_run,
    cohort_results,
    cohort_report,
]
