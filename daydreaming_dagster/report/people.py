"""What people said of texts, as the reader of a page sees it, beside what judges say."""

from collections.abc import Iterator, Mapping, Sequence

import attrs

from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.domain.people.corrected import ALL, CorrectedMean
from daydreaming_dagster.domain.people.passport import HUMAN, Passport
from daydreaming_dagster.domain.people.ratings import Rating
from daydreaming_dagster.domain.results.factors import Factor
from daydreaming_dagster.domain.results.naming import Name
from daydreaming_dagster.domain.results.ranking import judgment_of, mean_share
from daydreaming_dagster.domain.results.report import CohortReport
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.types import JsonValue


def passports_without_names(report: CohortReport) -> list[Passport]:
    """Return what each judge is like, people by their numbers."""
    persons = {f"{HUMAN}{rater}": person for rater, person in _persons(report.ratings).items()}
    return [attrs.evolve(one, judge=persons.get(one.judge, one.judge)) for one in report.passports]


def people_on(
    ref: GenerationRef, ratings: Sequence[Rating], names: Mapping[GenerationRef, Name]
) -> Iterator[JsonValue]:
    """Yield for each rating of a text who said what, why, and what is wrong with the rating.

    People are numbered: their names are personal data, and a page may be handed on.
    """
    persons = _persons(ratings)
    for rating in ratings:
        if ref in (rating.first, rating.second):
            yield [persons[rating.rater], _said(ref, rating, names), rating.reason, rating.stale]


def scores_by_people(ratings: Sequence[Rating]) -> dict[GenerationRef, list[Score]]:
    """Return the scores that people gave to each present text."""
    given: dict[GenerationRef, list[Score]] = {}
    for rating in ratings:
        if rating.score is not None and not rating.stale:
            given.setdefault(rating.first, []).append(rating.score)
    return given


@attrs.frozen
class Corrected:
    """What people would give to the texts of a level, and what judges gave, as shares."""

    mean: CorrectedMean
    factor: str
    judges: float | None


@attrs.frozen
class People:
    """What people said of a cohort's texts, in sentences and beside the judges' means."""

    sentences: Sequence[str]
    corrected: Sequence[Corrected]


def hear_people(report: CohortReport, factors: Sequence[Factor]) -> People | None:
    """Return what people said, None if they said nothing about a present text."""
    present = [rating for rating in report.ratings if not rating.stale]
    if not present:
        return None
    by_name = {factor.name: factor for factor in factors}
    of_all = mean_share(map(judgment_of, report.evaluations))
    rows: dict[str, list[Corrected]] = {}
    for mean in report.corrected:
        # The tables name a factor after its column.
        name = (
            mean.factor.removesuffix("_llm") + " model"
            if mean.factor.endswith("_llm")
            else (mean.factor.replace("_template", " template"))
        )
        levels = by_name[name].levels if name in by_name else ()
        judged = {level.name: level.mean for level in levels}
        judges = of_all if mean.factor == ALL and of_all is not None else judged.get(mean.level)
        rows.setdefault(name, []).append(Corrected(mean, name, judges))
    return People(
        [_say_how_many(present, report), *_say_who_is_best(rows, by_name)],
        [row for of_factor in rows.values() for row in of_factor],
    )


def _say_how_many(ratings: Sequence[Rating], report: CohortReport) -> str:
    raters = len({rating.rater for rating in ratings})
    people = "1 person" if raters == 1 else f"{raters:,} people"
    rated = scores_by_people(ratings)
    pairs = sum(rating.preferred is not None for rating in ratings)
    return (
        f"{people} scored {len(rated):,} of {counted(len(report.ranks), report.pipeline.judged)}"
        f" and compared {counted(pairs, 'pair')}."
    )


def _say_who_is_best(
    rows: Mapping[str, Sequence[Corrected]], factors: Mapping[str, Factor]
) -> Iterator[str]:
    """Yield of each factor whether people would put the level first that the judges do."""
    for name, of_factor in rows.items():
        known = [row for row in of_factor if row.mean.estimate is not None]
        if len(known) < 2 or name not in factors:  # noqa: PLR2004  nothing to compare
            continue
        first, second, *_ = sorted(known, key=lambda row: -(row.mean.estimate or 0.0))
        judged = factors[name].levels[0].name
        low, high = first.mean.low, second.mean.high
        sure = low is not None and high is not None and low > high
        agree = "would, too" if first.mean.level == judged else f"would put {first.mean.level}"
        doubt = "" if sure else "; their intervals overlap, so this may be chance"
        yield f"Of the {name}s, judges put {judged} first. People {agree}{doubt}."


def _persons(ratings: Sequence[Rating]) -> dict[str, str]:
    raters = sorted({rating.rater for rating in ratings})
    return {rater: f"person {number}" for number, rater in enumerate(raters, start=1)}


def _said(ref: GenerationRef, rating: Rating, names: Mapping[GenerationRef, Name]) -> str:
    parts = []
    if rating.score is not None:
        parts.append(str(rating.score))
    if rating.preferred is not None and rating.second is not None:
        other = rating.second if ref == rating.first else rating.first
        named = names.get(other, other.gen_id)
        won = rating.preferred == ("first" if ref == rating.first else "second")
        how = "as good as" if rating.preferred == "tie" else "better than" if won else "worse than"
        parts.append(f"{how} {named}")
    if rating.decision is not None:
        parts.append(rating.decision)
    return ", ".join(parts)
