"""What the next round of a loop is expected to ask and to cost."""

import random
from itertools import islice

from daydreaming_dagster.application.dream_loop import check_loop
from daydreaming_dagster.domain.cohort.estimate import PlanEstimate, estimate_generations
from daydreaming_dagster.domain.cohort.planning import make_plan
from daydreaming_dagster.domain.loop.journal import ChoosePairs, Stop, next_step
from daydreaming_dagster.domain.loop.pairs import random_pairs
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.ports.loop_store import LoopStore


def estimate_round(
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    loops: LoopStore,
    loop_id: str,
    *,
    allow_missing: bool = False,
) -> PlanEstimate | Stop:
    """Return what the next round asks at most, or why there is none. Writes nothing.

    The pairs of a round that has not begun are drawn at random: what they cost hardly depends on
    which they are. No text counts as held back.

    Raises:
        CatalogError: The specification, the catalogs or the journal are wrong. Lists all problems.
    """
    journal, catalog = loops.read_journal(loop_id), cohorts.read_catalog()
    spec = loops.read_spec(loop_id).with_planned_ids(catalog.planned_ids())
    check_loop(loop_id, spec, catalog, loops, journal)
    step = next_step(spec.stop, journal)
    if isinstance(step, Stop):
        return step
    if isinstance(step, ChoosePairs):
        seeds = spec.concepts or [
            concept.concept_id for concept in catalog.concepts.values() if not concept.accepted
        ]
        tried = {trial.pair for trial in journal.trials()}
        rng = random.Random(spec.seed)  # noqa: S311  nothing here is secret
        drawn = random_pairs([*seeds, *journal.accepted()], tried, rng)
        pairs = list(islice(drawn, spec.pairs))
    else:
        pairs = [choice.pair for choice in step.round.chosen.choices]
    plan = make_plan(store, loop_id, spec.cohort_of(pairs), catalog, allow_missing=allow_missing)
    return estimate_generations(store, catalog, plan.generations)
