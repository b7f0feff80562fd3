"""Plans a cohort: estimates its calls, and writes down how each generation is made."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from math import ceil

import attrs

from daydreaming_dagster.application.cohort_status import look
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.estimate import PlanEstimate, estimate_generations
from daydreaming_dagster.domain.cohort.judgment_choice import calls_by_stage
from daydreaming_dagster.domain.cohort.manifest import Input
from daydreaming_dagster.domain.cohort.planner import PlannedGeneration, replicates_of
from daydreaming_dagster.domain.cohort.planning import (
    CohortPlan,
    PlanRecord,
    make_plan,
    record_plan,
)
from daydreaming_dagster.domain.cohort.spec import MOST_REPLICATES, CohortSpec
from daydreaming_dagster.domain.errors import CohortNotPlannedError
from daydreaming_dagster.domain.generation.records import MainRecord
from daydreaming_dagster.domain.generation.stored import if_there
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStore, GensStoreWithTemplates, read_ahead
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
    plan = _with_chosen(store, cohorts, plan, spec, catalog)
    plan = attrs.evolve(plan, generations=tuple(filter(keep, plan.generations)))
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
    plan = _with_chosen(store, cohorts, plan, spec, catalog, and_expected=True)
    return plan, estimate_generations(store, catalog, plan.generations, again, by_batch)


def _with_chosen(
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    plan: CohortPlan,
    spec: CohortSpec,
    catalog: Catalog,
    *,
    and_expected: bool = False,
) -> CohortPlan:
    """Return the plan with the duels and scores that were chosen by doubt before, and no other.

    With `and_expected`, as many others as may yet be chosen stand for those that will be.
    """
    try:
        before = cohorts.read_membership(plan.cohort_id)
    except CohortNotPlannedError:
        before = {}
    previous = cohorts.read_manifest(plan.cohort_id)
    more_scores = [] if previous is None else previous.more_scores
    calls = calls_by_stage(plan.duels, spec.scores) if and_expected else {}
    scoring = {*spec.scores, *more_scores} & {*catalog.pipeline.scoring}
    replicates: dict[Stage, int] = {}
    for stage in scoring:
        once = {*plan.gen_ids(stage)}
        added = [gen_id for gen_id in before.get(stage, ()) if gen_id not in once]
        rounds = ceil((calls.get(stage) or 0) / max(len(once), 1))
        each = replicates_of(spec, catalog, stage)
        asked = max(each, rounds * each, *_replicates(store, stage, added))
        replicates[stage] = min(asked, MOST_REPLICATES)
    every = plan
    if replicates:
        asking = attrs.evolve(spec, replicates={**spec.replicates, **replicates})
        every = make_plan(store, plan.cohort_id, asking, catalog, allow_missing=True)
    kept = {planned.gen_id for planned in plan.generations if planned.stage not in plan.duels}
    for stage in {*plan.duels, *scoring}:
        kept.update(before.get(stage, ()))
    for stage, most in calls.items():
        kept.update(_expected(every.gen_ids(stage), kept, most or 0))
    return attrs.evolve(
        plan,
        generations=tuple(planned for planned in every.generations if planned.gen_id in kept),
        manifest=attrs.evolve(plan.manifest, more_scores=more_scores),
    )


def _expected(gen_ids: Sequence[str], kept: Collection[str], most: int) -> Sequence[str]:
    """Return as many others of a stage's generations as make the kept ones up to `most`."""
    others = [gen_id for gen_id in gen_ids if gen_id not in kept]
    return others[: max(most + len(others) - len(gen_ids), 0)]


def _replicates(store: GensStore, stage: Stage, gen_ids: Sequence[str]) -> Iterator[int]:
    """Yield the replicate of each of these generations that is recorded."""
    for gen_id, view in read_ahead(store, stage, gen_ids, ["main_metadata"]):
        document = if_there(view.read_main_metadata, stage, gen_id)
        yield MainRecord.from_document(document or {}).replicate or 1
