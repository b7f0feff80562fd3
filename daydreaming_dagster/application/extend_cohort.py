"""Adds the duels and scores to a cohort that its answers leave most in doubt."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.judgment_choice import (
    STOP_RULE_EXPECTED,
    DuelChoice,
    ScoreChoice,
    calls_by_stage,
    settled_places,
)
from daydreaming_dagster.domain.cohort.planner import PlannedGeneration
from daydreaming_dagster.domain.cohort.planning import CohortPlan, make_plan, record_plan
from daydreaming_dagster.domain.cohort.progress import StageStatus
from daydreaming_dagster.domain.cohort.spec import CohortSpec
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.metadata import resolve_generation_metadata
from daydreaming_dagster.domain.results.evaluations import Evaluation, read_evaluations
from daydreaming_dagster.domain.results.ranking import judgment_of, shares_by_text
from daydreaming_dagster.domain.results.verdicts import read_verdicts
from daydreaming_dagster.domain.stages import GenerationRef, Pipeline
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.types import Stage

if TYPE_CHECKING:  # numpy is slow to import
    from daydreaming_dagster.domain.results.next_scores import GivenScores

Members = Mapping[Stage, list[str]]


@attrs.frozen
class Choices:
    """What of a cohort is chosen by doubt, by stage."""

    duels: Mapping[Stage, DuelChoice] = attrs.field(factory=dict)
    scores: Mapping[Stage, ScoreChoice] = attrs.field(factory=dict)

    def are_left(self, members: Members) -> bool:
        """Return whether any more may be chosen, as far as their number tells."""
        return any(
            calls is None or len(members.get(stage, ())) < calls
            for stage, calls in calls_by_stage(self.duels, self.scores).items()
        )


def read_choices(
    cohorts: CohortStore, cohort_id: str, pipeline: Pipeline, until: str | None, *, limited: bool
) -> Choices:
    """Return what of a cohort is chosen by doubt, as its specification says.

    `until` is a stop rule that takes the place of those in the specification. If that chooses
    nothing by doubt, the rule asks more scores. `limited` says that something limits their number.

    Raises:
        CatalogError: The specification cannot be read, or `until` is not a stop rule, or it has
            nothing to stop, or it may never hold and nothing else ends the run.
    """
    if until is not None and not settled_places(until):
        raise CatalogError("the stop rule", (f"{STOP_RULE_EXPECTED}, found {until!r}",))
    # An imported cohort may have no specification.
    spec = cohorts.read_spec(cohort_id) if cohort_id in cohorts.list_cohorts() else None
    duels, scores = ({}, {}) if spec is None else (spec.duels, spec.scores)
    if until is None or spec is None:
        if until is not None:
            problem = f"{until!r} asks nothing more: there is no specification to plan it by"
            raise CatalogError(f"cohort {cohort_id}", (problem,))
        return Choices(duels, scores)
    if not (duels or scores):
        scores = {_scoring_stage(spec, cohort_id, pipeline, until): ScoreChoice()}
        if not limited:
            problem = f"{until!r} may never hold; limit the calls or the cost of the run, too"
            raise CatalogError("the stop rule", (problem,))
    return Choices(
        {stage: attrs.evolve(choice, until=until) for stage, choice in duels.items()},
        {stage: attrs.evolve(choice, until=until) for stage, choice in scores.items()},
    )


def _scoring_stage(spec: CohortSpec, cohort_id: str, pipeline: Pipeline, until: str) -> Stage:
    """Return the only stage of a cohort that scores."""
    stages = [stage for stage in pipeline.scoring if spec.uses(pipeline[stage])]
    if not stages:
        reason = "no stage scores, and no duels are chosen by doubt; add `duels`, and plan again"
    elif len(stages) > 1:
        reason = f"{' and '.join(stages)} score; say in `scores` which is to ask more"
    elif pipeline[stages[0]].only_parent is None:
        reason = f"{stages[0]} scores texts together with others, and can ask no more of one"
    else:
        return stages[0]
    raise CatalogError(
        f"the specification of cohort {cohort_id}", (f"{until!r} stops nothing: {reason}",)
    )


def extend_cohort(
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    cohort_id: str,
    catalog: Catalog,
    states: Mapping[Stage, StageStatus],
    *,
    choices: Choices,
) -> int:
    """Choose the next duels and scores of a cohort, make them members, and return their number.

    None are chosen while an answer is missing that could be made: what is chosen depends on all of
    them. The choice is recorded before anything is asked, so that a killed run goes on with it.

    Raises:
        CatalogError: The specification was edited after the cohort was planned, or the texts of a
            stop rule do not have the same judges.
        DataLayerError: Metadata of a generation is missing or malformed.
    """
    members = cohorts.read_membership(cohort_id)
    if not choices.are_left(members) or _could_be_made(store, states):
        return 0
    spec, manifest = cohorts.read_spec(cohort_id), cohorts.read_manifest(cohort_id)
    if manifest is not None and not manifest.is_of(spec, catalog):
        problem = "it was edited after it was planned; plan the cohort again"
        raise CatalogError(f"the specification of cohort {cohort_id}", (problem,))
    pipeline = catalog.pipeline
    evaluations = list(read_evaluations(store, pipeline, members))
    texts = _usable(members, states, pipeline.scored)
    usable = [row for row in evaluations if row.judged in texts]
    given = _given_scores(usable, spec, pipeline, choices)
    replicates = {stage: of_stage.most_replicates for stage, of_stage in given.items()}
    asking = attrs.evolve(spec, replicates={**spec.replicates, **replicates})
    plan = make_plan(store, cohort_id, asking, catalog, allow_missing=True)
    compared = _usable(members, states, pipeline.compared)
    chosen = _choose_duels(store, pipeline, plan, choices, members, compared, evaluations)
    for stage, of_stage in given.items():
        more = _choose_scores(plan, stage, of_stage, choices.scores[stage], members)
        if more and manifest is not None and stage not in manifest.more_scores:
            stages = [*manifest.more_scores, stage]
            manifest = attrs.evolve(manifest, more_scores=stages)
            cohorts.write_manifest(cohort_id, manifest)
        chosen += more
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


def _usable(
    members: Members, states: Mapping[Stage, StageStatus], stages: Collection[Stage]
) -> set[GenerationRef]:
    """Return the texts of stages that can be judged."""
    return {
        GenerationRef(stage, gen_id)
        for stage in stages
        for gen_id in {*members[stage]} - {*states[stage].todo}
    }


def _given_scores(
    evaluations: Sequence[Evaluation], spec: CohortSpec, pipeline: Pipeline, choices: Choices
) -> "dict[Stage, GivenScores]":
    if not choices.scores:
        return {}
    from daydreaming_dagster.domain.results.next_scores import given_scores  # numpy is slow

    return {stage: given_scores(evaluations, spec, pipeline[stage]) for stage in choices.scores}


def _choose_duels(  # noqa: PLR0917  a plan, and what is known of its texts
    store: GensStoreWithTemplates,
    pipeline: Pipeline,
    plan: CohortPlan,
    choices: Choices,
    members: Members,
    known: set[GenerationRef],
    evaluations: Sequence[Evaluation],
) -> list[PlannedGeneration]:
    found: list[PlannedGeneration] = []
    if not choices.duels:
        return found
    from daydreaming_dagster.domain.results.next_duels import choose_duels  # numpy is slow

    scores = shares_by_text(map(judgment_of, evaluations))
    duels = list(read_verdicts(store, pipeline, members))
    for stage, choice in choices.duels.items():
        candidates = [
            planned for planned in plan.of_stage(stage) if known.issuperset(planned.parents[:2])
        ]
        of_stage = [duel for duel in duels if duel.stage == stage]
        found += choose_duels(candidates, members[stage], of_stage, scores, choice)
    return found


def _choose_scores(
    plan: CohortPlan, stage: Stage, given: "GivenScores", choice: ScoreChoice, members: Members
) -> list[PlannedGeneration]:
    from daydreaming_dagster.domain.results.next_scores import choose_scores

    return choose_scores(plan.of_stage(stage), given, members[stage], choice)
