"""The port for models that answer later: many questions at once, for a lower price."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

import attrs

from daydreaming_dagster.ports.language_model import (
    Completion,
    LanguageModelError,
    ModelKey,
    ModelRequest,
)


@attrs.frozen
class BatchTerms:
    """What an endpoint takes as one batch, and how often it is asked what became of it.

    Attributes:
        place: The endpoint's URL without secrets, for messages.
        requests: The maximum number of questions.
        size: The maximum number of bytes.
        poll_seconds: The wait before the first look at a batch. Later waits grow.
    """

    place: str
    requests: int
    size: int
    poll_seconds: float


@attrs.frozen
class BatchState:
    """A batch as its endpoint describes it.

    Attributes:
        id: The endpoint's id of the batch.
        status: The endpoint's word for how far it is (`in_progress`, `expired`, …).
        ended: Whether nothing more will be answered.
        answered: How many questions are answered.
        seconds: How long it took or has taken.
        files: The files with what came of each question.
        problem: Why the whole batch was refused; empty if it was not.
        refused: Why single questions were refused before any was asked, by their place from 0.
        too_many: Whether it was refused because other batches of the account have to end first.
    """

    id: str
    status: str
    ended: bool = False
    answered: int = 0
    seconds: float = 0.0
    files: tuple[str, ...] = ()
    problem: str = ""
    refused: Mapping[int, str] = attrs.field(factory=dict)
    too_many: bool = False


@attrs.frozen
class BatchAnswer:
    """What became of a question: an answer, an error, or None if it was not asked in time."""

    custom_id: str
    outcome: Completion | LanguageModelError | None


class BatchModel(Protocol):
    """Takes many questions to one model as a batch, and answers them within a day or so.

    All calls come from one event loop until `aclose`. Every method but `terms` and `line` raises a
    `LanguageModelError` if the endpoint cannot be reached or refuses.
    """

    def terms(self, model: ModelKey, /) -> BatchTerms | None:
        """Return on what terms a model is asked by batch, None if it has to be called."""
        ...

    def line(self, custom_id: str, request: ModelRequest, /) -> bytes:
        """Return a question as a part of a batch. `custom_id` names it in the answers.

        Raises:
            LanguageModelError: It cannot be sent.
        """
        ...

    async def upload(self, model: ModelKey, name: str, lines: Sequence[bytes], /) -> str:
        """Send the questions of a batch, which costs nothing yet, and return the file's id."""
        ...

    async def submit(
        self, model: ModelKey, name: str, file_id: str, cohort_id: str, /
    ) -> BatchState:
        """Have uploaded questions of a cohort answered as the batch `name`.

        Raises:
            LanguageModelError: There is no such batch, or if it `may_be_billed`, there may be one,
                which `find` finds.
        """
        ...

    async def find(self, model: ModelKey, name: str, file_id: str, /) -> BatchState | None:
        """Return the batch `name` or the one of this file, None if the endpoint has neither."""
        ...

    async def look(self, model: ModelKey, batch_id: str, /) -> BatchState:
        """Return how far a batch is."""
        ...

    def answers(self, model: ModelKey, state: BatchState, /) -> AsyncIterator[BatchAnswer]:
        """Yield what is known of the questions of a batch that ended, in any order."""
        ...

    async def cancel(self, model: ModelKey, batch_id: str, /) -> None:
        """Ask for the end of a batch. What was answered until then stays, and is billed."""
        ...

    async def aclose(self) -> None:
        """Release connections. The next call opens new ones."""
        ...
