"""`daydream plan`."""

from collections import Counter
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

import click
from rich.table import Table

from daydreaming_dagster.application.earlier_icc import earlier_icc
from daydreaming_dagster.application.plan_cohort import estimate_cohort, plan_cohort
from daydreaming_dagster.batch_bootstrap import compose_batches
from daydreaming_dagster.bootstrap import DataRoot, open_data_root
from daydreaming_dagster.cli.console import (
    cell,
    cohort_argument,
    data_root_option,
    note,
    out,
    say,
)
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.estimate import PlanEstimate
from daydreaming_dagster.domain.cohort.planning import CohortPlan
from daydreaming_dagster.domain.retirements import retirements
from daydreaming_dagster.domain.stages import COMBO, Pipeline
from daydreaming_dagster.formatting import counted, money
from daydreaming_dagster.ports.language_model import ModelKey

if TYPE_CHECKING:  # scipy is slow to import
    from daydreaming_dagster.domain.statistics.power import AssumedIcc

_FIRST_VALUES: Final = 3
"""How many values of an axis a dry run names."""
_LINE: Final = 100
"""How long a line with values is at most, even if the output is not a terminal."""


@click.command()
@cohort_argument
@data_root_option
@click.option("--dry-run", is_flag=True, help="Write nothing; print calls, tokens and cost.")
@click.option(
    "--allow-missing",
    is_flag=True,
    help="Plan though a description is missing (another one, or the name, stands in),"
    " or a template uses none of its variables.",
)
def plan(cohort_id: str, data_root: str, *, dry_run: bool, allow_missing: bool) -> None:
    """Compute the generations of a cohort and write down how each is made.

    Calls no model. Planning again changes nothing that exists. After an edit of a template, a
    concept or a model, it says which answers became stale.
    """
    root = open_data_root(data_root)
    if dry_run:
        catalog = root.cohorts.read_catalog()
        estimated = estimate_cohort(
            root.store,
            root.cohorts,
            cohort_id,
            allow_missing=allow_missing,
            catalog=catalog,
            by_batch=_always_by_batch(root, catalog),
        )
        icc = earlier_icc(root.store, root.cohorts, cohort_id)
        _print_estimate(*estimated, catalog, icc)
        _warn_of_retirements(catalog, estimated[0])
        return
    write_plan(root, cohort_id, allow_missing=allow_missing)


def write_plan(root: DataRoot, cohort_id: str, *, allow_missing: bool = False) -> None:
    """Plan a cohort, and say what was planned.

    Raises:
        DaydreamingError: It cannot be planned.
    """
    recorded = plan_cohort(root.store, root.cohorts, cohort_id, allow_missing=allow_missing)
    for notice in recorded.plan.notices:
        note(f"note: {notice}")
    _warn_of_retirements(root.cohorts.read_catalog(), recorded.plan)
    created, found = recorded.record.created, recorded.record.found
    planned = Counter(planned.stage for planned in recorded.plan.generations)
    counts = ", ".join(counted(n, stage) for stage, n in planned.items())
    say(f"cohort {cohort_id}: {counts} ({created} new, {found} there already)")
    shared = {stage: n for stage, n in recorded.record.shared_by_stage.items() if n}
    if shared:
        counts = ", ".join(counted(n, stage) for stage, n in shared.items())
        say(f"shared with cohorts planned before: {counts}")
    if recorded.changed:
        inputs = ", ".join(f"{kind} {name}" for kind, name in recorded.changed)
        stale = {stage: len(of_stage) for stage, of_stage in recorded.stale.items() if of_stage}
        counts = ", ".join(counted(n, stage) for stage, n in stale.items())
        note(f"changed since the last plan: {inputs}; stale: {counts or 'no answer'}")


def _always_by_batch(root: DataRoot, catalog: Catalog) -> set[ModelKey]:
    if not any(model.batch for model in catalog.models.values()):
        return set()  # the client is slow to import
    batches = compose_batches(root, catalog)
    return set() if batches is None else batches.models(catalog, wanted=False)


def _warn_of_retirements(catalog: Catalog, planned: CohortPlan) -> None:
    used = {str(each.way.get("llm_model_id", "")) for each in planned.generations}
    for line in retirements(catalog.models, used, datetime.now(UTC).date()):
        note(line)


def _print_estimate(
    planned: CohortPlan, estimate: PlanEstimate, catalog: Catalog, icc: "AssumedIcc"
) -> None:
    for notice in planned.notices:
        note(f"note: {notice}")
    _print_values(planned, catalog)
    _print_power(planned, estimate, catalog.pipeline, icc)
    table = Table("stage", title=f"cohort {planned.cohort_id}, nothing written")
    for heading in ("generations", "model calls", "tokens in", "tokens out", "cost, USD"):
        table.add_column(heading, justify="right")
    for stage, of_stage in estimate.stages.items():
        if not of_stage.generations:
            continue
        table.add_row(
            stage,
            *(
                f"{count:,}"
                for count in (
                    of_stage.generations,
                    of_stage.calls,
                    of_stage.prompt_tokens,
                    of_stage.completion_tokens,
                )
            ),
            "-" if of_stage.cost is None else money(of_stage.cost),
        )
    table.add_section()
    stages = estimate.stages.values()
    costs = [of_stage.cost for of_stage in stages if of_stage.cost is not None]
    table.add_row(
        "in all",
        *(
            f"{sum(getattr(of_stage, count) for of_stage in stages):,}"
            for count in ("generations", "calls", "prompt_tokens", "completion_tokens")
        ),
        money(sum(costs)) if costs else "-",
    )
    out.print(table)
    if estimate.unpriced:
        note(f"without a price in llm_models.csv: {', '.join(estimate.unpriced)}")


def _print_power(
    planned: CohortPlan, estimate: PlanEstimate, pipeline: Pipeline, icc: "AssumedIcc"
) -> None:
    """Print what the ranking will be able to tell apart."""
    from daydreaming_dagster.domain.statistics.power import Price, say_what_can_be_told

    counts = Counter(
        parent
        for one in planned.generations
        if one.stage in pipeline.scoring
        for parent in one.parents
        if parent.stage in pipeline.scored
    ).values()
    if len(counts) > 1:
        asked = [estimate.stages[stage] for stage in pipeline.scoring]
        prices = [
            Price(of_stage.cost / of_stage.calls, of_stage.unpriced > 0)
            for of_stage in asked
            if of_stage.cost
        ]
        # Of stages with several prices, the dearest.
        price = max(prices, key=lambda each: each.value, default=None)
        said = say_what_can_be_told(counts, pipeline.judged, icc, price)
        out.print(cell(said), soft_wrap=not out.is_terminal)


def _print_values(planned: CohortPlan, catalog: Catalog) -> None:
    """Print what is combined: the values of each axis that differ, and how many there are."""
    values: dict[str, dict[str, None]] = {}
    for row in planned.rows():
        for axis in (COMBO, *(name for name in row if name.endswith(("_template", "_llm")))):
            if row[axis]:
                value = catalog.shown_combo(row[axis]) if axis == COMBO else row[axis]
                values.setdefault(axis, {})[value] = None
    for axis, found in values.items():
        more = ", …" if len(found) > _FIRST_VALUES else ""
        line = f"{axis}: {len(found):,} ({', '.join(islice(found, _FIRST_VALUES))}{more})"
        out.print(cell(line), width=min(out.width, _LINE), no_wrap=True, overflow="ellipsis")
