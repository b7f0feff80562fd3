"""The order of a cohort's texts by what their judges gave them: one for all that shows it.

Functions import numpy where they need it, since it takes time.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from statistics import fmean, stdev
from typing import TYPE_CHECKING, NamedTuple

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.generation.metadata import resolve_generation_metadata
from daydreaming_dagster.domain.generation.state import STATE_ARTIFACTS, read_state
from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.domain.results.evaluations import Evaluation, judge_name, judged_by
from daydreaming_dagster.domain.results.verdicts import Duel, read_verdicts, verdicts
from daydreaming_dagster.domain.stages import GenerationRef, Pipeline
from daydreaming_dagster.domain.statistics.unequal_counts import are_unequal
from daydreaming_dagster.ports.gens_store import GensStore, read_ahead
from daydreaming_dagster.types import Stage

if TYPE_CHECKING:
    from daydreaming_dagster.domain.results.places import Place


@attrs.frozen
class TextRank:
    """A judged text with what its judges said.

    Attributes:
        stage: Its stage.
        gen_id: Which text.
        place: Its estimate with its interval, and the ranks that it may have. None if nobody judged
            it.
        combo_id: The combination of concepts that it goes back to, `""` if there are several.
        template_id: Its template.
        llm_model_id: Its model, `""` for a copy.
        scores: What its judges gave, in planned order.
        unscored: How many evaluations have no score; they are not averaged over.
        stale: How many of the scores are of evaluations that are stale, where that was looked at.
        by_hand: How many of the scores a person entered, where that was looked at.
        duels: How many duels of it have a verdict.
        cohorts: The cohorts that it belongs to, in a ranking of several.
    """

    stage: Stage
    gen_id: str
    place: "Place | None"
    combo_id: str
    template_id: str
    llm_model_id: str
    scores: tuple[Score, ...]
    unscored: int
    stale: int = 0
    by_hand: int = 0
    duels: int = 0
    cohorts: str = ""

    @property
    def rank(self) -> int | None:
        """The place of its estimate, counted from 1; equal ones share one. None if not judged."""
        return None if self.place is None else self.place.rank

    @property
    def band(self) -> str:
        """The ranks that it may have, such as `1 to 4`; `-` if nobody judged it."""
        if self.place is None:
            return "-"
        low, high = self.place.item.rank_low, self.place.item.rank_high
        return str(low) if low == high else f"{low} to {high}"

    @property
    def may_be_best(self) -> bool:
        """Whether no other text is certainly better."""
        return self.place is not None and self.place.item.rank_low == 1

    @property
    def interval(self) -> str:
        """The 95 % interval of its estimate, such as `0.40 to 0.75`; `-` where nothing is known."""
        item = None if self.place is None else self.place.item
        if item is None or item.low is None or item.high is None:
            return "-"
        return f"{item.low:.2f} to {item.high:.2f}"

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


def rank_texts(
    store: GensStore, pipeline: Pipeline, members: Mapping[Stage, Sequence[str]]
) -> list[TextRank]:
    """Return the judged texts of a cohort in the order of `place_texts`.

    Raises:
        MissingArtifactError: An evaluation, or a text that is judged, has no main metadata.
        MalformedArtifactError: Metadata of one of them is malformed.
        InvalidMetadataError: Metadata of one of them lacks what its stage needs.
    """
    duels = read_verdicts(store, pipeline, members)
    return _ranking(store, pipeline, members, _scores(store, pipeline, members), duels)


def with_shown_combos(ranks: Iterable[TextRank], catalog: Catalog) -> list[TextRank]:
    """Return the ranks with the ids of concepts as the researcher knows them."""
    return [attrs.evolve(rank, combo_id=catalog.shown_combo(rank.combo_id)) for rank in ranks]


def rank_evaluations(
    store: GensStore,
    pipeline: Pipeline,
    members: Mapping[Stage, Sequence[str]],
    evaluations: Iterable[Evaluation],
    duels: Iterable[Duel] = (),
) -> list[TextRank]:
    """Return the ranking of `rank_texts` from evaluations and duels that were read already.

    Raises:
        DaydreamingError: Main metadata of a text is missing or malformed.
    """
    evaluations, duels = list(evaluations), list(duels)
    scores = [judgment_of(row) for row in evaluations]
    stale = Counter(row.judged for row in evaluations if row.stale and row.outcome.score)
    stale += Counter(ref for duel in verdicts(duels) if duel.stale for ref in duel.texts)
    by_hand = Counter(row.judged for row in evaluations if row.outcome.by_hand)
    return [
        attrs.evolve(rank, stale=stale[rank.ref], by_hand=by_hand[rank.ref])
        for rank in _ranking(store, pipeline, members, scores, duels)
    ]


class Judgment(NamedTuple):
    """What a judge said of a text; None is no score."""

    judged: GenerationRef
    judge: str
    score: Score | None


def judgment_of(row: Evaluation) -> Judgment:
    """Return an evaluation as a judgment: a judge is a template with a model."""
    judge = judge_name(row.stage, row.evaluation.template, row.evaluation.llm)
    return Judgment(row.judged, judge, row.outcome.score)


def shares_by_text(judgments: Iterable[Judgment]) -> dict[GenerationRef, list[tuple[str, float]]]:
    """Return each text's judges and scores, as `place_texts` takes them."""
    shares: dict[GenerationRef, list[tuple[str, float]]] = {}
    for judged, judge, score in judgments:
        given = shares.setdefault(judged, [])
        if score is not None:
            given.append((judge, score.normalised))
    return shares


def mean_share(judgments: Iterable[Judgment]) -> float | None:
    """Return the mean of the scores as shares of their scale, 0 to 1; None without a score.

    If judges scored texts about equally often, each score counts alike. Else (`are_unequal`) all
    that a judge gave a text counts as one: the texts that were asked about most often, such as
    those in doubt, would stand for all.
    """
    cells: dict[tuple[GenerationRef, str], list[float]] = {}
    for judged, judge, score in judgments:
        if score is not None:
            cells.setdefault((judged, judge), []).append(score.normalised)
    if not cells:
        return None
    given = cells.values()
    return fmean(map(fmean, given) if are_unequal([*map(len, given)]) else chain(*given))


def _scores(
    store: GensStore, pipeline: Pipeline, members: Mapping[Stage, Sequence[str]]
) -> Iterator[Judgment]:
    """Yield what each evaluation says of which text: no more than ranking needs."""
    for stage in pipeline.scoring:
        wanted = (*STATE_ARTIFACTS, "main_metadata")
        for gen_id, view in read_ahead(store, stage, members.get(stage, ()), wanted):
            ref = GenerationRef(stage, gen_id)
            metadata = resolve_generation_metadata(view, *ref)
            judge = judge_name(stage, metadata.template_id, metadata.record.llm_model_id or "")
            score = read_state(view, pipeline[stage], gen_id).score
            yield Judgment(judged_by(pipeline, metadata, ref), judge, score)


def _ranking(
    store: GensStore,
    pipeline: Pipeline,
    members: Mapping[Stage, Sequence[str]],
    judgments: Iterable[Judgment],
    duels: Iterable[Duel],
) -> list[TextRank]:
    from daydreaming_dagster.domain.results.places import place_texts

    given: dict[GenerationRef, list[Score | None]] = {
        GenerationRef(stage, gen_id): []
        for stage in pipeline.ranked
        for gen_id in members.get(stage, ())
    }
    judgments, duels = list(judgments), list(duels)
    fought = Counter(ref for duel in verdicts(duels) for ref in duel.texts)
    for judged, _, score in judgments:
        given.setdefault(judged, []).append(score)
    shares = {ref: list[tuple[str, float]]() for ref in given} | shares_by_text(judgments)
    ranking: list[TextRank] = []
    for stage in pipeline.ranked:
        store = store.read_many(stage, members.get(stage, ()), ["main_metadata"])
    for ref, place in place_texts(shares, duels).places.items():
        metadata = resolve_generation_metadata(store, *ref)
        of_text = given.get(ref, [])
        scores = tuple(score for score in of_text if score is not None)
        ranking.append(
            TextRank(
                *ref,
                place,
                metadata.combo_id,
                metadata.template_id,
                metadata.record.llm_model_id or "",
                scores,
                unscored=len(of_text) - len(scores),
                duels=fought[ref],
            )
        )
    return ranking
