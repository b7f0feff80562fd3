"""Planning a cohort: what it would ask, and writing down how each generation is made."""

from pathlib import Path

import attrs

from adapters.cohort_store.catalog_files import read_catalog
from adapters.cohort_store.cohort_files import (
    read_cohort_spec,
    read_manifest,
    read_membership,
    write_manifest,
    write_membership,
)
from adapters.gens_store.filesystem import FilesystemGensStore
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.estimate import PlanEstimate, estimate_generations
from daydreaming_dagster.domain.cohort.manifest import Staleness, staleness
from daydreaming_dagster.domain.cohort.planning import (
    CohortPlan,
    PlanRecord,
    plan_cohort,
    record_plan,
)


@attrs.frozen
class RecordedPlan:
    """A plan that was written down; `stale` is None where there was none before."""

    plan: CohortPlan
    record: PlanRecord
    stale: Staleness | None


def record_cohort(data_root: Path, cohort_id: str) -> RecordedPlan:
    """Plan a cohort and write it down: metadata, membership, manifest.

    Raises:
        CatalogError: Specification or catalogs are wrong. Nothing was written.
        PlanConflictError: As `record_plan` says.
    """
    paths = Paths(data_root)
    store, _, plan = _plan(data_root, cohort_id)
    previous = read_manifest(paths, cohort_id)
    stale = None
    if previous is not None and paths.cohort_membership_csv(cohort_id).exists():
        members = read_membership(paths, cohort_id)
        before = {gen_id for gen_ids in members.values() for gen_id in gen_ids}
        metadata = (planned.metadata for planned in plan.generations)
        stale = staleness(previous, plan.manifest, metadata, before)
    record = record_plan(store, plan)
    write_membership(paths, plan)
    write_manifest(paths, plan)
    return RecordedPlan(plan, record, stale)


def estimate_cohort(data_root: Path, cohort_id: str) -> tuple[CohortPlan, PlanEstimate]:
    """Return the plan of a cohort and what it still asks of the models. Writes nothing.

    Raises:
        CatalogError: Specification or catalogs are wrong.
    """
    store, catalog, plan = _plan(data_root, cohort_id)
    return plan, estimate_generations(store, catalog, plan.generations)


def _plan(data_root: Path, cohort_id: str) -> tuple[FilesystemGensStore, Catalog, CohortPlan]:
    paths = Paths(data_root)
    store = FilesystemGensStore(data_root)
    catalog = read_catalog(paths)
    spec = read_cohort_spec(paths, cohort_id)
    return store, catalog, plan_cohort(store, cohort_id, spec, catalog)
