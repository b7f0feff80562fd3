"""Which duels of a cohort are made, where its specification says that not all are."""

from collections.abc import Iterator, Mapping
from typing import Literal

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
    """

    choose: Literal["by doubt"] = "by doubt"
    calls: int = 0
    top: int = 20

    @property
    def batch(self) -> int:
        """How many duels are chosen at a time: about twenty choices learn from each other."""
        return max(1, min(self.calls, max(8, self.calls // 20)))


def duel_problems(duels: Mapping[Stage, DuelChoice], pipeline: Pipeline) -> Iterator[Problem]:
    """Yield the mistakes in what a specification says of its duels."""
    for stage, choice in duels.items():
        path = ("duels", stage)
        if stage not in pipeline.comparing:
            yield Problem(path, "the stage does not judge pairs", of_whole=True)
        if choice.calls < 1:
            yield Problem((*path, "calls"), f"expected at least 1, found {choice.calls}")
        if choice.top < 1:
            yield Problem((*path, "top"), f"expected at least 1, found {choice.top}")
