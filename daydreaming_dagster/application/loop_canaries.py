"""Texts known to be good or bad, which the judges of a loop judge again in each round."""

from collections.abc import Mapping, Sequence
from statistics import fmean

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.planning import make_plan
from daydreaming_dagster.domain.cohort.spec import CohortSpec, axes_class
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.records import MainRecord
from daydreaming_dagster.domain.generation.state import read_state
from daydreaming_dagster.domain.loop.journal import Journal
from daydreaming_dagster.domain.loop.measures import CanaryScores
from daydreaming_dagster.domain.loop.spec import LoopSpec
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.types import Stage


@attrs.frozen
class CanaryPlan:
    """The cohort of a loop's canaries, and its judgments of this round.

    Attributes:
        cohort_id: The cohort, `<loop_id>-canaries`.
        spec: Its specification: with each round it has more replicates.
        judged: The judgments of this round, with the text of each.
    """

    cohort_id: str
    spec: CohortSpec
    judged: Mapping[GenerationRef, str]

    def members(self) -> dict[Stage, list[str]]:
        """Return the gen_ids of this round's judgments by stage."""
        found: dict[Stage, list[str]] = {}
        for stage, gen_id in self.judged:
            found.setdefault(stage, []).append(gen_id)
        return found


def plan_canaries(  # noqa: PLR0917  a loop, a round, and where everything is
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    catalog: Catalog,
    loop_id: str,
    spec: LoopSpec,
    journal: Journal,
) -> CanaryPlan | None:
    """Return how the canaries are judged in the round after those; None if there are none.

    The judges are those of the loop's texts. Writes nothing.

    Raises:
        CatalogError: A canary is not a stored text, or a cohort of the researcher has their id.
    """
    texts = [*spec.canaries.good, *spec.canaries.bad]
    if not texts:
        return None
    cohort_id = f"{loop_id}-canaries"
    if cohort_id in cohorts.list_cohorts() and not cohorts.read_spec(cohort_id).texts:
        problem = f"the cohort {cohort_id!r} exists already; rename it, or the loop"
        raise CatalogError(f"loop {loop_id}", (problem,))
    times = 1 + sum(end.measures.canaries is not None for end in journal.decided)
    pipeline, axes = catalog.pipeline, spec.cohort.axes
    each = {
        stage: spec.cohort.replicates.get(stage, catalog.replicates.get(stage, 1))
        for stage in pipeline.scoring
    }
    judges = {axis: axes.values(axis) for stage in each for axis in pipeline[stage].axes}
    of_cohort = CohortSpec(
        axes=axes_class(pipeline.axes)(**judges),
        texts=texts,
        replicates={stage: times * count for stage, count in each.items()},
        sampling={stage: spec.cohort.sampling[stage] for stage in each
                  if stage in spec.cohort.sampling},
    )  # fmt: skip
    plan = make_plan(store, cohort_id, of_cohort, catalog)
    judged = {
        GenerationRef(planned.stage, planned.gen_id): planned.parents[0].gen_id
        for planned in plan.generations
        if planned.stage in each
        and (MainRecord.from_document(planned.metadata).replicate or 1)
        > (times - 1) * each[planned.stage]
    }
    return CanaryPlan(cohort_id, of_cohort, judged)


def read_canaries(
    store: GensStoreWithTemplates,
    catalog: Catalog,
    spec: LoopSpec,
    plan: CanaryPlan,
    journal: Journal,
) -> CanaryScores:
    """Return what the judges gave the canaries in this round, and how far that moved."""
    given: dict[str, list[float]] = {}
    for (stage, gen_id), text_id in plan.judged.items():
        score = read_state(store, catalog.pipeline[stage], gen_id).score
        if score is not None:
            given.setdefault(text_id, []).append(score.normalised)
    good, bad = _mean(given, spec.canaries.good), _mean(given, spec.canaries.bad)
    before = [end.measures.canaries for end in journal.decided if end.measures.canaries]
    moved: list[float] = []
    if before:
        pairs = ((good, before[0].good), (bad, before[0].bad))
        moved = [abs(now - then) for now, then in pairs if now is not None and then is not None]
    return CanaryScores(good, bad, max(moved, default=None))


def _mean(given: Mapping[str, Sequence[float]], texts: Sequence[str]) -> float | None:
    """Return the mean of all scores of these texts, or None without any."""
    scores = [score for text_id in texts for score in given.get(text_id, ())]
    return fmean(scores) if scores else None
