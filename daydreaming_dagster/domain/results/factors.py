"""What made texts better: the levels of each factor, and which differences are findings.

Imports polars and scipy: import it where it is used.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from daydreaming_dagster.domain.results.effect_tables import CONCEPT_GROUP, find_effects
from daydreaming_dagster.domain.results.evaluations import Evaluation
from daydreaming_dagster.domain.results.naming import COPY, name_combinations
from daydreaming_dagster.domain.results.ranking import judgment_of, mean_share
from daydreaming_dagster.domain.results.report import CohortReport
from daydreaming_dagster.domain.stages import COMBO, JUDGED

COMBINATION: Final = "combination"
CONCEPT: Final = "concept"
_PAIR: Final = 2
_TOO_LITTLE: Final = "too few independent texts, no scores that vary, or always with another factor"

_Effect = Mapping[str, Any]
"""A row of the table of effects."""


@attrs.frozen
class Level:
    """A level of a factor with the scores of the texts that have it, as shares of their scale.

    Attributes:
        name: What it is called.
        texts: How many texts with a score have it.
        scores: How many scores those have.
        mean: Their mean, see `mean_share`.
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
        is_planned: Whether the cohort was planned to compare them; None if it names no contrast.
    """

    name: str
    levels: tuple[Level, ...]
    is_won: bool
    left_out: str
    is_planned: bool | None = None

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

    @property
    def standing(self) -> str:
        """Whether the comparison was planned, in words; `""` if the cohort names no contrast."""
        if self.is_planned is None:
            return ""
        return "planned" if self.is_planned else "found by looking"


def compare_factors(report: CohortReport) -> list[Factor]:
    """Return what differs between the judged texts, concepts last. Nothing without a score."""
    rows = [row for row in report.evaluations if row.outcome.score is not None]
    effects = report.effects
    if effects is None:
        effects = find_effects(report.pipeline, rows).table.to_dicts()
    factors = [
        _factor(name, of_rows, rows, [effect for effect in effects if effect["group"] == group])
        for name, (group, of_rows) in _groups(report, rows).items()
        if len(set(of_rows)) > 1
    ]
    concepts = _concepts(report, rows, effects)
    found = [*factors, concepts] if concepts else factors
    if any(effect["planned"] for effect in effects):
        return found
    return [attrs.evolve(factor, is_planned=None) for factor in found]


def _groups(
    report: CohortReport, rows: Sequence[Evaluation]
) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """Return for each factor its group of effects, and each row's level: its id and its name."""
    combos = name_combinations(report)
    groups = {
        COMBINATION: (COMBO, [(row.combo, combos.get(row.combo, row.combo)) for row in rows]),
        "stage": (f"{JUDGED}_stage", [(row.judged.stage, row.judged.stage) for row in rows]),
    }
    for stage in report.pipeline.judged_lineage:
        if stage in report.pipeline.scoring or any(stage not in row.lineage for row in rows):
            continue
        members = [row.lineage[stage] for row in rows]
        templates = [(member.template, member.template) for member in members]
        models = [(member.llm, member.llm or COPY) for member in members]
        groups[f"{stage} template"] = f"{stage}_template", templates
        groups[f"{stage} model"] = f"{stage}_llm", models
    return groups


def _factor(
    name: str,
    of_rows: Sequence[tuple[str, str]],
    rows: Sequence[Evaluation],
    effects: Sequence[_Effect],
) -> Factor:
    against_mean = {effect["level"]: effect for effect in effects if effect["than"] is None}
    found: dict[tuple[str, str], list[Evaluation]] = {}
    for level, row in zip(of_rows, rows, strict=True):
        found.setdefault(level, []).append(row)
    levels = {
        key: _level(shown or "several", members, against_mean.get(key))
        for (key, shown), members in found.items()
    }
    ordered = _best_first(levels.values())
    first = next(key for key, level in levels.items() if level == ordered[0])
    against = [
        effect
        for effect in effects
        if effect["than"] is not None and first in (effect["level"], effect["than"])
    ]
    is_won = len(against) == len(levels) - 1 and all(effect["finding"] for effect in against)
    unknown = all(level.low is None for level in ordered)
    is_planned = any(effect["planned"] for effect in effects)
    return Factor(name, tuple(ordered), is_won, _TOO_LITTLE if unknown else "", is_planned)


def _concepts(
    report: CohortReport, rows: Sequence[Evaluation], effects: Sequence[_Effect]
) -> Factor | None:
    """Return the concepts, each against the texts without it."""
    names: dict[str, dict[str, str]] = {}
    for items in report.generations.values():
        for item in items:
            if item.concept_ids:
                names[item.combo] = {one.concept_id: one.name for one in report.concepts_of(item)}
    rows = [row for row in rows if row.combo in names]
    of_rows = [names[row.combo] for row in rows]
    if len({frozenset(found) for found in of_rows}) <= 1:  # nothing differs
        return None
    planned = {effect["group"] for effect in effects if effect["planned"]}
    levels, groups = list[Level](), set[str]()
    for concept, name in {key: name for found in of_rows for key, name in found.items()}.items():
        members = [row for row, found in zip(rows, of_rows, strict=True) if concept in found]
        group = f"{CONCEPT_GROUP}{concept}"
        groups.add(group)
        contrasts = (each for each in effects if each["group"] == group and each["than"])
        levels.append(_level(name, members, next(map(_with_concept, contrasts), None)))
    left_out = _TOO_LITTLE if all(level.low is None for level in levels) else ""
    return Factor(CONCEPT, tuple(_best_first(levels)), False, left_out, groups <= planned)


def _with_concept(effect: _Effect) -> _Effect:
    """Return a contrast as that of the texts with a concept against those without."""
    if effect["level"] == "with" or effect["low"] is None:
        return effect
    turned = {"estimate": -effect["estimate"], "low": -effect["high"], "high": -effect["low"]}
    return {**effect, **turned}


def _level(name: str, rows: Sequence[Evaluation], effect: _Effect | None) -> Level:
    mean = mean_share(map(judgment_of, rows)) or 0.0  # each has a score
    level = Level(name, len({row.judged for row in rows}), len(rows), mean)
    if effect is None or effect["low"] is None:
        return level
    return attrs.evolve(
        level,
        difference=effect["estimate"],
        low=max(effect["low"], -1.0),  # as far as shares can differ
        high=min(effect["high"], 1.0),
        is_finding=effect["finding"],
    )


def _best_first(levels: Iterable[Level]) -> list[Level]:
    levels = list(levels)
    if all(level.difference is not None for level in levels):
        return sorted(levels, key=lambda level: (-(level.difference or 0.0), level.name))
    return sorted(levels, key=lambda level: (-level.mean, level.name))
