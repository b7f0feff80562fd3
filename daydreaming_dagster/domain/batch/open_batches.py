"""The batches that a run waits for: what became of them, and of each of their questions."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

import attrs

from daydreaming_dagster.domain.batch.record import (
    BatchedQuestion,
    BatchRecord,
    BatchRecords,
    UnusedAnswer,
)
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.ports.batch_model import BatchModel, BatchState
from daydreaming_dagster.ports.language_model import (
    DEFAULT_PATIENCE_SECONDS,
    Completion,
    LanguageModelError,
    ModelKey,
    Wait,
)

ARRIVES_WITHIN_SECONDS: Final = 60.0
"""A submission whose answer was lost is in the endpoint's list of batches after this time."""

_LONGEST_POLL_SECONDS: Final = 300.0
_SHORTENED: Final = 60
"""If the first wait is short, the longest is so many times as long."""
_GROWTH: Final = 1.5
_NOT_FOUND: Final = 404

BatchOutcome: TypeAlias = Completion | LanguageModelError | str
"""An answer, an error, or why the question was not asked."""

Deliver: TypeAlias = Callable[[BatchRecord, BatchedQuestion, BatchOutcome], None]
"""Takes what became of a question of a batch."""


@attrs.define
class _Watch:
    """When a batch is looked at next, how long that wait is, and when the endpoint last answered.

    `unsettled` are the generations whose outcome is not stored yet; None while the batch goes on.
    """

    due: datetime
    wait: float
    answered: float = attrs.field(factory=time.monotonic)
    unsettled: set[GenerationRef] | None = None


@attrs.define(eq=False)
class OpenBatches:
    """The batches of a cohort that a run looks at until their outcomes are stored.

    Attributes:
        records: The records of all batches of the data root.
        model: The models.
        cohort_id: The cohort.
        cancelling: Whether each of them is cancelled.
        arrives_within_seconds: How long a submission is looked for whose answer was lost.
        patience_seconds: How long an endpoint that does not answer is asked again.
        notices: What became of batches that people should know.
        crowded: The models of which no further batch is taken while one goes on.
    """

    records: BatchRecords
    model: BatchModel
    cohort_id: str
    cancelling: bool = False
    arrives_within_seconds: float = ARRIVES_WITHIN_SECONDS
    patience_seconds: float = DEFAULT_PATIENCE_SECONDS
    notices: list[str] = attrs.field(factory=list, init=False)
    crowded: set[ModelKey] = attrs.field(factory=set, init=False)
    _open: dict[str, BatchRecord] = attrs.field(factory=dict, init=False, repr=False)
    _watches: dict[str, _Watch] = attrs.field(factory=dict, init=False, repr=False)
    _cancelled: set[str] = attrs.field(factory=set, init=False, repr=False)

    def __contains__(self, name: str | None) -> bool:
        """Return whether a batch is looked at."""
        return name in self._watches

    @property
    def names(self) -> Collection[str]:
        """The names of the batches that the run knows, also of those that it gave up."""
        return self._open.keys()

    def load(self, models: Collection[ModelKey]) -> list[BatchRecord]:
        """Return the cohort's batches of these models that have outcomes to come.

        Raises:
            DaydreamingError: A record is malformed.
        """
        return [
            record
            for record in self.records.read().values()
            if record.cohort_id == self.cohort_id and record.key in models and record.questions
        ]

    def close(self, record: BatchRecord) -> None:
        """Delete the record of a batch whose outcomes are stored, unless it has unused answers."""
        if record.unused:
            self.records.write(attrs.evolve(record, questions=[]))
        else:
            self.records.store.delete_batch(record.name)

    def watch(self, record: BatchRecord, seconds: float) -> None:
        """Look at a batch after this time."""
        self._open[record.name] = record
        self._watches[record.name] = _Watch(_in_seconds(seconds), self._first(record))

    def is_busy_with(self, model: ModelKey) -> bool:
        """Return whether questions to a model wait."""
        return any(
            self._open[name].key == model and watch.unsettled is None
            for name, watch in self._watches.items()
        )

    def waits(self) -> Iterator[Wait]:
        """Yield what each model is waited for, and when it is looked at next."""
        for key in dict.fromkeys(self._open[name].key for name in self._watches):
            names = [name for name in self._watches if self._open[name].key == key]
            records = [self._open[name] for name in names]
            until = min(self._watches[name].due for name in names).astimezone()
            asked = sum(len(record.questions) for record in records)
            answered = sum(record.answered for record in records)
            since = min(record.since for record in records).astimezone()
            reason = (
                f"{answered:,} of {counted(asked, 'question')} answered in "
                f"{counted(len(records), 'batch')} since {since:%Y-%m-%d %H:%M}"
            )
            yield Wait(key[1], until, reason)

    async def look(self, deliver: Deliver) -> None:
        """Look at the batches whose time has come, and deliver the outcomes of those that ended."""
        for name, watch in tuple(self._watches.items()):
            if watch.unsettled is None and datetime.now(UTC) >= watch.due:
                watch.due = _in_seconds(watch.wait)
                watch.wait = min(watch.wait * _GROWTH, self._longest(self._open[name]))
                try:
                    await self._look_at(self._open[name], watch, deliver)
                except LanguageModelError as error:
                    if self.cancelling and error.status == _NOT_FOUND:
                        self.notices.append(f"{self._open[name]} is gone: {error}")
                        await self._take_back(self._open[name], deliver, "its batch is gone")
                    else:
                        self._note_trouble(self._open[name], watch, error)

    async def settle(self, name: str, ref: GenerationRef) -> None:
        """Note that the outcome of a question is stored, or that it is asked in another batch.

        After the last one, the record is deleted, unless it has unused answers.
        """
        watch = self._watches.get(name)
        if watch is None or watch.unsettled is None:
            return
        watch.unsettled.discard(ref)
        if not watch.unsettled:
            del self._watches[name]
            await asyncio.to_thread(self.close, self._open.pop(name))

    async def keep_unused(self, name: str, answer: UnusedAnswer) -> None:
        """Keep a paid answer that no generation has in the record of its batch."""
        record = self._open[name]
        ref = (answer.stage, answer.gen_id)
        self._open[name] = attrs.evolve(
            record,
            questions=[question for question in record.questions if question.ref != ref],
            unused=[*record.unused, answer],
        )
        await asyncio.to_thread(self.records.write, self._open[name])

    async def _look_at(self, record: BatchRecord, watch: _Watch, deliver: Deliver) -> None:
        if record.submitted_at is None:  # a kill came before
            await self._take_back(record, deliver, "it was not submitted")
            return
        state = await self._state(record)
        watch.answered = time.monotonic()
        if state is None:
            age = datetime.now(UTC) - record.since
            if age.total_seconds() > self.arrives_within_seconds:
                await self._take_back(record, deliver, "its submission did not arrive")
            return
        changed = attrs.evolve(
            record, batch_id=state.id, status=state.status, answered=state.answered
        )
        if changed != record:
            self._open[record.name] = changed
            await asyncio.to_thread(self.records.write, changed)
            watch.wait = self._first(record)
        if state.ended:
            await self._fetch(changed, watch, state, deliver)
        elif self.cancelling and record.name not in self._cancelled:
            await self.model.cancel(record.key, state.id)
            self._cancelled.add(record.name)

    async def _state(self, record: BatchRecord) -> BatchState | None:
        if record.batch_id is not None:
            return await self.model.look(record.key, record.batch_id)
        return await self.model.find(record.key, record.name, record.file_id or "")

    async def _fetch(
        self, record: BatchRecord, watch: _Watch, state: BatchState, deliver: Deliver
    ) -> None:
        found: dict[str, Completion | LanguageModelError | None] = {}
        async for answer in self.model.answers(record.key, state):
            found.setdefault(answer.custom_id, answer.outcome)
        ended = f"its batch {state.id} is {state.status}"
        if state.problem:
            ended = f"{ended}: {state.problem}"
        if state.too_many:
            self.crowded.add(record.key)
        missing: BatchOutcome = ended
        if state.status == "completed":
            missing = LanguageModelError(
                f"{record.model} at {record.place}: no answer in the output of the batch "
                f"{state.id}; run again to ask again",
                may_be_billed=True,
            )
        watch.unsettled = {question.ref for question in record.questions}
        for place, question in enumerate(record.questions):
            outcome: BatchOutcome = found.get(question.custom_id) or missing
            if place in state.refused:
                message = f"{record.model} at {record.place}: {state.refused[place]}"
                outcome = LanguageModelError(message, status=400)
            deliver(record, question, outcome)

    async def _take_back(self, record: BatchRecord, deliver: Deliver, reason: str) -> None:
        """Forget a batch that does not exist."""
        await asyncio.to_thread(self.records.store.delete_batch, record.name)
        del self._watches[record.name], self._open[record.name]
        for question in record.questions:
            deliver(record, question, reason)

    def _note_trouble(self, record: BatchRecord, watch: _Watch, error: LanguageModelError) -> None:
        """Give a batch up if its endpoint refuses for good, or does not answer for too long."""
        silent = time.monotonic() - watch.answered
        if not error.retryable or silent > self.patience_seconds:
            del self._watches[record.name]
            self.notices.append(f"{record} cannot be looked at: {error}")

    def _first(self, record: BatchRecord) -> float:
        terms = self.model.terms(record.key)
        return 0.0 if terms is None else terms.poll_seconds

    def _longest(self, record: BatchRecord) -> float:
        return max(
            self._first(record), min(_LONGEST_POLL_SECONDS, _SHORTENED * self._first(record))
        )


def _in_seconds(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)
