"""The questions to a model that go into its next batch."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from daydreaming_dagster.domain.batch.submission import AskedLater
from daydreaming_dagster.ports.batch_model import BatchTerms
from daydreaming_dagster.ports.language_model import LanguageModelError

_GATHERED_SECONDS: Final = 1.0
"""A batch is submitted when no question was added for so long."""
_FIRST_WAIT_SECONDS: Final = 5.0


@attrs.define
class Pile:
    """Questions that were collected, and when they may be submitted.

    `not_before` is set while the endpoint refuses batches for a reason that may pass.
    """

    questions: list[AskedLater] = attrs.field(factory=list)
    not_before: datetime | None = None
    _refused_since: float = attrs.field(default=0.0, init=False)
    _added: float = attrs.field(default=0.0, init=False)

    def add(self, question: AskedLater) -> None:
        """Add a question."""
        self.questions.append(question)
        self._added = time.monotonic()

    def take(self, terms: BatchTerms) -> list[AskedLater]:
        """Take the first questions, as many as one batch may have, and return them."""
        taken = self.questions[: self._fitting(terms)]
        del self.questions[: len(taken)]
        return taken

    def is_full(self, terms: BatchTerms) -> bool:
        """Return whether there are enough questions for a whole batch, which is due then."""
        fitting = self._fitting(terms)
        enough = fitting < len(self.questions) or fitting == terms.requests
        return enough and not self._is_refused()

    def is_due(self, terms: BatchTerms, *, may_grow: bool) -> bool:
        """Return whether a batch is full, or nothing was added for a while and nothing will be."""
        gathered = time.monotonic() - self._added >= min(_GATHERED_SECONDS, terms.poll_seconds)
        rest = self.questions and gathered and not may_grow and not self._is_refused()
        return bool(rest) or self.is_full(terms)

    def keep(
        self, questions: Sequence[AskedLater], error: LanguageModelError, patience_seconds: float
    ) -> bool:
        """Keep refused questions for another attempt; return False if it took too long already."""
        now = time.monotonic()
        if self.not_before is None:
            self._refused_since = now
        waited = now - self._refused_since
        if waited >= patience_seconds:
            return False
        self.questions[:0] = questions
        seconds = max(error.retry_after_seconds or 0.0, _FIRST_WAIT_SECONDS, waited / 2)
        self.not_before = datetime.now(UTC) + timedelta(seconds=seconds)
        return True

    def _is_refused(self) -> bool:
        return self.not_before is not None and datetime.now(UTC) < self.not_before

    def _fitting(self, terms: BatchTerms) -> int:
        """Return how many of the first questions fit into one batch."""
        size = 0
        for count, question in enumerate(self.questions[: terms.requests]):
            size += len(question.line)
            if size > terms.size:
                return count
        return min(len(self.questions), terms.requests)
