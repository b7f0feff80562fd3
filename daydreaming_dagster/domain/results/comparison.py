"""How much better the scores of one cohort are than those of another, and how sure that is.

Imports numpy: import it where it is used.
"""

import math
from collections.abc import Sequence

import attrs

from daydreaming_dagster.domain.results.evaluations import Evaluation
from daydreaming_dagster.domain.results.judges import judge_of
from daydreaming_dagster.domain.statistics.effects import estimate_effects
from daydreaming_dagster.domain.statistics.judgments import code, make_scores
from daydreaming_dagster.domain.statistics.reliability import replicate_weights

_GROUP = "cohort"
_FIRST, _SECOND = "first", "second"


@attrs.frozen
class ScoreDifference:
    """A difference of scores as shares of their scale: positive if the first ones are better.

    Attributes:
        estimate: The difference; None if it cannot be estimated.
        low: Lower bound of its 95 % interval; None if unknown.
        high: Upper bound.
        p: The p value against no difference; None if unknown.
        paired_by: What the scores have in common that are compared with each other.
        pairs: How many of these have scores of both.
        remarks: What limits it, in sentences.
    """

    estimate: float | None
    low: float | None
    high: float | None
    p: float | None
    paired_by: str
    pairs: int
    remarks: tuple[str, ...] = ()


def compare_scores(first: Sequence[Evaluation], second: Sequence[Evaluation]) -> ScoreDifference:
    """Return how much better the first scores are than the second.

    Scores of one combination of concepts may be correlated in any way, so what both have of one
    combination is compared with each other: it is paired. If both are of the same texts, these are
    the pairs. Judges' means are taken out if some judge scored both; see `estimate_effects`.
    """
    same_texts = {row.judged for row in first} & {row.judged for row in second}
    paired_by = "text" if same_texts else "combination"

    def unit(row: Evaluation) -> str:
        return str(row.judged) if same_texts or not row.combo else row.combo

    units = [{unit(row) for row in rows} for rows in (first, second)]
    pairs = len(units[0] & units[1])
    unknown = ScoreDifference(None, None, None, None, paired_by, pairs)
    if not first or not second:
        return attrs.evolve(unknown, remarks=("one of them has no score of its own",))
    rows = [*first, *second]
    shares = [row.outcome.score.normalised for row in rows if row.outcome.score is not None]
    groups = [_FIRST] * len(first) + [_SECOND] * len(second)
    scores = make_scores(
        [str(row.judged) for row in rows],
        [judge_of(row) for row in rows],
        shares,
        {_GROUP: groups},
    )
    units_of_rows = code([unit(row) for row in rows])
    effects = estimate_effects(scores, units_of_rows, weights=replicate_weights(scores))
    remarks: list[str] = []
    if not {judge_of(row) for row in first} & {judge_of(row) for row in second}:
        remarks.append("no judge scored both: the difference may be one of the judges")
    if not pairs:
        remarks.append(f"nothing is paired: they have no {paired_by} in common")
    if _GROUP in effects.left_out:
        remarks.append(f"it cannot be estimated: {effects.left_out[_GROUP]}")
        return attrs.evolve(unknown, remarks=tuple(remarks))
    (effect,) = effects.contrasts
    if math.isnan(effect.low) and pairs > 1:
        remarks.append("all pairs differ alike, so nothing shows how sure the difference is")
    sign = 1 if effect.level == _FIRST else -1
    ends = sorted((sign * effect.low, sign * effect.high))
    return ScoreDifference(
        _known(sign * effect.estimate),
        _known(ends[0]),
        _known(ends[1]),
        _known(effect.p),
        paired_by,
        pairs,
        tuple(remarks),
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
