"""What people said of a text, as the reader of a page sees it."""

from collections.abc import Iterable, Iterator, Mapping

from daydreaming_dagster.domain.people.ratings import Rating
from daydreaming_dagster.domain.results.naming import Name
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.types import JsonValue


def people_on(
    ref: GenerationRef, ratings: Iterable[Rating], names: Mapping[GenerationRef, Name]
) -> Iterator[JsonValue]:
    """Yield for each rating of a text who said what, why, and what is wrong with the rating."""
    for rating in ratings:
        if ref in (rating.first, rating.second):
            yield [rating.rater, _said(ref, rating, names), rating.reason, rating.stale]


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
