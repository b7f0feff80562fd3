"""A cohort's results as tables. Imports polars, which takes 0.3 s: import it where it is used."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Final

import attrs
import polars as pl

from daydreaming_dagster.domain.cohort.couplings import COMBO
from daydreaming_dagster.domain.generation.records import BY_HAND
from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.domain.results.evaluations import Evaluation, Member
from daydreaming_dagster.domain.results.ranking import rank_by_mean
from daydreaming_dagster.domain.stages import (
    JUDGED_LINEAGE,
    JUDGED_STAGE,
    JUDGING_STAGE,
    STAGE_DEFINITIONS,
)

_SCHEMA: Final[dict[str, Any]] = {
    COMBO: pl.String,
    "description_level": pl.String,
    **{
        f"{stage}{part}": dtype
        for stage in JUDGED_LINEAGE
        for part, dtype in (
            ("", pl.String),
            ("_template", pl.String),
            ("_llm", pl.String),
            ("_replicate", pl.Int32),
        )
    },
    "state": pl.String,
    "stale": pl.String,
    "scored_by": pl.String,
    "score": pl.Float64,
    "score_maximum": pl.Float64,
    "score_normalised": pl.Float64,
    "prompt_tokens": pl.Int64,
    "completion_tokens": pl.Int64,
    "duration_seconds": pl.Float64,
    "cost": pl.Float64,
    **{f"{stage}_finish_reason": pl.String for stage in JUDGED_LINEAGE[:-1]},
    "finish_reason": pl.String,
    "answered_by": pl.String,
    **{f"{stage}_path": pl.String for stage in JUDGED_LINEAGE},
}


_JUDGE: Final = STAGE_DEFINITIONS[JUDGING_STAGE].axes

_STALE_SCORES: Final = (
    ((pl.col("stale") != "") & pl.col("score_normalised").is_not_null()).sum().cast(pl.Int64)
)

_NO_SPREAD: Final = 1e-12
"""Scores with a smaller variance differ by rounding alone."""


@attrs.frozen
class ResultTables:
    """The results of a cohort.

    Means are of scores as shares of their scale, 0 to 1. `spread` is their standard deviation,
    null for a single one. `n` counts the scores that a row is made of, `stale` those of them that
    are stale, `by_hand` those that a person entered, `missing` the evaluations that were planned
    and have none: no mean stands for them.

    Attributes:
        evaluations: A row an evaluation, scored or not, with all axes and what it took.
        essays: The ranking, in the order and with the ranks of `rank_by_mean`.
        templates: The same by stage and template.
        models: The same by stage and model; copies, which have none, are left out.
        agreement: How far judges agree, see `judge_agreement`.
        missing: The evaluations without a score, and why.
    """

    evaluations: pl.DataFrame
    essays: pl.DataFrame
    templates: pl.DataFrame
    models: pl.DataFrame
    agreement: pl.DataFrame
    missing: pl.DataFrame


def make_result_tables(evaluations: Iterable[Evaluation]) -> ResultTables:
    """Return the tables of these evaluations."""
    evaluations = list(evaluations)
    rows = pl.DataFrame([_row(row) for row in evaluations], schema=_SCHEMA, orient="row")
    essay_axes = [JUDGED_STAGE, COMBO, *chain.from_iterable(map(_axes, JUDGED_LINEAGE[:-1]))]
    return ResultTables(
        evaluations=rows,
        essays=_ranked(_summary(rows, essay_axes), evaluations),
        templates=_by_stage(rows, "template"),
        models=_by_stage(rows, "llm"),
        agreement=judge_agreement(rows),
        missing=rows.filter(pl.col("state") != "scored").select(
            JUDGING_STAGE, "state", "stale", "finish_reason", *_axes(JUDGING_STAGE), *essay_axes
        ),
    )


def judge_agreement(evaluations: pl.DataFrame) -> pl.DataFrame:
    """Return how far judges give the same essays the same scores.

    The measure is Krippendorff's alpha with the interval metric: 1 is perfect agreement, 0 what
    scores dealt out at random would reach, less is systematic disagreement. Unlike a correlation
    it falls when one judge is stricter than another, and unlike a kappa it takes any number of
    judges, scores with distances between them, and essays that some judges did not score. It is
    null where less than two scores can be compared or all scores are the same.

    A row for each evaluation template: its models against each other, their replicates averaged
    (`evaluation_llm` is null). And a row for each template and model: its replicates against each
    other, which says how far the judge agrees with itself. `essays` have two scores to compare.
    """
    scored = evaluations.filter(pl.col("score_normalised").is_not_null())
    by_judge = scored.group_by(*_JUDGE, JUDGED_STAGE).agg(pl.col("score_normalised").mean())
    template, llm = _JUDGE
    between = _alpha(by_judge, [template]).with_columns(pl.lit(None, pl.String).alias(llm))
    within = _alpha(scored, [*_JUDGE])
    columns = [*_JUDGE, "essays", "n", "alpha", "stale"]
    stale = [
        scored.group_by(judge).agg(_STALE_SCORES.alias("stale"))
        for judge in ([template], [*_JUDGE])
    ]
    rows = [
        part.join(counts, on=counts.columns[:-1], how="left").select(columns)
        for part, counts in zip((between, within), stale, strict=True)
    ]
    return pl.concat(rows).sort(columns[:2])


def _alpha(scores: pl.DataFrame, groups: list[str]) -> pl.DataFrame:
    """Return the alpha of each group over its essays that have at least two scores."""
    score, n = pl.col("score_normalised"), pl.col("n")
    compared = scores.filter(pl.len().over([*groups, JUDGED_STAGE]) > 1)
    # With squared differences, the mean over all pairs is twice the variance.
    within = compared.group_by([*groups, JUDGED_STAGE]).agg(
        score.var().alias("var"), pl.len().alias("n")
    )
    observed = within.group_by(groups).agg(
        ((pl.col("var") * n).sum() / n.sum()).alias("observed"),
        pl.len().alias("essays"),
        n.sum().alias("n"),
    )
    expected = compared.group_by(groups).agg(score.var().alias("expected"))
    ratio = pl.col("observed") / pl.col("expected")
    return (
        scores.select(groups)
        .unique()
        .join(observed, on=groups, how="left")
        .join(expected, on=groups, how="left")
        .with_columns(
            pl.when(pl.col("expected") > _NO_SPREAD).then(1 - ratio).alias("alpha"),
            pl.col("essays", "n").fill_null(0),
        )
    )


def _summary(rows: pl.DataFrame, groups: list[str]) -> pl.DataFrame:
    score = pl.col("score_normalised")
    return (
        rows.group_by(groups)
        .agg(
            score.mean().alias("mean"),
            score.std().alias("spread"),
            score.min().alias("lowest"),
            score.max().alias("highest"),
            score.count().alias("n"),
            score.null_count().alias("missing"),
            _STALE_SCORES.alias("stale"),
            (pl.col("scored_by") == BY_HAND).sum().cast(pl.Int64).alias("by_hand"),
        )
        .sort("mean", *groups, descending=[True] + [False] * len(groups), nulls_last=True)
    )


def _ranked(essays: pl.DataFrame, evaluations: Iterable[Evaluation]) -> pl.DataFrame:
    """Return the essays in the order of the ranking, each with its rank."""
    scores: dict[str, list[Score]] = {}
    for row in evaluations:
        given = scores.setdefault(row.essay.gen_id, [])
        if row.outcome.score is not None:
            given.append(row.outcome.score)
    ranks = rank_by_mean(scores)
    ranked = pl.DataFrame(
        {"rank": ranks.values(), JUDGED_STAGE: ranks.keys()},
        schema={"rank": pl.Int32, JUDGED_STAGE: pl.String},
    )
    return ranked.join(essays, on=JUDGED_STAGE, how="left", maintain_order="left")


def _by_stage(rows: pl.DataFrame, axis: str) -> pl.DataFrame:
    summaries = [
        _summary(rows.rename({f"{stage}_{axis}": axis}), [axis])
        .filter(pl.col(axis) != "")
        .select(pl.lit(stage).alias("stage"), pl.all())
        for stage in JUDGED_LINEAGE
    ]
    return pl.concat(summaries)


def _axes(stage: str) -> list[str]:
    return [f"{stage}_template", f"{stage}_llm", f"{stage}_replicate"]


def _row(row: Evaluation) -> tuple[object, ...]:
    members, outcome = [*row.lineage.values()], row.outcome
    return (
        row.combo,
        row.description_level,
        *(part for member in members for part in _member(member)),
        outcome.state,
        row.stale,
        BY_HAND if outcome.by_hand else "",
        None if outcome.score is None else outcome.score.value,
        None if outcome.score is None else outcome.score.maximum,
        None if outcome.score is None else outcome.score.normalised,
        outcome.prompt_tokens,
        outcome.completion_tokens,
        outcome.duration_seconds,
        outcome.cost,
        *(member.finish_reason for member in members[:-1]),
        outcome.finish_reason,
        outcome.answered_by,
        *(member.folder for member in members),
    )


def _member(member: Member) -> Iterator[object]:
    yield from (member.gen_id, member.template, member.llm, member.replicate)
