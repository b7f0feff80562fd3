"""Plans a cohort: estimates its calls, and writes down how each generation is made."""

from collections.abc import Callable, Collection, Mapping, Sequence

import attrs

from daydreaming_dagster.application.cohort_status import look
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.estimate import PlanEstimate, estimate_generations
from daydreaming_dagster.domain.cohort.manifest import Input
from daydreaming_dagster.domain.cohort.planner import PlannedGeneration
from daydreaming_dagster.domain.cohort.planning import (
    CohortPlan,
    PlanRecord,
    make_plan,
    record_plan,
)
from daydreaming_dagster.domain.errors import CohortNotPlannedError
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.ports.language_model import ModelKey
from daydreaming_dagster.types import Stage


@attrs.frozen
class RecordedPlan:
    """A plan that was written down.

    Attributes:
        plan: The plan itself.
        record: The numbers of new and existing generations.
        changed: The inputs (templates, concepts, models) that changed since the last plan.
        stale: The reason for each stale answer, by stage and gen_id. Computed only if an input
            changed.
    """

    plan: CohortPlan
    record: PlanRecord
    changed: Sequence[Input]
    stale: Mapping[Stage, Mapping[str, str]]


def plan_cohort(
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    cohort_id: str,
    *,
    allow_missing: bool = False,
    keep: Callable[[PlannedGeneration], bool] = lambda _planned: True,
) -> RecordedPlan:
    """Plan a cohort and write it down: main metadata, membership, manifest.

    `allow_missing` is that of `make_plan`. Only generations that `keep` accepts become members; it
    must accept the parents of those that it accepts.

    Raises:
        CatalogError: Specification or catalogs are wrong. Nothing was written.
        PlanConflictError: A generation exists with different metadata. The generations before it in
            the plan were written.
    """
    catalog, spec = cohorts.read_catalog(), cohorts.read_spec(cohort_id)
    plan = make_plan(store, cohort_id, spec, catalog, allow_missing=allow_missing)
    chosen = _chosen_before(cohorts, cohort_id) if plan.duels else set()
    plan = attrs.evolve(
        plan,
        generations=tuple(
            planned
            for planned in plan.generations
            if keep(planned) and (planned.stage not in plan.duels or planned.gen_id in chosen)
        ),
    )
    previous = cohorts.read_manifest(cohort_id)
    changed = [] if previous is None else plan.manifest.changed_since(previous)
    record = record_plan(store, plan)
    members: dict[Stage, list[str]] = {stage: plan.gen_ids(stage) for stage in catalog.pipeline}
    cohorts.write_membership(cohort_id, members)
    # Written last: after an interruption, the next plan still compares with the old inputs.
    cohorts.write_manifest(cohort_id, plan.manifest)
    stale = look(store, cohorts, cohort_id, catalog).stale if changed else {}
    return RecordedPlan(plan, record, changed, stale)


def estimate_cohort(
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    cohort_id: str,
    *,
    allow_missing: bool = False,
    again: Collection[str] = (),
    catalog: Catalog | None = None,
    by_batch: Collection[ModelKey] = (),
) -> tuple[CohortPlan, PlanEstimate]:
    """Return the plan of a cohort and an estimate of the calls it still needs. Writes nothing.

    The generations in `again` are asked though they have an answer. `catalog` is read if it is not
    given. The models in `by_batch` have their prices by batch.

    Raises:
        CatalogError: Specification or catalogs are wrong.
    """
    catalog = cohorts.read_catalog() if catalog is None else catalog
    spec = cohorts.read_spec(cohort_id)
    plan = make_plan(store, cohort_id, spec, catalog, allow_missing=allow_missing)
    left = {stage: choice.calls for stage, choice in plan.duels.items()}
    expected: list[PlannedGeneration] = []
    for planned in plan.generations:  # any so many duels stand for those that will be chosen
        left[planned.stage] = left.get(planned.stage, len(plan.generations)) - 1
        if left[planned.stage] >= 0:
            expected.append(planned)
    plan = attrs.evolve(plan, generations=tuple(expected))
    return plan, estimate_generations(store, catalog, plan.generations, again, by_batch)


def _chosen_before(cohorts: CohortStore, cohort_id: str) -> set[str]:
    """Return the members of a cohort as they were planned, and chosen, before."""
    try:
        members = cohorts.read_membership(cohort_id)
    except CohortNotPlannedError:
        return set()
    return {gen_id for gen_ids in members.values() for gen_id in gen_ids}
