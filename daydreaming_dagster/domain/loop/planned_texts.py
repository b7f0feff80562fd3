"""Which texts a round's plan judges, and of which pair each is made."""

from collections.abc import Mapping
from typing import Final

import attrs

from daydreaming_dagster.domain.cohort.planning import CohortPlan, PlannedGeneration
from daydreaming_dagster.domain.generation.records import MainRecord
from daydreaming_dagster.domain.loop.pairs import Pair, make_pair
from daydreaming_dagster.domain.stages import STAGE_DEFINITIONS
from daydreaming_dagster.types import Stage

LEAST_JUDGEMENTS: Final = 2
"""With fewer judgements of a text, nobody can say how sure its score is."""


@attrs.frozen
class PlannedText:
    """A text that a plan judges, and the generations that judge it."""

    stage: Stage
    text_id: str
    pair: Pair
    judgements: tuple[tuple[Stage, str], ...]


def judges(planned: PlannedGeneration) -> bool:
    """Return whether a generation judges its parent."""
    return STAGE_DEFINITIONS[planned.stage].judges


def parent_of(planned: PlannedGeneration) -> str:
    """Return the gen_id of a generation's parent, or `""` if it has none."""
    return MainRecord.from_document(planned.metadata).parent_gen_id or ""


def judged_texts(plan: CohortPlan) -> list[PlannedText]:
    """Return the texts that a plan of pairs judges, in planned order."""
    by_id = {planned.gen_id: planned for planned in plan.generations}
    judgements: dict[str, list[tuple[Stage, str]]] = {}
    for planned in filter(judges, plan.generations):
        judgements.setdefault(parent_of(planned), []).append((planned.stage, planned.gen_id))
    return [
        PlannedText(by_id[text_id].stage, text_id, _pair_of(by_id, text_id), tuple(by_text))
        for text_id, by_text in judgements.items()
    ]


def _pair_of(by_id: Mapping[str, PlannedGeneration], gen_id: str) -> Pair:
    while parent := parent_of(by_id[gen_id]):
        gen_id = parent
    return make_pair(*(MainRecord.from_document(by_id[gen_id].metadata).concept_ids or ()))
