"""How far two scores of a text agreed in cohorts before. Imports scipy: import it where used."""

from collections.abc import Iterable
from math import isfinite
from typing import Final

from daydreaming_dagster.domain.results.ranking import Judgment, shares_by_text
from daydreaming_dagster.domain.statistics.judgments import make_scores
from daydreaming_dagster.domain.statistics.power import AssumedIcc
from daydreaming_dagster.domain.statistics.reliability import one_way_icc
from daydreaming_dagster.formatting import counted

FEWEST_TEXTS: Final = 5
"""With fewer texts of two scores each, a correlation says next to nothing."""


def icc_of(judgments: Iterable[Judgment]) -> tuple[float, int] | None:
    """Return how two scores of a text correlate and how many texts show it, None if too few."""
    shares = {ref: given for ref, given in shares_by_text(judgments).items() if len(given) > 1}
    if len(shares) < FEWEST_TEXTS:
        return None
    rows = [(str(ref), judge, share) for ref, given in shares.items() for judge, share in given]
    value = one_way_icc(make_scores(*map(list, zip(*rows, strict=True)))).value
    return (value, len(shares)) if isfinite(value) else None


def pooled_icc(of_cohorts: Iterable[tuple[float, int] | None]) -> AssumedIcc:
    """Return the mean correlation of cohorts, weighted by their texts; the default of none."""
    known = [one for one in of_cohorts if one is not None]
    texts = sum(count for _, count in known)
    if not known:
        return AssumedIcc()
    mean = sum(value * count for value, count in known) / texts
    source = f"as in {counted(len(known), 'earlier cohort')} with {counted(texts, 'text')}"
    return AssumedIcc(mean, source)
