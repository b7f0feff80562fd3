"""Asks the judges of a cohort about canaries: copies of its texts that order the best score."""

from collections.abc import Sequence
from typing import Final

from daydreaming_dagster.application.model_checks import check_models, check_prices
from daydreaming_dagster.application.run_cohort import RunOptions
from daydreaming_dagster.application.run_generations import run_generations
from daydreaming_dagster.application.run_listener import RunListener, RunPlan
from daydreaming_dagster.application.several_cohorts import gather_cohorts
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.estimate import estimate_generations
from daydreaming_dagster.domain.cohort.index import CohortIndex
from daydreaming_dagster.domain.cohort.planner import PlannedGeneration, PlannedOrigin
from daydreaming_dagster.domain.cohort.progress import generations_to_make
from daydreaming_dagster.domain.cohort.staleness import look_at_cohort
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.errors import CatalogError, ResponseParseError
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.generation.runner import GenerationRunner
from daydreaming_dagster.domain.people.canaries import Canary, make_canary, write_canary
from daydreaming_dagster.domain.results.evaluations import Evaluation
from daydreaming_dagster.domain.results.ranking import judgment_of
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.ports.language_model import LanguageModel
from daydreaming_dagster.types import Stage

MOST_CALLS: Final = 100
"""How many calls the canaries of a cohort may need."""


def judge_canaries(  # noqa: PLR0917  a cohort, where it is, and what to spend on it
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    model: LanguageModel,
    cohort_id: str,
    count: int,
    options: RunOptions,
    *,
    token: CancellationToken,
    listener: RunListener,
    catalog: Catalog,
) -> int:
    """Ask each judge of a cohort about `count` canaries; return how many have no answer yet.

    Each judge has scored the texts that are copied. Which ones they are depends on their gen_ids
    alone, so a further call with a greater `count` asks only about the rest. Of `options`, the
    limits of calls and cost count. Canaries are not members of the cohort.

    Raises:
        CohortNotPlannedError: The cohort was not planned yet.
        CatalogError: Too many calls would be needed, there are too few texts, a model has no price
            and the cost is limited, or one cannot be called as it is set up. No model was asked,
            and nothing was written.
        CohortBusyError: Another run holds the cohort.
        DataLayerError: What is stored of a text is missing or malformed.
    """
    cohorts.read_membership(cohort_id)  # to hold a cohort that does not exist would create it
    with cohorts.hold(cohort_id):
        evaluations = gather_cohorts(store, cohorts, (cohort_id,), catalog).evaluations
        rows = _choose(evaluations, catalog, cohort_id, count)
        canaries = [make_canary(store, catalog, row) for row in rows]
        plan = _plan(store, catalog, cohort_id, canaries)
        if options.limits_cost:
            check_prices(plan.estimate.unpriced)
        check_models(model, plan.estimate.called)
        listener.begin(plan)
        for canary in canaries:
            write_canary(store, canary)
        calls = MOST_CALLS if options.max_calls is None else min(options.max_calls, MOST_CALLS)
        budget = Budget.of(catalog.models.values(), calls, options.max_cost)
        runner = GenerationRunner(
            store, model, catalog, replace_stale=True, stop=token, budget=budget
        )
        outcome = run_generations(runner, plan.todo, listener)
    unanswered = [made for made in outcome.failed if not isinstance(made.error, ResponseParseError)]
    return outcome.left + len(unanswered)


def _choose(
    evaluations: Sequence[Evaluation], catalog: Catalog, cohort_id: str, count: int
) -> list[Evaluation]:
    """Return one evaluation of each chosen text by each judge that can be asked."""
    scored: dict[str, dict[GenerationRef, Evaluation]] = {}
    for row in evaluations:
        known = (row.stage, row.evaluation.template) in catalog.templates
        counts = row.outcome.score is not None and not row.stale and not row.outcome.by_hand
        if known and counts and row.evaluation.llm in catalog.models:
            scored.setdefault(judgment_of(row).judge, {}).setdefault(row.judged, row)
    if not scored:
        raise CatalogError(f"cohort {cohort_id}", ("no judge has scored a text yet; run it first",))
    needed = count * len(scored)
    if needed > MOST_CALLS:
        most = MOST_CALLS // len(scored)
        problem = (
            f"{counted(count, 'canary')} for {counted(len(scored), 'judge')} need"
            f" {needed} calls, and at most {MOST_CALLS} are made; ask for at most {most}"
        )
        raise CatalogError("the canaries", (problem,))
    common = set.intersection(*(set(rows) for rows in scored.values()))
    if len(common) < count:
        problem = f"only {counted(len(common), 'text')} of {cohort_id} have a score of every judge"
        raise CatalogError("the canaries", (f"{problem}, and {count} are needed",))
    chosen = sorted(common, key=lambda ref: sha256(str(ref)))[:count]  # whatever they were given
    return [rows[ref] for rows in scored.values() for ref in chosen]


def _plan(
    store: GensStoreWithTemplates, catalog: Catalog, cohort_id: str, canaries: Sequence[Canary]
) -> RunPlan:
    members: dict[Stage, list[str]] = {stage: [] for stage in catalog.pipeline}
    for canary in canaries:
        members[canary.evaluation.stage].append(canary.evaluation.gen_id)
    state = look_at_cohort(store, catalog, members, CohortIndex())
    todo = generations_to_make(members, state.stages, state.stale)
    planned = [
        # The text that was copied is as long as the copy, which may not be there yet.
        PlannedGeneration(
            *canary.evaluation, canary.metadata, PlannedOrigin(parents=(canary.judged,))
        )
        for canary in canaries
        if canary.evaluation.gen_id in todo[canary.evaluation.stage]
    ]
    again = {gen_id for stale in state.stale.values() for gen_id in stale}
    estimate = estimate_generations(store, catalog, planned, again)
    return RunPlan(cohort_id, members, todo, estimate, left_stale=0)
