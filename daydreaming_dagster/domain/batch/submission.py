"""Puts questions into a batch so that no kill makes anybody pay for one twice."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

import attrs

from daydreaming_dagster.domain.batch.record import (
    BatchedQuestion,
    BatchRecord,
    BatchRecords,
    now_as_text,
)
from daydreaming_dagster.domain.generation.state import GenerationState
from daydreaming_dagster.domain.generation.stored import LazyGeneration
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.ports.batch_model import BatchModel
from daydreaming_dagster.ports.gens_store import GensStore, claim_generation
from daydreaming_dagster.ports.language_model import (
    LanguageModelError,
    ModelKey,
    ModelRequest,
)


@attrs.frozen
class AskedLater:
    """A question that goes into a batch.

    Attributes:
        ref: The generation that it is asked for.
        custom_id: Its id in the batch (see `question_id`).
        request: What is asked.
        replaces: The digest of the answer that the generation has now, None if it has none.
        line: The question as a part of a batch.
        reserved: What is reserved for it, in USD.
    """

    ref: GenerationRef
    custom_id: str
    request: ModelRequest = attrs.field(repr=False)
    replaces: str | None = None
    line: bytes = attrs.field(default=b"", repr=False)
    reserved: float = 0.0


@attrs.define(eq=False)
class NotSubmittedError(Exception):
    """A batch was not submitted, so its questions can be put again. `error` says why."""

    error: LanguageModelError


@attrs.frozen
class Submission:
    """Submits the batches of a cohort.

    What happens to a batch is written before it happens:

    1. A record says what is to be asked. Whoever claims one of these generations afterwards finds
       it and asks nothing. Generations that somebody else claimed or answered before are taken out.
    2. The questions are uploaded, which costs nothing. The record gets the id of the file, and that
       the batch is about to be submitted. A record without that was not submitted.
    3. The batch is submitted, under the record's name. The record gets its id. If the id is
       missing, the endpoint's list says whether the batch is there: by name, or by file.
    """

    records: BatchRecords
    model: BatchModel
    gens: GensStore
    cohort_id: str

    def write(
        self, key: ModelKey, place: str, questions: Sequence[AskedLater]
    ) -> tuple[BatchRecord | None, list[AskedLater]]:
        """Return the record of a new batch, None if it has no questions, and its questions."""
        store = self.records.store
        with store.hold():
            # Sorted by name, the records of a cohort are sorted by age.
            name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid4().hex[:12]}"
            elsewhere = self.records.waiting()
            kept = [
                question
                for question in questions
                if question.ref not in elsewhere
                or elsewhere[question.ref].cohort_id == self.cohort_id
            ]
            record = BatchRecord(
                name=name,
                cohort_id=self.cohort_id,
                provider=key[0],
                model=key[1],
                place=place,
                written_at=now_as_text(),
                questions=_listed(kept),
            )
            self.records.write(record)
            free = [question for question in kept if self._is_free(question)]
            record = attrs.evolve(record, questions=_listed(free))
            if not free:
                store.delete_batch(name)
                return None, free
            if len(free) < len(kept):
                self.records.write(record)
        return record, free

    async def send(self, record: BatchRecord, questions: Sequence[AskedLater]) -> BatchRecord:
        """Return the record of a written batch after its submission.

        Without a `batch_id`, nobody knows whether the submission arrived.

        Raises:
            NotSubmittedError: It was not submitted. Its record is deleted.
        """
        store, key, name = self.records.store, record.key, record.name
        try:
            file_id = await self.model.upload(key, name, [question.line for question in questions])
        except LanguageModelError as error:
            await asyncio.to_thread(store.delete_batch, name)
            raise NotSubmittedError(error) from None
        record = attrs.evolve(
            record, file_id=file_id, submitted_at=now_as_text(), status="submitting"
        )
        await asyncio.to_thread(self.records.write, record)
        try:
            state = await self.model.submit(key, name, file_id, self.cohort_id)
        except LanguageModelError as error:
            if error.may_be_billed:
                return record
            await asyncio.to_thread(store.delete_batch, name)
            raise NotSubmittedError(error) from None
        record = attrs.evolve(record, batch_id=state.id, status=state.status)
        await asyncio.to_thread(self.records.write, record)
        return record

    def _is_free(self, question: AskedLater) -> bool:
        """Return whether nobody else asks it now or has done so since it was prepared."""
        claim = claim_generation(self.gens, *question.ref)
        if claim is None:
            return False
        try:
            stored = GenerationState(LazyGeneration(self.gens, *question.ref), needs_score=False)
            return stored.recorded_digest == question.replaces
        finally:
            claim.release()


def is_stored(gens: GensStore, ref: GenerationRef, batch_id: str | None) -> bool:
    """Return whether a generation has the answer that came in this batch.

    A kill may have come after the record of the answer and before its text.
    """
    stored = GenerationState(LazyGeneration(gens, *ref), needs_score=False)
    return stored.answer is not None and stored.raw_record.batch_id == (batch_id or "")


def _listed(questions: Sequence[AskedLater]) -> list[BatchedQuestion]:
    return [
        BatchedQuestion(question.custom_id, *question.ref, question.reserved)
        for question in questions
    ]
