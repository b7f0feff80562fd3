"""The order of a cohort's texts by what their judges gave them: one for all that shows it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean, stdev
from typing import Final

import attrs

from daydreaming_dagster.domain.generation.metadata import resolve_generation_metadata
from daydreaming_dagster.domain.generation.state import read_state
from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.domain.results.evaluations import Evaluation, judged_by
from daydreaming_dagster.domain.stages import GenerationRef, Pipeline
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.types import Stage

_EQUAL: Final = 1e-12
"""Means that differ by less differ by rounding alone."""


@attrs.frozen
class TextRank:
    """A judged text with what its judges said.

    Attributes:
        stage: Its stage.
        gen_id: Which text.
        rank: Its rank, counted from 1; texts with equal means share one. None without a score.
        combo_id: The combination of concepts that it goes back to, `""` if there are several.
        template_id: Its template.
        llm_model_id: Its model, `""` for a copy.
        scores: What its judges gave, in planned order.
        unscored: How many evaluations have no score; they are not averaged over.
        stale: How many of the scores are of evaluations that are stale, where that was looked at.
        by_hand: How many of the scores a person entered, where that was looked at.
    """

    stage: Stage
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
    def ref(self) -> GenerationRef:
        """Which text."""
        return GenerationRef(self.stage, self.gen_id)

    @property
    def mean(self) -> float | None:
        """The mean of the scores as shares of their scale, 0 to 1; None without a score."""
        return fmean(score.normalised for score in self.scores) if self.scores else None

    @property
    def spread(self) -> float | None:
        """The standard deviation of those shares; None with less than two scores."""
        shares = [score.normalised for score in self.scores]
        return stdev(shares) if len(shares) > 1 else None


def rank_by_mean(
    scores: Mapping[GenerationRef, Sequence[Score]],
) -> dict[GenerationRef, int | None]:
    """Return the rank of each text by the mean of its scores, in the order of a ranking.

    That is the best mean first, equal ones by gen_id, and those without a score last. Equal means
    share a rank, and the next rank counts all before it: 1, 1, 3.
    """
    means = {ref: fmean(s.normalised for s in given) for ref, given in scores.items() if given}
    ranks: dict[GenerationRef, int] = {}
    rank, best = 0, 0.0
    for place, (mean, ref) in enumerate(
        sorted(((mean, ref) for ref, mean in means.items()), reverse=True), start=1
    ):
        if not ranks or best - mean > _EQUAL:
            rank, best = place, mean
        ranks[ref] = rank
    ordered = sorted(ranks, key=lambda ref: (ranks[ref], ref))
    unscored = sorted(scores.keys() - means.keys())
    return {ref: ranks.get(ref) for ref in (*ordered, *unscored)}


def rank_texts(
    store: GensStore, pipeline: Pipeline, members: Mapping[Stage, Sequence[str]]
) -> list[TextRank]:
    """Return the judged texts of a cohort in the order of `rank_by_mean`.

    Raises:
        MissingArtifactError: An evaluation, or a text that is judged, has no main metadata.
        MalformedArtifactError: Metadata of one of them is malformed.
        InvalidMetadataError: Metadata of one of them lacks what its stage needs.
    """
    return _ranking(store, pipeline, members, _scores(store, pipeline, members))


def rank_evaluations(
    store: GensStore,
    pipeline: Pipeline,
    members: Mapping[Stage, Sequence[str]],
    evaluations: Iterable[Evaluation],
) -> list[TextRank]:
    """Return the ranking of `rank_texts` from evaluations that were read already.

    Raises:
        DaydreamingError: Main metadata of a text is missing or malformed.
    """
    evaluations = list(evaluations)
    scores = ((row.judged, row.outcome.score) for row in evaluations)
    stale = Counter(row.judged for row in evaluations if row.stale and row.outcome.score)
    by_hand = Counter(row.judged for row in evaluations if row.outcome.by_hand)
    return [
        attrs.evolve(rank, stale=stale[rank.ref], by_hand=by_hand[rank.ref])
        for rank in _ranking(store, pipeline, members, scores)
    ]


def _scores(
    store: GensStore, pipeline: Pipeline, members: Mapping[Stage, Sequence[str]]
) -> Iterator[tuple[GenerationRef, Score | None]]:
    """Yield the text that each evaluation is about, and its score: no more than ranking needs."""
    for stage in pipeline.scoring:
        for gen_id in members.get(stage, ()):
            ref = GenerationRef(stage, gen_id)
            judged = judged_by(pipeline, resolve_generation_metadata(store, *ref), ref)
            yield judged, read_state(store, pipeline[stage], gen_id).score


def _ranking(
    store: GensStore,
    pipeline: Pipeline,
    members: Mapping[Stage, Sequence[str]],
    scores: Iterable[tuple[GenerationRef, Score | None]],
) -> list[TextRank]:
    given: dict[GenerationRef, list[Score | None]] = {
        GenerationRef(stage, gen_id): []
        for stage in pipeline.scored
        for gen_id in members.get(stage, ())
    }
    for judged, score in scores:
        given.setdefault(judged, []).append(score)
    scored = {
        ref: [score for score in all_given if score is not None] for ref, all_given in given.items()
    }
    ranking: list[TextRank] = []
    for ref, rank in rank_by_mean(scored).items():
        metadata = resolve_generation_metadata(store, *ref)
        ranking.append(
            TextRank(
                *ref,
                rank,
                metadata.combo_id,
                metadata.template_id,
                metadata.record.llm_model_id or "",
                tuple(scored[ref]),
                unscored=len(given[ref]) - len(scored[ref]),
            )
        )
    return ranking
