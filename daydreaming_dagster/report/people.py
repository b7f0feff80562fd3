"""What people said of a text, as the reader of a page sees it."""

from collections.abc import Iterator, Mapping, Sequence

from daydreaming_dagster.domain.people.ratings import Rating
from daydreaming_dagster.domain.results.naming import Name
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.types import JsonValue


def people_on(
    ref: GenerationRef, ratings: Sequence[Rating], names: Mapping[GenerationRef, Name]
) -> Iterator[JsonValue]:
    """Yield for each rating of a text who said what, why, and what is wrong with the rating.

    People are numbered: their names are personal data, and a page may be handed on.
    """
    raters = sorted({rating.rater for rating in ratings})
    persons = {rater: f"person {number}" for number, rater in enumerate(raters, start=1)}
    for rating in ratings:
        if ref in (rating.first, rating.second):
            yield [persons[rating.rater], _said(ref, rating, names), rating.reason, rating.stale]


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
