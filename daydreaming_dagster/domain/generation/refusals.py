"""Sets models aside that refuse call after call, and ends a run whose disk does."""

import re
from collections import Counter, defaultdict
from typing import Final

import attrs

from daydreaming_dagster.domain.errors import AnswerLostError
from daydreaming_dagster.domain.generation.generated import Generated
from daydreaming_dagster.domain.generation.state import RawAnswer
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.errors import StorageUnavailableError
from daydreaming_dagster.ports.language_model import LanguageModelError, ModelKey

REFUSALS: Final = 10
"""A model is set aside after this many refusals without an answer in between, which any call would
meet or which are alike, and after as many answers in a row that could not be read. A run ends after
as many answers that could not be stored, or at once if nothing can be stored."""

_OF_ANY_CALL: Final = "any call"
_UNREADABLE: Final = "unreadable"
# Token counts, ports and the ids of requests differ between refusals for the same reason.
_OF_ONE: Final = re.compile(r"\S*\d\S*")


@attrs.frozen
class Verdict:
    """What is over, and why: `model` is set aside, or if it is None the run ends."""

    model: ModelKey | None
    reason: str


@attrs.define
class Refusals:
    """Counts what has gone wrong since the last answer, per model and kind."""

    _counts: defaultdict[ModelKey | None, Counter[str]] = attrs.field(
        factory=lambda: defaultdict(Counter), init=False
    )

    def count(self, done: Generated) -> Verdict | None:
        """Return what is over after this generation, or None if nothing is."""
        model, error = done.model, done.error
        if model is not None and done.raw is not None and _is_from_model(done.raw):
            return self._count_answer(model, done.raw)
        if model is not None and isinstance(error, LanguageModelError):
            kind = _kind(error)
            if kind is not None and self._reached(model, kind):
                return _set_aside(model, f"{REFUSALS} calls in a row failed: {error}")
        elif isinstance(error, StorageUnavailableError):
            return Verdict(None, str(error))
        elif _is_of_disk(done) and self._reached(None, ""):
            reason = f"the last {REFUSALS} generations met what all others would: {error}"
            return Verdict(None, reason)
        return None

    def _count_answer(self, model: ModelKey, answer: RawAnswer) -> Verdict | None:
        # One that was cut off before its text began is no better.
        reason = answer.record.unusable or answer.record.unreadable
        if reason is None:
            self._counts.pop(model, None)
            self._counts.pop(None, None)
        elif self._reached(model, _UNREADABLE):
            return _set_aside(model, f"its last {REFUSALS} answers could not be read: {reason}")
        return None

    def _reached(self, model: ModelKey | None, kind: str) -> bool:
        self._counts[model][kind] += 1
        return self._counts[model][kind] >= REFUSALS


def _set_aside(model: ModelKey, reason: str) -> Verdict:
    return Verdict(model, f"{model[1]} was set aside: {reason}")


def _kind(error: LanguageModelError) -> str | None:
    """Return what refusals of one kind have in common; None if other calls may be answered.

    An exhausted account is a refusal of the request to some endpoints (400, 403), but its words are
    always the same.
    """
    if error.of_endpoint:
        return _OF_ANY_CALL
    return None if error.status is None else _OF_ONE.sub("#", str(error))


def _is_from_model(answer: RawAnswer) -> bool:
    return not answer.reused and answer.record.mode == "llm"


def _is_of_disk(done: Generated) -> bool:
    """Return whether the file system refuses the answer, or what limits the calls."""
    if isinstance(done.error, AnswerLostError):
        return True
    of_system = done.error is not None and not isinstance(done.error, DaydreamingError)
    return of_system and done.asked and done.raw is None
