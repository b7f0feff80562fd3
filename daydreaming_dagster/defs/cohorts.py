"""Cohorts in Dagster: from the specification to partitions, a run of all stages, and results.

A partition per cohort. The sensor `discover_cohorts` adds one for each specification that it
finds, so that a new cohort needs no restart.
"""

# No `from __future__ import annotations` here: Dagster reads the annotations.

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final

import dagster as dg
from pydantic import Field

from adapters.experiment_files import (
    hold_cohort,
    list_cohorts,
    list_planned_cohorts,
    read_cohort_index,
    read_membership,
    write_cohort_index,
)
from daydreaming_dagster.cohorts import record_cohort, report_cohort, tabulate_cohort
from daydreaming_dagster.data_layer.gens_store import GensStore
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.defs.checks import check_results_of_cohort, check_specs
from daydreaming_dagster.defs.event_log import databases_open
from daydreaming_dagster.defs.failures import as_failure, run_failure
from daydreaming_dagster.defs.partitions import (
    COHORTS,
    OWNER,
    partitions_name,
    register_partitions,
)
from daydreaming_dagster.defs.recording import make_and_record, mark_failed, record
from daydreaming_dagster.defs.resources import Listener
from daydreaming_dagster.domain.budget import Budget
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.freshness import CohortState, generations_to_make, look_at_cohort
from daydreaming_dagster.domain.generation_run import GenerationRunner, read_generated
from daydreaming_dagster.domain.language_model import LanguageModel
from daydreaming_dagster.domain.plan_estimate import estimate_generations, planned_generations
from daydreaming_dagster.domain.results import EssayRank
from daydreaming_dagster.domain.stopping import StopSwitch
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.types import STAGES, Stage

_SHOWN_ESSAYS: Final = 20
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
    gens_store: dg.ResourceParam[GensStore],
    language_model: dg.ResourceParam[LanguageModel],
    catalog: dg.ResourceParam[Catalog],
    stop: dg.ResourceParam[StopSwitch],
    listener: dg.ResourceParam[Listener],
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Make what is missing of the cohort that is the run's partition."""
    paths, cohort_id = Paths.from_str(data_root), context.partition_key
    members = _members(data_root, cohort_id)
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
    store: GensStore,
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


@dg.asset(
    partitions_def=COHORTS,
    deps=[dg.AssetDep("evaluation_parsed", partition_mapping=dg.AllPartitionMapping())],
    group_name="results",
    owners=[OWNER],
    kinds={"csv", "parquet"},
    description="The ranking and tables of each cohort, in its folder `reports/`.",
)
def cohort_results(
    context: dg.AssetExecutionContext, data_root: dg.ResourceParam[str]
) -> dg.MaterializeResult[Any]:
    """Write the results of the cohort that is the run's partition."""
    cohort_id = context.partition_key
    with as_failure(DaydreamingError):
        tabulated = tabulate_cohort(Path(data_root), cohort_id)
    return dg.MaterializeResult(
        metadata={
            "ranking": _ranking(tabulated.ranks),
            "without_score": tabulated.tables.missing.height,
            "folder": dg.MetadataValue.path(str(tabulated.files[0].parent)),
        }
    )


@dg.asset(
    partitions_def=COHORTS,
    deps=[cohort_results],
    group_name="results",
    owners=[OWNER],
    kinds={"html"},
    description="Each cohort's report: one HTML file, in its folder `reports/`.",
)
def cohort_report(
    context: dg.AssetExecutionContext, data_root: dg.ResourceParam[str]
) -> dg.MaterializeResult[Any]:
    """Write the report of the cohort that is the run's partition."""
    with as_failure(DaydreamingError):
        reported = report_cohort(Path(data_root), context.partition_key, datetime.now(UTC))
    ranking = reported.figures[0]
    shown = ranking.alt
    if ranking.chart is not None:
        image = base64.b64encode(ranking.png(scale=1)).decode()
        shown = f"![{ranking.title}](data:image/png;base64,{image})\n\n{ranking.alt}"
    return dg.MaterializeResult(
        metadata={
            "ranking": _ranking(reported.report.ranks),
            "figure": dg.MetadataValue.md(shown),
            "report": dg.MetadataValue.path(str(reported.file)),
        }
    )


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Adds a partition for each new cohort and removes those whose folder is gone.",
)
def discover_cohorts(
    context: dg.SensorEvaluationContext, data_root: dg.ResourceParam[str]
) -> dg.SensorResult | dg.SkipReason:
    """Make the partitions of cohorts those that have a specification."""
    known = set(context.instance.get_dynamic_partitions(COHORTS.name or ""))
    there = set(list_cohorts(Paths.from_str(data_root)))
    if known == there:
        return dg.SkipReason(f"no other cohorts than before below {data_root}")
    return dg.SensorResult(
        dynamic_partitions_requests=[
            COHORTS.build_add_request(sorted(there - known)),
            COHORTS.build_delete_request(sorted(known - there)),
        ]
    )


@dg.op(description="Removes the partitions of generations that no cohort has any more.")
def prune_generations(context: dg.OpExecutionContext, data_root: dg.ResourceParam[str]) -> None:
    """Forget partitions. What is stored of the generations stays where it is."""
    paths = Paths.from_str(data_root)
    memberships = [_members(data_root, cohort_id) for cohort_id in list_planned_cohorts(paths)]
    for stage in STAGES:
        kept = {gen_id for members in memberships for gen_id in members[stage]}
        name = partitions_name(stage)
        for gen_id in context.instance.get_dynamic_partitions(name):
            if gen_id not in kept:
                context.instance.delete_dynamic_partition(name, gen_id)


@dg.job(description="Removes the partitions of generations that no cohort has any more.")
def prune_partitions() -> None:
    """Run `prune_generations`."""
    prune_generations()


def _ranking(ranks: Sequence[EssayRank]) -> dg.MarkdownMetadataValue:
    lines = ["| essay | combination | mean | scores |", "|---|---|---|---|"]
    for rank in ranks[:_SHOWN_ESSAYS]:
        mean = "-" if rank.mean is None else f"{rank.mean:.2f}"
        scores = ", ".join(map(str, rank.scores))
        lines.append(f"| {rank.gen_id} | {rank.combo_id} | {mean} | {scores} |")
    return dg.MetadataValue.md("\n".join(lines))


def _members(data_root: str, cohort_id: str) -> dict[Stage, list[str]]:
    with as_failure(DaydreamingError):
        return read_membership(Paths.from_str(data_root), cohort_id)


COHORT_ASSETS: Final[list[dg.AssetSpec | dg.AssetsDefinition]] = [
    cohort_spec,
    cohort_membership,
    cohort_run,
    cohort_results,
    cohort_report,
]
