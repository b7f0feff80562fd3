"""Ends a run after too many refusals in a row."""

from collections import Counter
from typing import Final

import attrs

from daydreaming_dagster.domain.generation.generated import Generated
from daydreaming_dagster.domain.generation.state import RawAnswer
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.language_model import LanguageModelError

REFUSALS: Final = 10
"""After how many refusals in a row, of the endpoint or of the disk that is to take its answers,
with no answer between, a run ends. They are counted for each model too: while one answers, another
may have been refused for good. Answers of a model that could not be read are counted likewise."""


@attrs.define
class Refusals:
    """Counts refusals in a row, per model and (under None) in total, and unreadable answers."""

    _counts: Counter[tuple[str, str] | None] = attrs.field(factory=Counter)
    _unreadable: Counter[tuple[str, str] | None] = attrs.field(factory=Counter)

    def count(self, done: Generated) -> str | None:
        """Return why the run has to end, or None if it goes on."""
        models = dict.fromkeys((None, done.model))
        if _is_error_of_all(done):
            self._counts.update(models.keys())
            for model in models:
                if self._counts[model] >= REFUSALS:
                    of = "" if model is None else f" of {model[1]}"
                    problem = f"the last {REFUSALS} generations{of} met what all others would"
                    return f"{problem}: {done.error}"
        elif done.raw is not None and _is_from_model(done.raw):
            # One that was cut off before its text began is no better.
            if (reason := done.raw.record.unusable or done.raw.record.unreadable) is not None:
                return self._count_unreadable(done.model, reason)
            self._unreadable[done.model] = 0
            for model in models:
                self._counts[model] = 0
        return None

    def _count_unreadable(self, model: tuple[str, str] | None, reason: str) -> str | None:
        self._unreadable[model] += 1
        if model is None or self._unreadable[model] < REFUSALS:
            return None
        return f"the last {REFUSALS} answers of {model[1]} could not be read: {reason}"


def _is_from_model(answer: RawAnswer) -> bool:
    return not answer.reused and answer.record.mode == "llm"


def _is_error_of_all(done: Generated) -> bool:
    """Return whether it is no fault of this generation that there is no answer of it."""
    if isinstance(done.error, DaydreamingError):
        return isinstance(done.error, LanguageModelError) and done.error.of_endpoint
    # The file system does not take the answer, or what limits the calls.
    return done.error is not None and done.asked and done.raw is None
