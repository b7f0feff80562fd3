"""Adds the duels to a cohort that its answers leave most in doubt."""

from collections.abc import Mapping

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.duel_choice import settled_places
from daydreaming_dagster.domain.cohort.planner import PlannedGeneration
from daydreaming_dagster.domain.cohort.planning import CohortPlan, make_plan, record_plan
from daydreaming_dagster.domain.cohort.progress import StageStatus
from daydreaming_dagster.domain.cohort.spec import CohortSpec
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.metadata import resolve_generation_metadata
from daydreaming_dagster.domain.results.evaluations import read_evaluations
from daydreaming_dagster.domain.results.ranking import judgment_of, shares_by_text
from daydreaming_dagster.domain.results.verdicts import read_verdicts
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.types import Stage


def extend_duels(
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    cohort_id: str,
    catalog: Catalog,
    states: Mapping[Stage, StageStatus],
    *,
    until: str | None = None,
) -> int:
    """Choose the next duels of a cohort, make them members, and return how many there are.

    None are chosen while an answer is missing that could be made: what is chosen depends on all of
    them. The choice is recorded before anything is asked, so that a killed run goes on with it.
    `until` is a stop rule that takes the place of those in the specification.

    Raises:
        CatalogError: The specification was edited after the cohort was planned, or `until` is not a
            stop rule, or no duels are chosen by doubt that it could stop.
        DataLayerError: Metadata of a generation is missing or malformed.
    """
    if until is not None and not settled_places(until):
        raise CatalogError("the stop rule", (f"expected such as 'top 3 settled', found {until!r}",))
    has_spec = cohort_id in cohorts.list_cohorts()
    spec = cohorts.read_spec(cohort_id) if has_spec else CohortSpec()
    if until is not None and not spec.duels:
        problem = f"{until!r} stops no duels: none are chosen by doubt; add `duels`, and plan again"
        raise CatalogError(f"the specification of cohort {cohort_id}", (problem,))
    if not catalog.pipeline.comparing or not has_spec:
        return 0
    members = cohorts.read_membership(cohort_id)
    if _could_be_made(store, states) or all(
        len(members[stage]) >= choice.calls for stage, choice in spec.duels.items()
    ):
        return 0
    choices = {
        stage: choice if until is None else attrs.evolve(choice, until=until)
        for stage, choice in spec.duels.items()
    }
    plan = make_plan(store, cohort_id, spec, catalog, allow_missing=True)
    manifest = cohorts.read_manifest(cohort_id)
    if manifest is not None and manifest.spec != plan.manifest.spec:
        problem = "it was edited after it was planned; plan the cohort again"
        raise CatalogError(f"the specification of cohort {cohort_id}", (problem,))
    plan = attrs.evolve(plan, duels=choices)
    chosen = _choose(store, catalog, plan, members, states)
    record_plan(store, attrs.evolve(plan, generations=tuple(chosen)))
    for planned in chosen:
        members[planned.stage].append(planned.gen_id)
    cohorts.write_membership(cohort_id, members)
    return len(chosen)


def _could_be_made(store: GensStoreWithTemplates, states: Mapping[Stage, StageStatus]) -> bool:
    """Return whether an answer is missing that does not wait for a text that cannot be used."""
    unusable = {
        GenerationRef(stage, gen_id)
        for stage, status in states.items()
        for gen_id in status.unparsed
    }
    for stage, status in states.items():
        for gen_id in status.missing:
            ref = GenerationRef(stage, gen_id)
            parents = {parent.ref for parent in resolve_generation_metadata(store, *ref).parents}
            if not parents & unusable:
                return True
            unusable.add(ref)
    return False


def _choose(
    store: GensStoreWithTemplates,
    catalog: Catalog,
    plan: CohortPlan,
    members: Mapping[Stage, list[str]],
    states: Mapping[Stage, StageStatus],
) -> list[PlannedGeneration]:
    from daydreaming_dagster.domain.results.next_duels import choose_duels  # numpy is slow

    pipeline = catalog.pipeline
    scores = shares_by_text(map(judgment_of, read_evaluations(store, pipeline, members)))
    duels = list(read_verdicts(store, pipeline, members))
    known = {
        (stage, gen_id)
        for stage in pipeline.compared
        for gen_id in {*members[stage]} - {*states[stage].todo}
    }
    found: list[PlannedGeneration] = []
    for stage, choice in plan.duels.items():
        candidates = [
            planned
            for planned in plan.generations
            if planned.stage == stage and known.issuperset(planned.parents[:2])
        ]
        of_stage = [duel for duel in duels if duel.stage == stage]
        found += choose_duels(candidates, members[stage], of_stage, scores, choice)
    return found


def duels_to_come(cohorts: CohortStore, cohort_id: str) -> int:
    """Return how many duels are still to be chosen.

    Raises:
        CatalogError: The specification cannot be read.
    """
    if cohort_id not in cohorts.list_cohorts():  # it was imported without a specification
        return 0
    spec, members = cohorts.read_spec(cohort_id), cohorts.read_membership(cohort_id)
    return sum(
        max(choice.calls - len(members.get(stage, ())), 0) for stage, choice in spec.duels.items()
    )
