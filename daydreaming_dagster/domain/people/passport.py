"""What each judge of a cohort is like. Imports numpy: import it where it is used."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from statistics import fmean
from typing import Final, Literal

import attrs
import numpy as np

from daydreaming_dagster.domain.people.canaries import CanaryScore
from daydreaming_dagster.domain.people.ratings import Rating
from daydreaming_dagster.domain.results.evaluations import Evaluation
from daydreaming_dagster.domain.results.ranking import judgment_of
from daydreaming_dagster.domain.results.verdicts import Duel
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.domain.statistics.bradley_terry import fit_duels
from daydreaming_dagster.domain.statistics.judgments import (
    TIE,
    Floats,
    make_duels,
    make_scores,
)
from daydreaming_dagster.domain.statistics.measures import (
    Measure,
    correlation_of,
    difference_of,
    mean_of,
    share_of,
    slope_of,
    standardised,
    ties_of,
)
from daydreaming_dagster.domain.statistics.reliability import single_score_icc

Shares = Mapping[GenerationRef, float]

MEASURES: Final[Mapping[str, str]] = {
    "people": "correlation with people's scores of the same texts",
    "people_pairs": "share of people's pairs of which it prefers the same text",
    "judges": "correlation with the mean of the other judges",
    "retest": "how two of its own scores of a text correlate (ICC)",
    "strictness": "how much less it gives than the other judges, as a share of the scale",
    "ties": "share of pairs of texts that it gives the same score",
    "duel_ties": "share of its duels that are ties",
    "first_odds": "odds that it prefers what is shown first of two equal texts",
    "length": "how much its scores rise with length, in standard deviations",
    "length_beyond_people": "the same, beyond what people's scores do",
    "own_model": "what it gives more to texts of its own model than others do, of the scale",
    "lift": "what it gives more to a text that orders the best score, of the scale",
    "lift_no_score": "share of the texts that order the best score which get none",
}
"""What each measure is, in the order in which they are shown."""

HUMAN: Final = "human:"
"""The beginning of a person's name as a judge; no stage has a colon in its name."""


@attrs.frozen
class Passport:
    """What a judge is like.

    Attributes:
        judge: `stage/template/model`, or `human:` and the name.
        kind: Whether a model judged, or a person.
        llm: The model's id, `""` for a person.
        measures: Each of `MEASURES` with its interval.
    """

    judge: str
    kind: Literal["model", "human"]
    llm: str
    measures: Mapping[str, Measure]


@attrs.frozen
class JudgedTexts:
    """All that is needed to know judges.

    Attributes:
        evaluations: What models scored.
        duels: What models compared.
        ratings: What people said; what is stale does not count.
        words: How many words each text has.
        canaries: What models gave copies of texts that order the best score.
    """

    evaluations: Sequence[Evaluation]
    duels: Sequence[Duel]
    ratings: Sequence[Rating]
    words: Mapping[GenerationRef, int]
    canaries: Sequence[CanaryScore] = ()


def scores_of_people(ratings: Iterable[Rating]) -> dict[str, dict[GenerationRef, list[float]]]:
    """Return each person's scores of each present text, as shares of the scale."""
    scores: dict[str, dict[GenerationRef, list[float]]] = {}
    for rating in ratings:
        if rating.score is not None and not rating.stale:
            own = scores.setdefault(f"{HUMAN}{rating.rater}", defaultdict(list))
            own[rating.first].append(rating.score.normalised)
    return scores


def scores_of_models(
    evaluations: Iterable[Evaluation],
) -> dict[str, dict[GenerationRef, list[float]]]:
    """Return each judge's scores of each text that are not stale, as shares of the scale."""
    scores: dict[str, dict[GenerationRef, list[float]]] = {}
    for row in evaluations:
        judged, judge, score = judgment_of(row)
        own = scores.setdefault(judge, {})
        if score is not None and not row.stale:
            own.setdefault(judged, []).append(score.normalised)
    return scores


def mean_of_each(scores: Mapping[GenerationRef, Sequence[float]]) -> dict[GenerationRef, float]:
    """Return the mean of what each text got."""
    return {ref: fmean(given) for ref, given in scores.items()}


def mean_of_judges(scores: Mapping[str, Shares]) -> dict[GenerationRef, float]:
    """Return the mean of what judges give each text, without their means and spreads."""
    given: dict[GenerationRef, list[float]] = defaultdict(list)
    for own in scores.values():
        for ref, z in zip(own, standardised(np.array([*own.values()])), strict=True):
            given[ref].append(float(z))
    return mean_of_each(given)


def make_passports(texts: JudgedTexts) -> list[Passport]:
    """Return the passport of each judge, models first, each kind by name.

    Every score, comparison and rating that is stale is left out. Texts count as independent.
    """
    by_model = scores_of_models(texts.evaluations)
    llms = {judgment_of(row).judge: row.evaluation.llm for row in texts.evaluations}
    fought = [duel for duel in texts.duels if duel.first_wins is not None and not duel.stale]
    for duel in texts.duels:
        llms[duel.judge] = duel.member.llm
    people = scores_of_people(texts.ratings)
    known = _Known(
        {judge: mean_of_each(scores) for judge, scores in by_model.items()},
        {judge: mean_of_each(scores) for judge, scores in people.items()},
        [rating for rating in texts.ratings if rating.preferred is not None and not rating.stale],
        {ref: math.log1p(words) for ref, words in texts.words.items()},
        _writers(texts.evaluations),
    )
    first_odds = _first_odds(fought)
    passports: list[Passport] = []
    for judge in sorted(llms) + sorted(people):
        own = by_model.get(judge) or people.get(judge) or {}
        duels = [duel for duel in fought if duel.judge == judge]
        measures = known.measures(judge, llms.get(judge, ""), duels)
        measures["retest"] = _retest(own)
        measures["ties"] = ties_of([*own.values()])
        measures["first_odds"] = first_odds.get(judge, Measure())
        ties = sum(duel.first_wins == TIE for duel in duels)
        measures["duel_ties"] = share_of(ties, len(duels))
        measures |= _lift(
            [one for one in texts.canaries if one.judge == judge], known.models.get(judge, {})
        )
        ordered = {name: measures[name] for name in MEASURES}
        kind: Literal["model", "human"] = "human" if judge in people else "model"
        passports.append(Passport(judge, kind, llms.get(judge, ""), ordered))
    return passports


def say_who_agrees(passports: Iterable[Passport]) -> str | None:
    """Return which judge agrees most with people, None if nobody can say."""
    known = [
        (measure.value, measure, passport.judge)
        for passport in passports
        if passport.kind == "model" and (measure := passport.measures["people"]).value is not None
    ]
    if not known:
        return None
    value, best, judge = max(known, key=lambda each: each[0])
    if best.low is None:
        return (
            f"No judge certainly agrees with people: {judge} does on all of {best.n} texts, but so"
            " few do not show how sure that is."
        )
    if best.low <= 0:
        return "No judge certainly agrees with people: the best one's interval contains 0."
    return (
        f"{judge} agrees most with people: its scores correlate with theirs by {value:.2f}"
        f" ({best.low:.2f} to {best.high:.2f}, {best.n} texts)."
    )


@attrs.frozen
class _Known:
    """What judges gave each text on average, and what is known of the texts."""

    models: Mapping[str, Shares]
    people: Mapping[str, Shares]
    pairs: Sequence[Rating]
    length: Shares
    writers: Mapping[GenerationRef, str]

    def measures(self, judge: str, llm: str, duels: Sequence[Duel]) -> dict[str, Measure]:
        own = self.models.get(judge) or self.people.get(judge) or {}
        raters = {name: scores for name, scores in self.people.items() if name != judge}
        others = {name: scores for name, scores in self.models.items() if name != judge}
        people, peers = mean_of_judges(raters), mean_of_judges(others)
        level = _means_over(others.values())
        more = {ref: share - level[ref] for ref, share in own.items() if ref in level}
        is_own = {ref: bool(llm) and self.writers.get(ref) == llm for ref in more}
        return {
            "people": correlation_of(*_both(own, people)),
            "people_pairs": self._pairs(judge, own, duels),
            "judges": correlation_of(*_both(own, peers)),
            "strictness": mean_of(-np.array([*more.values()])),
            "length": self._length(own, None),
            "length_beyond_people": self._length(own, people) if people else Measure(),
            "own_model": difference_of(
                np.array([share for ref, share in more.items() if is_own[ref]]),
                np.array([share for ref, share in more.items() if not is_own[ref]]),
            ),
        }

    def _length(self, own: Shares, people: Shares | None) -> Measure:
        refs = [ref for ref in own if ref in self.length and (people is None or ref in people)]
        x = standardised(np.array([self.length[ref] for ref in refs]))
        y = standardised(np.array([own[ref] for ref in refs]))
        if people is not None:
            y = y - standardised(np.array([people[ref] for ref in refs]))
        return slope_of(x, y)

    def _pairs(self, judge: str, own: Shares, duels: Sequence[Duel]) -> Measure:
        """Compare with what it says in duels of the pair; without any, with its scores."""
        said: dict[frozenset[GenerationRef], dict[GenerationRef, float]] = {}
        for duel in duels:
            won = said.setdefault(frozenset(duel.texts), defaultdict(float))
            won[duel.first] += duel.first_wins or 0.0
            won[duel.second] += 1.0 - (duel.first_wins or 0.0)
        same = compared = 0
        for rating in self.pairs:
            if rating.second is None or rating.preferred in {None, "tie"}:
                continue
            if judge == f"{HUMAN}{rating.rater}":
                continue
            given = said.get(frozenset((rating.first, rating.second)), own)
            if rating.first not in given or rating.second not in given:
                continue
            margin = given[rating.first] - given[rating.second]
            if margin:
                compared += 1
                same += (margin > 0) == (rating.preferred == "first")
        return share_of(same, compared)


def _means_over(scores: Iterable[Shares]) -> dict[GenerationRef, float]:
    given: dict[GenerationRef, list[float]] = defaultdict(list)
    for ref, share in chain.from_iterable(own.items() for own in scores):
        given[ref].append(share)
    return mean_of_each(given)


def _both(first: Shares, second: Shares) -> tuple[Floats, Floats]:
    refs = [ref for ref in first if ref in second]
    return np.array([first[ref] for ref in refs]), np.array([second[ref] for ref in refs])


def _retest(scores: Mapping[GenerationRef, Sequence[float]]) -> Measure:
    repeated = sum(len(given) > 1 for given in scores.values())
    if repeated < 2:  # noqa: PLR2004  one text shows no differences between texts
        return Measure(n=repeated)
    rows = [(str(ref), share) for ref, given in scores.items() for share in given]
    items, shares = zip(*rows, strict=True)
    icc = single_score_icc(make_scores(items, ["it"] * len(rows), shares))
    if icc is None:
        return Measure(n=repeated)
    low, high = (bound if math.isfinite(bound) else None for bound in icc[1:])
    return Measure(icc.value, low, high, repeated)


def _lift(canaries: Sequence[CanaryScore], own: Shares) -> dict[str, Measure]:
    """Return what an order lifts scores by, each text paired with its copy that has the order."""
    lifts = [
        one.share - own[one.judged]
        for one in canaries
        if one.share is not None and one.judged in own
    ]
    silent = sum(one.share is None for one in canaries)
    return {"lift": mean_of(np.array(lifts)), "lift_no_score": share_of(silent, len(canaries))}


def _first_odds(duels: Sequence[Duel]) -> dict[str, Measure]:
    if not duels:
        return {}
    table = make_duels(
        [str(duel.first) for duel in duels],
        [str(duel.second) for duel in duels],
        [duel.first_wins for duel in duels],
        [duel.judge for duel in duels],
    )
    fit, counts = fit_duels(table), table.judge.counts()
    odds: dict[str, Measure] = {}
    for code, judge in enumerate(table.judge.names):
        log, margin = float(fit.first_log_odds[code]), 1.96 * float(fit.first_errors[code])
        bounds = math.exp(log), math.exp(log - margin), math.exp(log + margin)
        odds[judge] = Measure(*bounds, int(counts[code]))
    return odds


def _writers(evaluations: Iterable[Evaluation]) -> dict[GenerationRef, str]:
    """Return the model behind each judged text: of a copy, that of what it is copied from."""
    writers: dict[GenerationRef, str] = {}
    for row in evaluations:
        above = [member.llm for stage, member in row.lineage.items() if stage != row.stage]
        writers[row.judged] = next((llm for llm in reversed(above) if llm), "")
    return writers
