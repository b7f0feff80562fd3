"""How far judges agree, as a table. Imports polars: import it where it is used."""

from typing import Final

import polars as pl

from daydreaming_dagster.formatting import plural

STALE_SCORES: Final = (
    ((pl.col("stale") != "") & pl.col("score_normalised").is_not_null()).sum().cast(pl.Int64)
)
"""How many of the scores of some evaluations are stale."""

_NO_SPREAD: Final = 1e-12
"""Scores with a smaller variance differ by rounding alone."""


def judge_agreement(evaluations: pl.DataFrame, judged: str, judge: str) -> pl.DataFrame:
    """Return how far judges give the same texts the same scores.

    `judged` and `judge` are the columns of both, see `Pipeline.judged` and `Pipeline.judge`.

    The measure is Krippendorff's alpha with the interval metric: 1 is perfect agreement, 0 what
    scores dealt out at random would reach, less is systematic disagreement. Unlike a correlation
    it falls when one judge is stricter than another, and unlike a kappa it takes any number of
    judges, scores with distances between them, and texts that some judges did not score. It is
    null where less than two scores can be compared or all scores are the same.

    A row for each evaluation template: its models against each other, their replicates averaged
    (its model is null). And a row for each template and model: its replicates against each other,
    which says how far the judge agrees with itself. The column named like the judged texts (such
    as `essays`) counts those with two scores to compare, and `n` the scores; of models against each
    other, the means of their replicates. Where several stages score, their
    templates are told apart by the first column, the stage.
    """
    scored = evaluations.filter(pl.col("score_normalised").is_not_null())
    *template, llm = judge_columns(evaluations, judge)
    by_judge = scored.group_by(*template, llm, judged).agg(pl.col("score_normalised").mean())
    between = _alpha(by_judge, template, judged).with_columns(pl.lit(None, pl.String).alias(llm))
    within = _alpha(scored, [*template, llm], judged)
    columns = [*template, llm, plural(judged), "n", "alpha", "stale"]
    stale = [
        scored.group_by(of_judge).agg(STALE_SCORES.alias("stale"))
        for of_judge in (template, [*template, llm])
    ]
    rows = [
        part.join(counts, on=counts.columns[:-1], how="left").select(columns)
        for part, counts in zip((between, within), stale, strict=True)
    ]
    return pl.concat(rows).sort([*template, llm])


def judge_columns(evaluations: pl.DataFrame, judge: str) -> list[str]:
    """Return the columns that say who judged; the first is the stage, where several score."""
    stage = [name for name in (f"{judge}_stage",) if name in evaluations.columns]
    return [*stage, f"{judge}_template", f"{judge}_llm"]


def _alpha(scores: pl.DataFrame, groups: list[str], judged: str) -> pl.DataFrame:
    """Return the alpha of each group over its texts that have at least two scores."""
    score, n = pl.col("score_normalised"), pl.col("n")
    compared = scores.filter(pl.len().over([*groups, judged]) > 1)
    # With squared differences, the mean over all pairs is twice the variance.
    within = compared.group_by([*groups, judged]).agg(score.var().alias("var"), pl.len().alias("n"))
    observed = within.group_by(groups).agg(
        ((pl.col("var") * n).sum() / n.sum()).alias("observed"),
        pl.len().alias(plural(judged)),
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
            pl.col(plural(judged), "n").fill_null(0),
        )
    )
