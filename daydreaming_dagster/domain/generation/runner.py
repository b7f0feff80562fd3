"""The use case of a whole run: many generations at once, each failing alone."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import ExitStack
from random import uniform
from typing import Final

import attrs

from daydreaming_dagster.domain.batch.lane import BatchLane
from daydreaming_dagster.domain.batch.record import question_id
from daydreaming_dagster.domain.batch.submission import AskedLater
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.errors import (
    AnswerLostError,
    StaleAnswerError,
    WaitsForBatchError,
)
from daydreaming_dagster.domain.generation.answers import (
    read_answer,
    read_parsed,
    store_answer,
    store_late_answer,
    store_parsed,
)
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import CancellationToken, StoppedError
from daydreaming_dagster.domain.generation.claiming import Claiming, ClaimLostError
from daydreaming_dagster.domain.generation.generated import STEPS, Generated, Step
from daydreaming_dagster.domain.generation.in_thread import in_thread
from daydreaming_dagster.domain.generation.metadata import resolve_generation_metadata
from daydreaming_dagster.domain.generation.order import RunOrder
from daydreaming_dagster.domain.generation.prepared import Prepared
from daydreaming_dagster.domain.generation.prompts import render_planned_input
from daydreaming_dagster.domain.generation.recipe import Recipe, make_recipe, why_stale
from daydreaming_dagster.domain.generation.refusals import Refusals, Verdict
from daydreaming_dagster.domain.generation.state import GenerationState, read_state
from daydreaming_dagster.domain.generation.storing import StoringPatience
from daydreaming_dagster.domain.generation.turns import read_turns
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.errors import DataLayerError, StorageUnavailableError
from daydreaming_dagster.ports.gens_store import (
    GensStoreWithTemplates,
    check_space,
    most_in_flight,
)
from daydreaming_dagster.ports.language_model import (
    LONGEST_WAIT_SECONDS,
    Completion,
    LanguageModel,
    LanguageModelError,
    ModelKey,
    ModelRequest,
    Wait,
)
from daydreaming_dagster.types import Stage

IN_FLIGHT: Final = 256
"""How many generations of a run are in flight at once. Models have limits of their own."""

CLAIM_SECONDS: Final = 1.0
"""How long a run waits between two attempts to claim a generation that another run makes."""

STORE_SECONDS: Final = 1.0
"""How long a paid answer waits in memory between two attempts to store it."""


@attrs.frozen
class GenerationRunner:
    """Makes planned generations with a model.

    Attributes:
        replace_stale: Whether to call a model again if the stored answer belongs to another
            question, for instance because a template was edited. The replaced answer is kept. If
            False, such a generation fails with a `StaleAnswerError`.
        force: Generations for which to call a model in any case.
        without: Generations to leave as they are, with their descendants.
        stop: Ends the run early.
        budget: What the run may spend.
        lane: Asks models by batch, and leaves alone what waits in batches of others.
        set_aside: The models that are no longer called, each with the reason. Their generations and
            the descendants of these are left as they are.
        waits: The models whose endpoint takes no calls at the moment.
        second_call_seconds: The longest wait before the retry of a lost answer, unless the endpoint
            asks for longer. It is random, so that those lost together are not retried together.
    """

    store: GensStoreWithTemplates
    model: LanguageModel
    catalog: Catalog
    replace_stale: bool = attrs.field(default=False, kw_only=True)
    force: Collection[tuple[Stage, str]] = attrs.field(default=(), kw_only=True)
    without: Collection[GenerationRef] = attrs.field(default=(), kw_only=True)
    stop: CancellationToken = attrs.field(factory=CancellationToken, kw_only=True)
    budget: Budget = attrs.field(factory=Budget, kw_only=True)
    lane: BatchLane | None = attrs.field(default=None, kw_only=True)
    set_aside: dict[ModelKey, str] = attrs.field(factory=dict, init=False)
    waits: dict[ModelKey, Wait] = attrs.field(factory=dict, init=False)
    second_call_seconds: float = attrs.field(default=10.0, kw_only=True)

    async def generate(
        self, stage: Stage, gen_id: str, steps: Collection[Step] = STEPS
    ) -> Generated:
        """Return what the chosen steps made. Results of other steps are read from the store.

        Every error of this generation ends up in `error`, and so does the end of the run. While
        another run makes the generation, this waits for it.
        """
        result = Generated(stage, gen_id)
        try:
            with ExitStack() as kept, Claiming(self.store, result.ref) as claim:
                while (prepared := await in_thread(self._prepare, result, steps, claim)) is None:
                    await self.stop.sleep(CLAIM_SECONDS)
                completion = None
                if prepared.question is not None:
                    result.asked = True
                    completion = await self._ask(result.ref, prepared, prepared.question, kept)
                if completion is not None or ("parsed" in steps and result.parsed is None):
                    await self._finish(result, steps, claim, prepared, completion)
        except (DaydreamingError, OSError) as error:
            result.error = error
        return result

    async def generate_many(
        self,
        generations: Mapping[Stage, Sequence[str]],
        steps: Collection[Step] = STEPS,
        *,
        in_flight: int = IN_FLIGHT,
    ) -> AsyncGenerator[Generated, None]:
        """Yield each generation as soon as it is done, with at most `in_flight` at once.

        There are fewer at once if the store cannot keep files open for so many.
        If parents of a generation are among them, it starts when the last one is done, and not at
        all if one fails. If a model is set aside, its generations are not yielded and their
        descendants are not started; others go on. When the run is stopped, generations in flight
        are finished. If the consumer stops early or is cancelled, they are also finished and stored
        before this ends. If it is cancelled again, they are cancelled.

        Raises:
            StorageUnavailableError: Answers cannot be stored. No model was called.
        """
        in_flight = await asyncio.to_thread(self._check_storage, generations, in_flight)
        self.stop.subscribe(self.model.stop)
        order = await asyncio.to_thread(RunOrder.of, self.store, generations, self.without)
        finished = asyncio.Queue[asyncio.Task[Generated] | None]()  # None: look at batches
        running: set[asyncio.Task[Generated]] = set()
        refusals = Refusals()
        if self.lane is not None:
            self.lane.start(order, lambda: finished.put_nowait(None))
        try:
            while True:
                while len(running) < in_flight and (ref := self._next(order)) is not None:
                    task = asyncio.create_task(self.generate(*ref, steps))
                    task.add_done_callback(finished.put_nowait)
                    running.add(task)
                if not running and not self._waits_for_batches():
                    return
                ended = await finished.get()
                if ended is None:
                    continue
                running.remove(ended)
                done = ended.result()
                if await self._is_news(done, refusals):
                    if done.error is None:
                        order.note_made(done.ref)
                    yield done
        finally:
            if running:
                await self._finish_those(running)
            if self.lane is not None:
                await self.lane.end()

    async def _is_news(self, done: Generated, refusals: Refusals) -> bool:
        """Return whether a generation was made or failed, and not left; obey what follows of it."""
        if self.lane is not None:
            await self.lane.note_done(done)
        if isinstance(done.error, StoppedError) and done.model not in self.set_aside:
            self.stop.stop(done.error.reason)
        if isinstance(done.error, StoppedError | WaitsForBatchError):
            return False
        if (verdict := refusals.count(done)) is not None:
            self._obey(verdict)
        return True

    def _next(self, order: RunOrder) -> GenerationRef | None:
        if self.stop.reason is not None:
            return None
        return order.take(no_more=self.lane is not None and self.lane.full)

    def _waits_for_batches(self) -> bool:
        return self.stop.reason is None and self.lane is not None and self.lane.busy

    def _obey(self, verdict: Verdict) -> None:
        """End the run, or let no further call of a model begin."""
        if verdict.model is None:
            self.stop.stop(verdict.reason)
        elif verdict.model not in self.set_aside:
            self.set_aside[verdict.model] = verdict.reason
            self.waits.pop(verdict.model, None)
            self.model.stop(verdict.reason, verdict.model)

    async def _finish_those(self, running: Collection[asyncio.Task[Generated]]) -> None:
        """Wait for the generations of an abandoned run, because they are being paid for."""
        self.stop.stop("the consumer of its results ended")
        try:
            await asyncio.wait(running)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _check_storage(self, generations: Mapping[Stage, Sequence[str]], in_flight: int) -> int:
        """Return how many generations can be in flight at once, if there are any."""
        if total := sum(map(len, generations.values())):
            in_flight = most_in_flight(self.store, in_flight)
            check_space(self.store, min(in_flight, total))
        return in_flight

    def _prepare(
        self, result: Generated, steps: Collection[Step], claim: Claiming
    ) -> Prepared | None:
        """Claim the generation, write its prompt, and look for a stored answer.

        Returns None if another run holds the claim.
        """
        stage, gen_id = result.stage, result.gen_id
        metadata = resolve_generation_metadata(self.store, stage, gen_id)
        result.metadata = metadata
        recipe = make_recipe(self.store, self.catalog, stage, gen_id, metadata)
        result.model = (recipe.provider, recipe.model) if recipe.mode == "llm" else None
        # Nobody pays for a copy.
        if "raw" in steps and recipe.mode == "llm" and not claim.take():
            return None
        prompt = question = None
        stored = read_state(self.store, self.catalog.pipeline[stage], gen_id)
        if "prompt" in steps:
            prompt = render_planned_input(self.store, self.catalog, gen_id, metadata, recipe)
        if "raw" in steps:
            question = self.store.read_prompt(stage, gen_id) if prompt is None else prompt
            if self._serves(stored, result.ref, recipe, question):
                result.raw, question = stored.answer, None
                if stored.answer is None:  # a text from elsewhere
                    result.parsed = read_parsed(self.store, stage, gen_id)
        if question is not None:
            self._check_before_call(result)
        # An answer keeps its own prompt beside it until its replacement is stored.
        if question is not None and stored.answer is not None:
            return Prepared(recipe, question, prompt, stored.recorded_digest)
        if prompt is not None:
            self.store.write_prompt(stage, gen_id, prompt)
            result.prompt = prompt
        return Prepared(recipe, question, None, stored.recorded_digest)

    def _check_before_call(self, result: Generated) -> None:
        if result.model in self.set_aside:
            raise StoppedError(self.set_aside[result.model])
        if self.lane is not None and result.model is not None:
            self.lane.check(result.ref)
        check_space(self.store, self.budget.in_flight + 1)

    def _serves(
        self, stored: GenerationState, ref: GenerationRef, recipe: Recipe, prompt: str
    ) -> bool:
        """Return whether the stored answer can be used; if not, a model has to be called.

        Raises:
            StaleAnswerError: The answer cannot be used and must not be replaced.
        """
        if ref in self.force or stored.needs_answer:
            return False
        reason = None if stored.answer is None else why_stale(stored.question, recipe, prompt)
        if reason is not None and not self.replace_stale:
            raise StaleAnswerError(*ref, reason)
        return reason is None

    async def _ask(
        self, ref: GenerationRef, prepared: Prepared, prompt: str, kept: ExitStack
    ) -> Completion:
        """Return the model's answer; in mode copy, the prompt itself."""
        recipe = prepared.recipe
        if recipe.mode == "copy":
            return Completion(prompt, "stop", model="", duration_seconds=0.0)

        def note(wait: Wait) -> None:
            self.waits[request.key] = wait

        messages = read_turns(prompt)
        request = ModelRequest(
            messages, recipe.model, recipe.provider, recipe.parameters, kept, on_wait=note
        )
        if self.lane is not None and request.key in self.lane.models:
            custom_id = question_id(ref, recipe.question(prompt))
            return self.lane.ask(AskedLater(ref, custom_id, request, prepared.replaces))
        if self.lane is not None:
            self.lane.note_call(ref)
        try:
            return await self._buy(request)
        except LanguageModelError as error:
            asked_to_wait = error.retry_after_seconds or 0.0
            lost = error.retryable and error.may_be_billed
            if not lost or asked_to_wait > LONGEST_WAIT_SECONDS:
                raise
            # Retry once, because a lost connection is often chance. No more, because each attempt
            # may cost as much as an answer and take as long as the slowest.
            wait = self.second_call_seconds * uniform(0.5, 1.0)  # noqa: S311  no secret
            await self.stop.sleep(max(wait, asked_to_wait))
            completion = await self._buy(request)
            failed = *error.failed_attempts, str(error), *completion.failed_attempts
            return attrs.evolve(completion, failed_attempts=failed)

    async def _buy(self, request: ModelRequest) -> Completion:
        """Return the model's answer, and count it in the budget."""
        reserved = await self.budget.reserve(request, self.stop)
        try:
            completion = await self.model.complete(request)
        except LanguageModelError as error:
            self.budget.settle_unanswered(request, reserved, may_be_billed=error.may_be_billed)
            raise
        except asyncio.CancelledError:
            self.budget.settle_unanswered(request, reserved, may_be_billed=True)
            raise
        except BaseException:  # it was not sent, so its reservation must not block other calls
            self.budget.withdraw(reserved)
            raise
        self.waits.pop(request.key, None)
        self.budget.settle(request, reserved, completion)
        return completion

    async def _finish(
        self,
        result: Generated,
        steps: Collection[Step],
        claim: Claiming,
        prepared: Prepared,
        completion: Completion | None,
    ) -> None:
        """Store and parse the answer, and release the claim.

        A paid answer that cannot be stored waits in memory. If nothing can be stored at present,
        the run ends, and the answer waits at least for those in flight (see `StoringPatience`). If
        the claim was lost, the answer waits until the other run has released it, and is then kept
        beside the other's.

        Raises:
            AnswerLostError: The paid answer could not be stored.
        """
        patience = StoringPatience()
        while True:
            of_last_calls = not self.budget.in_flight
            try:
                return await in_thread(self._store, result, steps, claim, prepared, completion)
            except ClaimLostError:  # the other run stores its own answer first
                pass
            except (DataLayerError, OSError) as error:
                unpaid = completion is None or prepared.recipe.mode == "copy"
                if unpaid or result.raw is not None:
                    raise
                unavailable = isinstance(error, StorageUnavailableError)
                if unavailable:
                    self.stop.stop(str(error))
                if (of_last_calls or not unavailable) and patience.is_over(error):
                    raise AnswerLostError(*result.ref, str(error)) from error
            await asyncio.sleep(STORE_SECONDS)

    def _store(
        self,
        result: Generated,
        steps: Collection[Step],
        claim: Claiming,
        prepared: Prepared,
        completion: Completion | None,
    ) -> None:
        """Store the answer, parse it, and release the claim, which is kept for another attempt.

        Raises:
            ClaimLostError: Another run makes the generation. Nothing was stored.
        """
        stage, gen_id = result.stage, result.gen_id
        recipe, question, prompt = prepared.recipe, prepared.question, prepared.late_prompt
        if question is not None and completion is not None:
            if not claim.keep():
                raise ClaimLostError(*result.ref)
            late = claim.was_lost and result.ref not in self.force
            store = store_late_answer if late else store_answer
            result.raw = store(self.store, gen_id, recipe, question, completion)
        with claim:
            # Write the paid answer first. After a crash between the two writes, the next run finds
            # an answer to today's question and writes the prompt.
            if prompt is not None and result.raw is not None:
                self.store.write_prompt(stage, gen_id, prompt)
                result.prompt = prompt
            if "parsed" in steps:
                answer = result.raw or read_answer(self.store, stage, gen_id)
                result.parsed = store_parsed(self.store, stage, gen_id, recipe.reader, answer)
