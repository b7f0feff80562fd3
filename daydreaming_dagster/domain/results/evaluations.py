"""What a cohort has come to: how far it is, and which essays were judged best."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import attrs

from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.domain.generation.answers import read_score
from daydreaming_dagster.domain.generation.metadata import text_field
from daydreaming_dagster.domain.generation.stored import has_text, if_there, is_current
from daydreaming_dagster.domain.parsing.response import DEFAULT_MAXIMUM, Score
from daydreaming_dagster.ports.errors import InvalidMetadataError
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.types import JsonObject, JsonValue, Stage

State = Literal["scored", "done", "not parsed", "cut off", "not answered"]
"""How far a generation came. What is complete is `scored` at evaluations, else `done`."""


@attrs.frozen
class Member:
    """A generation as a member of a cohort. A copy has no model (`""`) and no replicate."""

    gen_id: str
    template: str
    llm: str
    replicate: int | None
    folder: str


@attrs.frozen
class GenerationOutcome:
    """What came of a generation, and what its present answer took.

    Tokens, seconds and cost (in USD) are those of this generation alone; None where the
    endpoint or the model catalog does not say. Only an evaluation has a score.
    """

    state: State
    score: Score | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    duration_seconds: float | None = None
    cost: float | None = None
    finish_reason: str | None = None
    answered_by: str | None = None


@attrs.frozen
class Evaluation:
    """An evaluation with its value on every axis, and what came of it."""

    combo: str
    description_level: str
    draft: Member
    essay: Member
    evaluation: Member
    outcome: GenerationOutcome


def read_evaluations(
    store: GensStore,
    members: Mapping[Stage, Sequence[str]],
    models: Mapping[str, ModelEntry] | None = None,
) -> Iterator[Evaluation]:
    """Yield every evaluation of a cohort in planned order, those without a score too.

    `models` is the model catalog, for the prices in it.

    Raises:
        MissingArtifactError: A member, or the essay or draft that it is about, has no main
            metadata.
        MalformedArtifactError: Metadata of one of them is malformed.
        InvalidMetadataError: Metadata of one of them lacks what its stage needs.
    """
    ancestries: dict[str, _Ancestry] = {}
    for gen_id in members["evaluation"]:
        document = store.read_main_metadata("evaluation", gen_id)
        essay_id = _parent(document, "evaluation", gen_id)
        if essay_id not in ancestries:
            ancestries[essay_id] = _ancestry(store, essay_id)
        evaluation = read_member(store, "evaluation", gen_id, document)
        outcome = read_outcome(store, "evaluation", gen_id, (models or {}).get(evaluation.llm))
        yield Evaluation(*ancestries[essay_id], evaluation, outcome)


def read_outcome(
    store: GensStore, stage: Stage, gen_id: str, model: ModelEntry | None = None
) -> GenerationOutcome:
    """Return what came of a generation; `model` is its model, for the prices.

    Raises:
        MalformedArtifactError: Its raw or parsed metadata is malformed.
    """
    raw = if_there(store.read_raw_metadata, stage, gen_id)
    if raw is None:
        # A text may come from elsewhere, without metadata; a score never does.
        if stage != "evaluation" and has_text(store.read_parsed, stage, gen_id):
            return GenerationOutcome("done")
        return GenerationOutcome(
            "not parsed" if has_text(store.read_raw, stage, gen_id) else "not answered"
        )
    score: Score | None = None
    state: State = "not parsed"
    if raw.get("truncated") is True:
        state = "cut off"
    elif stage == "evaluation":
        score = _present_score(store, gen_id, raw)
        state = "not parsed" if score is None else "scored"
    elif has_text(store.read_parsed, stage, gen_id) and is_current(
        raw, if_there(store.read_parsed_metadata, stage, gen_id)
    ):
        state = "done"
    usage = raw.get("usage")
    tokens = usage if isinstance(usage, dict) else {}
    prompt_tokens = _whole(tokens.get("prompt_tokens"))
    completion_tokens = _whole(tokens.get("completion_tokens"))
    return GenerationOutcome(
        state=state,
        score=score,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        duration_seconds=_number(raw.get("duration_seconds")),
        cost=None if model is None else model.cost(prompt_tokens, completion_tokens),
        finish_reason=_text(raw.get("finish_reason")),
        answered_by=_text(raw.get("answered_by")),
    )


class _Ancestry(NamedTuple):
    """What all evaluations of an essay have in common, as `Evaluation` begins."""

    combo: str
    description_level: str
    draft: Member
    essay: Member


def _ancestry(store: GensStore, essay_id: str) -> _Ancestry:
    essay = store.read_main_metadata("essay", essay_id)
    draft_id = _parent(essay, "essay", essay_id)
    draft = store.read_main_metadata("draft", draft_id)
    return _Ancestry(
        text_field(draft, "combo_id", "draft", draft_id),
        text_field(draft, "description_level", "draft", draft_id),
        read_member(store, "draft", draft_id, draft),
        read_member(store, "essay", essay_id, essay),
    )


def _parent(document: JsonObject, stage: Stage, gen_id: str) -> str:
    parent = text_field(document, "parent_gen_id", stage, gen_id)
    if not parent:
        raise InvalidMetadataError(stage, gen_id, "parent_gen_id is missing in the metadata")
    return parent


def read_member(store: GensStore, stage: Stage, gen_id: str, document: JsonObject) -> Member:
    """Return the generation that this main metadata describes.

    Raises:
        InvalidMetadataError: A field of it has the wrong type.
    """
    replicate = document.get("replicate")
    return Member(
        gen_id,
        text_field(document, "template_id", stage, gen_id),
        text_field(document, "llm_model_id", stage, gen_id),
        replicate if isinstance(replicate, int) else None,
        str(store.reserve_generation(stage, gen_id, create=False)),
    )


def _present_score(store: GensStore, gen_id: str, raw: JsonObject) -> Score | None:
    """Return the score of an evaluation whose present answer has the metadata `raw`."""
    parsed = if_there(store.read_parsed_metadata, "evaluation", gen_id)
    # A score of an answer that was replaced since is none of the present answer.
    return _score(parsed) if parsed is not None and is_current(raw, parsed) else None


def _score(parsed: JsonObject) -> Score | None:
    score = read_score(parsed)
    if score is None or score.maximum is not None:
        return score
    return Score(score.value, DEFAULT_MAXIMUM)


def _number(value: JsonValue) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _whole(value: JsonValue) -> int | None:
    return value if isinstance(value, int) else None


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None
