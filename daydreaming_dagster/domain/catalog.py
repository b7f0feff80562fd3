"""What a researcher's data root offers to cohorts: concepts, templates, models and parsers."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import attrs

from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.parsing.registry import PARSERS, parser_name
from daydreaming_dagster.domain.parsing.response import DEFAULT_MAXIMUM, Parser, ResponseReader
from daydreaming_dagster.domain.stages import STAGE_DEFINITIONS
from daydreaming_dagster.types import Stage

DEFAULT_LEVEL: Final = "paragraph"
"""The level of detail of concepts' descriptions where nothing else is said."""

_MILLION: Final = 1_000_000


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
class TemplateEntry:
    """A row of a stage's template catalog.

    Attributes:
        template_id: The name of its file.
        parser: How its answers are read; empty means the stage's default.
        generator: Whether a model answers, or the parent's text is copied.
        minimum_lines: How many lines that are not blank an answer has at least, once parsed;
            a shorter one fails its generation.
        score_maximum: The best score that the template lets a judge give, where answers do not
            say it themselves.
        score_minimum: The worst score. It counts as nothing, the best one as everything.
    """

    template_id: str
    parser: str = ""
    generator: Literal["llm", "copy"] = "llm"
    minimum_lines: int = 0
    score_maximum: float = DEFAULT_MAXIMUM
    score_minimum: float = 0.0


@attrs.frozen
class ModelLimits:
    """What a model may be asked at most, by all processes of a machine; None is no limit.

    Attributes:
        concurrency: How many calls at once.
        requests_per_minute: How many calls begin in a minute.
        tokens_per_minute: How many tokens prompts and answers have in a minute.
    """

    concurrency: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


@attrs.frozen
class ModelEntry:
    """A row of the model catalog: cohorts name `id`, the endpoint of `provider` knows `model`.

    Prices are in USD per million tokens, None where the catalog has none.
    """

    id: str
    model: str
    provider: str = ""
    prompt_price: float | None = None
    completion_price: float | None = None
    limits: ModelLimits = attrs.field(factory=ModelLimits)

    def cost(self, prompt_tokens: int | None, completion_tokens: int | None) -> float | None:
        """Return what this many tokens cost in USD, None where a number or a price is missing."""
        if self.prompt_price is None or self.completion_price is None:
            return None
        if prompt_tokens is None or completion_tokens is None:
            return None
        total = prompt_tokens * self.prompt_price + completion_tokens * self.completion_price
        return total / _MILLION


@attrs.frozen
class ConceptEntry:
    """A row of the concept catalog; `descriptions` maps levels of detail to texts."""

    concept_id: str
    name: str
    descriptions: Mapping[str, str] = attrs.field(factory=dict, hash=False)

    def level_for(self, level: str) -> str | None:
        """Return the level whose description is used where `level` is asked for.

        Where it has no such description, the paragraph stands in, then the sentence; None
        says that the name does.
        """
        for candidate in (level, DEFAULT_LEVEL, "sentence"):
            if candidate in self.descriptions:
                return candidate
        return None

    def at(self, level: str) -> Concept:
        """Return the concept at a level of detail, or at what stands in for it."""
        used = self.level_for(level)
        return Concept(self.name, self.name if used is None else self.descriptions[used])


@attrs.frozen
class Catalog:
    """Everything that a cohort can name, by its id.

    `parsers` are those of each stage by name. `replicates` says how often a stage asks the
    same question where a cohort does not say it itself.
    """

    concepts: Mapping[str, ConceptEntry]
    templates: Mapping[tuple[Stage, str], TemplateEntry]
    models: Mapping[str, ModelEntry]
    parsers: Mapping[Stage, Mapping[str, Parser]] = attrs.field(default=PARSERS, repr=False)
    replicates: Mapping[Stage, int] = attrs.field(factory=dict)

    def reader(self, stage: Stage, template_id: str) -> ResponseReader:
        """Return how the answers to a template are read.

        Raises:
            CatalogError: The template, or the parser that it names, is not there.
        """
        entry = self.templates.get((stage, template_id))
        if entry is None:
            problem = f"there is no {template_id!r}"
            raise CatalogError(f"the {stage} template catalog", (problem,))
        name = parser_name(stage, entry.parser)
        if name not in self.parsers[stage]:
            known = ", ".join(sorted(self.parsers[stage]))
            problem = f"{template_id!r} names the unknown parser {name!r}; known are {known}"
            raise CatalogError(f"the {stage} template catalog", (problem,))
        return ResponseReader(
            name,
            self.parsers[stage][name],
            needs_score=STAGE_DEFINITIONS[stage].judges,
            score_maximum=entry.score_maximum,
            score_minimum=entry.score_minimum,
            minimum_lines=entry.minimum_lines,
        )


def combine_concepts(concepts: Sequence[ConceptEntry], level: str) -> ConceptCombination:
    """Return the combination of these concepts, in this order, at a level of detail.

    Its id names both, so that two combinations with the same id say the same.
    """
    names = "+".join(concept.concept_id for concept in concepts)
    return ConceptCombination(f"{names}@{level}", tuple(concept.at(level) for concept in concepts))
