"""The use cases of a stage's second and third step: the raw answer and the parsed text."""

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.errors import ResponseParseError, UnusableAnswerError
from daydreaming_dagster.domain.generation.finish import was_cut_off
from daydreaming_dagster.domain.generation.metadata import resolve_generation_metadata
from daydreaming_dagster.domain.generation.recipe import Recipe, why_stale
from daydreaming_dagster.domain.generation.records import (
    BY_HAND,
    ParsedRecord,
    RawRecord,
    ReplacedAnswer,
    Usage,
)
from daydreaming_dagster.domain.generation.state import GenerationState, RawAnswer, read_state
from daydreaming_dagster.domain.generation.stored import LazyGeneration, if_there
from daydreaming_dagster.domain.parsing.response import ParsedResponse, ResponseReader, Score
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.ports.errors import MalformedArtifactError
from daydreaming_dagster.ports.gens_store import GensStore, claim_generation
from daydreaming_dagster.ports.language_model import Completion
from daydreaming_dagster.types import JsonObject, JsonValue, Stage


def read_answer(store: GensStore, stage: Stage, gen_id: str) -> RawAnswer:
    """Return the stored text with its record, whatever the record vouches for.

    Raises:
        MissingArtifactError: There is no text.
    """
    text = store.read_raw(stage, gen_id)
    metadata = if_there(store.read_raw_metadata, stage, gen_id) or {}  # a text from elsewhere
    return RawAnswer(text, RawRecord.from_document(metadata), reused=True)


def store_answer(
    store: GensStore, gen_id: str, recipe: Recipe, prompt: str, completion: Completion
) -> RawAnswer:
    """Store an answer, its metadata first, and return it.

    An answer to another question that it replaces was paid for too and is kept in the
    metadata, under `replaced`.
    """
    record = attrs.evolve(
        _record(recipe, prompt, completion),
        replaced=_replaced(store, recipe.stage, gen_id) or None,
    )
    text = _storable(completion.text)
    store.write_raw_metadata(recipe.stage, gen_id, record.as_document())
    store.write_raw(recipe.stage, gen_id, text)
    return RawAnswer(text, record, reused=False)


def _record(recipe: Recipe, prompt: str, completion: Completion) -> RawRecord:
    """Return the record of an answer to this prompt."""
    return attrs.evolve(
        recipe.question(prompt),
        template_sha256=recipe.template_sha256,
        answered_by=_storable(completion.model),
        response_id=_storable(completion.response_id) or None,
        system_fingerprint=_storable(completion.system_fingerprint) or None,
        batch_id=_storable(completion.batch_id) or None,
        finish_reason=_storable(completion.finish_reason),
        truncated=was_cut_off(completion.finish_reason),
        usage=Usage.of(completion),
        duration_seconds=completion.duration_seconds,
        failed_attempts=[_storable(error) for error in completion.failed_attempts],
        raw_sha256=sha256(_storable(completion.text)),
        reasoning=_storable(completion.reasoning) or None,
        unreadable=_storable(completion.unreadable) or None,
        headers={name: _storable(value) for name, value in completion.headers.items()} or None,
        response=_storable(completion.response) or None,
    )


def store_late_answer(
    store: GensStore, gen_id: str, recipe: Recipe, prompt: str, completion: Completion
) -> RawAnswer:
    """Store an answer whose claim was lost while it was paid for; return the one that counts.

    If another run stored an answer to the same question meanwhile, that one stays, since texts may
    have been made from it, and this one is kept in its metadata under `replaced`.
    """
    stored = GenerationState(LazyGeneration(store, recipe.stage, gen_id), needs_score=False)
    if stored.answer is None or why_stale(stored.question, recipe, prompt) is not None:
        return store_answer(store, gen_id, recipe, prompt, completion)
    document = _record(recipe, prompt, completion).as_document()
    late = attrs.evolve(
        ReplacedAnswer.from_document(document), text=_storable(completion.text)
    ).as_document()
    earlier = _earlier(stored.raw_record)
    if late not in earlier:  # an attempt may have failed after it was written
        record = attrs.evolve(stored.raw_record, replaced=[*earlier, late])
        store.write_raw_metadata(recipe.stage, gen_id, record.as_document())
    return stored.answer


def store_parsed(
    store: GensStore,
    stage: Stage,
    gen_id: str,
    reader: ResponseReader,
    answer: RawAnswer,
) -> ParsedResponse:
    """Parse an answer, store the result, its metadata first, and return it.

    A score that a person gave this very answer stays, and is returned.

    Raises:
        ResponseParseError: The answer was cut off, holds no text that may be used, or is not what
            the template's parser reads. Nothing was written but, where a text had been read in
            the answer before, that it no longer counts.
    """
    if reader.needs_score:
        by_hand = _scored_by_hand(store, GenerationRef(stage, gen_id), answer)
        if by_hand is not None:
            return by_hand
    try:
        parsed = read_response(reader, answer)
    except ResponseParseError as error:
        _withdraw_parsed(store, stage, gen_id, error)
        raise
    record = ParsedRecord(parser=reader.parser, settings=reader.settings)
    _write_parsed(store, GenerationRef(stage, gen_id), answer, parsed, record)
    return parsed


def store_score_by_hand(
    store: GensStore, ref: GenerationRef, answer: RawAnswer, score: Score, note: str | None
) -> ParsedResponse:
    """Store the score that a person gives an answer, its metadata first, and return it."""
    parsed = ParsedResponse(str(score), score)
    _write_parsed(store, ref, answer, parsed, ParsedRecord(scored_by=BY_HAND, note=note))
    return parsed


def _write_parsed(
    store: GensStore,
    ref: GenerationRef,
    answer: RawAnswer,
    parsed: ParsedResponse,
    record: ParsedRecord,
) -> None:
    record = attrs.evolve(record, raw_sha256=sha256(answer.text), parsed_sha256=sha256(parsed.text))
    if parsed.score is not None:
        record = attrs.evolve(
            record,
            score=parsed.score.value,
            score_maximum=parsed.score.maximum,
            score_minimum=parsed.score.minimum,
        )
    store.write_parsed_metadata(*ref, record.as_document())
    store.write_parsed(*ref, parsed.text)


def _scored_by_hand(
    store: GensStore, ref: GenerationRef, answer: RawAnswer
) -> ParsedResponse | None:
    """Return the score that a person gave this answer, None if nobody did.

    If a kill left its metadata without its text, the text is written.
    """
    try:
        document = if_there(store.read_parsed_metadata, *ref)
    except MalformedArtifactError:  # the parser's record replaces it
        return None
    record = ParsedRecord.from_document(document or {})
    score = record.judged if record.by_hand else None
    if score is None or record.raw_sha256 != sha256(answer.text) or not answer.record.is_usable:
        return None
    if GenerationState(LazyGeneration(store, *ref), needs_score=True).is_complete:
        return ParsedResponse(str(score), score)
    return store_score_by_hand(store, ref, answer, score, record.note)


def parse_stored_answer(store: GensStore, catalog: Catalog, stage: Stage, gen_id: str) -> bool:
    """Parse the stored answer as its template is read today; return whether anything was written.

    Nothing is, while another run makes the generation, or where there is no answer.

    Raises:
        ResponseParseError: As `store_parsed` says.
        DaydreamingError: Metadata, catalog or an artifact is wrong.
    """
    metadata = resolve_generation_metadata(store, stage, gen_id)
    reader = catalog.reader(stage, metadata.template_id)
    claim = claim_generation(store, stage, gen_id)
    if claim is None:
        return False
    try:
        answer = read_state(store, catalog.pipeline[stage], gen_id).answer
        if answer is not None:
            store_parsed(store, stage, gen_id, reader, answer)
    finally:
        claim.release()
    return answer is not None


def read_response(reader: ResponseReader, answer: RawAnswer) -> ParsedResponse:
    """Return what the reader reads in an answer.

    Raises:
        ResponseParseError: As `store_parsed` says.
    """
    if answer.record.unusable is not None:
        reason = f"the answer could not be read: {answer.record.unusable}"
        raise UnusableAnswerError(reader.parser, reason, answer.text[-200:])
    return reader(answer.text, truncated=answer.record.cut_off)


def why_outdated(stored: GenerationState, reader: ResponseReader) -> str | None:
    """Return why the parsed text is not what the reader would read today, None if it is.

    A score that a person entered keeps the scale that it was given on, whatever the reader's is.
    What an earlier version wrote has no settings: at a stage that judges, the answer is read again
    to see, so that no score stands that is read otherwise today.
    """
    record, answer = stored.parsed_record, stored.answer
    if answer is None or stored.artifacts.parsed_metadata is None or record.by_hand:
        return None
    if record.parser not in (None, reader.parser):
        return f"its parser was {record.parser} and is {reader.parser} now"
    if record.settings is not None:
        return _changed_setting(record.settings, reader.settings)
    return _changed_score(record, answer, reader) if reader.needs_score else None


def _changed_setting(recorded: JsonObject, now: JsonObject) -> str | None:
    for key, value in now.items():
        if recorded.get(key) not in (None, value):
            return f"its {key} was {recorded[key]} and is {value} now"
    return None


def _changed_score(record: ParsedRecord, answer: RawAnswer, reader: ResponseReader) -> str | None:
    try:
        score = read_response(reader, answer).score
    except ResponseParseError as error:
        return f"its score is refused now: {error}"
    before = record.judged
    if score is None or before is None or score.normalised == before.normalised:
        return None
    return f"its score was {before} and is read as {score} now"


def _withdraw_parsed(
    store: GensStore, stage: Stage, gen_id: str, error: ResponseParseError
) -> None:
    """Note that a text which was read in an answer before is refused now; the text stays."""
    document = if_there(store.read_parsed_metadata, stage, gen_id)
    if document is not None:
        record = attrs.evolve(ParsedRecord.from_document(document), refused=str(error))
        store.write_parsed_metadata(stage, gen_id, record.as_document())


def read_parsed(store: GensStore, stage: Stage, gen_id: str) -> ParsedResponse:
    """Return what was read in the stored answer.

    Raises:
        MissingArtifactError: It was not parsed yet.
    """
    text = store.read_parsed(stage, gen_id)
    metadata = if_there(store.read_parsed_metadata, stage, gen_id) or {}  # a text from elsewhere
    return ParsedResponse(text, ParsedRecord.from_document(metadata).judged)


def _storable(text: str) -> str:
    """Return an endpoint's text as it can be stored.

    Models do emit lone surrogates; as they have no UTF-8 form, U+FFFD stands for them.
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _earlier(present: RawRecord) -> list[JsonValue]:
    earlier = [] if present.replaced is None else present.replaced
    return earlier if isinstance(earlier, list) else [earlier]


def _replaced(store: GensStore, stage: Stage, gen_id: str) -> list[JsonValue]:
    """Return the answers that a new one replaces, the latest last, each with its text."""
    text = if_there(store.read_raw, stage, gen_id)
    if text is None:
        return []
    digest, present = sha256(text), read_answer(store, stage, gen_id).record
    answers = _earlier(present)
    if any(
        isinstance(answer, dict) and RawRecord.from_document(answer).raw_sha256 == digest
        for answer in answers
    ):
        return answers  # a crash came between metadata and text: the text is kept already
    vouched = present.raw_sha256 == digest
    document = attrs.evolve(present, replaced=None).as_document() if vouched else {}
    latest = attrs.evolve(ReplacedAnswer.from_document(document), raw_sha256=digest, text=text)
    return [*answers, latest.as_document()]
