"""What a cohort has come to: how far it is, and which essays were judged best."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import attrs

from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.domain.generation.metadata import (
    GenerationMetadata,
    resolve_generation_metadata,
)
from daydreaming_dagster.domain.generation.records import Usage
from daydreaming_dagster.domain.generation.state import State, read_state
from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.domain.stages import JUDGED_LINEAGE, JUDGING_STAGE, GenerationRef
from daydreaming_dagster.ports.errors import DataLayerError, InvalidMetadataError
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.types import Stage


@attrs.frozen
class Member:
    """A generation as a member of a cohort. A copy has no model (`""`) and no replicate.

    `finish_reason` is that of the answer, None if it is not known or was not read.
    """

    gen_id: str
    template: str
    llm: str
    replicate: int | None
    folder: str
    finish_reason: str | None = None


@attrs.frozen
class GenerationOutcome:
    """What came of a generation, and what its present answer took.

    Tokens, seconds and cost (in USD) are those of this generation alone; None where the
    endpoint or the model catalog does not say. Only an evaluation has a score; `by_hand` says that
    a person entered it. The state is `stale` if a score is left out for that.
    """

    state: State | Literal["stale"]
    score: Score | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    duration_seconds: float | None = None
    cost: float | None = None
    finish_reason: str | None = None
    answered_by: str | None = None
    by_hand: bool = False


@attrs.frozen
class Evaluation:
    """An evaluation with its value on every axis, and what came of it.

    `stale` says why its score is not one of today's question, read as it is read today; `""` if it
    is.
    """

    combo: str
    description_level: str
    draft: Member
    essay: Member
    evaluation: Member
    outcome: GenerationOutcome
    stale: str = ""

    @property
    def lineage(self) -> dict[Stage, Member]:
        """The evaluation and its ancestors by stage, the draft first."""
        return dict(zip(JUDGED_LINEAGE, (self.draft, self.essay, self.evaluation), strict=True))


def read_evaluations(
    store: GensStore,
    members: Mapping[Stage, Sequence[str]],
    models: Mapping[str, ModelEntry] | None = None,
    stale: Mapping[str, str] | None = None,
) -> Iterator[Evaluation]:
    """Yield every evaluation of a cohort in planned order, those without a score too.

    `models` is the model catalog, for the prices in it; `stale` says why those are stale that are.

    Raises:
        MissingArtifactError: A member, or the essay or draft that it is about, has no main
            metadata.
        MalformedArtifactError: Metadata of one of them is malformed.
        InvalidMetadataError: Metadata of one of them lacks what its stage needs.
    """
    ancestries: dict[str, _Ancestry] = {}
    for gen_id in members[JUDGING_STAGE]:
        main = resolve_generation_metadata(store, JUDGING_STAGE, gen_id)
        essay = parent_of(main, GenerationRef(JUDGING_STAGE, gen_id))
        if essay.gen_id not in ancestries:
            ancestries[essay.gen_id] = _ancestry(store, essay)
        evaluation = make_member(store, GenerationRef(JUDGING_STAGE, gen_id), main)
        outcome = read_outcome(store, JUDGING_STAGE, gen_id, (models or {}).get(evaluation.llm))
        why_stale = (stale or {}).get(gen_id, "")
        yield Evaluation(*ancestries[essay.gen_id], evaluation, outcome, why_stale)


def without_stale(evaluations: Iterable[Evaluation]) -> Iterator[Evaluation]:
    """Yield the evaluations, those that are stale without their scores."""
    for row in evaluations:
        if row.stale and row.outcome.score is not None:
            outcome = attrs.evolve(row.outcome, state="stale", score=None, by_hand=False)
            yield attrs.evolve(row, outcome=outcome)
        else:
            yield row


def read_outcome(
    store: GensStore, stage: Stage, gen_id: str, model: ModelEntry | None = None
) -> GenerationOutcome:
    """Return what came of a generation; `model` is its model, for the prices.

    Raises:
        DataLayerError: An artifact that its state depends on is malformed.
    """
    stored = read_state(store, stage, gen_id)
    if stored.state == "not answered":
        return GenerationOutcome(stored.state)
    record = stored.raw_record
    usage = record.usage or Usage()
    return GenerationOutcome(
        state=stored.state,
        score=stored.score,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        duration_seconds=record.duration_seconds,
        cost=None if model is None else model.cost(usage.prompt_tokens, usage.completion_tokens),
        finish_reason=record.finish_reason,
        answered_by=record.answered_by,
        by_hand=stored.scored_by_hand,
    )


class _Ancestry(NamedTuple):
    """What all evaluations of an essay have in common, as `Evaluation` begins."""

    combo: str
    description_level: str
    draft: Member
    essay: Member


def _ancestry(store: GensStore, ref: GenerationRef) -> _Ancestry:
    essay = resolve_generation_metadata(store, *ref)
    draft_ref = parent_of(essay, ref)
    draft = resolve_generation_metadata(store, *draft_ref)
    return _Ancestry(
        draft.combo_id,
        draft.record.description_level or "",
        _with_finish(store, make_member(store, draft_ref, draft), draft_ref),
        _with_finish(store, make_member(store, ref, essay), ref),
    )


def _with_finish(store: GensStore, member: Member, ref: GenerationRef) -> Member:
    try:
        return attrs.evolve(member, finish_reason=read_state(store, *ref).raw_record.finish_reason)
    except DataLayerError:  # the scores do not depend on it
        return member


def parent_of(metadata: GenerationMetadata, ref: GenerationRef) -> GenerationRef:
    """Return the parent that this main metadata names.

    Raises:
        InvalidMetadataError: It names none.
    """
    if metadata.parent is None:
        raise InvalidMetadataError(*ref, "parent_gen_id is missing in the metadata")
    return metadata.parent


def make_member(store: GensStore, ref: GenerationRef, metadata: GenerationMetadata) -> Member:
    """Return the generation that this main metadata describes."""
    return Member(
        ref.gen_id,
        metadata.template_id,
        metadata.record.llm_model_id or "",
        metadata.record.replicate,
        str(store.reserve_generation(*ref, create=False)),
    )
