"""What templates, models, concepts and stages do to the scores. Imports polars and scipy."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Final

import attrs
import polars as pl

from daydreaming_dagster.domain.results.evaluations import Evaluation
from daydreaming_dagster.domain.results.ranking import judgment_of
from daydreaming_dagster.domain.stages import COMBO, JUDGED, Pipeline
from daydreaming_dagster.domain.statistics.effects import FINDING, Effect, estimate_effects
from daydreaming_dagster.domain.statistics.judgments import code, make_scores
from daydreaming_dagster.domain.statistics.reliability import replicate_weights
from daydreaming_dagster.formatting import counted

_SEPARATOR: Final = "+"
CONCEPT_GROUP: Final = "concept "
_FEWEST_CLUSTERS: Final = 5
"""Fewer show hardly how much they differ."""
_TWO: Final = 2
_MOST_NAMED: Final = 5

_SCHEMA: Final[dict[str, Any]] = {
    "group": pl.String,
    "level": pl.String,
    "than": pl.String,
    **dict.fromkeys(("estimate", "error", "low", "high", "p", "p_corrected"), pl.Float64),
    "finding": pl.Boolean,
    "planned": pl.Boolean,
}


@attrs.frozen
class FoundEffects:
    """What the factors of a cohort do to its scores.

    Attributes:
        table: A row a difference of two levels, or of a level and the mean of its factor (`than` is
            null), in shares of the scale. `p_corrected` allows for all rows, of a planned contrast
            for all planned ones; `finding` says that the difference is beyond chance. Intervals are
            of one difference alone.
        sentences: What was found.
    """

    table: pl.DataFrame
    sentences: tuple[str, ...]


def find_effects(
    pipeline: Pipeline, evaluations: Iterable[Evaluation], contrasts: Collection[str] = ()
) -> FoundEffects:
    """Return the effects of the factors that differ between scored texts.

    Factors are the templates and models of each stage, each concept, the combination, the stage of
    the text if texts of several are scored, and the interaction of each two templates or models
    that have two levels each. Errors are clustered by what texts share: their combination if there
    are several, otherwise the text that all goes back to, otherwise the text. Combinations
    themselves are compared by the texts that are made of them.

    `contrasts` are the factors whose comparison was planned. They are corrected among themselves,
    by Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6 (1979). Planned ones and the others then share the error rate of findings.
    """
    scored = [row for row in evaluations if row.outcome.score is not None]
    factors = _factors(pipeline, scored)
    if not factors or len({row.judged for row in scored}) < _TWO:
        return FoundEffects(pl.DataFrame(schema=_SCHEMA), ())
    judgments = [judgment_of(row) for row in scored]
    scores = make_scores(
        [str(row.judged) for row in scored],
        [judgment.judge for judgment in judgments],
        [None if judgment.score is None else judgment.score.normalised for judgment in judgments],
        factors,
    )
    clusters, shared = _clusters(pipeline, scored)
    texts = code([str(row.judged) for row in scored])
    alone = {name: code(clusters) for name in factors if name.startswith(CONCEPT_GROUP)}
    effects = estimate_effects(
        scores, code(clusters), alone | {COMBO: texts}, replicate_weights(scores)
    )
    found = _planned_apart([*effects.levels, *effects.contrasts], contrasts)
    error = FINDING / 2 if contrasts else FINDING
    rows = [
        [
            *(getattr(effect, name) for name in list(_SCHEMA)[:-2]),
            effect.p_corrected < error,
            effect.group in contrasts,
        ]
        for effect in found
    ]
    table = (
        pl.DataFrame(rows, schema=_SCHEMA, orient="row")
        .fill_nan(None)
        .filter(pl.col("estimate").is_not_null())
    )
    planned = [effect for effect in found if effect.group in contrasts]
    others = [effect for effect in found if effect.group not in contrasts]
    said = [*_say(others, shared, error)]
    if contrasts:
        said = [
            *(f"Planned: {sentence}" for sentence in _say(planned, shared, error)),
            *(f"Found by looking: {sentence}" for sentence in said),
        ]
    return FoundEffects(table, tuple(said))


def _planned_apart(found: Sequence[Effect], contrasts: Collection[str]) -> list[Effect]:
    """Return the effects, the planned ones corrected among themselves."""
    planned = [effect for effect in found if effect.group in contrasts and effect.p == effect.p]
    corrected: dict[int, float] = {}
    least = 0.0
    for rank, effect in enumerate(sorted(planned, key=lambda effect: effect.p)):
        least = max(least, min(effect.p * (len(planned) - rank), 1.0))
        corrected[id(effect)] = least
    return [
        attrs.evolve(effect, p_corrected=corrected.get(id(effect), effect.p_corrected))
        for effect in found
    ]


def _factors(pipeline: Pipeline, scored: Sequence[Evaluation]) -> dict[str, list[str]]:
    axes: dict[str, list[str]] = {}
    for stage in pipeline.judged_lineage:
        if stage not in pipeline.scoring:
            members = [row.lineage.get(stage) for row in scored]
            for axis in ("template", "llm"):
                levels = ["" if one is None else getattr(one, axis) for one in members]
                axes[f"{stage}_{axis}"] = levels
    axes = _differing(axes)
    others: dict[str, list[str]] = {COMBO: [row.combo for row in scored]}
    concepts = [row.combo.partition("@")[0].split(_SEPARATOR) for row in scored]
    for concept in sorted({name for names in concepts for name in names if name}):
        others[f"{CONCEPT_GROUP}{concept}"] = [
            "with" if concept in names else "without" for names in concepts
        ]
    others[f"{JUDGED}_stage"] = [row.judged.stage for row in scored]
    return {**axes, **_differing(others), **_interactions(axes)}


def _differing(factors: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the factors with several levels, of those that always go together the first."""
    kept: dict[str, list[str]] = {}
    partitions: set[tuple[int, ...]] = set()
    for name, levels in factors.items():
        partition = tuple(code(levels).codes.tolist())
        if len(set(levels)) > 1 and partition not in partitions:
            partitions.add(partition)
            kept[name] = levels
    return kept


def _interactions(axes: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return for each two factors of two levels which of them go together.

    The effect of that is half the difference of two differences, so it is their interaction.
    """
    found: dict[str, list[str]] = {}
    of_two = [(name, levels) for name, levels in axes.items() if len(set(levels)) == _TWO]
    for (one, left), (other, right) in combinations(of_two, 2):
        (a, b), (c, d) = sorted(set(left)), sorted(set(right))
        together, apart = f"{a} with {c}, {b} with {d}", f"{a} with {d}, {b} with {c}"
        levels = [
            together if (x == a) == (y == c) else apart for x, y in zip(left, right, strict=True)
        ]
        if len(set(zip(left, right, strict=True))) == _TWO * _TWO:
            found[f"{one} and {other}"] = levels
    return found


def _clusters(pipeline: Pipeline, scored: Sequence[Evaluation]) -> tuple[list[str], str]:
    """Return what each score shares with others, and what that is called."""
    combos = [row.combo or str(row.judged) for row in scored]
    if len(set(combos)) >= _FEWEST_CLUSTERS:
        return combos, "combination"
    first = pipeline.names[0]
    roots = [
        row.lineage[first].gen_id if first in row.lineage else str(row.judged) for row in scored
    ]
    if len(set(roots)) >= _FEWEST_CLUSTERS:
        return roots, first
    return [str(row.judged) for row in scored], pipeline.judged


def _say(found: Sequence[Effect], shared: str, error: float) -> Iterator[str]:
    compared = sum(effect.p == effect.p for effect in found)
    if not compared:
        return
    beyond = [effect for effect in found if effect.p_corrected < error]
    allowing = f"{counted(compared, 'difference')} compared, errors clustered by {shared}"
    if not beyond:
        yield (
            f"No template, model or concept is certainly better than another ({allowing}):"
            f" differences of means are within chance."
        )
        return
    # That of two levels says more than that of one from the mean of all.
    pairs = [effect for effect in beyond if effect.than is not None] or beyond
    for effect in sorted(pairs, key=lambda effect: effect.p_corrected)[:_MOST_NAMED]:
        than = "the mean of all" if effect.than is None else effect.than
        more = "higher" if effect.estimate > 0 else "lower"
        yield (
            f"{effect.group}: {effect.level} scores {abs(effect.estimate):.2f} {more} than {than}"
            f" (95 %: {effect.low:+.2f} to {effect.high:+.2f};"
            f" p = {effect.p_corrected:.2g}, corrected; {allowing})."
        )
    if len(pairs) > _MOST_NAMED:
        yield f"{len(pairs) - _MOST_NAMED} more such differences: see effects.csv."
