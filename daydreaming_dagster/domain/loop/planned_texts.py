"""Which texts a round's plan judges, and of which pair each is made."""

from collections.abc import Mapping
from typing import Final

import attrs

from daydreaming_dagster.domain.cohort.planner import PlannedGeneration
from daydreaming_dagster.domain.cohort.planning import CohortPlan
from daydreaming_dagster.domain.generation.records import MainRecord
from daydreaming_dagster.domain.loop.pairs import Pair, make_pair
from daydreaming_dagster.domain.stages import GenerationRef, Pipeline
from daydreaming_dagster.types import Stage

LEAST_JUDGEMENTS: Final = 2
"""With fewer judgements of a text, nobody can say how sure its score is."""


@attrs.frozen
class JudgedText:
    """A text that a plan judges, and the generations that judge it."""

    stage: Stage
    text_id: str
    pair: Pair
    judgements: tuple[GenerationRef, ...]


def judged_by(pipeline: Pipeline, planned: PlannedGeneration) -> str | None:
    """Return the gen_id of the text that a generation scores, None if it scores none."""
    return planned.parents[0].gen_id if pipeline[planned.stage].scores else None


def judged_texts(pipeline: Pipeline, plan: CohortPlan) -> list[JudgedText]:
    """Return the texts that a plan of pairs judges, in planned order."""
    by_ref = {GenerationRef(planned.stage, planned.gen_id): planned for planned in plan.generations}
    judgements: dict[GenerationRef, list[GenerationRef]] = {}
    for ref, planned in by_ref.items():
        if pipeline[planned.stage].scores:
            judgements.setdefault(planned.parents[0], []).append(ref)
    return [
        JudgedText(*text, _pair_of(by_ref, text), tuple(by_text))
        for text, by_text in judgements.items()
    ]


def descriptions(plan: CohortPlan, stage: Stage | None) -> dict[str, str]:
    """Return the gen_ids of a stage that describes texts, by the text that each describes."""
    return {
        planned.parents[0].gen_id: planned.gen_id
        for planned in plan.generations
        if planned.stage == stage
    }


def _pair_of(by_ref: Mapping[GenerationRef, PlannedGeneration], ref: GenerationRef) -> Pair:
    while parents := by_ref[ref].parents:
        ref = parents[0]
    return make_pair(*(MainRecord.from_document(by_ref[ref].metadata).concept_ids or ()))
