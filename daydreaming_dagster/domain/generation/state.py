"""How far a generation is: the one definition, for all that shows it or acts on it."""

from functools import cached_property
from typing import Final, Literal

import attrs

from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.generation.records import ParsedRecord, RawRecord
from daydreaming_dagster.domain.generation.stored import LazyGeneration, StoredGeneration
from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.domain.stages import StageDefinition
from daydreaming_dagster.ports.errors import MalformedArtifactError, UnsafePathError
from daydreaming_dagster.ports.gens_store import Artifact, GensStore

State = Literal["scored", "done", "not parsed", "cut off", "not answered"]
"""How far a generation is. One that is complete is `scored` at a stage that judges, else `done`."""

COMPLETE: Final[frozenset[State]] = frozenset({"scored", "done"})

FAILED: Final[frozenset[State]] = frozenset({"not parsed", "cut off"})
"""What was answered, and cannot be used."""

STATE_ARTIFACTS: Final[tuple[Artifact, ...]] = ("raw_metadata", "raw", "parsed_metadata", "parsed")
"""The artifacts that the state of a generation depends on."""


@attrs.frozen
class RawAnswer:
    """A raw text and its record. `reused` says that it was there and nothing was asked."""

    text: str
    record: RawRecord
    reused: bool


@attrs.frozen
class GenerationState:
    """What a generation's artifacts say of each other. Reads no more of them than is needed.

    `needs_score` says that its stage scores.

    Only what is recorded can contradict. A text without a record, or a record without a digest,
    comes from elsewhere or from an older data root: it counts, so that nobody pays for it again.
    """

    artifacts: StoredGeneration | LazyGeneration
    needs_score: bool

    @cached_property
    def raw_record(self) -> RawRecord:
        """The record of the answer."""
        return RawRecord.from_document(self.artifacts.raw_metadata or {})

    @property
    def recorded_digest(self) -> str | None:
        """The digest in the record of the answer, None without a record that can be read."""
        try:
            return self.raw_record.raw_sha256
        except MalformedArtifactError:
            return None

    @cached_property
    def parsed_record(self) -> ParsedRecord:
        """The record of the parsed text."""
        return ParsedRecord.from_document(self.artifacts.parsed_metadata or {})

    @cached_property
    def answer(self) -> RawAnswer | None:
        """The answer, None if there is none, or if its record vouches for another text.

        A crash between the two writes leaves such a record.
        """
        text = self.artifacts.raw
        if text is None or self.raw_record.raw_sha256 not in (None, sha256(text)):
            return None
        return RawAnswer(text, self.raw_record, reused=True)

    @cached_property
    def question(self) -> RawRecord:
        """The record of the answer; the stored prompt stands in for a digest that it lacks."""
        prompt = self.artifacts.prompt if self.raw_record.prompt_sha256 is None else None
        if prompt is None:
            return self.raw_record
        return attrs.evolve(self.raw_record, prompt_sha256=sha256(prompt))

    @cached_property
    def state(self) -> State:
        """How far the generation is.

        A parsed text counts if its record names neither another text nor another answer than the
        present one, and at a stage that judges, if it has a score. An answer that was cut off, or
        that gives no text that may be used, is never complete.
        """
        if self._parsed_is_present() and self.raw_record.is_usable:
            if not self.needs_score:
                return "done"
            if self.parsed_record.judged is not None:
                return "scored"
        if self.answer is None:
            return "not answered"
        return "cut off" if self.raw_record.cut_off else "not parsed"

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to be made."""
        return self.state in COMPLETE

    @property
    def needs_answer(self) -> bool:
        """Whether a model has to be asked."""
        return self.answer is None and not self.is_complete

    @property
    def score(self) -> Score | None:
        """The score of the present answer; None at a stage that does not judge."""
        return self.parsed_record.judged if self.state == "scored" else None

    @property
    def scored_by_hand(self) -> bool:
        """Whether a person entered the score."""
        return self.score is not None and self.parsed_record.by_hand

    def _parsed_is_present(self) -> bool:
        text = self.artifacts.parsed
        if text is None:
            return False
        record = self.parsed_record
        if record.refused is not None:
            return False
        # A kill between the two writes leaves the record of a new text beside the old one.
        if record.parsed_sha256 not in (None, sha256(text)):
            return False
        of_answer = record.raw_sha256
        return of_answer is None or self._answer_sha256() in (None, of_answer)

    def _answer_sha256(self) -> str | None:
        if self.raw_record.raw_sha256 is not None:
            return self.raw_record.raw_sha256
        text = self.artifacts.raw
        return None if text is None else sha256(text)


def read_state(store: GensStore, definition: StageDefinition, gen_id: str) -> GenerationState:
    """Return the state of a generation of a stage. It reads artifacts when it is asked for them."""
    return GenerationState(LazyGeneration(store, definition.name, gen_id), definition.scores)


def readable_state(stored: GenerationState) -> State:
    """Return how far a generation is; one that cannot be read is `not parsed`."""
    try:
        return stored.state
    except (MalformedArtifactError, UnsafePathError):
        return "not parsed"
