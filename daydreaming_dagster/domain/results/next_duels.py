"""The duels that are chosen next, from the answers so far. Imports numpy: import where used."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from daydreaming_dagster.domain.cohort.judgment_choice import DuelChoice, settled_places
from daydreaming_dagster.domain.cohort.planner import PlannedGeneration
from daydreaming_dagster.domain.results.places import SharesByText
from daydreaming_dagster.domain.results.verdicts import Duel
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.domain.statistics.bradley_terry import DuelFit, fit_duels
from daydreaming_dagster.domain.statistics.judgments import Duels, Indices, code, make_scores
from daydreaming_dagster.domain.statistics.pair_choice import believe, pairs_in_doubt
from daydreaming_dagster.domain.statistics.ranks import rank_bands
from daydreaming_dagster.domain.statistics.score_evidence import ScoreEvidence, make_evidence

_ERROR: Final = 0.05


def choose_duels(
    candidates: Sequence[PlannedGeneration],
    chosen: Iterable[str],
    duels: Iterable[Duel],
    scores: SharesByText,
    choice: DuelChoice,
) -> list[PlannedGeneration]:
    """Return the next duels among the candidates of a stage, at most a batch.

    It depends on its arguments alone, and not on the order of `chosen` and `duels`: after a kill,
    the same answers give the same choice. Of a pair, the order that was chosen less often is taken,
    then the judge that was.

    Args:
        candidates: All duels that could be made.
        chosen: The gen_ids of those that are members of the cohort.
        duels: Those of them that have a verdict.
        scores: What judges gave the texts.
        choice: How many are chosen, and what for.
    """
    left = _Left(candidates, set(chosen))
    wanted = min(choice.batch, choice.calls - left.taken)
    texts = sorted({ref for planned in candidates for ref in planned.parents[:2]})
    if wanted < 1 or len(texts) < 2:  # noqa: PLR2004  a pair
        return []
    verdicts, evidence = _verdicts(texts, duels), _evidence(texts, scores)
    fit = None if verdicts is None else fit_duels(verdicts, evidence)
    look = -(-left.taken // choice.batch)
    until = 0 if choice.until is None else settled_places(choice.until)
    if until and fit is not None and look and is_settled(fit, until, look):
        return []
    belief = believe(len(texts), fit, evidence)
    pairs = pairs_in_doubt(belief, left.count(texts), wanted, choice.top, left.taken)
    return [left.take(texts[one], texts[other]) for one, other in pairs]


def is_settled(fit: DuelFit, places: int, look: int) -> bool:
    """Return whether it is certain which items take the first places, at the so-many-th look.

    At look t, all rank bands are right with a probability of 1 - 0.05 / t(t + 1). Those errors add
    up to 5 %, so the rank bands are right at all looks together, whenever one stops: Darling and
    Robbins, "Confidence sequences for mean, variance, and median", PNAS 58 (1967).
    """
    level = 1 - _ERROR / (look * (look + 1))
    bands = rank_bands(fit.strength, fit.covariance, component=fit.component, level=level)
    return int((bands.high <= places).sum()) == places


def _verdicts(texts: Sequence[GenerationRef], duels: Iterable[Duel]) -> Duels | None:
    place = {ref: number for number, ref in enumerate(texts)}
    known = [
        duel for duel in duels if duel.first_wins is not None and place.keys() >= {*duel.texts}
    ]
    known.sort(key=lambda duel: duel.member.gen_id)
    if not known:
        return None
    judge = code([duel.judge for duel in known])
    return Duels(
        tuple(map(str, texts)),
        np.array([place[duel.first] for duel in known]),
        np.array([place[duel.second] for duel in known]),
        np.array([duel.first_wins for duel in known], dtype=np.float64),
        judge,
        np.zeros(judge.size, dtype=np.int64),
    )


def _evidence(texts: Sequence[GenerationRef], scores: SharesByText) -> ScoreEvidence | None:
    rows = [(str(ref), judge, share) for ref in texts for judge, share in scores.get(ref, ())]
    if not rows:
        return None
    items, judges, shares = zip(*rows, strict=True)
    return make_evidence([*map(str, texts)], make_scores(items, judges, shares))


class _Left:
    """The duels that were not chosen yet.

    Attributes:
        taken: How many were chosen.
    """

    def __init__(self, candidates: Iterable[PlannedGeneration], chosen: set[str]) -> None:
        self.taken = 0
        self._by_order: dict[tuple[GenerationRef, ...], list[PlannedGeneration]] = {}
        self._of_order = Counter[tuple[GenerationRef, ...]]()
        self._of_judge = Counter[tuple[object, ...]]()
        for planned in candidates:
            if planned.gen_id in chosen:
                self._count(planned)
            else:
                self._by_order.setdefault(planned.parents[:2], []).append(planned)

    def count(self, texts: Sequence[GenerationRef]) -> Indices:
        """Return how many duels of each two texts are left, in either order."""
        place = {ref: number for number, ref in enumerate(texts)}
        counts = np.zeros((len(texts), len(texts)), dtype=np.int64)
        for (one, other), duels in self._by_order.items():
            counts[place[one], place[other]] += len(duels)
        return counts + counts.T

    def take(self, one: GenerationRef, other: GenerationRef) -> PlannedGeneration:
        """Return the next duel of two texts, of which one is left: `one` first, if it can be."""
        orders = [order for order in ((one, other), (other, one)) if self._by_order.get(order)]
        order = min(orders, key=lambda order: self._of_order[order])
        duels = self._by_order[order]
        duel = min(duels, key=lambda duel: (self._of_judge[_judge_of(duel)], duel.gen_id))
        duels.remove(duel)
        self._count(duel)
        return duel

    def _count(self, planned: PlannedGeneration) -> None:
        self.taken += 1
        self._of_order[planned.parents[:2]] += 1
        self._of_judge[_judge_of(planned)] += 1


def _judge_of(planned: PlannedGeneration) -> tuple[object, ...]:
    metadata: Mapping[str, object] = planned.metadata
    return tuple(str(metadata.get(key)) for key in ("template_id", "llm_model_id", "replicate"))
