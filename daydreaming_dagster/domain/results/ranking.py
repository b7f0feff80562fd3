"""The order of a cohort's essays by what their judges gave them: one for all that shows it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean, stdev
from typing import Final

import attrs

from daydreaming_dagster.domain.generation.metadata import resolve_generation_metadata
from daydreaming_dagster.domain.generation.state import read_state
from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.domain.results.evaluations import Evaluation, parent_of
from daydreaming_dagster.domain.stages import JUDGED_STAGE, JUDGING_STAGE, GenerationRef
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.types import Stage

_EQUAL: Final = 1e-12
"""Means that differ by less differ by rounding alone."""


@attrs.frozen
class EssayRank:
    """An essay with what its judges said.

    Attributes:
        gen_id: Which essay.
        rank: Its rank, counted from 1; essays with equal means share one. None without a score.
        combo_id: The combination of concepts that it goes back to.
        template_id: Its template.
        llm_model_id: Its model, `""` for a copy.
        scores: What its judges gave, in planned order.
        unscored: How many evaluations have no score; they are not averaged over.
        stale: How many of the scores are of evaluations that are stale, where that was looked at.
        by_hand: How many of the scores a person entered, where that was looked at.
    """

    gen_id: str
    rank: int | None
    combo_id: str
    template_id: str
    llm_model_id: str
    scores: tuple[Score, ...]
    unscored: int
    stale: int = 0
    by_hand: int = 0

    @property
    def mean(self) -> float | None:
        """The mean of the scores as shares of their scale, 0 to 1; None without a score."""
        return fmean(score.normalised for score in self.scores) if self.scores else None

    @property
    def spread(self) -> float | None:
        """The standard deviation of those shares; None with less than two scores."""
        shares = [score.normalised for score in self.scores]
        return stdev(shares) if len(shares) > 1 else None


def rank_by_mean(scores: Mapping[str, Sequence[Score]]) -> dict[str, int | None]:
    """Return the rank of each gen_id by the mean of its scores, in the order of a ranking.

    That is the best mean first, equal ones by gen_id, and those without a score last. Equal means
    share a rank, and the next rank counts all before it: 1, 1, 3.
    """
    means = {
        gen_id: fmean(s.normalised for s in given) for gen_id, given in scores.items() if given
    }
    ranks: dict[str, int] = {}
    rank, best = 0, 0.0
    for place, (mean, gen_id) in enumerate(
        sorted(((mean, gen_id) for gen_id, mean in means.items()), reverse=True), start=1
    ):
        if not ranks or best - mean > _EQUAL:
            rank, best = place, mean
        ranks[gen_id] = rank
    ordered = sorted(ranks, key=lambda gen_id: (ranks[gen_id], gen_id))
    unscored = sorted(scores.keys() - means.keys())
    return {gen_id: ranks.get(gen_id) for gen_id in (*ordered, *unscored)}


def rank_essays(store: GensStore, members: Mapping[Stage, Sequence[str]]) -> list[EssayRank]:
    """Return the essays of a cohort in the order of `rank_by_mean`.

    Raises:
        MissingArtifactError: An evaluation, or an essay, has no main metadata.
        MalformedArtifactError: Metadata of one of them is malformed.
        InvalidMetadataError: Metadata of one of them lacks what its stage needs.
    """
    return _ranking(store, members, _scores(store, members[JUDGING_STAGE]))


def rank_evaluations(
    store: GensStore, members: Mapping[Stage, Sequence[str]], evaluations: Iterable[Evaluation]
) -> list[EssayRank]:
    """Return the ranking of `rank_essays` from evaluations that were read already.

    Raises:
        DaydreamingError: Main metadata of an essay is missing or malformed.
    """
    evaluations = list(evaluations)
    scores = ((row.essay.gen_id, row.outcome.score) for row in evaluations)
    stale = Counter(row.essay.gen_id for row in evaluations if row.stale and row.outcome.score)
    by_hand = Counter(row.essay.gen_id for row in evaluations if row.outcome.by_hand)
    return [
        attrs.evolve(rank, stale=stale[rank.gen_id], by_hand=by_hand[rank.gen_id])
        for rank in _ranking(store, members, scores)
    ]


def _scores(store: GensStore, evaluations: Iterable[str]) -> Iterator[tuple[str, Score | None]]:
    """Yield the essay that each evaluation is about, and its score: no more than ranking needs."""
    for gen_id in evaluations:
        ref = GenerationRef(JUDGING_STAGE, gen_id)
        essay = parent_of(resolve_generation_metadata(store, *ref), ref)
        yield essay.gen_id, read_state(store, *ref).score


def _ranking(
    store: GensStore,
    members: Mapping[Stage, Sequence[str]],
    scores: Iterable[tuple[str, Score | None]],
) -> list[EssayRank]:
    given: dict[str, list[Score | None]] = {gen_id: [] for gen_id in members[JUDGED_STAGE]}
    for essay, score in scores:
        given.setdefault(essay, []).append(score)
    scored = {
        gen_id: [score for score in all_given if score is not None]
        for gen_id, all_given in given.items()
    }
    ranking: list[EssayRank] = []
    for gen_id, rank in rank_by_mean(scored).items():
        metadata = resolve_generation_metadata(store, JUDGED_STAGE, gen_id)
        ranking.append(
            EssayRank(
                gen_id,
                rank,
                metadata.combo_id,
                metadata.template_id,
                metadata.record.llm_model_id or "",
                tuple(scored[gen_id]),
                unscored=len(given[gen_id]) - len(scored[gen_id]),
            )
        )
    return ranking
