"""A cache of what was seen of a cohort, so that only changed generations are read again."""

from typing import Final

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.documents import structure
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.ports.errors import DataLayerError
from daydreaming_dagster.ports.gens_store import Templates
from daydreaming_dagster.types import JsonObject, Stage

INDEX_VERSION: Final = 6
"""To be raised with this format, with what counts as done, and with how prompts are made."""


@attrs.frozen
class CohortIndex:
    """Generations that were seen to be done, by stage and gen_id, and whether they were stale.

    It holds what `look_at_cohort` found and says nothing about other generations, nor about one
    that has another version now.

    Attributes:
        version: The version of this format.
        inputs: The digest of the catalogs and templates that staleness was seen with.
        done: The version (see `Versions`) of each generation when it was seen to be done.
        parents: The parents of each whose staleness was looked at, as `stage/gen_id`, with spaces
            between them; `""` of one that is made from concepts.
        stale: Why those of them that are stale are.
        unknown_finish: The finish reasons whose meaning is unknown.
        doubts: Why answers are doubtful by themselves, see `doubts_about`.
        answers: What only one answer has, see `answer_key`.
    """

    version: int = INDEX_VERSION
    inputs: str = ""
    done: dict[Stage, dict[str, str]] = attrs.field(factory=dict, repr=False)
    parents: dict[Stage, dict[str, str]] = attrs.field(factory=dict, repr=False)
    stale: dict[Stage, dict[str, str]] = attrs.field(factory=dict, repr=False)
    unknown_finish: dict[Stage, dict[str, str]] = attrs.field(factory=dict, repr=False)
    doubts: dict[Stage, dict[str, str]] = attrs.field(factory=dict, repr=False)
    answers: dict[Stage, dict[str, str]] = attrs.field(factory=dict, repr=False)

    def as_document(self) -> JsonObject:
        """Return the index as JSON."""
        return attrs.asdict(self, recurse=False)

    @classmethod
    def from_document(cls, document: object) -> "CohortIndex":
        """Return the index that JSON describes; an empty one if it has another version."""
        try:
            index = structure(document, cls, "")
        except CatalogError:
            return cls()
        parts = (
            *(index.done, index.parents, index.stale),
            *(index.unknown_finish, index.doubts, index.answers),
        )
        valid = all(_are_texts(texts) for part in parts for texts in part.values())
        return index if valid and index.version == INDEX_VERSION else cls()


def _are_texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def digest_inputs(store: Templates, catalog: Catalog) -> str:
    """Return a digest of all that prompts and questions are made from, besides generations."""
    sources: dict[tuple[Stage, str], str] = {}
    for key in catalog.templates:
        try:
            sources[key] = store.read_template(*key)
        except DataLayerError as error:
            sources[key] = str(error)
    # Prices and limits are in no question.
    models = {name: (model.model, model.provider) for name, model in catalog.models.items()}
    inputs = (sources, catalog.templates, catalog.concepts, models)
    entries = [sorted(of_kind.items()) for of_kind in inputs]
    return sha256(repr((entries, catalog.pipeline.stages)))
