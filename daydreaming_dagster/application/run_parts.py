"""Running a cohort by several workers: each makes parts of it, and takes over those of the dead.

Workers know each other only through what they keep: a lock for each part that is being made, which
ends with its process, and a record of each part that is finished.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Final, Protocol

import attrs

from daydreaming_dagster.application.cohort_status import look
from daydreaming_dagster.application.run_cohort import RunOptions
from daydreaming_dagster.application.run_generations import run_generations
from daydreaming_dagster.application.run_listener import RunListener
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.parts import Division, Part, divide
from daydreaming_dagster.domain.cohort.progress import generations_to_make, stage_status
from daydreaming_dagster.domain.errors import CohortBusyError
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.generation.generated import Outcome
from daydreaming_dagster.domain.generation.runner import IN_FLIGHT, GenerationRunner
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.ports.language_model import LanguageModel, ModelKey
from daydreaming_dagster.types import Stage

PART_SECONDS: Final = 1.0
"""How long a worker waits between two looks at the parts that others make."""


@attrs.frozen
class PartRun:
    """What a worker's run of a part came to: like `CohortRun`, without the plan."""

    outcome: Outcome
    budget: Budget
    stopped: str | None


class PartRecords(Protocol):
    """What the workers of one run keep of its parts, for each other."""

    def finished(self) -> Collection[Part]:
        """Return the parts that a worker has finished, whatever came of them."""
        ...

    def finish(self, part: Part, run: PartRun) -> None:
        """Keep what came of a part."""
        ...


class PartListener(RunListener, Protocol):
    """Told how a worker goes on. `begin` is not called."""

    def begin_part(self, part: Part, todo: Mapping[Stage, Sequence[str]]) -> None:
        """Called before the first call of a model for a part."""
        ...

    def await_parts(self, parts: Sequence[Part]) -> None:
        """Called once in each level, when the worker begins to wait for parts that others hold."""
        ...


@attrs.frozen
class PartWorker:
    """One of several workers of a run, which are alike.

    Attributes:
        options: What the run was asked for. What it forces is left to the end of the run.
        workers: How many parts there are in each level.
        open_budget: Opens what is spent on a part, which the workers may share.
    """

    store: GensStoreWithTemplates
    cohorts: CohortStore
    model: LanguageModel
    catalog: Catalog
    cohort_id: str
    options: RunOptions
    workers: int
    records: PartRecords
    open_budget: Callable[[], AbstractContextManager[Budget]]
    token: CancellationToken
    listener: PartListener
    _set_aside: dict[ModelKey, str] = attrs.field(factory=dict, init=False)

    def run(self, first: int = 0) -> None:
        """Make all parts that nobody else makes, `first` before others, until all are finished.

        A part that another worker holds is waited for, and taken over if that worker dies. A part
        of a later level begins when all of the earlier ones are finished. Returns early if the run
        is stopped.

        Raises:
            CatalogError: The catalogs are wrong.
            DaydreamingError: The storage fails.
        """
        members = self.cohorts.read_membership(self.cohort_id)
        division = divide(self.store, members, self.workers)
        for level in range(division.levels):
            numbers = [(first + shift) % self.workers for shift in range(self.workers)]
            parts = [Part(level, number) for number in numbers]
            told = False
            while parts and self.token.reason is None:
                for part in self._unfinished(parts):
                    with (
                        suppress(CohortBusyError),
                        self.cohorts.hold_part(self.cohort_id, part.number),
                    ):
                        for mine in self._unfinished([part]):
                            self._make(mine, members, division)
                if parts := [*self._unfinished(parts)]:
                    if not told:
                        self.listener.await_parts(parts)
                        told = True
                    time.sleep(PART_SECONDS)

    def _unfinished(self, parts: Sequence[Part]) -> Iterator[Part]:
        """Yield the parts that nobody has finished, until the run is stopped."""
        finished = self.records.finished()
        for part in parts:
            if part not in finished and self.token.reason is None:
                yield part

    def _make(self, part: Part, members: Mapping[Stage, Sequence[str]], division: Division) -> None:
        state = look(self.store, self.cohorts, self.cohort_id, self.catalog)
        stale = state.stale if self.options.stale else {}
        todo = {
            stage: [id_ for id_ in gen_ids if division.parts[GenerationRef(stage, id_)] == part]
            for stage, gen_ids in generations_to_make(members, state.stages, stale).items()
        }
        self.listener.begin_part(part, todo)
        with self.open_budget() as budget:
            runner = GenerationRunner(
                self.store,
                self.model,
                self.catalog,
                replace_stale=self.options.stale,
                without=set(self._orphans(todo, division)),
                stop=self.token,
                budget=budget,
            )
            runner.set_aside.update(self._set_aside)
            in_flight = max(1, IN_FLIGHT // self.workers)
            outcome = run_generations(runner, todo, self.listener, in_flight=in_flight)
        self._set_aside.update(runner.set_aside)
        self.records.finish(part, PartRun(outcome, budget, self.token.reason))

    def _orphans(
        self, todo: Mapping[Stage, Sequence[str]], division: Division
    ) -> Iterator[GenerationRef]:
        """Yield the generations of which a parent in another part was not made."""
        refs = [GenerationRef(stage, gen_id) for stage in todo for gen_id in todo[stage]]
        needed = {parent for ref in refs for parent in division.foreign_parents.get(ref, ())}
        unmade = set[GenerationRef]()
        for definition in self.catalog.pipeline.stages:
            gen_ids = [ref.gen_id for ref in needed if ref.stage == definition.name]
            status = stage_status(self.store, definition, gen_ids)
            unmade |= {GenerationRef(definition.name, gen_id) for gen_id in status.todo}
        for ref in refs:
            if unmade.intersection(division.foreign_parents.get(ref, ())):
                yield ref
