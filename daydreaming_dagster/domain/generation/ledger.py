"""Shares the limits of one run among the processes that work on it.

All of them keep one document. A worker has an account in it, which says what it may spend. It
raises that amount before it calls a model, by a compare-and-swap of the document, so that the sum
never exceeds a limit. It raises it by a block: what is left, divided by twice the number of workers
(factoring: S. F. Hummel, E. Schonberg and L. E. Flynn, "Factoring: a method for scheduling parallel
loops", Communications of the ACM 35(8), 1992, https://doi.org/10.1145/135226.135232). So there are
few writes, and blocks are small when little is left.

Each write sets an account to totals and not by differences, so a write that a client repeats does
no harm. A worker that is killed leaves its account: what it held counts as spent. The others only
have to know whether to wait for what it holds. They stop waiting if its account does not change for
`LOST_AFTER_SECONDS` of their own clock. No clock of another machine is compared.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from random import uniform
from typing import Final
from uuid import uuid4

import attrs

from daydreaming_dagster.domain.documents import structure
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.cancellation import StoppedError
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.root_files import RootFiles

BEAT_SECONDS: Final = 2.0
"""How long a worker keeps what it does not need, at most, before others can have it."""

LOST_AFTER_SECONDS: Final = 30.0
"""How long the account of a worker must not change before nobody waits for what it holds."""

_SHOWN_EVERY_SECONDS: Final = 8.0
"""How often a worker that holds something shows that it lives."""

_ROUNDING: Final = 1e-9
"""The share of a limit by which the sum of rounded costs may differ from the exact sum."""


@attrs.frozen
class Spending:
    """A number of calls and their cost in USD."""

    calls: int = 0
    cost: float = 0.0

    def __add__(self, other: "Spending") -> "Spending":
        return Spending(self.calls + other.calls, self.cost + other.cost)

    def __sub__(self, other: "Spending") -> "Spending":
        return Spending(self.calls - other.calls, self.cost - other.cost)


@attrs.frozen
class Limits:
    """What all workers of a run together may spend; see `Budget` for each."""

    max_calls: int | None = None
    max_cost: float | None = None
    max_cost_total: float | None = None
    spent_before: float = 0.0

    @property
    def cost(self) -> float | None:
        """What the run may cost; None means no limit."""
        total = self.max_cost_total
        costs = (self.max_cost, None if total is None else total - self.spent_before)
        return min((cost for cost in costs if cost is not None), default=None)

    def allow(self, amount: Spending, within: Spending) -> bool:
        """Return whether an amount is within another one, where there is a limit."""
        rounding = _ROUNDING * (self.cost or 0.0)
        return (self.max_calls is None or amount.calls <= within.calls) and (
            self.cost is None or amount.cost <= within.cost + rounding
        )


@attrs.frozen
class _Account:
    """What a worker has spent, and what it may spend in total."""

    worker: str = ""
    spent: Spending = Spending()
    allotted: Spending = Spending()
    beat: int = 0


@attrs.frozen
class _Document:
    """The stored document. `ended` is what workers used that have ended."""

    format_version: int = 1
    limits: Limits = Limits()
    workers: int = 1
    ended: Spending = Spending()
    accounts: Sequence[_Account] = ()

    def encoded(self) -> bytes:
        return f"{json.dumps(attrs.asdict(self), indent=1)}\n".encode()

    def of(self, worker: str) -> _Account | None:
        return next((account for account in self.accounts if account.worker == worker), None)

    def left(self, worker: str, committed: Spending) -> Spending:
        """Return what nobody has if this worker has no more than it needs now."""
        whole = Spending(self.limits.max_calls or 0, self.limits.cost or 0.0)
        others = (account.allotted for account in self.accounts if account.worker != worker)
        return whole - sum(others, self.ended + committed)

    def block(self, left: Spending) -> Spending:
        """Return the part of what is left that one worker may have in advance."""
        parts = 2 * max(self.workers, len(self.accounts))
        return Spending(max(left.calls, 0) // parts, max(left.cost, 0.0) / parts)

    def replacing(self, account: _Account) -> "_Document":
        others = [other for other in self.accounts if other.worker != account.worker]
        return attrs.evolve(self, accounts=[*others, account])

    def closing(self, worker: str, committed: Spending) -> "_Document":
        others = [other for other in self.accounts if other.worker != worker]
        return attrs.evolve(self, accounts=others, ended=self.ended + committed)


@attrs.frozen
class Ledger:
    """The document in which the workers of a run share its limits.

    Attributes:
        files: The data root.
        name: The name of the document in it.
    """

    files: RootFiles
    name: str
    beat_seconds: float = BEAT_SECONDS
    lost_after_seconds: float = LOST_AFTER_SECONDS

    def begin(self, limits: Limits, workers: int) -> None:
        """Write the document, unless it exists. About so many workers will use it at once.

        Raises:
            StorageUnavailableError: Nothing can be stored.
            OSError: The storage refused.
        """
        self.files.swap(self.name, None, _Document(limits=limits, workers=workers).encoded())

    @contextmanager
    def share(self) -> Iterator["Share"]:
        """Yield the share of a worker. What it does not use is given back at the end.

        Raises:
            StoppedError: The document does not exist: the run has ended.
            CatalogError: The document is malformed.
            OSError: The storage refused.
        """
        share = Share(self, self.read()[1].limits)
        ended = threading.Event()
        thread = threading.Thread(target=share.keep, args=(ended,), name="ledger", daemon=True)
        thread.start()
        try:
            yield share
        finally:
            ended.set()
            thread.join()
            share.close()

    def remove(self) -> None:
        """Delete the document: no worker may spend anything from now on."""
        self.files.remove_folder(self.name.rpartition("/")[0])

    def read(self) -> tuple[bytes, _Document]:
        """Return the document, as bytes and as read.

        Raises:
            StoppedError: It does not exist.
            CatalogError: It is malformed.
            OSError: The storage refused.
        """
        try:
            data = self.files.read(self.name)
        except FileNotFoundError:
            ended = "the run that this worker belongs to has ended; start a new run of the cohort"
            raise StoppedError(ended) from None
        location = self.files.locate(self.name)
        try:
            document = json.loads(data)
        except ValueError as error:
            raise CatalogError(location, (str(error),)) from None
        return data, structure(document, _Document, location)


@attrs.define(eq=False)
class Share:
    """What one worker may spend of the limits of its run. Any thread may use it."""

    _ledger: Ledger
    limits: Limits
    _clock: Callable[[], float] = time.monotonic
    _worker: str = attrs.field(factory=lambda: uuid4().hex, init=False)
    _spent: Spending = attrs.field(default=Spending(), init=False)
    _committed: Spending = attrs.field(default=Spending(), init=False)
    _allotted: Spending = attrs.field(default=Spending(), init=False)
    _shown_at: float = attrs.field(default=0.0, init=False)
    # What was seen of the accounts of others, and since when.
    _seen: dict[str, tuple[_Account, float]] = attrs.field(factory=dict, init=False)
    _numbers: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _writing: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def take(self, wanted: Spending) -> Spending | None:
        """Return None if this worker may spend the amount, which `note` gives back.

        If not, return what the others have that will not come back. Where that leaves enough, it is
        worth a wait.

        Raises:
            StoppedError: The run has ended.
            CatalogError: The document is malformed.
            OSError: The storage refused.
        """
        if self._take(wanted):
            return None
        with self._writing:
            gone = self._update(wanted)
            return None if self._take(wanted) else gone

    def note(self, committed: Spending, spent: Spending) -> None:
        """Change what is taken or spent, and what of it is spent, by these amounts."""
        with self._numbers:
            self._committed += committed
            self._spent += spent
            if self._committed.calls == self._spent.calls:  # without the sum of rounding errors
                self._committed = self._spent

    def keep(self, ended: threading.Event) -> None:
        """Give back what is not needed and show that this worker lives, until `ended` is set."""
        while not ended.wait(self._ledger.beat_seconds):
            # The next `take` reports a storage that goes on to fail.
            with suppress(DaydreamingError, OSError), self._writing:
                self._update(None)

    def close(self) -> None:
        """Give back what was not used."""
        with suppress(DaydreamingError, OSError), self._writing:
            while True:
                data, document = self._ledger.read()
                if document.of(self._worker) is None:  # nothing was taken, or it is closed
                    return
                after = document.closing(self._worker, self._committed)
                if self._swap(data, after):
                    return

    def _take(self, wanted: Spending) -> bool:
        with self._numbers:
            if not self.limits.allow(self._committed + wanted, self._allotted):
                return False
            self._committed += wanted
            return True

    def _update(self, wanted: Spending | None) -> Spending:
        """Write the account, with a larger allotment if there is enough left of what is wanted.

        Without `wanted`, the account only shrinks, and nothing is written without need. Returns
        what the others have that will not come back.
        """
        while True:
            data, document = self._ledger.read()
            before = document.of(self._worker) or _Account(self._worker)
            with self._numbers:
                spent, allotted = self._spent, self._allotment(document, wanted)
                # What is given back must not be used while it is being written.
                self._allotted = _least(self._allotted, allotted)
            after = _Account(self._worker, spent, allotted, before.beat + 1)
            same = attrs.evolve(before, beat=after.beat) == after
            held = allotted != spent and self._clock() - self._shown_at >= _SHOWN_EVERY_SECONDS
            if (same and not held) or self._swap(data, document.replacing(after)):
                break
        with self._numbers:
            self._allotted = allotted
        self._shown_at = self._shown_at if same and not held else self._clock()
        return self._gone(document)

    def _allotment(self, document: _Document, wanted: Spending | None) -> Spending:
        left = document.left(self._worker, self._committed)
        block = document.block(left)
        if wanted is None:
            return _most(_least(self._allotted, self._committed + block), self._committed)
        if not self.limits.allow(wanted, left):
            return self._committed
        return self._committed + _most(wanted, block)

    def _swap(self, before: bytes, after: _Document) -> bool:
        if self._ledger.files.swap(self._ledger.name, before, after.encoded()):
            return True
        time.sleep(uniform(0.0, 0.02))  # noqa: S311  so that workers do not meet again
        return False

    def _gone(self, document: _Document) -> Spending:
        gone, now = document.ended, self._clock()
        for account in document.accounts:
            if account.worker == self._worker:
                continue
            seen, since = self._seen.get(account.worker, (None, now))
            if seen != account:
                since = now
            self._seen[account.worker] = account, since
            lost = now - since > self._ledger.lost_after_seconds
            gone += account.allotted if lost else account.spent
        return gone


def _least(one: Spending, other: Spending) -> Spending:
    return Spending(min(one.calls, other.calls), min(one.cost, other.cost))


def _most(one: Spending, other: Spending) -> Spending:
    return Spending(max(one.calls, other.calls), max(one.cost, other.cost))
