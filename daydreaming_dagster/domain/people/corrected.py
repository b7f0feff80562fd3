"""What people would give on average, by template and model: judges corrected by people's scores.

Imports numpy: import it where it is used.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite, nan
from typing import Final

import attrs
import numpy as np

from daydreaming_dagster.domain.people.passport import (
    mean_of_each,
    mean_of_judges,
    scores_of_models,
    scores_of_people,
)
from daydreaming_dagster.domain.people.ratings import Rating
from daydreaming_dagster.domain.results.evaluations import Evaluation
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.domain.statistics.judge_model import fit_scores
from daydreaming_dagster.domain.statistics.judgments import JudgmentsError, code, make_scores
from daydreaming_dagster.domain.statistics.prediction_powered import group_means

ALL: Final = "all texts"
COPY: Final = "copy"
"""What stands for the model of a copied text."""


@attrs.frozen
class CorrectedMean:
    """The mean score that people would give to the texts of a level, as a share of the scale.

    Attributes:
        factor: What the texts are grouped by, such as `essay_template`.
        level: Which group.
        texts: How many of its texts judges scored.
        rated: How many of them people scored, too.
        estimate: The judges' mean, corrected by people; None if nothing is known.
        low: Lower bound of its 95 % interval.
        high: Upper bound.
    """

    factor: str
    level: str
    texts: int
    rated: int
    estimate: float | None
    low: float | None
    high: float | None


def correct_judges(
    evaluations: Iterable[Evaluation], ratings: Sequence[Rating]
) -> tuple[list[CorrectedMean], list[str]]:
    """Return the corrected mean of each level of each factor, and what could not be corrected.

    A factor is a template or a model of a stage above the judges, with at least two levels. The
    judges' part is the mean of their standardised scores of each text. Of several people, each
    one's strictness is taken out. Stale scores and ratings do not count.
    """
    evaluations = list(evaluations)
    means = {judge: mean_of_each(own) for judge, own in scores_of_models(evaluations).items()}
    levels = {
        row.judged: {
            f"{stage}_{axis}": value
            for stage, member in row.lineage.items()
            if stage != row.stage
            for axis, value in (("template", member.template), ("llm", member.llm or COPY))
        }
        for row in evaluations
    }
    by_judges = mean_of_judges(means)
    by_people = {ref: share for ref, share in _people(ratings).items() if ref in by_judges}
    if not by_people:
        return [], []
    refs = list(by_judges)
    labels = np.array([by_people.get(ref, nan) for ref in refs])
    scores = np.array([by_judges[ref] for ref in refs])
    names = dict.fromkeys(name for ref in refs for name in levels[ref])
    factors = {ALL: [ALL] * len(refs)}
    factors |= {name: [levels[ref].get(name, "") for ref in refs] for name in names}
    found: list[CorrectedMean] = []
    notes: list[str] = []
    for factor, values in factors.items():
        if factor != ALL and len(set(values)) < 2:  # noqa: PLR2004  nothing to compare
            continue
        group = code(values)
        try:
            corrected = group_means(group, scores, labels)
        except JudgmentsError as error:
            notes.append(f"{factor}: {error}")
            continue
        low, high = corrected.interval()
        texts = Counter(values)
        found += [
            CorrectedMean(
                factor,
                level,
                texts[level],
                int(corrected.labelled[place]),
                *(
                    float(np.clip(bound[place], 0.0, 1.0)) if isfinite(bound[place]) else None
                    for bound in (corrected.value, low, high)
                ),
            )
            for place, level in enumerate(group.names)
        ]
    return found, notes


def _people(ratings: Sequence[Rating]) -> Mapping[GenerationRef, float]:
    """Return people's score of each text, without the strictness of each person."""
    given = [
        (ref, rater, share)
        for rater, own in scores_of_people(ratings).items()
        for ref, shares in own.items()
        for share in shares
    ]
    if not given:
        return {}
    refs, raters, shares = zip(*given, strict=True)
    by_name = {str(ref): ref for ref in refs}
    table = make_scores([str(ref) for ref in refs], raters, shares)
    estimates = fit_scores(table).estimate
    return {
        by_name[name]: float(value) for name, value in zip(table.item.names, estimates, strict=True)
    }
