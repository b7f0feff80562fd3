"""Estimates the calls, tokens and cost of a plan before the first call."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

import attrs

from daydreaming_dagster.domain.catalog import DEFAULT_LEVEL, Catalog
from daydreaming_dagster.domain.cohort.planner import PlannedGeneration, PlannedOrigin
from daydreaming_dagster.domain.generation.metadata import resolve_generation_metadata
from daydreaming_dagster.domain.generation.records import MainRecord
from daydreaming_dagster.domain.generation.state import STATE_ARTIFACTS, read_state
from daydreaming_dagster.domain.generation.tokens import CHARACTERS_PER_TOKEN, answer_limit
from daydreaming_dagster.domain.stages import GenerationRef, StageDefinition
from daydreaming_dagster.ports.errors import ArtifactError
from daydreaming_dagster.ports.gens_store import (
    READ_TOGETHER,
    GensStore,
    GensStoreWithTemplates,
    read_ahead,
)
from daydreaming_dagster.ports.language_model import ModelKey
from daydreaming_dagster.types import Stage


@attrs.define
class StageEstimate:
    """The model calls that a stage still needs.

    Attributes:
        generations: All generations of the stage, including copies and answered ones.
        calls: How many of them still need a model call.
        prompt_tokens: The tokens that these calls send.
        completion_tokens: The tokens that they return; if `max_tokens` is set, the maximum.
        cost: The cost in USD of the calls whose model has a price; None if no model has one.
        unpriced: How many of the calls have no price.
    """

    generations: int = 0
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    unpriced: int = 0

    def add_call(self, prompt_tokens: int, completion_tokens: int, cost: float | None) -> None:
        """Count a call; `cost` is None if its model has no price."""
        self.calls += 1
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        if cost is None:
            self.unpriced += 1
        else:
            self.cost = cost + (self.cost or 0.0)


@attrs.define
class ModelEstimate:
    """The calls of a model, and what they may cost in USD; None if it has no price.

    Attributes:
        calls: The number of calls.
        cost: What they are expected to cost.
        least: The cost of their prompts alone.
        bounded: Whether `max_tokens` bounds every answer. Then `cost` is that of the longest ones.
    """

    calls: int = 0
    cost: float | None = None
    least: float | None = None
    bounded: bool = True

    def add_call(self, cost: float | None, least: float | None, *, bounded: bool) -> None:
        """Count a call."""
        self.calls += 1
        self.bounded &= bounded
        if cost is not None and least is not None:
            self.cost, self.least = cost + (self.cost or 0.0), least + (self.least or 0.0)


@attrs.frozen
class PlanEstimate:
    """The model calls of a plan.

    `unpriced` are the models without a price, not part of `cost`. `called` are all models that are
    called. `models` has the calls by the models' ids in the catalog.
    """

    stages: Mapping[Stage, StageEstimate]
    unpriced: tuple[str, ...]
    called: tuple[ModelKey, ...] = ()
    models: Mapping[str, ModelEstimate] = attrs.field(factory=dict)


def estimate_generations(
    store: GensStoreWithTemplates,
    catalog: Catalog,
    generations: Iterable[PlannedGeneration],
    again: Collection[str] = (),
    by_batch: Collection[ModelKey] = (),
) -> PlanEstimate:
    """Return what these generations, parents first, still ask of the models. Writes nothing.

    Those whose gen_ids are in `again` are asked though they have an answer. Models in
    `by_batch` have their batch prices. Lengths are guesses: templates, descriptions and typical
    answers at `CHARACTERS_PER_TOKEN`, thinking not included. What cannot be read counts for
    nothing: it fails by itself, and asks nothing.
    """
    pipeline = catalog.pipeline
    stages: dict[Stage, StageEstimate] = {stage: StageEstimate() for stage in pipeline}
    listed = {stage: set(store.list_generations(stage)) for stage in pipeline}
    unpriced = set[str]()
    called = dict[ModelKey, None]()
    models = dict[str, ModelEstimate]()
    templates: dict[tuple[Stage, str], int] = {}
    text_tokens: dict[GenerationRef, int] = {}  # of each generation's text, for its children
    for planned, view in _read_ahead(store, tuple(generations), listed):
        stage, record = planned.stage, MainRecord.from_document(planned.metadata)
        ref, definition = GenerationRef(stage, planned.gen_id), pipeline[stage]
        estimate = stages[stage]
        estimate.generations += 1
        parent_tokens = sum(_text_tokens(view, parent, text_tokens) for parent in planned.parents)
        if record.mode == "copy":
            text_tokens[ref] = parent_tokens
            continue
        answer = _answer_tokens(definition, record)
        text_tokens[ref] = answer
        there = planned.gen_id in listed[stage] and planned.gen_id not in again
        if there and not _needs_answer(view, definition, planned.gen_id):
            continue
        key = stage, record.template_id or ""
        try:
            if key not in templates:
                templates[key] = len(store.read_template(*key)) // CHARACTERS_PER_TOKEN
        except ArtifactError:
            continue
        prompt = templates[key] + parent_tokens + _concept_tokens(record, catalog)
        model_id = record.llm_model_id or ""
        model = catalog.models.get(model_id)
        if model is not None:
            called[model.key] = None
        cost = least = None
        if model is not None:
            batched = model.key in by_batch
            cost = model.cost(prompt, answer, by_batch=batched)
            least = model.cost(prompt, 0, by_batch=batched)
        if cost is None:
            unpriced.add(model_id)
        estimate.add_call(prompt, answer, cost)
        bounded = _answer_limit(record) is not None
        models.setdefault(model_id, ModelEstimate()).add_call(cost, least, bounded=bounded)
    return PlanEstimate(stages, tuple(sorted(unpriced)), tuple(called), models)


def _read_ahead(
    store: GensStoreWithTemplates,
    generations: Sequence[PlannedGeneration],
    listed: Mapping[Stage, Collection[str]],
) -> Iterator[tuple[PlannedGeneration, GensStoreWithTemplates]]:
    """Yield each with a view that has read its answer, and its parents' texts, if they exist."""
    for start in range(0, len(generations), READ_TOGETHER):
        some = generations[start : start + READ_TOGETHER]
        view = store
        for stage in listed:
            own = [one.gen_id for one in some if one.stage == stage and one.gen_id in listed[stage]]
            parents = {ref.gen_id for one in some for ref in one.parents if ref.stage == stage}
            view = view.read_many(stage, own, STATE_ARTIFACTS)
            view = view.read_many(stage, list(parents.intersection(listed[stage])), ["parsed"])
        for one in some:
            yield one, view


def planned_generations(
    store: GensStore, generations: Mapping[Stage, Sequence[str]]
) -> Iterator[PlannedGeneration]:
    """Yield generations as their main metadata describes them, in the order of the stages.

    Generations with unreadable or invalid metadata are left out.
    """
    for stage, gen_ids in generations.items():
        for gen_id, view in read_ahead(store, stage, gen_ids, ["main_metadata"]):
            with suppress(ArtifactError):
                metadata = resolve_generation_metadata(view, stage, gen_id)
                origin = PlannedOrigin(parents=tuple(parent.ref for parent in metadata.parents))
                yield PlannedGeneration(stage, gen_id, metadata.record.document, origin)


def _text_tokens(
    store: GensStore, ref: GenerationRef, text_tokens: Mapping[GenerationRef, int]
) -> int:
    if ref in text_tokens:
        return text_tokens[ref]
    with suppress(ArtifactError):
        return len(store.read_parsed(*ref)) // CHARACTERS_PER_TOKEN
    return 0


def _answer_tokens(definition: StageDefinition, record: MainRecord) -> int:
    return _answer_limit(record) or definition.typical_answer_tokens


def _answer_limit(record: MainRecord) -> int | None:
    parameters = record.parameters
    return answer_limit(parameters) if isinstance(parameters, dict) else None


def _concept_tokens(record: MainRecord, catalog: Catalog) -> int:
    level = record.description_level or DEFAULT_LEVEL
    # A generation of a concept that the catalog lost fails by itself, and asks nothing.
    known = [catalog.concepts.get(concept_id) for concept_id in record.concept_ids or ()]
    concepts = [concept.at(level) for concept in known if concept is not None]
    return sum(len(concept.name) + len(concept.content) for concept in concepts) // (
        CHARACTERS_PER_TOKEN
    )


def _needs_answer(store: GensStore, definition: StageDefinition, gen_id: str) -> bool:
    try:
        return read_state(store, definition, gen_id).needs_answer
    except ArtifactError:  # it fails before it asks
        return False
