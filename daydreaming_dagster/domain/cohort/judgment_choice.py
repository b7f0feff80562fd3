"""Which judgments of a cohort are made, where its specification leaves that to the answers."""

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


@attrs.frozen
class ScoreChoice:
    """How a stage that scores chooses what it scores more often than its replicates say.

    Attributes:
        choose: `by doubt`: the texts of which it is least certain on which side of the last of the
            first places they are, given all answers so far.
        calls: How many scores are asked in all, with the replicates; None: any number.
        until: The stop rule, such as `top 3 settled`: then no more scores are asked.
    """

    choose: Literal["by doubt"] = "by doubt"
    calls: int | None = None
    until: str = ""


_STOP_RULE: Final = re.compile(r"top (\d{1,6}) settled")
STOP_RULE_EXPECTED: Final = "expected a rule such as 'top 3 settled'"


def settled_places(until: str) -> int:
    """Return how many first places a stop rule wants to be settled, 0 if it is not a stop rule."""
    rule = _STOP_RULE.fullmatch(until)
    return int(rule[1]) if rule else 0


def calls_by_stage(
    duels: Mapping[Stage, DuelChoice], scores: Mapping[Stage, ScoreChoice]
) -> dict[Stage, int | None]:
    """Return how many judgments are made in all by each stage that chooses; None: any number."""
    calls: dict[Stage, int | None] = {stage: choice.calls for stage, choice in duels.items()}
    return calls | {stage: choice.calls for stage, choice in scores.items()}


def choice_problems(
    duels: Mapping[Stage, DuelChoice], scores: Mapping[Stage, ScoreChoice], pipeline: Pipeline
) -> Iterator[Problem]:
    """Yield the mistakes in what a specification says of judgments that are chosen by doubt."""
    for stage, choice in duels.items():
        path = ("duels", stage)
        if stage not in pipeline.comparing:
            yield Problem(path, "the stage does not judge pairs", of_whole=True)
        if choice.top < 1:
            yield Problem((*path, "top"), f"expected at least 1, found {choice.top}")
        yield from _limit_problems(path, choice.calls, choice.until)
    for stage, of_scores in scores.items():
        path = ("scores", stage)
        if stage not in pipeline.scoring:
            yield Problem(path, "the stage does not score", of_whole=True)
        elif pipeline[stage].only_parent is None:
            reason = "it judges several texts at once, and can ask no more of one"
            yield Problem(path, reason, of_whole=True)
        yield from _limit_problems(path, of_scores.calls or 0, of_scores.until)


def _limit_problems(path: tuple[str, str], calls: int, until: str | None) -> Iterator[Problem]:
    if calls < 1:
        yield Problem((*path, "calls"), f"expected at least 1, found {calls}")
    if until is not None and not settled_places(until):
        yield Problem((*path, "until"), f"{STOP_RULE_EXPECTED}, found {until!r}")
