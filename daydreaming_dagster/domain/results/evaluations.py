"""What a cohort has come to: how far it is, and what was judged best."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import attrs

from daydreaming_dagster.domain.catalog import Catalog, ModelEntry
from daydreaming_dagster.domain.generation.cost import answer_cost
from daydreaming_dagster.domain.generation.metadata import (
    GenerationMetadata,
    resolve_generation_metadata,
)
from daydreaming_dagster.domain.generation.records import RawRecord, Usage
from daydreaming_dagster.domain.generation.state import STATE_ARTIFACTS, State, read_state
from daydreaming_dagster.domain.generation.stored import if_there
from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.domain.stages import GenerationRef, Pipeline, StageDefinition
from daydreaming_dagster.formatting import one
from daydreaming_dagster.ports.errors import ArtifactError, InvalidMetadataError
from daydreaming_dagster.ports.gens_store import Artifact, GensStore, read_ahead
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
    endpoint or the model catalog does not say. Only a stage that scores has a score; `by_hand` says
    that a person entered it. The state is `stale` if a score is left out for that.
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
    """A score that a text got, or should have got, with its value on every axis.

    Attributes:
        combo: The combination of concepts that it goes back to, `""` if it goes back to several.
        description_level: The level of detail of their descriptions.
        lineage: The evaluation and its ancestors by stage, in the order of the pipeline; of a stage
            with several ancestors, none.
        stage: The stage of the evaluation.
        judged: The text that it is about.
        outcome: What came of it.
        stale: Why its score is not one of today's question, read as it is read today; `""` if it
            is.
    """

    combo: str
    description_level: str
    lineage: Mapping[Stage, Member]
    stage: Stage
    judged: GenerationRef
    outcome: GenerationOutcome
    stale: str = ""

    @property
    def evaluation(self) -> Member:
        """The evaluation itself."""
        return self.lineage[self.stage]


def read_evaluations(
    store: GensStore,
    pipeline: Pipeline,
    members: Mapping[Stage, Sequence[str]],
    models: Mapping[str, ModelEntry] | None = None,
    stale: Mapping[Stage, Mapping[str, str]] | None = None,
) -> Iterator[Evaluation]:
    """Yield every evaluation of a cohort in planned order, those without a score too.

    `models` is the model catalog, for the prices in it; `stale` says why those are stale that are.

    Raises:
        MissingArtifactError: A member, or a text that it goes back to, has no main metadata.
        MalformedArtifactError: Metadata of one of them is malformed.
        InvalidMetadataError: Metadata of one of them lacks what its stage needs.
    """
    lineages = read_lineages(store, pipeline, members)
    for stage in pipeline.scoring:
        wanted = (*STATE_ARTIFACTS, "main_metadata")
        for gen_id, view in read_ahead(store, stage, members.get(stage, ()), wanted):
            ref = GenerationRef(stage, gen_id)
            main = resolve_generation_metadata(view, *ref)
            judged = judged_by(pipeline, main, ref)
            above = lineages.of_parents(main, ref)
            evaluation = make_member(store, ref, main)
            outcome = read_outcome(
                view, pipeline[stage], gen_id, (models or {}).get(evaluation.llm)
            )
            yield Evaluation(
                above.combo,
                above.description_level,
                {**above.members, stage: evaluation},
                stage,
                judged,
                outcome,
                (stale or {}).get(stage, {}).get(gen_id, ""),
            )


def with_shown_ids(evaluations: Iterable[Evaluation], catalog: Catalog) -> list[Evaluation]:
    """Return the evaluations with the ids of concepts as the researcher knows them."""
    return [attrs.evolve(row, combo=catalog.shown_combo(row.combo)) for row in evaluations]


def without_stale(evaluations: Iterable[Evaluation]) -> Iterator[Evaluation]:
    """Yield the evaluations, those that are stale without their scores."""
    for row in evaluations:
        if row.stale and row.outcome.score is not None:
            outcome = attrs.evolve(row.outcome, state="stale", score=None, by_hand=False)
            yield attrs.evolve(row, outcome=outcome)
        else:
            yield row


def read_outcome(
    store: GensStore, definition: StageDefinition, gen_id: str, model: ModelEntry | None = None
) -> GenerationOutcome:
    """Return what came of a generation of a stage; `model` is its model, for the prices.

    Raises:
        DataLayerError: An artifact that its state depends on is malformed.
    """
    stored = read_state(store, definition, gen_id)
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
        cost=answer_cost(usage, model, by_batch=record.batch_id is not None),
        finish_reason=record.finish_reason,
        answered_by=record.answered_by,
        by_hand=stored.scored_by_hand,
    )


@attrs.frozen
class Lineage:
    """What a text goes back to, and itself.

    Attributes:
        combo: The combination of concepts, `""` if there are several.
        description_level: The level of detail of their descriptions.
        members: The text and its ancestors by stage; of a stage with several of them, none.
    """

    combo: str
    description_level: str
    members: Mapping[Stage, Member]


@attrs.frozen
class Lineages:
    """The lineages of texts, each read once."""

    store: GensStore
    pipeline: Pipeline
    _known: dict[GenerationRef, Lineage] = attrs.field(factory=dict, init=False)

    def of_parents(self, metadata: GenerationMetadata, ref: GenerationRef) -> Lineage:
        """Return what the parents of a generation go back to, and themselves.

        Raises:
            DataLayerError: Metadata of one of them is missing, or lacks what its stage needs.
        """
        lineages = [self.of(parent) for parent in parents_of(self.pipeline, metadata, ref)]
        members: dict[Stage, Member] = {}
        several: set[Stage] = set()
        for lineage in lineages:
            for stage, member in lineage.members.items():
                if members.setdefault(stage, member).gen_id != member.gen_id:
                    several.add(stage)
        alone = [stage for stage in self.pipeline if stage in members and stage not in several]
        combos = {lineage.combo for lineage in lineages}
        levels = {lineage.description_level for lineage in lineages}
        return Lineage(
            combos.pop() if len(combos) == 1 else "",
            levels.pop() if len(levels) == 1 else "",
            {stage: members[stage] for stage in alone},
        )

    def of(self, ref: GenerationRef) -> Lineage:
        """Return the lineage of a text.

        Raises:
            DataLayerError: Metadata of it or of an ancestor is missing, or lacks what it needs.
        """
        if ref not in self._known:
            metadata = resolve_generation_metadata(self.store, *ref)
            member = _with_finish(self.store, make_member(self.store, ref, metadata), ref)
            if self.pipeline[ref.stage].parents:
                above = self.of_parents(metadata, ref)
            else:
                level = metadata.record.description_level or ""
                above = Lineage(metadata.combo_id, level, {})
            members = {**above.members, ref.stage: member}
            self._known[ref] = attrs.evolve(above, members=members)
        return self._known[ref]


def _with_finish(store: GensStore, member: Member, ref: GenerationRef) -> Member:
    try:
        record = RawRecord.from_document(if_there(store.read_raw_metadata, *ref) or {})
    except ArtifactError:  # the scores do not depend on it
        return member
    return attrs.evolve(member, finish_reason=record.finish_reason)


def read_lineages(
    store: GensStore, pipeline: Pipeline, members: Mapping[Stage, Sequence[str]]
) -> Lineages:
    """Return the lineages of a cohort's texts; what members they go back to is read at once."""
    for stage in pipeline:
        if pipeline[stage].judges is None:
            metadata: tuple[Artifact, ...] = ("main_metadata", "raw_metadata")
            store = store.read_many(stage, members.get(stage, ()), metadata)
    return Lineages(store, pipeline)


def parents_of(
    pipeline: Pipeline, metadata: GenerationMetadata, ref: GenerationRef
) -> list[GenerationRef]:
    """Return the parents that this main metadata names.

    Raises:
        InvalidMetadataError: It does not name those that its stage needs.
    """
    roles = {parent.role: parent.ref.stage for parent in metadata.parents}
    parents = [parent.ref for parent in metadata.parents]
    only = pipeline[ref.stage].only_parent
    if only is not None and len(parents) != 1:
        raise InvalidMetadataError(*ref, "parent_gen_id is missing in the metadata")
    if only is None:
        for role in pipeline[ref.stage].parents:
            if role.name not in roles:
                reason = f"the parents in its metadata lack {one(role.name)}"
                raise InvalidMetadataError(*ref, reason)
    strange = [parent for parent in parents if parent.stage not in pipeline]
    if strange:
        raise InvalidMetadataError(*ref, f"its parent {strange[0]} is of an unknown stage")
    return parents


def judged_by(
    pipeline: Pipeline, metadata: GenerationMetadata, ref: GenerationRef
) -> GenerationRef:
    """Return the text that a scoring generation is about: its first parent.

    Raises:
        InvalidMetadataError: Its metadata names none.
    """
    return parents_of(pipeline, metadata, ref)[0]


def judge_name(stage: Stage, template: str, llm: str) -> str:
    """Return what a judge is called: a template of a stage, with a model."""
    return f"{stage}/{template}/{llm}"


def make_member(store: GensStore, ref: GenerationRef, metadata: GenerationMetadata) -> Member:
    """Return the generation that this main metadata describes."""
    return Member(
        ref.gen_id,
        metadata.template_id,
        metadata.record.llm_model_id or "",
        metadata.record.replicate,
        store.locate(*ref),
    )
