"""The order of a cohort's essays by what their judges gave them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean, stdev

import attrs

from daydreaming_dagster.domain.generation.metadata import text_field
from daydreaming_dagster.domain.generation.stored import if_there
from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.domain.results.evaluations import (
    Evaluation,
    _parent,
    _present_score,
)
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.types import Stage


@attrs.frozen
class EssayRank:
    """An essay with what its judges said. `unscored` evaluations are not averaged over."""

    gen_id: str
    combo_id: str
    template_id: str
    llm_model_id: str
    scores: tuple[Score, ...]
    unscored: int

    @property
    def mean(self) -> float | None:
        """The mean of the scores as shares of their maximum, 0 to 1; None without a score."""
        return fmean(score.normalised for score in self.scores) if self.scores else None

    @property
    def spread(self) -> float | None:
        """The standard deviation of those shares; None with less than two scores."""
        shares = [score.normalised for score in self.scores]
        return stdev(shares) if len(shares) > 1 else None


def rank_essays(store: GensStore, members: Mapping[Stage, Sequence[str]]) -> list[EssayRank]:
    """Return the essays of a cohort, the best mean first, those without a score last.

    Raises:
        MissingArtifactError: An evaluation, or an essay, has no main metadata.
        MalformedArtifactError: Metadata of one of them is malformed.
        InvalidMetadataError: Metadata of one of them lacks what its stage needs.
    """
    return _ranking(store, members, _scores(store, members["evaluation"]))


def rank_evaluations(
    store: GensStore, members: Mapping[Stage, Sequence[str]], evaluations: Iterable[Evaluation]
) -> list[EssayRank]:
    """Return the ranking of `rank_essays` from evaluations that were read already.

    Raises:
        DaydreamingError: Main metadata of an essay is missing or malformed.
    """
    return _ranking(store, members, ((row.essay.gen_id, row.outcome.score) for row in evaluations))


def _scores(store: GensStore, evaluations: Iterable[str]) -> Iterator[tuple[str, Score | None]]:
    """Yield the essay that each evaluation is about, and its score: no more than ranking needs."""
    for gen_id in evaluations:
        document = store.read_main_metadata("evaluation", gen_id)
        raw = if_there(store.read_raw_metadata, "evaluation", gen_id)
        score = None
        if raw is not None and raw.get("truncated") is not True:
            score = _present_score(store, gen_id, raw)
        yield _parent(document, "evaluation", gen_id), score


def _ranking(
    store: GensStore,
    members: Mapping[Stage, Sequence[str]],
    scores: Iterable[tuple[str, Score | None]],
) -> list[EssayRank]:
    given: dict[str, list[Score | None]] = {gen_id: [] for gen_id in members["essay"]}
    for essay, score in scores:
        given.setdefault(essay, []).append(score)
    ranks = [_rank(store, *item) for item in given.items()]
    return sorted(ranks, key=lambda rank: -1.0 if rank.mean is None else rank.mean, reverse=True)


def _rank(store: GensStore, gen_id: str, given: Sequence[Score | None]) -> EssayRank:
    document = store.read_main_metadata("essay", gen_id)
    scores = tuple(score for score in given if score is not None)
    return EssayRank(
        gen_id=gen_id,
        combo_id=text_field(document, "combo_id", "essay", gen_id),
        template_id=text_field(document, "template_id", "essay", gen_id),
        llm_model_id=text_field(document, "llm_model_id", "essay", gen_id),
        scores=scores,
        unscored=len(given) - len(scores),
    )
