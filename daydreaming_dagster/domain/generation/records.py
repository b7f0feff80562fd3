"""The documents beside a generation's texts as typed records: each key is written here, once."""

from typing import Any, Final, Self

import attrs

from daydreaming_dagster.domain.documents import (
    NOT_IN_DOCUMENT,
    Amount,
    Count,
    structure_valid,
)
from daydreaming_dagster.domain.generation.finish import (
    meaning_of,
    was_cut_off,
    why_unreadable,
)
from daydreaming_dagster.domain.parsing.response import DEFAULT_MAXIMUM, Score
from daydreaming_dagster.ports.language_model import Completion
from daydreaming_dagster.types import JsonObject, JsonValue


@attrs.frozen(kw_only=True)
class Record:
    """A JSON document. A field is None if the document lacks it, or has it with a wrong type.

    Fields are named like the keys, in the order in which a new document has them.

    Attributes:
        document: What the record was read from, with unknown keys and wrong values.
        malformed: The keys whose values have a wrong type.
    """

    document: JsonObject = attrs.field(
        factory=dict, eq=False, repr=False, metadata={NOT_IN_DOCUMENT: True}
    )
    malformed: frozenset[str] = attrs.field(
        default=frozenset(), eq=False, repr=False, metadata={NOT_IN_DOCUMENT: True}
    )

    @classmethod
    def from_document(cls, document: JsonObject) -> Self:
        """Return the record that a document describes, whatever is wrong with the document."""
        record, problems = structure_valid(document, cls)
        if problems:
            malformed = frozenset(str(problem.path[0]) for problem in problems)
            # A list that lost an item would say something else.
            lists: dict[str, Any] = {
                key: None for key in malformed if isinstance(getattr(record, key, None), list)
            }
            record = attrs.evolve(record, malformed=malformed, **lists)
        object.__setattr__(record, "document", document)  # half the time of another record
        return record

    def as_document(self) -> JsonObject:
        """Return the record as JSON: what it was read from, with what was changed since.

        The key of a field that was changed to None is left out.
        """
        kind = type(self)
        before = kind.from_document(self.document) if self.document else kind()
        changed = {
            field.name: _as_json(value)
            for field in attrs.fields(kind)
            if not field.metadata.get(NOT_IN_DOCUMENT)
            and (value := getattr(self, field.name)) != getattr(before, field.name)
        }
        document = {**self.document, **changed}
        return {key: value for key, value in document.items() if changed.get(key, key) is not None}


def _as_json(value: Any) -> JsonValue:
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    document: JsonValue = attrs.asdict(value) if attrs.has(type(value)) else value
    return document


@attrs.frozen
class ParentRecord:
    """A parent: the name of its role in the stage's definition, its stage and its gen_id."""

    role: str = ""
    stage: str = ""
    gen_id: str = ""


@attrs.frozen(kw_only=True)
class MainRecord(Record):
    """How a generation is made, as planning writes it (`metadata.json`).

    `parent_gen_id` names an only parent; documents of older versions have no `parents`.
    `origin_cohort_id` is what older data roots call the cohort, `imported` what another tool said
    that gave a score, `canary_of` the gen_id that a canary was made of. What the version and the
    parameters have to be is said where they are used.
    """

    format_version: Any = None
    gen_id: str | None = None
    cohort_id: str | None = None
    stage: str | None = None
    mode: str | None = None
    template_id: str | None = None
    llm_model_id: str | None = None
    parameters: Any = None
    replicate: Count | None = None
    parent_gen_id: str | None = None
    parents: list[ParentRecord] | None = None
    combo_id: str | None = None
    concept_ids: list[str] | None = None
    description_level: str | None = None
    origin_cohort_id: str | None = None
    imported: JsonObject | None = None
    canary_of: str | None = None


@attrs.frozen
class Usage:
    """What an endpoint counted, and what it billed in USD. None is what it does not say.

    Cached tokens are among those of the prompt, reasoning tokens among those of the answer.
    """

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    cached_tokens: Count | None = None
    reasoning_tokens: Count | None = None
    cost: Amount | None = None

    @classmethod
    def of(cls, completion: Completion) -> Self:
        """Return the usage that came with an answer."""
        return cls(
            completion.prompt_tokens,
            completion.completion_tokens,
            completion.cached_tokens,
            completion.reasoning_tokens,
            completion.cost,
        )


@attrs.frozen(kw_only=True)
class RawRecord(Record):
    """What was asked and how the answer came (`raw_metadata.json`).

    The first five keys are the question. `response` is all that the endpoint sent, and `headers`
    some of those with it; older versions kept only unreadable responses. `replaced` are the answers
    before this one, each its own record with its text.
    """

    mode: str | None = None
    model: str | None = None
    provider: str | None = None
    parameters: JsonObject | None = None
    prompt_sha256: str | None = None
    template_sha256: str | None = None
    answered_by: str | None = None
    response_id: str | None = None
    system_fingerprint: str | None = None
    batch_id: str | None = None
    finish_reason: str | None = None
    truncated: bool | None = None
    usage: Usage | None = None
    duration_seconds: Amount | None = None
    failed_attempts: list[str] | None = None
    raw_sha256: str | None = None
    reasoning: str | None = None
    unreadable: str | None = None
    headers: JsonObject | None = None
    response: str | None = None
    replaced: Any = None

    @property
    def cut_off(self) -> bool:
        """Whether the model would have gone on."""
        return was_cut_off(self.finish_reason, truncated=self.truncated)

    @property
    def unusable(self) -> str | None:
        """Why no text may be read in the answer, None if one may: a cut-off one says it itself."""
        return None if self.cut_off else why_unreadable(self.finish_reason, self.unreadable)

    @property
    def is_usable(self) -> bool:
        """Whether the answer is whole and gives a text that may be used."""
        return not self.cut_off and self.unusable is None

    @property
    def unknown_finish(self) -> str | None:
        """The finish reason if its meaning is unknown: the answer counts as whole, and is shown."""
        known = meaning_of(self.finish_reason or "") != "unknown"
        return None if known else self.finish_reason


def without_responses(document: JsonObject) -> JsonObject:
    """Return raw metadata for people to read: of each response that was read, its size."""
    shown = dict(document)
    response, replaced = document.get(_RESPONSE), document.get(_REPLACED)
    if isinstance(response, str) and not document.get(_UNREADABLE):
        shown[_RESPONSE] = f"({len(response):,} characters, in raw_metadata.json)"
    if isinstance(replaced, list):
        shown[_REPLACED] = [
            without_responses(answer) if isinstance(answer, dict) else answer for answer in replaced
        ]
    return shown


_RESPONSE: Final = attrs.fields(RawRecord).response.name
_REPLACED: Final = attrs.fields(RawRecord).replaced.name
_UNREADABLE: Final = attrs.fields(RawRecord).unreadable.name


@attrs.frozen(kw_only=True)
class ReplacedAnswer(RawRecord):
    """An answer that another one replaced: its record, with its text."""

    text: str | None = None


BY_HAND: Final = "hand"
"""What `ParsedRecord.scored_by` says of a score that a person entered."""


@attrs.frozen(kw_only=True)
class ParsedRecord(Record):
    """What was read in which answer (`parsed_metadata.json`).

    `settings` are those of the reader (`ResponseReader.settings`). `refused` says why a text that
    was read before no longer counts: the reader refuses the answer now. A score that a person
    entered has no parser and no settings; `note` is what the person says of it.
    """

    parser: str | None = None
    raw_sha256: str | None = None
    parsed_sha256: str | None = None
    score: float | None = None
    score_maximum: float | None = None
    score_minimum: float | None = None
    settings: JsonObject | None = None
    refused: str | None = None
    scored_by: str | None = None
    note: str | None = None

    @property
    def by_hand(self) -> bool:
        """Whether a person entered the score."""
        return self.scored_by == BY_HAND and self.judged is not None

    @property
    def judged(self) -> Score | None:
        """The score on its scale; None if there is none, or if its scale is malformed.

        Older data roots did not record the maximum where it was the usual one.
        """
        maximum = DEFAULT_MAXIMUM if self.score_maximum is None else self.score_maximum
        scale_is_malformed = not self.malformed.isdisjoint(("score_maximum", "score_minimum"))
        if self.score is None or scale_is_malformed or maximum <= (self.score_minimum or 0):
            return None
        return Score(self.score, maximum, self.score_minimum)
