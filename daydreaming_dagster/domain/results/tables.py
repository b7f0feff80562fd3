"""A cohort's results as tables. Imports polars, which takes 0.3 s: import it where it is used."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import attrs
import polars as pl

from daydreaming_dagster.domain.generation.records import BY_HAND
from daydreaming_dagster.domain.results.agreement_table import (
    STALE_SCORES,
    judge_agreement,
    judge_columns,
)
from daydreaming_dagster.domain.results.duel_tables import make_duel_judge_table, make_duel_table
from daydreaming_dagster.domain.results.effect_tables import find_effects
from daydreaming_dagster.domain.results.evaluations import Evaluation, Member
from daydreaming_dagster.domain.results.knowing_more import say_how_to_know_more
from daydreaming_dagster.domain.results.places import Placing, place_texts
from daydreaming_dagster.domain.results.ranking import judgment_of, shares_by_text
from daydreaming_dagster.domain.results.sentences import say_of_duels
from daydreaming_dagster.domain.results.verdicts import Duel, verdicts
from daydreaming_dagster.domain.stages import (
    COMBO,
    JUDGE,
    JUDGED,
    GenerationRef,
    Pipeline,
)
from daydreaming_dagster.domain.statistics.unequal_counts import UNEQUAL
from daydreaming_dagster.formatting import plural

_AXES: Final = {"": pl.String, "_template": pl.String, "_llm": pl.String, "_replicate": pl.Int32}


def _schema(pipeline: Pipeline) -> dict[str, Any]:
    """Return the columns of the table of evaluations with their types."""
    lineage = pipeline.judged_lineage
    above = [stage for stage in lineage if stage not in pipeline.scoring]
    return {
        COMBO: pl.String,
        "description_level": pl.String,
        **{f"{stage}{part}": dtype for stage in lineage for part, dtype in _AXES.items()},
        **(
            {} if pipeline.judged in pipeline else {f"{JUDGED}_stage": pl.String, JUDGED: pl.String}
        ),
        **(
            {}
            if pipeline.judge in pipeline
            else {f"{JUDGE}_stage": pl.String}
            | {f"{JUDGE}{part}": dtype for part, dtype in _AXES.items()}
        ),
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
        **{f"{stage}_finish_reason": pl.String for stage in above},
        "finish_reason": pl.String,
        "answered_by": pl.String,
        **{f"{stage}_path": pl.String for stage in lineage},
    }


_PLACE: Final[dict[str, Any]] = {
    "estimate": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "rank_low": pl.Int32,
    "rank_high": pl.Int32,
    "p_best": pl.Float64,
    "p_top": pl.Float64,
}
"""What the ranking's table says of a text's place, see `RankedItem`."""

_SCORE: Final = pl.col("score_normalised")


@attrs.frozen
class ResultTables:
    """The results of a cohort.

    Means are of scores as shares of their scale, 0 to 1; `mean_share` says how those of templates
    and models are taken. `spread` is the standard deviation of the scores, null for a single one.
    `n` counts the scores that a row is made of. `stale` counts those of them that are stale, and
    `by_hand` those that a person entered. `missing` counts the evaluations that were planned and
    have no score: no mean stands for them.

    Attributes:
        evaluations: A row an evaluation, scored or not, with all axes and what it took.
        ranking: The judged texts in the order of `place_texts`, each with its place.
        templates: The same by stage and template.
        models: The same by stage and model; copies, which have none, are left out.
        agreement: How far judges agree, see `judge_agreement`.
        missing: The evaluations without a score, and why.
        duels: A row a duel, see `make_duel_table`; empty where nothing compares.
        duel_judges: A row a judge of duels, see `make_duel_judge_table`.
        effects: What templates, models, concepts and stages do to the scores, see `find_effects`.
        judged: What the judged texts are called.
        remarks: What the duels count, and what would tell more, in sentences.
        found: Which effects are beyond chance, in sentences.
        judge: What the evaluations are called.
    """

    evaluations: pl.DataFrame
    ranking: pl.DataFrame
    templates: pl.DataFrame
    models: pl.DataFrame
    agreement: pl.DataFrame
    missing: pl.DataFrame
    duels: pl.DataFrame
    duel_judges: pl.DataFrame
    effects: pl.DataFrame
    judged: str
    remarks: tuple[str, ...]
    found: tuple[str, ...]
    judge: str

    def by_name(self) -> dict[str, pl.DataFrame]:
        """Return the tables by the names of their files."""
        tables = {
            "evaluations": self.evaluations,
            plural(self.judged): self.ranking,
            "templates": self.templates,
            "models": self.models,
            "agreement": self.agreement,
            "missing": self.missing,
            "effects": self.effects,
        }
        if self.duels.height:
            tables |= {"duels": self.duels, "duel_judges": self.duel_judges}
        return tables

    def with_column(self, name: str, value: str) -> "ResultTables":
        """Return the tables, each with a column that has the same value in every row."""
        changed: dict[str, Any] = {
            field: table.with_columns(pl.lit(value).alias(name))
            for field, table in attrs.asdict(self, recurse=False).items()
            if isinstance(table, pl.DataFrame)
        }
        return attrs.evolve(self, **changed)

    def with_cohorts(self, cohorts_of: Mapping[GenerationRef, str]) -> "ResultTables":
        """Return the tables of evaluations and texts with the cohorts of each in a column."""
        by_id = {ref.gen_id: cohort_ids for ref, cohort_ids in cohorts_of.items()}

        def with_column(table: pl.DataFrame, key: str) -> pl.DataFrame:
            values = [by_id.get(gen_id, "") for gen_id in table[key]]
            return table.with_columns(pl.Series("cohorts", values, pl.String))

        return attrs.evolve(
            self,
            evaluations=with_column(self.evaluations, self.judge),
            ranking=with_column(self.ranking, self.judged),
            missing=with_column(self.missing, self.judge),
        )


def make_result_tables(
    pipeline: Pipeline,
    evaluations: Iterable[Evaluation],
    duels: Iterable[Duel] = (),
    contrasts: Collection[str] = (),
) -> ResultTables:
    """Return the tables of these evaluations and duels; `contrasts` are those of `find_effects`."""
    evaluations, duels = list(evaluations), list(duels)
    schema = _schema(pipeline)
    rows = pl.DataFrame(
        [[cells.get(name) for name in schema] for cells in map(_row, evaluations)],
        schema=schema,
        orient="row",
    )
    judged, judge = pipeline.judged, pipeline.judge
    of_text = [judged] if judged in pipeline else [f"{judged}_stage", judged]
    above = [stage for stage in pipeline.judged_lineage if stage not in pipeline.scoring]
    of_text += [COMBO, *chain.from_iterable(map(_axes, above))]
    placing = place_texts(shares_by_text(map(judgment_of, evaluations)), duels)
    of_duels = make_duel_table(duels)
    texts = pl.concat(
        [_summary(rows, of_text, _SCORE.mean()), _compared_alone(rows, of_text, judged, duels)],
        how="diagonal",
    )
    effects = find_effects(pipeline, evaluations, contrasts)
    return ResultTables(
        evaluations=rows,
        ranking=_ranked(texts, judged, placing, duels),
        templates=_by_stage(rows, pipeline, "template"),
        models=_by_stage(rows, pipeline, "llm"),
        agreement=judge_agreement(rows, judged, judge),
        missing=rows.filter(pl.col("state") != "scored").select(
            judge, "state", "stale", "finish_reason", *_axes(judge), *of_text
        ),
        duels=of_duels,
        duel_judges=make_duel_judge_table(of_duels, placing.fitted),
        effects=effects.table,
        judged=judged,
        remarks=(
            *say_of_duels(placing.fitted, judged),
            *say_how_to_know_more(evaluations, duels, judged),
        ),
        found=effects.sentences,
        judge=judge,
    )


def _compared_alone(
    rows: pl.DataFrame, of_text: list[str], judged: str, duels: Sequence[Duel]
) -> pl.DataFrame:
    """Return the texts that were compared and never scored, with their values on the axes."""
    found: dict[str, dict[str, object]] = {}
    for duel in duels:
        for ref, lineage in zip(duel.texts, duel.lineages, strict=True):
            cells: dict[str, object] = {
                f"{JUDGED}_stage": ref.stage,
                COMBO: lineage.combo,
                judged: ref.gen_id,
            }
            for stage, member in lineage.members.items():
                cells |= _member(stage, member)
            found[ref.gen_id] = cells
    scored = set(rows[judged])
    return pl.DataFrame(
        [
            [cells.get(name) for name in of_text]
            for name, cells in found.items()
            if name not in scored
        ],
        schema={name: rows.schema[name] for name in of_text},
        orient="row",
    )


def _summary(rows: pl.DataFrame, groups: list[str], mean: pl.Expr) -> pl.DataFrame:
    return (
        rows.group_by(groups)
        .agg(
            mean.alias("mean"),
            _SCORE.std().alias("spread"),
            _SCORE.min().alias("lowest"),
            _SCORE.max().alias("highest"),
            _SCORE.count().alias("n"),
            _SCORE.null_count().alias("missing"),
            STALE_SCORES.alias("stale"),
            (pl.col("scored_by") == BY_HAND).sum().cast(pl.Int64).alias("by_hand"),
        )
        .sort("mean", *groups, descending=[True] + [False] * len(groups), nulls_last=True)
    )


def _ranked(
    texts: pl.DataFrame, judged: str, placing: Placing, duels: Sequence[Duel]
) -> pl.DataFrame:
    """Return the texts in the order of the ranking, each with its rank."""
    places = placing.places
    fought = Counter(ref for duel in verdicts(duels) for ref in duel.texts)
    columns: dict[str, list[Any]] = {
        "rank": [None if place is None else place.rank for place in places.values()],
        **{
            name: [
                None if place is None else getattr(place.item, name) for place in places.values()
            ]
            for name in _PLACE
        },
    }
    if duels:
        columns["strength"] = [
            None if place is None else place.strength for place in places.values()
        ]
        columns["source"] = [None if place is None else place.source for place in places.values()]
        columns["duels"] = [fought[ref] for ref in places]
    of_place = [*columns]
    if judged == JUDGED:
        columns[f"{JUDGED}_stage"] = [ref.stage for ref in places]
    columns[judged] = [ref.gen_id for ref in places]
    types = {**_PLACE, "rank": pl.Int32, "strength": pl.Float64, "duels": pl.Int64}
    schema = {name: types.get(name, pl.String) for name in columns}
    names = [name for name in columns if name not in of_place]
    ranked = pl.DataFrame(columns, schema=schema).join(
        texts, on=names, how="left", maintain_order="left"
    )
    return ranked.select("rank", *names, pl.exclude("rank", *names))


def _by_stage(rows: pl.DataFrame, pipeline: Pipeline, axis: str) -> pl.DataFrame:
    of_judge = judge_columns(rows, pipeline.judge)
    weight = 1 / _SCORE.count().over(pipeline.judged, *of_judge)
    rows = rows.with_columns(pl.when(_SCORE.is_not_null()).then(weight).alias("weight"))
    weight, cells = pl.col("weight"), pl.col("weight").sum()
    # The harmonic mean of the cells' numbers of scores against their mean, as in `are_unequal`.
    unequal = UNEQUAL * cells**2 < _SCORE.count() * (weight**2).sum()
    mean = pl.when(unequal).then((_SCORE * weight).sum() / cells).otherwise(_SCORE.mean())
    # Where nothing judges, the judge's column stands in: the table has its columns, and no row.
    summaries = [
        _summary(rows.rename({f"{stage}_{axis}": axis}), [axis], mean)
        .filter(pl.col(axis) != "")
        .select(pl.lit(stage).alias("stage"), pl.all())
        for stage in pipeline.judged_lineage or [pipeline.judge]
    ]
    return pl.concat(summaries)


def _axes(stage: str) -> list[str]:
    return [f"{stage}_template", f"{stage}_llm", f"{stage}_replicate"]


def _row(row: Evaluation) -> dict[str, object]:
    outcome, judge = row.outcome, row.evaluation
    cells: dict[str, object] = {
        COMBO: row.combo,
        "description_level": row.description_level,
        f"{JUDGED}_stage": row.judged.stage,
        JUDGED: row.judged.gen_id,
        f"{JUDGE}_stage": row.stage,
        **_member(JUDGE, judge),
        "state": outcome.state,
        "stale": row.stale,
        "scored_by": BY_HAND if outcome.by_hand else "",
        "score": None if outcome.score is None else outcome.score.value,
        "score_maximum": None if outcome.score is None else outcome.score.maximum,
        "score_normalised": None if outcome.score is None else outcome.score.normalised,
        "prompt_tokens": outcome.prompt_tokens,
        "completion_tokens": outcome.completion_tokens,
        "duration_seconds": outcome.duration_seconds,
        "cost": outcome.cost,
        "finish_reason": outcome.finish_reason,
        "answered_by": outcome.answered_by,
    }
    for stage, member in row.lineage.items():
        cells |= _member(stage, member)
        cells[f"{stage}_finish_reason"] = member.finish_reason
        cells[f"{stage}_path"] = member.folder
    return cells


def _member(name: str, member: Member) -> dict[str, object]:
    return {
        name: member.gen_id,
        f"{name}_template": member.template,
        f"{name}_llm": member.llm,
        f"{name}_replicate": member.replicate,
    }
