"""The part of a run that asks by batch, beside the part that calls models."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import attrs

from daydreaming_dagster.domain.batch.open_batches import BatchOutcome, OpenBatches
from daydreaming_dagster.domain.batch.pile import Pile
from daydreaming_dagster.domain.batch.record import BatchedQuestion, BatchRecord, UnusedAnswer
from daydreaming_dagster.domain.batch.submission import (
    AskedLater,
    NotSubmittedError,
    Submission,
    is_stored,
)
from daydreaming_dagster.domain.errors import AnswerLostError, WaitsForBatchError
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import CancellationToken, StoppedError
from daydreaming_dagster.domain.generation.generated import Generated
from daydreaming_dagster.domain.generation.order import RunOrder
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.formatting import counted, money
from daydreaming_dagster.ports.batch_model import BatchTerms
from daydreaming_dagster.ports.language_model import (
    Completion,
    LanguageModelError,
    ModelKey,
    ModelRequest,
    Wait,
)

ATTEMPTS: Final = 3
"""How often a run puts a question into a batch, if it comes back without an answer."""

_TICK_SECONDS: Final = 0.1
_NO_BATCHES: Final = (404, 405, 501)


@attrs.frozen
class _Arrived:
    """What became of a question of a batch."""

    record: BatchRecord
    question: BatchedQuestion
    outcome: BatchOutcome


@attrs.define(eq=False)
class BatchLane:
    """Collects a run's questions to `models`, submits them as batches, and takes the answers.

    Batches of the cohort's earlier runs go on. A generation that waits in any other batch is left
    alone; a lane without models sees to that only.

    Attributes:
        submission: Submits batches.
        batches: The batches that are waited for.
        models: The models that are asked by batch.
        budget: What the run may spend.
        stop: Ends the run early.
    """

    submission: Submission
    batches: OpenBatches
    models: set[ModelKey]
    budget: Budget
    stop: CancellationToken
    _order: RunOrder = attrs.field(factory=RunOrder, init=False, repr=False)
    _wake: Callable[[], None] = attrs.field(default=lambda: None, init=False, repr=False)
    _driver: asyncio.Task[None] | None = attrs.field(default=None, init=False, repr=False)
    _where: dict[GenerationRef, str] = attrs.field(factory=dict, init=False, repr=False)
    _parked: set[GenerationRef] = attrs.field(factory=set, init=False, repr=False)
    _held: list[GenerationRef] = attrs.field(factory=list, init=False, repr=False)
    _piles: dict[ModelKey, Pile] = attrs.field(factory=dict, init=False, repr=False)
    _arrived: dict[GenerationRef, _Arrived] = attrs.field(factory=dict, init=False, repr=False)
    _strays: list[_Arrived] = attrs.field(factory=list, init=False, repr=False)
    _from: dict[GenerationRef, str] = attrs.field(factory=dict, init=False, repr=False)
    _attempts: Counter[GenerationRef] = attrs.field(factory=Counter, init=False, repr=False)
    _left: Counter[str] = attrs.field(factory=Counter, init=False, repr=False)
    _unused: dict[str, list[UnusedAnswer]] = attrs.field(factory=dict, init=False, repr=False)
    _reservations: tuple[int, int, int] = attrs.field(default=(0, 0, 0), init=False, repr=False)
    _sending: bool = attrs.field(default=False, init=False, repr=False)
    _over: bool = attrs.field(default=False, init=False, repr=False)

    @property
    def full(self) -> bool:
        """Whether no further question fits into the budget until others are answered."""
        return bool(self._held)

    @property
    def busy(self) -> bool:
        """Whether any generation that was started waits for something that may still come."""
        if self._driver is None or self._driver.done():
            return False
        has_room = self._held and self.budget.reservations != self._reservations
        collected = any(pile.questions for pile in self._piles.values())
        awaited = any(self._where.get(ref) in self.batches for ref in self._parked)
        return bool(has_room or self._sending or collected or awaited)

    def start(self, order: RunOrder, wake: Callable[[], None]) -> None:
        """Take over the batches of earlier runs, and see to all batches until `end`.

        A generation whose answer arrives may start again. `wake` is called whenever one may, and
        when nothing more can be done.

        Raises:
            DaydreamingError: The record of a batch is malformed.
        """
        self._order, self._wake, gens = order, wake, self.submission.gens
        for record in self.batches.load(self.models):
            if all(is_stored(gens, each.ref, record.batch_id) for each in record.questions):
                self.batches.close(record)  # a kill came before
                continue
            self.batches.watch(record, 0.0)
            for question in record.questions:
                self._where[question.ref] = record.name
                self.budget.resume_in_batch(question.reserved)
        self._driver = asyncio.create_task(self._drive())
        self._driver.add_done_callback(lambda _driver: wake())

    def check(self, ref: GenerationRef) -> None:
        """Return unless a generation waits in a batch that this run does not wait for.

        The generation is claimed, so no batch takes it meanwhile.

        Raises:
            WaitsForBatchError: It does.
            DaydreamingError: The record of a batch is malformed.
        """
        record = self.batches.records.batch_of(ref, self.batches.names)
        if record is not None:
            self._left[record.name] += 1
            raise WaitsForBatchError(f"it waits in {record}")

    def ask(self, question: AskedLater) -> Completion:
        """Return the answer if it has arrived; otherwise see to it that it is asked by batch.

        Raises:
            WaitsForBatchError: It waits. It is started again when the answer is there.
            LanguageModelError: It failed.
            StoppedError: It does not fit into the budget.
        """
        ref = question.ref
        arrived = self._arrived.pop(ref, None)
        if arrived is not None and arrived.question.custom_id == question.custom_id:
            completion = self._take(question.request, arrived)
            if completion is not None:
                return completion
        elif arrived is not None:
            self._strays.append(arrived)
        elif ref in self._where:
            self._parked.add(ref)
            raise WaitsForBatchError(f"it waits in the batch {self._where[ref]}")
        if self.batches.cancelling:
            raise WaitsForBatchError("the cohort's batches are cancelled")
        self._collect(question)
        raise WaitsForBatchError("it is about to be asked by batch")

    async def _drive(self) -> None:
        tick = min((_TICK_SECONDS, *(self._terms(key).poll_seconds for key in self.models)))
        try:
            while not self._over and self.stop.reason is None:
                await self._submit_piles()
                await self.batches.look(self._deliver)
                await self._see_to_strays()
                self._retry_held()
                await asyncio.sleep(tick)
            await self._see_to_strays()
        except (DaydreamingError, OSError) as error:
            self.stop.stop(f"batches cannot be recorded: {error}")

    async def end(self) -> None:
        """Finish what is being sent, and see to batches no longer."""
        self._over = True
        if self._driver is not None:
            await self._driver

    def note_call(self, ref: GenerationRef) -> None:
        """Note that a model is called for a generation, which may take long."""
        self._order.busy.discard(ref)

    async def note_done(self, done: Generated) -> None:
        """Note that a generation was made, failed or was put off."""
        ref = done.ref
        self._order.busy.discard(ref)
        # An answer may arrive between the end of a generation that was put off and this.
        if done.error is None and (arrived := self._arrived.pop(ref, None)) is not None:
            self._strays.append(arrived)  # it was not asked, since the stored answer serves
            await self._see_to_strays()
        put_off = isinstance(done.error, WaitsForBatchError) and not self.batches.cancelling
        if not (put_off or isinstance(done.error, AnswerLostError | OSError | StoppedError)):
            await self.batches.settle(self._from.pop(ref, ""), ref)

    def waits(self) -> Iterator[Wait]:
        """Yield what models are waited for."""
        yield from self.batches.waits()
        for key, pile in self._piles.items():
            if pile.not_before is not None:
                yield Wait(key[1], pile.not_before.astimezone(), "no batch is taken")

    @property
    def waiting(self) -> str | None:
        """Return why generations are left without an answer, None if none is."""
        count = len(self._parked) + sum(self._left.values())
        return f"{counted(count, 'generation')} left until a batch ends" if count else None

    def notices(self) -> list[str]:
        """Return what people should know of batches at the end of the run."""
        records = self.batches.records.read()
        left = Counter({name: count for name, count in self._left.items() if name in records})
        for name in records.keys() & self.batches.names:
            left[name] = len(records[name].questions)
        notices = list(self.batches.notices)
        for name, answers in self._unused.items():
            for reason, count in Counter(answer.reason for answer in answers).items():
                cost = sum(answer.cost or 0.0 for answer in answers if answer.reason == reason)
                notices.append(
                    f"{counted(count, 'paid answer')} ({money(cost)} USD) not used, because "
                    f"{reason}; kept in batches/{name}.json"
                )
        for name, count in left.items():
            wait = "waits" if count == 1 else "wait"
            notices.append(f"{counted(count, 'generation')} {wait} in {records[name]}")
        return notices

    def _take(self, request: ModelRequest, arrived: _Arrived) -> Completion | None:
        """Return the answer that arrived, None if the question is put once more.

        Raises:
            LanguageModelError: The question failed for good, or too often.
        """
        ref, outcome = arrived.question.ref, arrived.outcome
        reserved = arrived.question.reserved
        self._from[ref] = arrived.record.name
        self.budget.take_from_batch()
        if isinstance(outcome, Completion):
            self.budget.settle(request, reserved, outcome)
            return outcome
        self._attempts[ref] += 1
        passing = isinstance(outcome, str) or (outcome.retryable and not outcome.may_be_billed)
        if passing and (self.batches.cancelling or self._attempts[ref] < ATTEMPTS):
            self.budget.withdraw(reserved)
            return None
        if isinstance(outcome, str):
            place = arrived.record.place
            outcome = LanguageModelError(f"{request.model} at {place} was not asked: {outcome}")
        self.budget.settle_unanswered(request, reserved, may_be_billed=outcome.may_be_billed)
        raise outcome

    def _collect(self, question: AskedLater) -> None:
        """Keep a question for the next batch, or until it fits into the budget."""
        key, ref = question.request.key, question.ref
        terms = self._terms(key)
        line = self.submission.model.line(question.custom_id, question.request)
        if len(line) > terms.size:
            raise LanguageModelError(
                f"{key[1]} at {terms.place} was not asked: the question has {len(line):,} bytes, "
                f"and a batch may have {terms.size:,}; shorten the prompt"
            )
        reserved = self.budget.reserve_in_batch(question.request)
        self._parked.add(ref)
        if reserved is None:
            self._held.append(ref)
            return
        pile = self._piles.setdefault(key, Pile())
        pile.add(attrs.evolve(question, line=line, reserved=reserved))

    async def _submit_piles(self) -> None:
        for key, pile in tuple(self._piles.items()):
            while self._is_due(key, pile) and self.stop.reason is None:
                questions = pile.take(self._terms(key))
                self._sending = True
                await self._submit(key, pile, questions)
                self._sending = False

    def _is_due(self, key: ModelKey, pile: Pile) -> bool:
        """Return whether the collected questions to a model are submitted now.

        While a model has a batch, the next one is not submitted before the calls in flight of other
        models are answered, since they may add to it. (Nagle's algorithm does so with packets, RFC
        896.)
        """
        if self._order.busy or self._order.again or (self._order.ready and not self.full):
            return pile.is_full(self._terms(key))
        busy = self.batches.is_busy_with(key)
        if busy and key in self.batches.crowded:
            return False
        return pile.is_due(self._terms(key), may_grow=busy and bool(self.budget.in_flight))

    async def _submit(self, key: ModelKey, pile: Pile, questions: Sequence[AskedLater]) -> None:
        terms = self._terms(key)
        record, free = await asyncio.to_thread(self.submission.write, key, terms.place, questions)
        for question in questions:
            if question not in free:
                self._put_back(question)
        if record is None:
            return
        for question in free:
            self._where[question.ref] = record.name
            await self.batches.settle(self._from.pop(question.ref, ""), question.ref)
        try:
            record = await self.submission.send(record, free)
        except NotSubmittedError as refused:
            for question in free:
                del self._where[question.ref]
            self._refuse(pile, key, free, refused.error)
            return
        pile.not_before = None
        self.batches.watch(record, terms.poll_seconds)

    def _refuse(
        self,
        pile: Pile,
        key: ModelKey,
        questions: Sequence[AskedLater],
        error: LanguageModelError,
    ) -> None:
        """Call the model instead, try again later, or let the questions fail."""
        if error.status in _NO_BATCHES:
            self.models.discard(key)
            self.batches.notices.append(f"{key[1]} is called instead of asked by batch: {error}")
            for question in (*questions, *self._piles.pop(key).questions):
                self._put_back(question)
            return
        if error.retryable and pile.keep(questions, error, self.batches.patience_seconds):
            return
        for question in questions:
            ref = question.ref
            asked_later = BatchedQuestion(question.custom_id, *ref, question.reserved)
            self._attempts[ref] = ATTEMPTS
            self._arrived[ref] = _Arrived(BatchRecord(), asked_later, error)
            self._start_again(ref)

    def _deliver(
        self, record: BatchRecord, question: BatchedQuestion, outcome: BatchOutcome
    ) -> None:
        arrived, ref = _Arrived(record, question, outcome), question.ref
        if self._where.get(ref) != record.name:  # it was put once more before a kill
            self._strays.append(arrived)
            return
        del self._where[ref]
        if ref not in self._order.members:
            self._strays.append(arrived)
            return
        self._arrived[ref] = arrived
        if ref in self._parked:
            self._start_again(ref)

    async def _see_to_strays(self) -> None:
        """Keep paid answers that no generation has, and count them."""
        strays, self._strays = self._strays, []
        for arrived in strays:
            record, question, outcome = arrived.record, arrived.question, arrived.outcome
            self.budget.take_from_batch()
            if not isinstance(outcome, Completion) or await asyncio.to_thread(
                is_stored, self.submission.gens, question.ref, outcome.batch_id
            ):
                self.budget.withdraw(question.reserved)
            else:
                request = ModelRequest("", record.model, record.provider)
                cost = self.budget.settle(request, question.reserved, outcome)
                reason = "they answer earlier questions"
                if question.ref not in self._order.members:
                    reason = "their generations are no longer to be made"
                unused = UnusedAnswer(*question.ref, reason, cost, outcome.text)
                await self.batches.keep_unused(record.name, unused)
                self._unused.setdefault(record.name, []).append(unused)
            await self.batches.settle(record.name, question.ref)

    def _retry_held(self) -> None:
        if self._held and self.budget.reservations != self._reservations:
            held, self._held = self._held, []
            for ref in held:
                self._start_again(ref)
        self._reservations = self.budget.reservations

    def _put_back(self, question: AskedLater) -> None:
        self.budget.take_from_batch()
        self.budget.withdraw(question.reserved)
        self._start_again(question.ref)

    def _start_again(self, ref: GenerationRef) -> None:
        self._parked.discard(ref)
        self._order.again.append(ref)
        self._wake()

    def _terms(self, key: ModelKey) -> BatchTerms:
        terms = self.submission.model.terms(key)
        if terms is None:
            raise KeyError(key)  # such a model is not among `models`
        return terms
