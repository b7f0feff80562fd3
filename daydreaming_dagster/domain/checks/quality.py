"""The checks of generations at the end of a run."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, get_args

from daydreaming_dagster.domain.checks.integrity import Finding, IntegrityCheck
from daydreaming_dagster.domain.generation.state import GenerationState
from daydreaming_dagster.domain.generation.stored import StoredGeneration, read_stored_generation
from daydreaming_dagster.domain.stages import Pipeline, StageDefinition
from daydreaming_dagster.ports.gens_store import ARTIFACTS, GensStore, read_ahead
from daydreaming_dagster.types import Stage

Check = Literal[
    "parsed_present",
    "hashes_match",
    "parent_present",
    "not_truncated",
    "known_finish",
    "score_in_range",
]

CHECKS: Final[Mapping[Check, str]] = {
    "parsed_present": "Each generation has a text that was parsed from its present answer.",
    "hashes_match": "Each text is the one that the metadata beside it vouches for.",
    "parent_present": "Each generation's parents are in the store.",
    "not_truncated": "No answer was cut off; one that was is kept and fails to parse.",
    "known_finish": "Each answer ended with a finish reason whose meaning is known.",
    "score_in_range": "Each score lies on the scale of its judge.",
}
"""The description of each check, shown when it passes."""

_CHECK_OF: Final[Mapping[str, Check]] = {
    "no parent": "parent_present",
    "unknown finish": "known_finish",
}
"""Which check a finding of its kind fails; any other is of a text and its metadata."""

_IGNORED: Final = ("no digest", "cut prompt")
"""Texts from elsewhere have no digest, and a count of tokens proves nothing: `check` lists both."""


def checks_of(definition: StageDefinition) -> tuple[Check, ...]:
    """Return the checks that apply to a stage."""
    names: tuple[Check, ...] = get_args(Check)
    return tuple(
        name
        for name in names
        if (name != "score_in_range" or definition.scores)
        and (name != "parent_present" or definition.parents)
    )


def check_generations(
    store: GensStore, pipeline: Pipeline, stage: Stage, gen_ids: Sequence[str]
) -> dict[Check, list[Finding]]:
    """Return the findings of each check for these generations of a stage. Changes nothing."""
    found: dict[Check, list[Finding]] = {check: [] for check in CHECKS}
    definition = pipeline[stage]
    known = {
        parent: frozenset(store.list_generations(parent)) for parent in definition.parent_stages
    }
    integrity = IntegrityCheck(pipeline, known)
    for gen_id, view in read_ahead(store, stage, gen_ids, ARTIFACTS):
        stored = read_stored_generation(view, stage, gen_id)
        for finding in integrity.check(stored):
            if finding.kind not in _IGNORED:
                check: Check = _CHECK_OF.get(finding.kind, "hashes_match")
                found[check].append(finding)
        for check, message in _answer_problems(stored, definition):
            found[check].append(Finding(check, f"{stage}/{gen_id}", message))
    return found


def _answer_problems(
    stored: StoredGeneration, definition: StageDefinition
) -> Iterator[tuple[Check, str]]:
    answer = GenerationState(stored, definition.scores)
    if answer.state in ("not answered", "not parsed"):
        yield "parsed_present", "there is no parsed text of its present answer"
    if answer.state == "cut off":
        yield "not_truncated", "the answer was cut off; let the model write more tokens"
    score = answer.parsed_record.judged
    if score is not None and not 0 <= score.normalised <= 1:
        yield "score_in_range", f"the score {score} is outside its scale"
