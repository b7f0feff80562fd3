"""The record of a batch: what was asked, where, and what is known of it."""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Final, Self

import attrs

from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.documents import NOT_IN_DOCUMENT, structure
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.records import RawRecord
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.ports.batch_store import BatchStore
from daydreaming_dagster.ports.language_model import ModelKey
from daydreaming_dagster.types import JsonObject

FORMAT_VERSION: Final = 1

_NAME_CHARACTERS: Final = 40
_DIGEST_CHARACTERS: Final = 20


def question_id(ref: GenerationRef, question: RawRecord) -> str:
    """Return the id of a question in a batch: another question of the generation has another one.

    Some endpoints allow 64 characters, of letters, digits, `_` and `-` alone.
    """
    asked = [*ref, question.as_document()]
    digest = sha256(json.dumps(asked, sort_keys=True))
    return f"{ref.gen_id[:_NAME_CHARACTERS]}-{digest[:_DIGEST_CHARACTERS]}"


@attrs.frozen
class BatchedQuestion:
    """A question of a batch, and what was reserved for its answer in USD."""

    custom_id: str = ""
    stage: str = ""
    gen_id: str = ""
    reserved: float = 0.0

    @property
    def ref(self) -> GenerationRef:
        """The generation that the answer is for."""
        return GenerationRef(self.stage, self.gen_id)


@attrs.frozen
class UnusedAnswer:
    """A paid answer that no generation has, why, and what it cost in USD, None if unknown."""

    stage: str = ""
    gen_id: str = ""
    reason: str = ""
    cost: float | None = None
    text: str = ""


@attrs.frozen(kw_only=True)
class BatchRecord:
    """What is known of a batch (`batches/<name>.json`).

    Attributes:
        name: The name of its document.
        cohort_id: The cohort whose run asked.
        provider: The provider of the model.
        model: The endpoint's name for the model.
        place: The endpoint's URL without secrets.
        written_at: When the record was written, before anything was sent.
        file_id: The endpoint's id of the uploaded questions.
        submitted_at: When the batch was about to be submitted. Without it, nobody has submitted it.
        batch_id: The endpoint's id of the batch. Without it, only the endpoint knows whether the
            submission arrived.
        status: The endpoint's word for how far it is.
        answered: How many questions were answered at the last look.
        questions: The questions whose outcome is not stored yet.
        unused: Paid answers that no generation has. They keep the record from being deleted.
    """

    name: str = attrs.field(default="", metadata={NOT_IN_DOCUMENT: True})
    format_version: int = FORMAT_VERSION
    cohort_id: str = ""
    provider: str = ""
    model: str = ""
    place: str = ""
    written_at: str = ""
    file_id: str | None = None
    submitted_at: str | None = None
    batch_id: str | None = None
    status: str = "written"
    answered: int = 0
    questions: list[BatchedQuestion] = attrs.field(factory=list, repr=False)
    unused: list[UnusedAnswer] = attrs.field(factory=list, repr=False)

    @classmethod
    def from_document(cls, name: str, document: JsonObject) -> Self:
        """Return the record that a document describes.

        Raises:
            CatalogError: It is malformed, or a newer version wrote it. Nobody knows then what was
                asked.
        """
        location = f"batches/{name}.json"
        if document.get("format_version") != FORMAT_VERSION:
            problem = f"its format_version is not {FORMAT_VERSION}; update this package"
            raise CatalogError(location, (problem,))
        return attrs.evolve(structure(document, cls, location), name=name)

    def as_document(self) -> JsonObject:
        """Return the record as JSON."""
        document: JsonObject = attrs.asdict(self)
        del document["name"]
        return document

    @property
    def key(self) -> ModelKey:
        """The model that is asked."""
        return self.provider, self.model

    @property
    def since(self) -> datetime:
        """When it was submitted, or written if it was not submitted yet."""
        return datetime.fromisoformat(self.submitted_at or self.written_at)

    def __str__(self) -> str:
        since = self.since.astimezone()
        batch = f"batch {self.batch_id}" if self.batch_id else f"batch {self.name}, not confirmed,"
        return f"{batch} of {self.model} at {self.place} since {since:%Y-%m-%d %H:%M}"


def now_as_text() -> str:
    """Return the time as records have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def waiting_in(documents: Mapping[str, JsonObject]) -> dict[GenerationRef, BatchRecord]:
    """Return the generations that wait for an answer, each with its latest batch.

    `documents` are the stored ones by name, the oldest first.

    Raises:
        CatalogError: A record is malformed.
    """
    records = (BatchRecord.from_document(*named) for named in documents.items())
    return {question.ref: record for record in records for question in record.questions}


@attrs.frozen
class BatchRecords:
    """The records of all batches of a data root. One that did not change is not read again."""

    store: BatchStore
    _seen: dict[str, tuple[JsonObject, BatchRecord, frozenset[GenerationRef]]] = attrs.field(
        factory=dict, init=False, repr=False
    )

    def read(self) -> dict[str, BatchRecord]:
        """Return all records by name, the oldest first.

        Raises:
            CatalogError: A record is malformed.
            MalformedArtifactError: A record is not JSON.
        """
        return {name: record for name, (record, _) in self._read().items()}

    def write(self, record: BatchRecord) -> None:
        """Store a record under its name."""
        self.store.write_batch(record.name, record.as_document())

    def waiting(self) -> dict[GenerationRef, BatchRecord]:
        """Return the generations that wait for an answer, each with its latest batch.

        Raises:
            DaydreamingError: See `read`.
        """
        return {ref: record for record, refs in self._read().values() for ref in refs}

    def batch_of(self, ref: GenerationRef, besides: Collection[str] = ()) -> BatchRecord | None:
        """Return the batch in which a generation waits, if it does in another one than these.

        Raises:
            DaydreamingError: See `read`.
        """
        for name, (record, refs) in self._read().items():
            if ref in refs and name not in besides:
                return record
        return None

    def _read(self) -> dict[str, tuple[BatchRecord, frozenset[GenerationRef]]]:
        found: dict[str, tuple[BatchRecord, frozenset[GenerationRef]]] = {}
        for name, document in self.store.read_batches().items():
            seen = self._seen.get(name)
            if seen is None or seen[0] is not document:
                record = BatchRecord.from_document(name, document)
                refs = frozenset(question.ref for question in record.questions)
                seen = self._seen[name] = (document, record, refs)
            found[name] = seen[1:]
        return found
