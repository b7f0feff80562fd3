"""What the next round of a loop is expected to ask and to cost."""

import random
from contextlib import suppress
from itertools import islice
from typing import Final

import attrs

from daydreaming_dagster.application.loop_check import check_loop
from daydreaming_dagster.application.loop_plan import cohort_of_round, plan_round
from daydreaming_dagster.domain.cohort.estimate import (
    PlanEstimate,
    StageEstimate,
    estimate_generations,
)
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.generation.tokens import CHARACTERS_PER_TOKEN
from daydreaming_dagster.domain.loop.journal import ChoosePairs, JudgeTexts, Stop, next_step
from daydreaming_dagster.domain.loop.pairs import random_pairs
from daydreaming_dagster.domain.loop.planned_texts import judged_texts
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.errors import ArtifactError
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.ports.loop_store import LoopStore

_EMBEDDINGS: Final = "embeddings"


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
    seeds = spec.seeds(catalog)
    step = next_step(spec.stop, journal, seeds)
    if isinstance(step, Stop):
        return step
    if isinstance(step, ChoosePairs):
        tried = {trial.pair for trial in journal.trials()}
        rng = random.Random(spec.seed)  # noqa: S311  nothing here is secret
        drawn = random_pairs([*seeds, *journal.accepted()], tried, rng)
        pairs = list(islice(drawn, spec.pairs))
        cohort_id = cohort_of_round(loop_id, step.number)
    else:
        pairs = [choice.pair for choice in step.round.chosen.choices]
        cohort_id = step.round.chosen.cohort_id
    _, plan = plan_round(
        store, cohorts, loop_id, spec, catalog, cohort_id, pairs, allow_missing=allow_missing
    )
    estimate = estimate_generations(store, catalog, plan.generations)
    if spec.gate.embedding is None or isinstance(step, JudgeTexts):
        return estimate
    entry = catalog.models[spec.gate.embedding].embedding()
    texts = [
        *((text.stage, text.text_id) for text in journal.texts()),
        *((text.stage, text.text_id) for text in judged_texts(catalog.pipeline, plan)),
    ]
    calls = StageEstimate()
    for stage, text_id in texts:
        tokens = catalog.pipeline[stage].typical_answer_tokens
        with suppress(ArtifactError):
            text = store.read_parsed(stage, text_id)
            if loops.read_embedding(loop_id, entry.key, sha256(text)) is not None:
                continue
            tokens = len(text) // CHARACTERS_PER_TOKEN
        calls.add_call(tokens, 0, entry.cost(tokens, 0))
    unpriced = {*estimate.unpriced, *([entry.id] if calls.calls and calls.cost is None else [])}
    stages = {**estimate.stages, _EMBEDDINGS: calls}
    return attrs.evolve(estimate, stages=stages, unpriced=tuple(sorted(unpriced)))
