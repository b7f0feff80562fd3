"""The catalogs of a data root: concepts, templates, models and parsers."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final, Literal

import attrs

from daydreaming_dagster.domain.documents import suggestion
from daydreaming_dagster.domain.endpoints import EndpointEntry
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.parsing.registry import parsers_of
from daydreaming_dagster.domain.parsing.response import DEFAULT_MAXIMUM, Parser, ResponseReader
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.ports.ids import check_id
from daydreaming_dagster.ports.language_model import ModelKey, SamplingParameters
from daydreaming_dagster.types import JsonObject, JsonValue, Stage

COMBO_SEPARATOR: Final = "+"
"""Separates concepts where a combination is written as one value: `stigmergy+kintsugi`."""

DEFAULT_LEVEL: Final = "paragraph"
"""The default level of detail of concepts' descriptions."""

_MILLION: Final = 1_000_000
_LONGEST_NAME: Final = 64
"""OpenAI refuses longer names of schemas."""


@attrs.frozen
class Concept:
    """A concept as draft templates see it."""

    name: str
    content: str


@attrs.frozen
class ConceptCombination:
    """The concepts of a draft, in the order in which its template lists them."""

    combo_id: str
    contents: tuple[Concept, ...]


@attrs.frozen
class AnswerSchema:
    """A JSON schema, by the name of its file."""

    name: str
    schema: JsonObject = attrs.field(hash=False)

    @property
    def response_format(self) -> JsonObject:
        """What OpenAI's chat completions, and endpoints like them, take as `response_format`.

        It is strict where OpenAI allows that.
        https://platform.openai.com/docs/guides/structured-outputs
        """
        strict: JsonObject = {"strict": True} if _can_be_strict(self.schema) else {}
        named: JsonObject = {"name": self.name[:_LONGEST_NAME], **strict, "schema": self.schema}
        return {"type": "json_schema", "json_schema": named}


def _can_be_strict(schema: JsonValue) -> bool:
    """Return whether each object in a schema requires all its properties, and allows no others."""
    if isinstance(schema, list):
        return all(map(_can_be_strict, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object":
        properties, required = schema.get("properties"), schema.get("required")
        named = set(properties) if isinstance(properties, dict) else set[str]()
        needed = set(map(str, required)) if isinstance(required, list) else None
        if schema.get("additionalProperties") is not False or named != needed:
            return False
    return all(map(_can_be_strict, schema.values()))


@attrs.frozen
class TemplateEntry:
    """A row of a stage's template catalog.

    Attributes:
        template_id: The name of its file.
        parser: The parser of its answers; empty means the stage's default.
        generator: Whether a model answers, or the parent's text is copied.
        minimum_lines: The least number of non-blank lines in a parsed answer. A shorter answer
            fails its generation.
        score_maximum: The best score that the template allows, unless the answer gives it.
        score_minimum: The worst score. It counts as 0.0, the best score as 1.0.
        schema: What endpoints with structured output are asked to hold its answers to, if anything.
    """

    template_id: str
    parser: str = ""
    generator: Literal["llm", "copy"] = "llm"
    minimum_lines: int = 0
    score_maximum: float = DEFAULT_MAXIMUM
    score_minimum: float = 0.0
    schema: AnswerSchema | None = None


@attrs.frozen
class ModelLimits:
    """The limits of a model, which all processes of a machine share. None means no limit.

    Attributes:
        concurrency: The number of calls in flight.
        requests_per_minute: The number of calls that start per minute.
        tokens_per_minute: The number of tokens of prompts and answers per minute.
    """

    concurrency: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


@attrs.frozen
class ModelEntry:
    """A row of the model catalog: `id` is the name in cohorts, `model` the endpoint's name.

    Prices are in USD per million tokens, or None. Without a `cached_prompt_price`, cached tokens
    cost as much as other tokens of the prompt. `sampling` holds where a cohort says nothing.
    `max_tokens_name` is what the endpoint calls the limit of an answer; empty means `max_tokens`.
    `batch` says whether it is always asked by batch or never; None leaves it to the run.
    `batch_discount` is the part of the price, from 0 to 1, that a batch saves.
    `retires` is the day from which the endpoint no longer offers the model, if that is known.
    """

    id: str
    model: str
    provider: str = ""
    prompt_price: float | None = None
    completion_price: float | None = None
    limits: ModelLimits = attrs.field(factory=ModelLimits)
    cached_prompt_price: float | None = None
    sampling: SamplingParameters = attrs.field(factory=SamplingParameters)
    max_tokens_name: Literal["", "max_completion_tokens"] = ""
    batch: bool | None = None
    batch_discount: float = 0.0
    retires: date | None = None

    @property
    def key(self) -> ModelKey:
        """Its provider and the endpoint's name for it, by which it is called."""
        return self.provider, self.model

    def embedding(self) -> "ModelEntry":
        """Return the model as one that embeds texts: it writes nothing, so that costs nothing."""
        unpriced = self.prompt_price is None or self.completion_price is not None
        return self if unpriced else attrs.evolve(self, completion_price=0.0)

    def cost(
        self,
        prompt_tokens: int | None,
        completion_tokens: int | None,
        cached_tokens: int | None = None,
        *,
        by_batch: bool = False,
    ) -> float | None:
        """Return the cost of these tokens in USD, or None if a number or a price is missing.

        `cached_tokens` are among those of the prompt; None means that there are none.
        """
        if self.prompt_price is None or self.completion_price is None:
            return None
        if prompt_tokens is None or completion_tokens is None:
            return None
        cached = min(cached_tokens or 0, prompt_tokens)
        cached_price = self.cached_prompt_price
        if cached_price is None:
            cached_price = self.prompt_price
        total = (
            (prompt_tokens - cached) * self.prompt_price
            + cached * cached_price
            + completion_tokens * self.completion_price
        )
        paid = 1.0 - self.batch_discount if by_batch else 1.0
        return total * paid / _MILLION


@attrs.frozen
class ConceptEntry:
    """A row of the concept catalog; `descriptions` maps levels of detail to texts.

    `concept_id` is the id that generations are planned with, and never changes. `renamed` is the id
    that a researcher gave it since, `""` if none. `accepted` says that it is not the researcher's:
    a loop accepted a text as a concept.
    """

    concept_id: str
    name: str
    descriptions: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    accepted: bool = False
    renamed: str = ""

    @property
    def shown_id(self) -> str:
        """Its id as the researcher knows it."""
        return self.renamed or self.concept_id

    def level_for(self, level: str) -> str | None:
        """Return the level of the description that is used if `level` is requested.

        If there is no such description, the paragraph is used, then the sentence. None means that
        the name is used.
        """
        for candidate in (level, DEFAULT_LEVEL, "sentence"):
            if candidate in self.descriptions:
                return candidate
        return None

    def at(self, level: str) -> Concept:
        """Return the concept at a level of detail, or at the level that replaces it."""
        used = self.level_for(level)
        return Concept(self.name, self.name if used is None else self.descriptions[used])


def _built_in_parsers(catalog: "Catalog") -> Mapping[Stage, Mapping[str, Parser]]:
    return {stage: parsers_of(catalog.pipeline[stage]) for stage in catalog.pipeline}


@attrs.frozen
class Catalog:
    """Everything that a cohort can name, by its id.

    `pipeline` are the stages, `parsers` the parsers of each stage by name. `replicates` says how
    often a stage asks the same question, unless the cohort says it. `endpoints` are the rows of
    each endpoint by its id; a model whose provider is not among them is called at the endpoint of
    the environment.
    """

    concepts: Mapping[str, ConceptEntry]
    templates: Mapping[tuple[Stage, str], TemplateEntry]
    models: Mapping[str, ModelEntry]
    pipeline: Pipeline = attrs.field(default=SHIPPED, repr=False, kw_only=True)
    parsers: Mapping[Stage, Mapping[str, Parser]] = attrs.field(
        default=attrs.Factory(_built_in_parsers, takes_self=True), repr=False
    )
    replicates: Mapping[Stage, int] = attrs.field(factory=dict)
    endpoints: Mapping[str, Sequence[EndpointEntry]] = attrs.field(factory=dict)

    def planned_ids(self) -> dict[str, str]:
        """Return the `concept_id` of each renamed concept by its new id."""
        return {
            concept.renamed: concept.concept_id
            for concept in self.concepts.values()
            if concept.renamed
        }

    def shown_combo(self, combo_id: str) -> str:
        """Return the id of a combination with the ids of its concepts as the researcher knows them.

        An id that names no concept of the catalog stays as it is.
        """
        names, at, level = combo_id.partition("@")
        shown = [
            self.concepts[name].shown_id if name in self.concepts else name
            for name in names.split(COMBO_SEPARATOR)
        ]
        return f"{COMBO_SEPARATOR.join(shown)}{at}{level}"

    def check_new_id(self, concept_id: str, new_id: str) -> str:
        """Return the `concept_id` of a concept that may be called `new_id`.

        Raises:
            CatalogError: There is no such concept, a loop accepted it, or the id is taken.
            InvalidIdError: The new id is not a safe name.
        """
        check_id("concept_id", new_id)
        planned = self.planned_ids().get(concept_id, concept_id)
        if planned not in self.concepts or self.concepts[planned].accepted:
            problem = f"there is no concept {concept_id!r}{suggestion(concept_id, self.concepts)}"
            raise CatalogError("the concept catalog", (problem,))
        taken = {*self.concepts, *self.planned_ids()} - {planned}
        if new_id in taken:
            problem = f"{new_id!r} is or was the id of another concept; choose another one"
            raise CatalogError("the concept catalog", (problem,))
        return planned

    def reader(self, stage: Stage, template_id: str) -> ResponseReader:
        """Return the reader of a template's answers.

        Raises:
            InvalidIdError: The pipeline has no such stage.
            CatalogError: The template or its parser is unknown.
        """
        entry = self.templates.get((stage, template_id))
        if entry is None:
            problem = f"there is no {template_id!r}"
            raise CatalogError(f"the {stage} template catalog", (problem,))
        definition = self.pipeline[stage]
        name = entry.parser or definition.default_parser
        if name not in self.parsers[stage]:
            known = ", ".join(sorted(self.parsers[stage]))
            problem = f"{template_id!r} names the unknown parser {name!r}; known are {known}"
            raise CatalogError(f"the {stage} template catalog", (problem,))
        return ResponseReader(
            name,
            self.parsers[stage][name],
            needs_score=definition.scores,
            score_maximum=entry.score_maximum,
            score_minimum=entry.score_minimum,
            minimum_lines=entry.minimum_lines,
        )


def combine_concepts(concepts: Sequence[ConceptEntry], level: str) -> ConceptCombination:
    """Return the combination of these concepts, in this order, at a level of detail.

    Its id names both, so that two combinations with the same id say the same.
    """
    names = COMBO_SEPARATOR.join(concept.concept_id for concept in concepts)
    return ConceptCombination(f"{names}@{level}", tuple(concept.at(level) for concept in concepts))
