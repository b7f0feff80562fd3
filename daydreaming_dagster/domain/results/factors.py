"""What made texts better: the levels of each factor, and which differences are findings.

Imports numpy: import it where it is used.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Final

import attrs

from daydreaming_dagster.domain.results.evaluations import Evaluation
from daydreaming_dagster.domain.results.naming import COPY, name_combinations
from daydreaming_dagster.domain.results.ranking import judgment_of
from daydreaming_dagster.domain.results.report import CohortReport
from daydreaming_dagster.domain.statistics.effects import FINDING, Effect, Effects, estimate_effects
from daydreaming_dagster.domain.statistics.judgments import code, make_scores

COMBINATION: Final = "combination"
CONCEPT: Final = "concept"
_FAMILIES: Final = 2
"""Concepts are compared apart from the other factors. Both together find something by chance as
rarely as `Effect.is_finding` says of one."""
_FINDING: Final = FINDING / _FAMILIES
_MOST_CONCEPTS: Final = 200
_PAIR: Final = 2


@attrs.frozen
class Level:
    """A level of a factor with the scores of the texts that have it, as shares of their scale.

    Attributes:
        name: What it is called.
        texts: How many texts with a score have it.
        scores: How many scores those have.
        mean: The mean of the scores.
        difference: How much better it is than the mean of all levels, for a concept: than the texts
            without it. Judges' strictness and the other factors are taken out. None if unknown.
        low: Lower bound of the 95 % interval of the difference; None if unknown.
        high: Upper bound.
        is_finding: Whether the difference is more than chance, given how many are compared.
    """

    name: str
    texts: int
    scores: int
    mean: float
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    is_finding: bool = False


@attrs.frozen
class Factor:
    """A choice that differs between the texts that were judged.

    Attributes:
        name: What was chosen, such as `combination` or `essay template`.
        levels: The levels, the best first.
        is_won: Whether the first level is better than each other one, beyond chance.
        left_out: Why the levels cannot be compared; `""` if they are.
    """

    name: str
    levels: tuple[Level, ...]
    is_won: bool
    left_out: str

    @property
    def verdict(self) -> str:
        """What may be said of the first level beside its mean."""
        first = self.levels[0]
        if self.left_out:
            return f"cannot be compared: {self.left_out}"
        if self.is_won:
            return (
                "better than the other" if len(self.levels) == _PAIR else "better than all others"
            )
        if first.is_finding and (first.difference or 0.0) > 0:
            return "better than those without it" if self.name == CONCEPT else "better than average"
        return "may be chance"


def compare_factors(report: CohortReport) -> list[Factor]:
    """Return what differs between the judged texts, concepts last. Nothing without a score."""
    rows = [row for row in report.evaluations if row.outcome.score is not None]
    if not rows:
        return []
    groups = _groups(report, rows)
    fitted = _fit(rows, groups, _roots(rows)) if groups else Effects((), (), {})
    factors = [_factor(name, levels, rows, fitted) for name, levels in groups.items()]
    concepts = _concepts(report, rows)
    return [*factors, concepts] if concepts else factors


def _groups(report: CohortReport, rows: Sequence[Evaluation]) -> dict[str, list[str]]:
    """Return the level of each row on each factor that has several."""
    combos = name_combinations(report)
    groups = {COMBINATION: [combos.get(row.combo, row.combo or "several") for row in rows]}
    if len(report.pipeline.scored) > 1:
        groups["stage"] = [row.judged.stage for row in rows]
    for stage in report.pipeline.judged_lineage:
        if stage in report.pipeline.scoring or any(stage not in row.lineage for row in rows):
            continue
        members = [row.lineage[stage] for row in rows]
        groups[f"{stage} template"] = [member.template for member in members]
        groups[f"{stage} model"] = [member.llm or COPY for member in members]
    return {name: levels for name, levels in groups.items() if len(set(levels)) > 1}


def _roots(rows: Iterable[Evaluation]) -> list[str]:
    """Return for each row the oldest text that it goes back to: its scores resemble each other."""
    return [next(iter(row.lineage.values())).gen_id for row in rows]


def _fit(
    rows: Sequence[Evaluation], groups: Mapping[str, Sequence[str]], clusters: Sequence[str]
) -> Effects:
    judgments = [judgment_of(row) for row in rows]
    scores = make_scores(
        [str(judgment.judged) for judgment in judgments],
        [judgment.judge for judgment in judgments],
        [None if judgment.score is None else judgment.score.normalised for judgment in judgments],
        groups,
    )
    return estimate_effects(scores, code(clusters))


def _factor(
    name: str, of_rows: Sequence[str], rows: Sequence[Evaluation], fitted: Effects
) -> Factor:
    effects = {effect.level: effect for effect in fitted.levels if effect.group == name}
    levels = [
        _level(level, members, effects.get(level))
        for level, members in _by_level(of_rows, rows).items()
    ]
    levels = _best_first(levels)
    first = levels[0].name
    contrasts = [effect for effect in fitted.contrasts if effect.group == name]
    against = [effect for effect in contrasts if first in (effect.level, effect.than)]
    is_won = len(against) == len(levels) - 1 and all(map(_is_finding, against))
    reason = ""
    if name in fitted.left_out:
        reason = "too few independent texts for each"
    elif all(level.low is None for level in levels):
        reason = "they cannot be told from the other factors"
    return Factor(name, tuple(levels), is_won, reason)


def _concepts(report: CohortReport, rows: Sequence[Evaluation]) -> Factor | None:
    """Return the concepts, each against the texts without it, clustered by combination."""
    names: dict[str, dict[str, str]] = {}
    for items in report.generations.values():
        for item in items:
            if item.concept_ids:
                names[item.combo] = {one.concept_id: one.name for one in report.concepts_of(item)}
    rows = [row for row in rows if row.combo in names]
    of_rows = [names[row.combo] for row in rows]
    every = {concept: name for found in of_rows for concept, name in found.items()}
    if len({frozenset(found) for found in of_rows}) <= 1:  # nothing differs
        return None
    clusters = [row.combo for row in rows]
    levels: list[Level] = []
    for concept, name in every.items():
        members = [row for row, found in zip(rows, of_rows, strict=True) if concept in found]
        effect = None
        if len(members) < len(rows) and len(every) <= _MOST_CONCEPTS:
            group = ["with" if concept in found else "without" for found in of_rows]
            contrasts = _fit(rows, {CONCEPT: group}, clusters).contrasts
            effect = next(iter(contrasts), None)
            if effect is not None and effect.level == "without":
                effect = attrs.evolve(
                    effect, estimate=-effect.estimate, low=-effect.high, high=-effect.low
                )
        levels.append(_level(name, members, effect, compared=len(every)))
    reason = ""
    if all(level.low is None for level in levels):
        reason = "too few combinations have and lack each concept"
    return Factor(CONCEPT, tuple(_best_first(levels)), is_won=False, left_out=reason)


def _by_level(of_rows: Sequence[str], rows: Sequence[Evaluation]) -> dict[str, list[Evaluation]]:
    found: dict[str, list[Evaluation]] = {}
    for level, row in zip(of_rows, rows, strict=True):
        found.setdefault(level, []).append(row)
    return found


def _level(
    name: str, rows: Sequence[Evaluation], effect: Effect | None, compared: int = 1
) -> Level:
    shares = [row.outcome.score.normalised for row in rows if row.outcome.score is not None]
    level = Level(name, len({row.judged for row in rows}), len(shares), fmean(shares))
    # A bound that is not a number is not known, and equals nothing.
    if effect is None or effect.low != effect.low:
        return level
    return attrs.evolve(
        level,
        difference=effect.estimate,
        low=max(effect.low, -1.0),  # as far as shares can differ
        high=min(effect.high, 1.0),
        is_finding=_is_finding(effect, compared),
    )


def _is_finding(effect: Effect, compared: int = 1) -> bool:
    """Return whether a difference is more than chance; `compared` are further ones beside it."""
    return effect.p_corrected * compared < _FINDING


def _best_first(levels: Iterable[Level]) -> list[Level]:
    levels = list(levels)
    if all(level.difference is not None for level in levels):
        return sorted(levels, key=lambda level: (-(level.difference or 0.0), level.name))
    return sorted(levels, key=lambda level: (-level.mean, level.name))
