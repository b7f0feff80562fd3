"""The duels of a cohort as tables. Imports polars: import it where it is used."""

from collections.abc import Iterable, Sequence
from math import exp, log
from typing import Any, Final

import polars as pl

from daydreaming_dagster.domain.results.places import FittedDuels
from daydreaming_dagster.domain.results.verdicts import Duel
from daydreaming_dagster.domain.statistics.judgments import TIE

_DUELS: Final[dict[str, Any]] = {
    "stage": pl.String,
    "duel": pl.String,
    "template": pl.String,
    "llm": pl.String,
    "replicate": pl.Int32,
    "judge": pl.String,
    "first_stage": pl.String,
    "first": pl.String,
    "second_stage": pl.String,
    "second": pl.String,
    "first_wins": pl.Float64,
    "other_order": pl.String,
    "state": pl.String,
    "stale": pl.String,
    "prompt_tokens": pl.Int64,
    "completion_tokens": pl.Int64,
    "duration_seconds": pl.Float64,
    "cost": pl.Float64,
    "path": pl.String,
}
_BOUNDED: Final = ("first_odds", "discrimination")
_JUDGES: Final[dict[str, Any]] = {
    "judge": pl.String,
    "duels": pl.Int64,
    "ties": pl.Int64,
    "without_verdict": pl.Int64,
    "both_orders": pl.Int64,
    "agree": pl.Int64,
    "position_decides": pl.Int64,
    **{f"{name}{end}": pl.Float64 for name in _BOUNDED for end in ("", "_low", "_high")},
    "stale": pl.Int64,
}


def make_duel_table(duels: Sequence[Duel]) -> pl.DataFrame:
    """Return a row per duel, judged or not, as `daydream analyse duels` reads them.

    `other_order` says what the same judge and replicate said of the same texts in the other order:
    `agrees` if the same text won or both are ties, `position` if what was shown first won both
    times, or second both times, `half` if one is a tie; empty if there is no such verdict.
    """
    others = _other_orders(duels)
    rows = [
        (
            duel.stage,
            duel.member.gen_id,
            duel.member.template,
            duel.member.llm,
            duel.member.replicate,
            duel.judge,
            *duel.first,
            *duel.second,
            duel.first_wins,
            other,
            duel.outcome.state,
            duel.stale,
            duel.outcome.prompt_tokens,
            duel.outcome.completion_tokens,
            duel.outcome.duration_seconds,
            duel.outcome.cost,
            duel.member.folder,
        )
        for duel, other in zip(duels, others, strict=True)
    ]
    return pl.DataFrame(rows, schema=_DUELS, orient="row")


def _other_orders(duels: Iterable[Duel]) -> list[str]:
    duels = list(duels)
    said = {
        (duel.judge, duel.member.replicate, duel.first, duel.second): duel.first_wins
        for duel in duels
    }
    found: list[str] = []
    for duel in duels:
        own = duel.first_wins
        other = said.get((duel.judge, duel.member.replicate, duel.second, duel.first))
        if own is None or other is None:
            found.append("")
        elif own + other == 1:
            found.append("agrees")
        else:
            found.append("position" if own == other else "half")
    return found


def make_duel_judge_table(table: pl.DataFrame, fitted: FittedDuels | None) -> pl.DataFrame:
    """Return a row per judge of `make_duel_table`: ties, both orders, position, discrimination.

    `first_odds` are the odds that the judge prefers what is shown first of two equal texts;
    `discrimination` is how much a difference in strength counts with it, 1 for the mean judge.
    Both have 95 % intervals, and are null without a verdict. The `discrimination` of a single judge
    is null, too: it would be 1 by definition. `both_orders` counts the duels whose other order has
    a verdict.
    """
    wins, other = pl.col("first_wins"), pl.col("other_order")
    counted = (
        table.group_by("judge", maintain_order=True)
        .agg(
            wins.count().cast(pl.Int64).alias("duels"),
            (wins == TIE).sum().cast(pl.Int64).alias("ties"),
            wins.null_count().cast(pl.Int64).alias("without_verdict"),
            (other != "").sum().cast(pl.Int64).alias("both_orders"),
            (other == "agrees").sum().cast(pl.Int64).alias("agree"),
            (other == "position").sum().cast(pl.Int64).alias("position_decides"),
            ((pl.col("stale") != "") & wins.is_not_null()).sum().cast(pl.Int64).alias("stale"),
        )
        .sort("judge")
    )
    schema = {name: _JUDGES[name] for name in _JUDGES if name.startswith(("judge", *_BOUNDED))}
    estimates = pl.DataFrame(_estimates(fitted), schema=schema, orient="row")
    return counted.join(estimates, on="judge", how="left").select(*_JUDGES)


def _estimates(fitted: FittedDuels | None) -> list[tuple[str | float | None, ...]]:
    if fitted is None:
        return []
    fit, judges = fitted.fit, fitted.duels.judge.names
    none: tuple[None, ...] = (None, None, None)
    return [
        (
            name,
            *_interval(fit.first_log_odds[code], fit.first_errors[code]),
            *(
                _interval(log(fit.discrimination[code]), fit.discrimination_errors[code])
                if len(judges) > 1
                else none
            ),
        )
        for code, name in enumerate(judges)
    ]


def _interval(centre: float, error: float) -> tuple[float, float, float]:
    return exp(centre), exp(centre - 1.96 * error), exp(centre + 1.96 * error)
