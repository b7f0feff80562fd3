"""A run that makes generations while the one who is to be told of it is not there yet."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from queue import Queue
from types import TracebackType
from typing import Final, Self

import attrs

from daydreaming_dagster.application.run_cohort import CohortRun
from daydreaming_dagster.application.run_listener import NullRunListener, RunListener, RunPlan
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.generation.generated import Generated
from daydreaming_dagster.ports.language_model import Wait

_BEHIND: Final = 100
"""Messages that a follower may lag behind. Each holds the generations of half a second."""

_Message = Callable[[RunListener], None]


@attrs.define(eq=False)
class StartedRun:
    """A run in a thread of its own, which a listener follows, from the beginning and later.

    The first call of a model does not wait for the listener: the store is the truth, and what a
    listener records is a projection of it. A listener that lags far behind is waited for, since
    what it has not seen yet is kept in memory.

    As a context manager it waits for the end of the run, and ends it if the block fails.

    Attributes:
        token: Ends the run early.
        watcher: Is told at once, in the thread of the run.
    """

    token: CancellationToken
    watcher: RunListener
    _messages: Queue[_Message | None] = attrs.field(factory=lambda: Queue(_BEHIND), init=False)
    _plan: Future[RunPlan] = attrs.field(factory=Future, init=False)
    _run: Future[CohortRun] = attrs.field(factory=Future, init=False)
    _waits: Sequence[Wait] = attrs.field(default=(), init=False)
    _thread: ThreadPoolExecutor = attrs.field(
        factory=partial(ThreadPoolExecutor, max_workers=1), init=False
    )

    def start(self, run: Callable[[RunListener], CohortRun]) -> Self:
        """Call `run` with the listener that it has to tell, in another thread."""
        self._run = self._thread.submit(self._call, run)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self.token.stop(str(error))
        with suppress(Exception):  # whoever needs it has followed the run
            self.follow(NullRunListener())
        self._thread.shutdown()

    def plan(self) -> RunPlan:
        """Return what the run is about to do first, after waiting for it.

        Raises:
            Exception: What the run raised before it called a model.
        """
        return self._plan.result()

    def follow(self, listener: RunListener) -> CohortRun:
        """Tell the listener everything from the beginning, and return what came of the run.

        If the listener raises an error, the run is ended through its token. What was sent is kept.

        Raises:
            Exception: What the listener raised, or the run.
        """
        try:
            while (message := self._messages.get()) is not None:
                message(listener)
        except BaseException as error:
            self.token.stop(str(error).partition("\n")[0])  # databases explain themselves at length
            while self._messages.get() is not None:
                pass
            raise
        finally:
            self._messages.put(None)  # the end, for a second follower
        return self._run.result()

    def begin(self, plan: RunPlan) -> None:
        """Tell the watcher, and the follower later."""
        self.watcher.begin(plan)
        self._messages.put(lambda follower: follower.begin(plan))
        if not self._plan.done():
            self._plan.set_result(plan)

    def note(self, finished: Sequence[Generated], budget: Budget) -> None:
        """Tell the watcher, and the follower later."""
        self.watcher.note(finished, budget)
        self._messages.put(lambda follower: follower.note(finished, budget))

    def waiting(self, waits: Sequence[Wait]) -> None:
        """Tell the watcher, and the follower later if they are others than before."""
        self.watcher.waiting(waits)
        if waits != self._waits:
            self._waits = waits
            self._messages.put(lambda follower: follower.waiting(waits))

    def set_aside(self, reason: str) -> None:
        """Tell the watcher, and the follower later."""
        self.watcher.set_aside(reason)
        self._messages.put(lambda follower: follower.set_aside(reason))

    def remark(self, notice: str) -> None:
        """Tell the watcher, and the follower later."""
        self.watcher.remark(notice)
        self._messages.put(lambda follower: follower.remark(notice))

    def _call(self, run: Callable[[RunListener], CohortRun]) -> CohortRun:
        try:
            return run(self)
        except BaseException as error:
            if not self._plan.done():
                self._plan.set_exception(error)
            raise
        finally:
            self._messages.put(None)
