"""What a report counts: by stage, by model, by template and by judge."""

from collections.abc import Sequence
from statistics import quantiles

import attrs

from daydreaming_dagster.types import Stage


@attrs.frozen
class StageTotals:
    """A stage in numbers.

    Attributes:
        stage: Which stage.
        planned: All generations of the cohort.
        done: Those that are complete: parsed, at a stage that scores with a score.
        failed: Those with an answer that was cut off or could not be parsed.
        missing: Those without an answer.
        stale: Those of which `ReportGeneration.stale` says why.
        cost: Of all answers whose cost is known, in USD; None if no cost is known.
    """

    stage: Stage
    planned: int
    done: int
    failed: int
    missing: int
    stale: int
    cost: float | None = None


@attrs.frozen
class FiveNumbers:
    """How values are spread: a quarter of them lies between each two neighbours."""

    least: float
    lower: float
    median: float
    upper: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "FiveNumbers | None":
        """Return the five numbers of these values, None where there are no values."""
        if not values:
            return None
        # Quartiles of a single value are that value, which quantiles() would refuse.
        lower, middle, upper = quantiles(
            [*values, values[0]] if len(values) == 1 else values, method="inclusive"
        )
        return cls(min(values), lower, middle, upper, max(values))


@attrs.frozen
class ModelTotals:
    """What the answers of a model at a stage took.

    Attributes:
        stage: Which stage.
        llm: The model's id in the catalog.
        answers: How many answers are there. An answer that was replaced is not counted.
        prompt_tokens: What they were asked with, in all, as far as the endpoint said.
        completion_tokens: What they came to, in all, as far as the endpoint said.
        cost: Of all whose cost is known, in USD; None if no cost is known.
        without_cost: How many answers have no known cost: no price, or no count of tokens.
        seconds: The shortest, quartiles and longest of how long an answer took; None where the
            endpoint did not say.
    """

    stage: Stage
    llm: str
    answers: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    without_cost: int
    seconds: FiveNumbers | None


@attrs.frozen
class CellMean:
    """The mean of the scores of what a template and a model made, see `mean_share`.

    A copy's model is `""`. `n` counts the scores; the mean is None where there are none.
    """

    stage: Stage
    template: str
    llm: str
    mean: float | None
    n: int


@attrs.frozen
class JudgeScores:
    """The scores that a model gave with a template, as shares of their scale, in order.

    If several stages score, the template is named with its stage, such as `evaluation/clarity`.
    """

    template: str
    llm: str
    shares: tuple[float, ...]
    unscored: int
