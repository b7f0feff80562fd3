"""The use cases of a stage's second and third step: the raw answer and the parsed text."""

import attrs

from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.errors import ResponseParseError
from daydreaming_dagster.domain.generation.finish import was_cut_off, why_unreadable
from daydreaming_dagster.domain.generation.recipe import Recipe
from daydreaming_dagster.domain.parsing.response import ParsedResponse, ResponseReader, Score
from daydreaming_dagster.ports.errors import MissingArtifactError
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.ports.language_model import Completion
from daydreaming_dagster.types import JsonObject, JsonValue, Stage


@attrs.frozen
class RawAnswer:
    """A raw text and its metadata. `reused` says that it was there and nothing was asked."""

    text: str
    metadata: JsonObject
    reused: bool

    @property
    def cut_off(self) -> bool:
        """Whether the model would have gone on."""
        truncated = self.metadata.get("truncated") is True
        return was_cut_off(_text(self.metadata.get("finish_reason")), truncated=truncated)

    @property
    def unreadable(self) -> str | None:
        """Why no text may be read in it though it was not cut off, None if one may."""
        reasons = (_text(self.metadata.get(key)) for key in ("finish_reason", "unreadable"))
        return why_unreadable(*reasons)


def find_answer(store: GensStore, stage: Stage, gen_id: str) -> RawAnswer | None:
    """Return the stored answer, None where there is none that its metadata vouches for.

    After a crash between the two writes it does not.
    """
    try:
        metadata = store.read_raw_metadata(stage, gen_id)
        text = store.read_raw(stage, gen_id)
    except MissingArtifactError:
        return None
    if metadata.get("raw_sha256") != sha256(text):
        return None
    return RawAnswer(text, metadata, reused=True)


def read_answer(store: GensStore, stage: Stage, gen_id: str) -> RawAnswer:
    """Return the stored answer, whatever it answers.

    Raises:
        MissingArtifactError: There is none.
    """
    text = store.read_raw(stage, gen_id)
    try:
        metadata = store.read_raw_metadata(stage, gen_id)
    except MissingArtifactError:  # a text from elsewhere
        metadata = {}
    return RawAnswer(text, metadata, reused=True)


def store_answer(
    store: GensStore, gen_id: str, recipe: Recipe, prompt: str, completion: Completion
) -> RawAnswer:
    """Store an answer, its metadata first, and return it.

    An answer to another question that it replaces was paid for too and is kept in the
    metadata, under `replaced`.
    """
    text = _storable(completion.text)
    metadata: JsonObject = {
        **recipe.question(prompt),
        "template_sha256": recipe.template_sha256,
        "answered_by": _storable(completion.model),
        "finish_reason": _storable(completion.finish_reason),
        "truncated": was_cut_off(completion.finish_reason),
        "usage": {
            "prompt_tokens": completion.prompt_tokens,
            "completion_tokens": completion.completion_tokens,
        },
        "duration_seconds": completion.duration_seconds,
        "failed_attempts": [_storable(error) for error in completion.failed_attempts],
        "raw_sha256": sha256(text),
    }
    for key in ("reasoning", "unreadable", "response"):
        if getattr(completion, key):
            metadata[key] = _storable(getattr(completion, key))
    replaced = _replaced(store, recipe.stage, gen_id)
    if replaced:
        metadata["replaced"] = replaced
    store.write_raw_metadata(recipe.stage, gen_id, metadata)
    store.write_raw(recipe.stage, gen_id, text)
    return RawAnswer(text, metadata, reused=False)


def store_parsed(
    store: GensStore,
    stage: Stage,
    gen_id: str,
    reader: ResponseReader,
    answer: RawAnswer,
) -> ParsedResponse:
    """Parse an answer, store the result, its metadata first, and return it.

    Raises:
        ResponseParseError: The answer was cut off, holds no text that may be used, or is not what
            the template's parser reads. Nothing was written.
    """
    if answer.unreadable is not None and not answer.cut_off:
        reason = f"the answer could not be read: {answer.unreadable}; --force asks for another"
        raise ResponseParseError(reader.parser, reason, answer.text[-200:])
    parsed = reader(answer.text, truncated=answer.cut_off)
    metadata: JsonObject = {
        "parser": reader.parser,
        "raw_sha256": sha256(answer.text),
        "parsed_sha256": sha256(parsed.text),
    }
    if parsed.score is not None:
        metadata["score"] = parsed.score.value
        metadata["score_maximum"] = parsed.score.maximum
    store.write_parsed_metadata(stage, gen_id, metadata)
    store.write_parsed(stage, gen_id, parsed.text)
    return parsed


def read_parsed(store: GensStore, stage: Stage, gen_id: str) -> ParsedResponse:
    """Return what was read in the stored answer.

    Raises:
        MissingArtifactError: It was not parsed yet.
    """
    text = store.read_parsed(stage, gen_id)
    try:
        metadata = store.read_parsed_metadata(stage, gen_id)
    except MissingArtifactError:  # a text from elsewhere
        metadata = {}
    return ParsedResponse(text, read_score(metadata))


def read_score(parsed_metadata: JsonObject) -> Score | None:
    """Return the score that the metadata of a parsed text holds, None where it holds none."""
    value, maximum = parsed_metadata.get("score"), parsed_metadata.get("score_maximum")
    if not isinstance(value, int | float):
        return None
    return Score(float(value), float(maximum) if isinstance(maximum, int | float) else None)


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None


def _storable(text: str) -> str:
    """Return an endpoint's text as it can be stored.

    Models do emit lone surrogates; as they have no UTF-8 form, U+FFFD stands for them.
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _replaced(store: GensStore, stage: Stage, gen_id: str) -> list[JsonValue]:
    """Return the answers that a new one replaces, the latest last, each with its text."""
    try:
        present = read_answer(store, stage, gen_id)
    except MissingArtifactError:
        return []
    digest = sha256(present.text)
    metadata = dict(present.metadata)
    earlier = metadata.pop("replaced", [])
    answers: list[JsonValue] = earlier if isinstance(earlier, list) else [earlier]
    if any(isinstance(answer, dict) and answer.get("raw_sha256") == digest for answer in answers):
        return answers  # a crash came between metadata and text: the text is kept already
    vouched: JsonObject = metadata if metadata.get("raw_sha256") == digest else {}
    latest: JsonObject = {**vouched, "raw_sha256": digest, "text": present.text}
    return [*answers, latest]
