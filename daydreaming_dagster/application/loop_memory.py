"""What a loop combines, and what its new texts are compared with."""

from collections.abc import Iterator

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.loop.gate import KnownText
from daydreaming_dagster.domain.loop.journal import Journal, Round
from daydreaming_dagster.domain.loop.spec import LoopSpec
from daydreaming_dagster.ports.gens_store import GensStore


@attrs.frozen
class LoopMemory:
    """The concepts and texts of a loop.

    Attributes:
        store: The generations.
        loop_id: The loop.
        spec: Its specification.
        catalog: The catalog with the concepts that the loop accepted.
        journal: What it did so far.
    """

    store: GensStore
    loop_id: str
    spec: LoopSpec
    catalog: Catalog
    journal: Journal

    def concept_ids(self) -> list[str]:
        """Return the concepts that can be combined: the seeds, then the accepted texts."""
        accepted = self.journal.accepted()
        missing = [text_id for text_id in accepted if text_id not in self.catalog.concepts]
        if missing:
            problems = tuple(
                f"the accepted text {each!r} is missing; restore it" for each in missing
            )
            raise CatalogError(f"the concepts of loop {self.loop_id}", problems)
        return [*self.spec.seeds(self.catalog), *accepted]

    def descriptions(self) -> Iterator[KnownText]:
        """Yield the seeds as texts. The accepted texts are among the earlier texts."""
        for concept_id in self.spec.seeds(self.catalog):
            concept = self.catalog.concepts[concept_id].at(self.spec.cohort.description_level)
            yield KnownText(concept_id, concept.content, frozenset([concept_id]))

    def earlier_texts(self, begun: Round) -> Iterator[KnownText]:
        """Yield the texts of earlier rounds that were not held back."""
        for each in self.journal.rounds[: begun.number - 1]:
            if each.written is not None:
                held = {one.text_id for one in each.written.held_back}
                for text in each.written.texts:
                    if text.text_id not in held:
                        content = self.store.read_parsed(text.stage, text.text_id)
                        yield KnownText(text.text_id, content, frozenset(text.pair))
