"""What a cohort has come to: how far it is, and which essays were judged best."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean

import attrs

from daydreaming_dagster.data_layer.errors import MissingArtifactError
from daydreaming_dagster.data_layer.generation_metadata import (
    resolve_generation_metadata,
    text_field,
)
from daydreaming_dagster.data_layer.gens_store import GensStore
from daydreaming_dagster.domain.parsers import Score
from daydreaming_dagster.types import Stage


@attrs.frozen
class StageStatus:
    """The generations of a stage by how far they are; `planned` counts them all."""

    stage: Stage
    planned: int
    done: int
    unparsed: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def todo(self) -> tuple[str, ...]:
        """The generations that a run has to look at again."""
        return (*self.unparsed, *self.missing)


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


def stage_status(store: GensStore, stage: Stage, gen_ids: Iterable[str]) -> StageStatus:
    """Return how far these generations are: a parsed text is written last, and ends one."""
    planned, unparsed, missing = 0, list[str](), list[str]()
    for gen_id in gen_ids:
        planned += 1
        if _has_text(store.read_parsed, stage, gen_id):
            continue
        (unparsed if _has_text(store.read_raw, stage, gen_id) else missing).append(gen_id)
    done = planned - len(unparsed) - len(missing)
    return StageStatus(stage, planned, done, tuple(unparsed), tuple(missing))


def rank_essays(store: GensStore, members: Mapping[Stage, Sequence[str]]) -> list[EssayRank]:
    """Return the essays of a cohort, the best mean first, those without a score last.

    Raises:
        MissingArtifactError: A member has no main metadata.
        MalformedArtifactError: Metadata of a member is malformed.
    """
    scores: dict[str, list[Score]] = {gen_id: [] for gen_id in members["essay"]}
    unscored = dict.fromkeys(members["essay"], 0)
    for gen_id in members["evaluation"]:
        essay = resolve_generation_metadata(store, "evaluation", gen_id).parent_gen_id or ""
        score = read_score(store, gen_id)
        if score is not None:
            scores.setdefault(essay, []).append(score)
        else:
            unscored[essay] = unscored.get(essay, 0) + 1
    ranks = [
        _rank(store, gen_id, essay_scores, unscored.get(gen_id, 0))
        for gen_id, essay_scores in scores.items()
    ]
    return sorted(ranks, key=lambda rank: -1.0 if rank.mean is None else rank.mean, reverse=True)


def read_score(store: GensStore, gen_id: str) -> Score | None:
    """Return the score of an evaluation, None where it has none yet."""
    if not _has_text(store.read_parsed, "evaluation", gen_id):
        return None
    try:
        metadata = store.read_parsed_metadata("evaluation", gen_id)
    except MissingArtifactError:
        return None
    value, maximum = metadata.get("score"), metadata.get("score_maximum")
    if not isinstance(value, int | float):
        return None
    return Score(float(value), float(maximum) if isinstance(maximum, int | float) else None)


def _rank(store: GensStore, gen_id: str, scores: Sequence[Score], unscored: int) -> EssayRank:
    metadata = resolve_generation_metadata(store, "essay", gen_id)
    document = store.read_main_metadata("essay", gen_id)
    return EssayRank(
        gen_id=gen_id,
        combo_id=metadata.combo_id,
        template_id=metadata.template_id,
        llm_model_id=text_field(document, "llm_model_id", "essay", gen_id),
        scores=tuple(scores),
        unscored=unscored,
    )


def _has_text(read: Callable[[Stage, str], str], stage: Stage, gen_id: str) -> bool:
    try:
        read(stage, gen_id)
    except MissingArtifactError:
        return False
    return True
