"""What a plan will ask of the models, before the first call."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

import attrs

from daydreaming_dagster.data_layer.errors import MissingArtifactError
from daydreaming_dagster.data_layer.gens_store import GensStore
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.planning import CohortPlan, PlannedGeneration
from daydreaming_dagster.types import STAGES, Stage

CHARACTERS_PER_TOKEN: Final = 4
"""What English prose comes to with the usual tokenisers; code and other languages take fewer."""

TYPICAL_ANSWER_TOKENS: Final[Mapping[Stage, int]] = {
    "draft": 1500,
    "essay": 1500,
    "evaluation": 800,
}
"""How long an answer is taken to be where the sampling sets no `max_tokens`."""


@attrs.define
class StageEstimate:
    """What a stage asks of the models, for the calls that are still to be made.

    Attributes:
        generations: All of the stage, copies and answered ones included.
        calls: How many of them a model is still to be asked for.
        prompt_tokens: What those calls send, in all.
        completion_tokens: What they return, in all; the most it can be where `max_tokens` is set.
        cost: What those of models with a price come to, in USD; None where no model has one.
    """

    generations: int = 0
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None


@attrs.frozen
class PlanEstimate:
    """What a plan asks of the models; `unpriced` are those that `cost` leaves out."""

    stages: Mapping[Stage, StageEstimate]
    unpriced: tuple[str, ...]


def estimate_plan(store: GensStore, plan: CohortPlan, catalog: Catalog) -> PlanEstimate:
    """Return what the plan still asks of the models. Writes nothing.

    Lengths are guesses: templates, descriptions and typical answers at
    `CHARACTERS_PER_TOKEN`, thinking not included.

    Raises:
        MissingTemplateError: A template that the plan needs is not there.
    """
    stages: dict[Stage, StageEstimate] = {stage: StageEstimate() for stage in STAGES}
    listed = {stage: set(store.list_generations(stage)) for stage in STAGES}
    unpriced = Counter[str]()
    templates: dict[tuple[Stage, str], int] = {}
    text_tokens: dict[str, int] = {}  # of each generation's text, for its children
    for planned in plan.generations:
        stage, metadata = planned.stage, planned.metadata
        estimate = stages[stage]
        estimate.generations += 1
        parent_tokens = text_tokens.get(str(metadata.get("parent_gen_id")), 0)
        if metadata["mode"] == "copy":
            text_tokens[planned.gen_id] = parent_tokens
            continue
        answer = _answer_tokens(planned)
        if stage != "evaluation":
            text_tokens[planned.gen_id] = answer
        if planned.gen_id in listed[stage] and _answered(store, planned):
            continue
        key = stage, str(metadata["template_id"])
        if key not in templates:
            templates[key] = len(store.read_template(*key)) // CHARACTERS_PER_TOKEN
        prompt = templates[key] + parent_tokens + _concept_tokens(planned, catalog)
        estimate.calls += 1
        estimate.prompt_tokens += prompt
        estimate.completion_tokens += answer
        model = catalog.models[str(metadata["llm_model_id"])]
        cost = model.cost(prompt, answer)
        if cost is None:
            unpriced[model.id] += 1
        else:
            estimate.cost = cost + (estimate.cost or 0.0)
    return PlanEstimate(stages, tuple(sorted(unpriced)))


def _answer_tokens(planned: PlannedGeneration) -> int:
    parameters = planned.metadata["parameters"]
    limit = parameters.get("max_tokens") if isinstance(parameters, dict) else None
    return limit if isinstance(limit, int) else TYPICAL_ANSWER_TOKENS[planned.stage]


def _concept_tokens(planned: PlannedGeneration, catalog: Catalog) -> int:
    concept_ids = planned.metadata.get("concept_ids")
    if not isinstance(concept_ids, list):
        return 0
    level = str(planned.metadata["description_level"])
    concepts = [catalog.concepts[str(concept_id)].at(level) for concept_id in concept_ids]
    return sum(len(concept.name) + len(concept.content) for concept in concepts) // (
        CHARACTERS_PER_TOKEN
    )


def _answered(store: GensStore, planned: PlannedGeneration) -> bool:
    try:
        store.read_raw_metadata(planned.stage, planned.gen_id)
    except MissingArtifactError:
        return False
    return True
