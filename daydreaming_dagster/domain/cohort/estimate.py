"""What a plan will ask of the models, before the first call."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

import attrs

from daydreaming_dagster.domain.catalog import DEFAULT_LEVEL, Catalog
from daydreaming_dagster.domain.cohort.planning import PlannedGeneration
from daydreaming_dagster.domain.generation.state import read_state
from daydreaming_dagster.domain.generation.tokens import CHARACTERS_PER_TOKEN, answer_limit
from daydreaming_dagster.domain.stages import PARENT_STAGE, STAGE_DEFINITIONS
from daydreaming_dagster.ports.errors import DataLayerError
from daydreaming_dagster.ports.gens_store import GensStore, GensStoreWithTemplates
from daydreaming_dagster.types import STAGES, Stage


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


def estimate_generations(
    store: GensStoreWithTemplates,
    catalog: Catalog,
    generations: Iterable[PlannedGeneration],
    again: Collection[str] = (),
) -> PlanEstimate:
    """Return what these generations, parents first, still ask of the models. Writes nothing.

    Those whose gen_ids are in `again` are asked though they have an answer. Lengths are
    guesses: templates, descriptions and typical answers at `CHARACTERS_PER_TOKEN`, thinking
    not included. What cannot be read counts for nothing: it fails by itself, and asks nothing.
    """
    stages: dict[Stage, StageEstimate] = {stage: StageEstimate() for stage in STAGES}
    listed = {stage: set(store.list_generations(stage)) for stage in STAGES}
    unpriced = set[str]()
    templates: dict[tuple[Stage, str], int] = {}
    text_tokens: dict[str, int] = {}  # of each generation's text, for its children
    for planned in generations:
        stage, metadata = planned.stage, planned.metadata
        estimate = stages[stage]
        estimate.generations += 1
        parent_tokens = _parent_tokens(store, planned, text_tokens)
        if metadata.get("mode") == "copy":
            text_tokens[planned.gen_id] = parent_tokens
            continue
        answer = _answer_tokens(planned)
        text_tokens[planned.gen_id] = answer
        there = planned.gen_id in listed[stage] and planned.gen_id not in again
        if there and not _needs_answer(store, planned):
            continue
        key = stage, str(metadata.get("template_id", ""))
        try:
            if key not in templates:
                templates[key] = len(store.read_template(*key)) // CHARACTERS_PER_TOKEN
        except DataLayerError:
            continue
        prompt = templates[key] + parent_tokens + _concept_tokens(planned, catalog)
        estimate.calls += 1
        estimate.prompt_tokens += prompt
        estimate.completion_tokens += answer
        model_id = str(metadata.get("llm_model_id", ""))
        model = catalog.models.get(model_id)
        cost = None if model is None else model.cost(prompt, answer)
        if cost is None:
            unpriced.add(model_id)
        else:
            estimate.cost = cost + (estimate.cost or 0.0)
    return PlanEstimate(stages, tuple(sorted(unpriced)))


def planned_generations(
    store: GensStore, generations: Mapping[Stage, Sequence[str]]
) -> Iterator[PlannedGeneration]:
    """Yield generations as their main metadata describes them, parents first.

    Those without metadata that can be read are left out.
    """
    for stage in STAGES:
        for gen_id in generations[stage]:
            with suppress(DataLayerError):
                yield PlannedGeneration(stage, gen_id, store.read_main_metadata(stage, gen_id))


def _parent_tokens(
    store: GensStore, planned: PlannedGeneration, text_tokens: Mapping[str, int]
) -> int:
    parent_gen_id = planned.metadata.get("parent_gen_id")
    if not isinstance(parent_gen_id, str):
        return 0
    if parent_gen_id in text_tokens:
        return text_tokens[parent_gen_id]
    with suppress(DataLayerError):
        text = store.read_parsed(PARENT_STAGE[planned.stage], parent_gen_id)
        return len(text) // CHARACTERS_PER_TOKEN
    return 0


def _answer_tokens(planned: PlannedGeneration) -> int:
    parameters = planned.metadata.get("parameters")
    limit = answer_limit(parameters) if isinstance(parameters, dict) else None
    return limit or STAGE_DEFINITIONS[planned.stage].typical_answer_tokens


def _concept_tokens(planned: PlannedGeneration, catalog: Catalog) -> int:
    concept_ids = planned.metadata.get("concept_ids")
    if not isinstance(concept_ids, list):
        return 0
    level = str(planned.metadata.get("description_level") or DEFAULT_LEVEL)
    # A draft of a concept that the catalog lost fails by itself, and asks nothing.
    known = [catalog.concepts.get(str(concept_id)) for concept_id in concept_ids]
    concepts = [concept.at(level) for concept in known if concept is not None]
    return sum(len(concept.name) + len(concept.content) for concept in concepts) // (
        CHARACTERS_PER_TOKEN
    )


def _needs_answer(store: GensStore, planned: PlannedGeneration) -> bool:
    try:
        return read_state(store, planned.stage, planned.gen_id).needs_answer
    except DataLayerError:  # it fails before it asks
        return False
