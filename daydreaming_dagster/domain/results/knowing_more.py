"""What would tell more of the texts, and what it would cost. Imports scipy: import where used."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from daydreaming_dagster.domain.results.evaluations import Evaluation
from daydreaming_dagster.domain.results.ranking import Judgment, judgment_of, shares_by_text
from daydreaming_dagster.domain.results.verdicts import Duel, verdicts
from daydreaming_dagster.domain.statistics.judgments import make_scores
from daydreaming_dagster.domain.statistics.power import AssumedIcc, Price, say_what_can_be_told
from daydreaming_dagster.domain.statistics.reliability import single_score_icc
from daydreaming_dagster.domain.statistics.unequal_counts import are_unequal
from daydreaming_dagster.formatting import counted, one, plural

FEWEST_TEXTS: Final = 5
"""With fewer texts of two scores each, a correlation says next to nothing."""


def icc_of(judgments: Iterable[Judgment]) -> tuple[float, int] | None:
    """Return how two scores of a text correlate and how many texts show it, None if too few."""
    shares = shares_by_text(judgments)
    repeated = sum(len(given) > 1 for given in shares.values())
    if repeated < FEWEST_TEXTS:
        return None
    rows = [(str(ref), judge, share) for ref, given in shares.items() for judge, share in given]
    items, judges, scores = zip(*rows, strict=True)
    icc = single_score_icc(make_scores(items, judges, scores))
    return None if icc is None else (icc.value, repeated)


def pooled_icc(of_cohorts: Iterable[tuple[float, int] | None]) -> AssumedIcc:
    """Return the mean correlation of cohorts, weighted by their texts; the default of none."""
    known = [icc for icc in of_cohorts if icc is not None]
    texts = sum(count for _, count in known)
    if not known:
        return AssumedIcc()
    mean = sum(value * count for value, count in known) / texts
    source = f"as in {counted(len(known), 'earlier cohort')} with {counted(texts, 'text')}"
    return AssumedIcc(mean, source)


def say_how_to_know_more(
    evaluations: Sequence[Evaluation], duels: Sequence[Duel], judged: str
) -> Iterator[str]:
    """Yield what more scores or duels would tell, and what they would cost at the same prices."""
    fought = verdicts(duels)
    judgments = [judgment_of(row) for row in evaluations if row.outcome.score is not None]
    counts = Counter(judgment.judged for judgment in judgments).values()
    if len(counts) > 1:
        own = icc_of(judgments)
        icc = None if own is None else AssumedIcc(own[0], f"as {own[1]} here show")
        price = Price.of([row.outcome.cost for row in evaluations])
        by = "by scores alone, " if fought else ""  # with duels, more is known than it says
        yield f"To know more: {by}{say_what_can_be_told(counts, judged, icc, price)}."
        if are_unequal(counts):
            yield from _say_of_doubt(len({judgment.judge for judgment in judgments}), judged)
    if fought:
        price = Price.of([duel.outcome.cost for duel in fought])
        cost = "" if price is None else f" and cost {price.of_calls(len(fought))}"
        yield f"As many duels again would narrow the intervals by almost a third{cost}."


def _say_of_doubt(judges: int, judged: str) -> Iterator[str]:
    """Yield what scores do not show if texts in doubt were scored more often than others."""
    if judges == 1:
        yield (
            f"About 8 instead of 5 of 100 intervals may miss the truth, since {one(judged)} with"
            f" bad luck at first is not scored again. The ranks allow for it."
        )
    yield (
        f"agreement.csv compares a judge with itself on the {plural(judged)} that it scored again."
        " If they are alike, alpha is too low; the ICC in daydream judges allows for that."
    )
