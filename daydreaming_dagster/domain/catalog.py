"""What a researcher's data root offers to cohorts: concepts, templates and models."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import attrs

from daydreaming_dagster.types import Stage

DEFAULT_LEVEL: Final = "paragraph"
"""The level of detail of concepts' descriptions where nothing else is said."""


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
    """A row of a stage's template catalog. An empty `parser` means the stage's default."""

    template_id: str
    parser: str = ""
    generator: Literal["llm", "copy"] = "llm"


@attrs.frozen
class ModelEntry:
    """A row of the model catalog: cohorts name `id`, the endpoint of `provider` knows `model`."""

    id: str
    model: str
    provider: str = ""


@attrs.frozen
class ConceptEntry:
    """A row of the concept catalog; `descriptions` maps levels of detail to texts."""

    concept_id: str
    name: str
    descriptions: Mapping[str, str] = attrs.field(factory=dict, hash=False)

    def at(self, level: str) -> Concept:
        """Return the concept at a level of detail.

        Where it has no such description, the paragraph stands in, then the sentence, then
        the name.
        """
        for candidate in (level, DEFAULT_LEVEL, "sentence"):
            if candidate in self.descriptions:
                return Concept(self.name, self.descriptions[candidate])
        return Concept(self.name, self.name)


@attrs.frozen
class Catalog:
    """Everything that a cohort can name, by its id."""

    concepts: Mapping[str, ConceptEntry]
    templates: Mapping[tuple[Stage, str], TemplateEntry]
    models: Mapping[str, ModelEntry]


def combine_concepts(concepts: Sequence[ConceptEntry], level: str) -> ConceptCombination:
    """Return the combination of these concepts, in this order, at a level of detail.

    Its id names both, so that two combinations with the same id say the same.
    """
    names = "+".join(concept.concept_id for concept in concepts)
    return ConceptCombination(f"{names}@{level}", tuple(concept.at(level) for concept in concepts))
