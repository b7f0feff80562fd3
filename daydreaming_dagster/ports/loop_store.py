"""The port for loops: their specifications, their journals, and the concepts that they accepted."""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from daydreaming_dagster.ports.language_model import ModelKey

if TYPE_CHECKING:  # every command opens the loops of its data root, and few read one
    from daydreaming_dagster.domain.loop.decisions import Ruling
    from daydreaming_dagster.domain.loop.embeddings import StoredEmbedding
    from daydreaming_dagster.domain.loop.journal import Entry, Journal, LimitReached
    from daydreaming_dagster.domain.loop.sampler import PairSampler
    from daydreaming_dagster.domain.loop.spec import LoopSpec


class LoopStore(Protocol):
    """Keeps loops beside the cohorts of a data root.

    `daydreaming_dagster.testing` checks what every adapter guarantees:

    - A loop_id that is not a safe name (`ports.ids.check_id`) raises `InvalidIdError` before any
      I/O.
    - An entry of a journal is written in one step, and never changed or removed.
    """

    def list_loops(self) -> list[str]:
        """Return the ids of the loops that have a specification, sorted."""
        ...

    def list_misnamed(self) -> list[str]:
        """Return, sorted, where loops lie whose names are no ids, so that no command finds them."""
        ...

    def read_spec(self, loop_id: str) -> "LoopSpec":
        """Return a loop's specification. Its `problems` list the mistakes in it.

        Raises:
            CatalogError: The specification is missing, or cannot be read at all.
        """
        ...

    def sampler_names(self) -> Collection[str]:
        """Return the names of all samplers, those of installed packages too."""
        ...

    def load_sampler(self, name: str) -> "PairSampler":
        """Return the sampler of that name.

        Raises:
            CatalogError: There is none, or its package does not load.
        """
        ...

    def read_journal(self, loop_id: str) -> "Journal":
        """Return what the loop did so far; an empty journal if it did nothing yet.

        Raises:
            CatalogError: It is malformed.
        """
        ...

    def record(self, loop_id: str, number: int, entry: "Entry") -> None:
        """Add an entry to the journal, for the round of this number.

        Raises:
            CatalogError: The round has an entry of this kind already.
        """
        ...

    def record_limit(self, loop_id: str, reached: "LimitReached") -> None:
        """Add to the journal, in one step, that the loop's limit of cost ended a round early.

        Replaces what was said before of an earlier round or a lower limit.
        """
        ...

    def read_verdicts(self, loop_id: str) -> Mapping[str, "Ruling"]:
        """Return a person's verdicts by text, with their reasons.

        Raises:
            CatalogError: They are malformed.
        """
        ...

    def read_embedding(
        self, loop_id: str, model: ModelKey, text_digest: str
    ) -> "StoredEmbedding | None":
        """Return the stored vector of a text by this model, or None.

        Raises:
            CatalogError: It is malformed.
        """
        ...

    def write_embedding(self, loop_id: str, embedding: "StoredEmbedding") -> None:
        """Store the vector of a text, in one step."""
        ...

    def write_concept(self, loop_id: str, level: str, concept_id: str, text: str) -> None:
        """Store an accepted text as a concept that is described at this level of detail.

        From then on, the catalog of the data root's `CohortStore` contains it.

        Raises:
            InvalidIdError: Level or concept_id is not a safe name.
        """
        ...

    def write_report(self, loop_id: str, page: bytes) -> str:
        """Replace the loop's report in one step, and return its location."""
        ...

    def hold(self, loop_id: str) -> AbstractContextManager[None]:
        """Lock the loop for the block. Ends with the process.

        Raises:
            LoopBusyError: Another process runs the loop.
        """
        ...
