"""Which duels of a cohort are made, where its specification says that not all are."""

import re
from collections.abc import Iterator, Mapping
from typing import Final, Literal

import attrs

from daydreaming_dagster.domain.documents import Problem
from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.types import Stage


@attrs.frozen
class DuelChoice:
    """How a stage that compares chooses its duels.

    Attributes:
        choose: `by doubt`: those that tell most about the first texts, given all answers so far.
        calls: How many duels are made in all.
        top: About how many first places are to be told apart.
        until: A stop rule, such as `top 3 settled`: then no more duels are chosen. None: all.
    """

    choose: Literal["by doubt"] = "by doubt"
    calls: int = 0
    top: int = 20
    until: str | None = None

    @property
    def batch(self) -> int:
        """How many duels are chosen at a time: about twenty choices learn from each other."""
        return max(1, min(self.calls, max(8, self.calls // 20)))


_STOP_RULE: Final = re.compile(r"top (\d{1,6}) settled")


def settled_places(until: str) -> int:
    """Return how many first places a stop rule wants to be settled, 0 if it is not a stop rule."""
    rule = _STOP_RULE.fullmatch(until)
    return int(rule[1]) if rule else 0


def duel_problems(duels: Mapping[Stage, DuelChoice], pipeline: Pipeline) -> Iterator[Problem]:
    """Yield the mistakes in what a specification says of its duels."""
    for stage, choice in duels.items():
        path = ("duels", stage)
        if stage not in pipeline.comparing:
            yield Problem(path, "the stage does not judge pairs", of_whole=True)
        if choice.calls < 1:
            yield Problem((*path, "calls"), f"expected at least 1, found {choice.calls}")
        if choice.until is not None and not settled_places(choice.until):
            reason = f"expected a rule such as 'top 3 settled', found {choice.until!r}"
            yield Problem((*path, "until"), reason)
        if choice.top < 1:
            yield Problem((*path, "top"), f"expected at least 1, found {choice.top}")
