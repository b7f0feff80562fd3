"""Running a cohort: everything that it lacks is made, within a budget."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Final, Self

import attrs

from daydreaming_dagster.application.batch_lane import Batches
from daydreaming_dagster.application.cohort_status import look_and_keep
from daydreaming_dagster.application.extend_cohort import Choices, extend_cohort, read_choices
from daydreaming_dagster.application.model_checks import check_models, check_prices
from daydreaming_dagster.application.run_generations import run_generations
from daydreaming_dagster.application.run_listener import RunListener, RunPlan
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.estimate import estimate_generations, planned_generations
from daydreaming_dagster.domain.cohort.progress import generations_to_make
from daydreaming_dagster.domain.cohort.spending import spent_before
from daydreaming_dagster.domain.cohort.staleness import CohortState
from daydreaming_dagster.domain.errors import CatalogError, ResponseParseError
from daydreaming_dagster.domain.generation.answers import parse_stored_answer
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.generation.generated import Outcome
from daydreaming_dagster.domain.generation.runner import GenerationRunner
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.errors import ArtifactError
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates, threads_for
from daydreaming_dagster.ports.language_model import LanguageModel, ModelKey
from daydreaming_dagster.types import Stage

_WORTH_A_LOOK: Final = 1_000
"""Generations that a run made; the next look at fewer takes a third of a second."""


@attrs.frozen
class RunOptions:
    """What a run makes beside what is missing, and what it may spend.

    Attributes:
        stale: Whether stale answers are replaced; they are kept beside the new ones.
        force: gen_ids whose model is asked again in any case.
        max_calls: How many model calls the run may make; None means no limit.
        max_cost: What they may cost, in USD; None means no limit.
        max_cost_total: What they and all stored answers of the cohort may cost, in USD; None means
            no limit.
        batch: Whether models whose endpoint has batches are asked by batch.
        cancel_batches: Whether to cancel the cohort's batches, take what was answered, and ask
            nothing.
        until: A stop rule, such as `top 3 settled`, for duels and scores that are chosen by doubt.
            If the specification chooses none, more scores are asked until it holds.
    """

    stale: bool = False
    force: Collection[str] = ()
    max_calls: int | None = None
    max_cost: float | None = None
    max_cost_total: float | None = None
    batch: bool = False
    cancel_batches: bool = False
    until: str | None = None

    @property
    def limits(self) -> bool:
        """Whether anything that the run may spend has a limit."""
        return self.max_calls is not None or self.limits_cost

    @property
    def limits_cost(self) -> bool:
        """Whether the cost has a limit."""
        return self.max_cost is not None or self.max_cost_total is not None


@attrs.frozen
class CohortRun:
    """What a run came to.

    Attributes:
        plan: What it was about to do, with the duels and scores that it chose. The estimate is
            that of its last set.
        outcome: How many generations were made, which failed, how many were left.
        budget: What was spent.
        stopped: Why the run ended early, None where it did not.
    """

    plan: RunPlan
    outcome: Outcome
    budget: Budget
    stopped: str | None

    @property
    def complete(self) -> bool:
        """Whether all that the run had to make was made."""
        return not self.outcome.failed and not self.outcome.left

    def after(self, earlier: Self) -> Self:
        """Return what both sets of a run came to. What failed in the earlier one was tried again.

        `budget` is the same one.
        """
        before = earlier.plan
        todo = {
            stage: list(dict.fromkeys((*before.todo[stage], *gen_ids)))
            for stage, gen_ids in self.plan.todo.items()
        }
        again = before.parsed_again + self.plan.parsed_again
        return attrs.evolve(
            self,
            plan=attrs.evolve(self.plan, todo=todo, parsed_again=again),
            outcome=attrs.evolve(self.outcome, made=earlier.outcome.made + self.outcome.made),
        )


@attrs.frozen
class RestOfRun:
    """What workers have left of a run: no judgments are added, and its limits were checked before.

    Attributes:
        budget: What may be spent, in the place of the limits in the options.
        without: What failed. It is left as it is, with its descendants.
    """

    budget: Budget
    without: Collection[GenerationRef]


CohortRunner = Callable[..., CohortRun]
"""`run_cohort`, or what is called like it."""


def run_cohort(
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    model: LanguageModel,
    cohort_id: str,
    options: RunOptions,
    *,
    token: CancellationToken,
    listener: RunListener,
    catalog: Catalog | None = None,
    batches: Batches | None = None,
    rest: RestOfRun | None = None,
) -> CohortRun:
    """Make what a cohort lacks, all stages at once, and return what came of it.

    Where duels or scores are chosen by doubt, a set of them is chosen whenever nothing else is
    missing, and made, until all are made or the stop rule holds. `listener.begin` is called for
    each set, and `options` limit them all together. Each answer is stored before anything is said
    of it. `token` ends the run early: what was sent is kept. `catalog` takes the place of the one
    that `cohorts` has. Without `batches`, nothing is asked by batch. `rest` says that this is the
    end of a run that several workers have made.

    Raises:
        DaydreamingError: See `prepare_run`. No model was asked, unless it is about a later set,
            such as the set-up of the judge of duels.
        CohortBusyError: Another run holds the cohort.
    """
    catalog = cohorts.read_catalog() if catalog is None else catalog
    with cohorts.hold(cohort_id):
        prepared = prepare_run(
            store, cohorts, model, cohort_id, options, catalog, batches, is_rest=rest is not None
        )
        budget = (
            rest.budget
            if rest is not None
            else Budget.of(
                catalog.models.values(),
                options.max_calls,
                options.max_cost,
                max_cost_total=options.max_cost_total,
                spent_before=prepared.spent_before,
            )
        )
        without = () if rest is None else rest.without
        tools = _Tools(store, model, catalog, batches, budget, without, token, listener)
        run = _run_set(tools, cohort_id, prepared)
        adds_judgments = rest is None and not options.cancel_batches
        further = attrs.evolve(options, force=())  # that is done
        while (
            adds_judgments
            and run.stopped is None
            and not run.plan.changes_nothing
            and _choose_more(store, cohorts, cohort_id, catalog, options)
        ):
            prepared = prepare_run(store, cohorts, model, cohort_id, further, catalog, batches)
            run = _run_set(tools, cohort_id, prepared).after(run)
        if run.outcome.made >= _WORTH_A_LOOK:
            look_and_keep(store, cohorts, cohort_id, catalog)
    return run


def _choose_more(
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    cohort_id: str,
    catalog: Catalog,
    options: RunOptions,
) -> int:
    """Choose the next set of judgments of a cohort, and return how many they are."""
    choices = _choices(cohorts, cohort_id, catalog, options)
    if not choices.are_left(cohorts.read_membership(cohort_id)):
        return 0
    states = look_and_keep(store, cohorts, cohort_id, catalog).stages
    return extend_cohort(store, cohorts, cohort_id, catalog, states, choices=choices)


def _choices(
    cohorts: CohortStore, cohort_id: str, catalog: Catalog, options: RunOptions
) -> Choices:
    return read_choices(cohorts, cohort_id, catalog.pipeline, options.until, limited=options.limits)


@attrs.frozen
class _Tools:
    """What all sets of a run have in common."""

    store: GensStoreWithTemplates
    model: LanguageModel
    catalog: Catalog
    batches: Batches | None
    budget: Budget
    without: Collection[GenerationRef]
    token: CancellationToken
    listener: RunListener


def _run_set(tools: _Tools, cohort_id: str, prepared: "PreparedRun") -> CohortRun:
    """Make what was prepared."""
    plan, options = prepared.plan, prepared.options
    tools.listener.begin(plan)
    lane = (
        None
        if tools.batches is None
        else tools.batches.lane(
            tools.store,
            cohort_id,
            prepared.by_batch,
            budget=tools.budget,
            stop=tools.token,
            cancelling=options.cancel_batches,
        )
    )
    runner = GenerationRunner(
        tools.store,
        tools.model,
        tools.catalog,
        replace_stale=options.stale,
        force={
            (stage, gen_id)
            for stage, gen_ids in plan.todo.items()
            for gen_id in gen_ids
            if gen_id in options.force
        },
        without=tools.without,
        stop=tools.token,
        budget=tools.budget,
        lane=lane,
    )
    outcome = run_generations(runner, plan.todo, tools.listener)
    waits = None if lane is None else lane.waiting
    return CohortRun(plan, outcome, tools.budget, tools.token.reason or waits)


@attrs.frozen
class PreparedRun:
    """What is known of a run before the first call of a model.

    Attributes:
        plan: What the run is about to do.
        options: What it was asked to do, and to take from batches.
        by_batch: The models that it asks by batch.
        spent_before: What the cohort has cost so far in USD; 0 if its total is not limited.
    """

    plan: RunPlan
    options: RunOptions
    by_batch: set[ModelKey]
    spent_before: float


def prepare_run(  # noqa: PLR0917  a cohort, where it is, and what to make of it
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    model: LanguageModel,
    cohort_id: str,
    options: RunOptions,
    catalog: Catalog,
    batches: Batches | None,
    *,
    is_rest: bool = False,
) -> PreparedRun:
    """Parse what is read otherwise today, choose the next judgments, return what is left to make.

    The caller holds the cohort. `is_rest` says that there is a `RestOfRun`.

    Raises:
        CohortNotPlannedError: The cohort was not planned yet.
        CatalogError: The catalogs are wrong, a gen_id in `force` is not in the cohort, a model has
            no price and the cost is limited, the total cost is limited and what was spent is not
            known, a model cannot be called as its endpoint is set up, or batches are wanted and
            not possible.
    """
    members = cohorts.read_membership(cohort_id)
    if batches is None and (options.batch or options.cancel_batches):
        raise CatalogError("the data root", ("it cannot keep records of batches; use a folder",))
    asks_more = not (is_rest or options.cancel_batches)
    choices = _choices(cohorts, cohort_id, catalog, options) if asks_more else Choices()
    if is_rest:
        options = attrs.evolve(options, max_calls=None, max_cost=None, max_cost_total=None)
    state = look_and_keep(store, cohorts, cohort_id, catalog)
    # What is chosen depends on what a kill left unparsed, too.
    parsed_again = _parse_again(store, catalog, state, every=choices.are_left(members))
    if parsed_again:  # whose children may have another prompt now
        state = look_and_keep(store, cohorts, cohort_id, catalog)
    # Those that another cohort has asked need no call: more are chosen until one does.
    while extend_cohort(store, cohorts, cohort_id, catalog, state.stages, choices=choices):
        members = cohorts.read_membership(cohort_id)
        state = look_and_keep(store, cohorts, cohort_id, catalog)
    by_batch = _models_by_batch(batches, catalog, options)
    awaited: Mapping[Stage, Sequence[str]] = {}
    if batches is not None and by_batch:
        awaited = batches.only_waiting(store, cohort_id, members)
    # What an earlier run was to replace is replaced, since it is paid for.
    options = attrs.evolve(options, force={*options.force, *chain(*awaited.values())})
    plan = attrs.evolve(
        _plan(store, catalog, cohort_id, members, state, options, by_batch=by_batch),
        parsed_again=parsed_again,
    )
    if options.cancel_batches:
        plan = attrs.evolve(plan, todo={**dict.fromkeys(members, ()), **awaited})
    check_models(model, plan.estimate.called)
    before = 0.0
    if options.max_cost_total is not None:
        before = spent_before(store, catalog, members)
        before += 0.0 if batches is None else batches.unused_cost(cohort_id)
    return PreparedRun(plan, options, by_batch, before)


def _models_by_batch(
    batches: Batches | None, catalog: Catalog, options: RunOptions
) -> set[ModelKey]:
    if batches is None:
        return set()
    if options.cancel_batches:
        return batches.all_models(catalog)
    return batches.models(catalog, wanted=options.batch)


def _parse_again(
    store: GensStoreWithTemplates, catalog: Catalog, state: CohortState, *, every: bool
) -> int:
    """Parse the answers that are read otherwise today, or every unparsed one; return how many were.

    Before the run is planned: it is free, and what the children are asked depends on it. An answer
    that is refused now fails its generation when the run comes to it.
    """

    def parse(stage: Stage, gen_id: str) -> bool:
        with suppress(ArtifactError, CatalogError, ResponseParseError):
            return parse_stored_answer(store, catalog, stage, gen_id)
        return False

    changed = 0
    with ThreadPoolExecutor(threads_for(store, 1)) as pool:
        for stage, outdated in state.outdated.items():
            gen_ids = state.stages[stage].unparsed if every else outdated
            changed += sum(pool.map(partial(parse, stage), gen_ids))
    return changed


def _plan(  # noqa: PLR0917  a cohort, what it is planned from, what was asked for
    store: GensStoreWithTemplates,
    catalog: Catalog,
    cohort_id: str,
    members: Mapping[Stage, Sequence[str]],
    state: CohortState,
    options: RunOptions,
    *,
    by_batch: set[ModelKey],
) -> RunPlan:
    stale = state.stale if options.stale else {}
    todo = generations_to_make(members, state.stages, stale, options.force)
    unanswered = [status.missing for status in state.stages.values()]
    asked = {*options.force, *chain(*unanswered, *stale.values())}
    planned = planned_generations(store, todo)
    estimate = estimate_generations(store, catalog, planned, asked, by_batch)
    if options.limits_cost:
        check_prices(estimate.unpriced)
    left_stale = 0 if options.stale else sum(map(len, state.stale.values()))
    return RunPlan(cohort_id, members, todo, estimate, left_stale)
