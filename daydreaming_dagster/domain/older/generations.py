"""The documents of an older generation as this project writes them, with all keys that they had."""

from collections.abc import Mapping
from contextlib import suppress
from math import isfinite
from typing import Any, Final

import attrs

from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.errors import ResponseParseError
from daydreaming_dagster.domain.generation.answers import read_response
from daydreaming_dagster.domain.generation.records import MainRecord, ParsedRecord, RawRecord
from daydreaming_dagster.domain.generation.state import RawAnswer
from daydreaming_dagster.domain.older.combinations import OlderCombination, find_combination
from daydreaming_dagster.domain.parsing.response import ResponseReader, Score
from daydreaming_dagster.types import JsonObject

_DURATION: Final = "duration_s"
_PARSER: Final = "parser_name"


def main_document(
    older: JsonObject, combinations: Mapping[str, OlderCombination]
) -> tuple[JsonObject, str | None]:
    """Return the main metadata with the concepts of its `combo_id`, and what it lacks.

    The `combo_id` stays. Without concepts its answer counts, and no prompt can be made again.
    """
    record = MainRecord.from_document(older)
    if not record.combo_id or record.concept_ids:
        return older, None
    try:
        combination = find_combination(combinations, record.combo_id)
    except LookupError as error:
        return older, f"its concepts are not known: {record.combo_id!r}: {error}"
    record = attrs.evolve(
        record,
        concept_ids=list(combination.concept_ids),
        description_level=combination.levels[0] or None,
    )
    return record.as_document(), None


def raw_document(older: JsonObject | None, text: str, prompt: str | None) -> JsonObject:
    """Return the metadata of an answer with the digests of its text and prompt."""
    document = older or {}
    seconds: Any = document.get(_DURATION)
    record = attrs.evolve(
        RawRecord.from_document(document),
        raw_sha256=sha256(text),
        prompt_sha256=None if prompt is None else sha256(prompt),
    )
    if record.duration_seconds is None and isinstance(seconds, int | float) and seconds >= 0:
        record = attrs.evolve(record, duration_seconds=float(seconds))
    return record.as_document()


def parsed_document(
    older: JsonObject | None, text: str, answer: RawAnswer | None, reader: ResponseReader | None
) -> tuple[JsonObject, str | None]:
    """Return the metadata of a parsed text with digests and score, and what is wrong with these.

    `reader` reads such answers today; None if that is not known. The score is that of the text, on
    the scale that the answer names, otherwise on the template's.
    """
    document = older or {}
    record = attrs.evolve(
        ParsedRecord.from_document(document),
        parsed_sha256=sha256(text),
        raw_sha256=None if answer is None else sha256(answer.text),
    )
    if document.get("success") is False:
        record = attrs.evolve(record, refused=str(document.get("error") or "its parser failed"))
        return record.as_document(), None
    if reader is None:
        return record.as_document(), None
    if not reader.needs_score:
        # Another parser's text is kept as it is, without a name that today's would contradict.
        parser = reader.parser if document.get(_PARSER) == reader.parser else None
        return attrs.evolve(record, parser=parser).as_document(), None
    return _with_score(record, text, answer, reader)


def _with_score(
    record: ParsedRecord, text: str, answer: RawAnswer | None, reader: ResponseReader
) -> tuple[JsonObject, str | None]:
    try:
        value = float(text)
    except ValueError:
        return record.as_document(), f"parsed.txt is not a number: {text.strip()!r:.40}"
    read: Score | None = None
    if answer is not None:
        with suppress(ResponseParseError):
            read = read_response(reader, answer).score
    scale = read or Score(0, reader.score_maximum, reader.score_minimum or None)
    score = attrs.evolve(scale, value=value)
    maximum = reader.score_maximum if score.maximum is None else score.maximum
    if not isfinite(value) or not (score.minimum or 0) <= value <= maximum:
        reason = f"score {text.strip()} is outside {score.minimum or 0:g} to {maximum:g}"
        return record.as_document(), f"{reason}; enter it by hand with its scale"
    record = attrs.evolve(
        record,
        score=score.value,
        score_maximum=score.maximum,
        score_minimum=score.minimum,
        settings=reader.settings,  # so that no run reads another score in its place
    )
    if read is not None and read.value == value:
        return attrs.evolve(record, parser=reader.parser).as_document(), None
    if answer is None:
        return record.as_document(), None
    now = "refuses the answer" if read is None else f"reads {read}"
    reason = f"its score {value:g} counts as it was; the parser {reader.parser} {now} today"
    return record.as_document(), reason
