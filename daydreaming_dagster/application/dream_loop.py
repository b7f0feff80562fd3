"""Daydreaming: rounds of a loop, in which accepted texts are combined again."""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import attrs

from daydreaming_dagster.application.batch_lane import Batches
from daydreaming_dagster.application.loop_check import check_loop
from daydreaming_dagster.application.loop_gate import RoundGate
from daydreaming_dagster.application.loop_memory import LoopMemory
from daydreaming_dagster.application.loop_round import LoopRound
from daydreaming_dagster.application.loop_runs import (
    LoopLimitError,
    RoundInterruptedError,
    RoundRuns,
)
from daydreaming_dagster.application.run_cohort import CohortRunner, run_cohort
from daydreaming_dagster.application.run_listener import NullRunListener, RunListener, RunPlan
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.generation.generated import Generated
from daydreaming_dagster.domain.loop.journal import (
    ChoosePairs,
    Decided,
    Entry,
    Journal,
    JudgeTexts,
    LimitReached,
    Step,
    Stop,
    WriteTexts,
    next_step,
)
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.embedding_model import EmbeddingModel
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.ports.language_model import LanguageModel, Wait
from daydreaming_dagster.ports.loop_store import LoopStore


@attrs.frozen
class DreamOptions:
    """What one call of `dream_loop` does at most.

    Attributes:
        rounds: The number of rounds that it finishes; None means until the loop stops.
        max_cost: What it may spend, in USD; None means no limit beyond the loop's own.
        allow_missing: Whether a name stands in for a missing description.
    """

    rounds: int | None = None
    max_cost: float | None = None
    allow_missing: bool = False


class DreamListener(RunListener, Protocol):
    """Is told of the runs of cohorts, and of what a loop records. An error ends the loop."""

    def record(self, number: int, entry: Entry) -> None:
        """Called after an entry of the round of this number was recorded."""
        ...

    def end(self, dream: "Dream") -> None:
        """Called once at the end, unless an error ends it."""
        ...


class NullDreamListener(NullRunListener):
    """Does nothing."""

    def record(self, number: int, entry: Entry) -> None: ...

    def end(self, dream: "Dream") -> None: ...


@attrs.frozen
class Dream:
    """What a call of `dream_loop` came to.

    Attributes:
        finished: The number of rounds that it finished.
        reason: Why it ended.
        interrupted: Whether a round is left unfinished. The next call finishes it.
        journal: What the loop did so far.
    """

    finished: int
    reason: str
    interrupted: bool
    journal: Journal


def dream_loop(
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    loops: LoopStore,
    model: LanguageModel,
    loop_id: str,
    *,
    options: DreamOptions,
    token: CancellationToken,
    listener: DreamListener,
    batches: Batches | None = None,
    embeddings: EmbeddingModel | None = None,
) -> Dream:
    """Go on with a loop until it stops, the options say so, or the token is stopped.

    Each step is recorded when it is done. A loop that was killed goes on with the step that it was
    in: answers that were stored are not asked for again, and it makes the same choices and
    decisions as a loop that was not killed. Models whose row says `batch` are asked by batch, if
    there are `batches`. `embeddings` embeds texts, if the gate of the loop compares them so.

    Raises:
        CatalogError: The specification, the catalogs or the journal are wrong. Lists all problems.
        LoopBusyError: Another process runs the loop.
        CohortBusyError: Another process runs the cohort of the round.
        SamplerError: A sampler broke the rules of its port.
    """
    with loops.hold(loop_id):
        run = partial(run_cohort, model=model, batches=batches)
        dream = _dream(store, cohorts, loops, run, embeddings, loop_id, options, token, listener)
    listener.end(dream)
    return dream


def _dream(  # noqa: PLR0917  those of `dream_loop`
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    loops: LoopStore,
    run: CohortRunner,
    embeddings: EmbeddingModel | None,
    loop_id: str,
    options: DreamOptions,
    token: CancellationToken,
    listener: DreamListener,
) -> Dream:
    spent = _Spending(listener)
    finished = 0
    while True:
        spec, journal = loops.read_spec(loop_id), loops.read_journal(loop_id)
        catalog = cohorts.read_catalog()
        spec = spec.with_planned_ids(catalog.planned_ids())
        check_loop(loop_id, spec, catalog, loops, journal)
        step = next_step(spec.stop, journal, spec.seeds(catalog))
        if isinstance(step, Stop):
            return Dream(finished, step.reason, interrupted=False, journal=journal)
        if isinstance(step, ChoosePairs) and finished == options.rounds:
            return Dream(finished, "as many as asked for", interrupted=False, journal=journal)
        memory = LoopMemory(store, loop_id, spec, catalog, journal)
        runs = RoundRuns(
            store,
            cohorts,
            run,
            catalog,
            journal,
            token,
            spent,
            spec.stop.max_cost,
            lambda: None if options.max_cost is None else options.max_cost - spent.cost,
            options.allow_missing,
            step.written.embedding_cost if isinstance(step, JudgeTexts) else 0.0,
        )
        embedding = catalog.models.get(spec.gate.embedding or "")
        entry = None if embedding is None else embedding.embedding()
        gate = RoundGate(loops, loop_id, spec.gate, entry, embeddings, memory, runs, spent.add)
        parts = LoopRound(
            store,
            cohorts,
            loops,
            loop_id,
            spec,
            loops.load_sampler(spec.sampler),
            catalog,
            journal,
            memory,
            runs,
            gate,
            options.allow_missing,
        )
        try:
            number, recorded = _take(step, parts)
        except LoopLimitError as error:
            # Then every look at the loop says that it has stopped, until the limit is raised.
            limit = spec.stop.max_cost or 0.0
            loops.record_limit(loop_id, LimitReached(len(journal.rounds), limit, str(error)))
        except RoundInterruptedError as error:
            return Dream(finished, str(error), interrupted=True, journal=journal)
        else:
            loops.record(loop_id, number, recorded)
            listener.record(number, recorded)
            finished += isinstance(recorded, Decided)


def _take(step: Step, parts: LoopRound) -> tuple[int, Entry]:
    """Return what came of a step, and the number of its round."""
    match step:
        case ChoosePairs(number):
            return number, parts.choose_pairs(number)
        case WriteTexts(begun):
            return begun.number, parts.write_texts(begun)
        case JudgeTexts(begun, written):
            return begun.number, parts.judge_texts(begun, written)
    raise AssertionError(step)


@attrs.define
class _Spending:
    """Passes on what runs say, and adds up what they spent."""

    listener: RunListener
    cost: float = 0.0
    _of_run: float = 0.0

    def begin(self, plan: RunPlan) -> None:
        self._of_run = 0.0
        self.listener.begin(plan)

    def waiting(self, waits: Sequence[Wait]) -> None:
        self.listener.waiting(waits)

    def set_aside(self, reason: str) -> None:
        self.listener.set_aside(reason)

    def remark(self, notice: str) -> None:
        self.listener.remark(notice)

    def add(self, cost: float) -> None:
        """Count what was spent beside runs."""
        self.cost += cost

    def note(self, finished: Sequence[Generated], budget: Budget) -> None:
        self.cost += budget.cost - self._of_run
        self._of_run = budget.cost
        self.listener.note(finished, budget)
