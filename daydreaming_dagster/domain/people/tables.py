"""What people said of a cohort's texts, as tables. Imports polars: import it where it is used."""

from collections.abc import Sequence
from typing import Any, Final

import attrs
import polars as pl

from daydreaming_dagster.domain.people.corrected import CorrectedMean
from daydreaming_dagster.domain.people.passport import HUMAN
from daydreaming_dagster.domain.people.ratings import Rating

_RATINGS: Final[dict[str, Any]] = {
    "judge": pl.String,
    "judge_kind": pl.String,
    "first_stage": pl.String,
    "first": pl.String,
    "second_stage": pl.String,
    "second": pl.String,
    "score": pl.Float64,
    "score_normalised": pl.Float64,
    "preferred": pl.String,
    "decision": pl.String,
    "reason": pl.String,
    "stale": pl.String,
    "where": pl.String,
}
_CORRECTED: Final[dict[str, Any]] = {
    **dict.fromkeys(("factor", "level"), pl.String),
    **dict.fromkeys(("texts", "rated"), pl.Int64),
    **dict.fromkeys(("estimate", "low", "high"), pl.Float64),
}


def make_rating_table(ratings: Sequence[Rating]) -> pl.DataFrame:
    """Return a row per rating: a person's score, preference or decision."""
    rows = [
        (
            f"{HUMAN}{rating.rater}",
            "human",
            *rating.first,
            *(rating.second or (None, None)),
            None if rating.score is None else rating.score.value,
            None if rating.score is None else rating.score.normalised,
            rating.preferred,
            rating.decision,
            rating.reason,
            rating.stale,
            rating.where,
        )
        for rating in ratings
    ]
    return pl.DataFrame(rows, schema=_RATINGS, orient="row")


def make_corrected_table(means: Sequence[CorrectedMean]) -> pl.DataFrame:
    """Return a row per level of each factor."""
    return pl.DataFrame([attrs.astuple(mean) for mean in means], schema=_CORRECTED, orient="row")
