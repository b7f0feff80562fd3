"""What is checked of generations when a run ends."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, get_args

from daydreaming_dagster.data_layer.errors import DataLayerError
from daydreaming_dagster.data_layer.gens_store import GensStore
from daydreaming_dagster.domain.generation import read_score
from daydreaming_dagster.domain.integrity import Finding, IntegrityCheck
from daydreaming_dagster.domain.results import stage_status
from daydreaming_dagster.types import PARENT_STAGE, Stage

Check = Literal[
    "parsed_present", "hashes_match", "parent_present", "not_truncated", "score_in_range"
]

CHECKS: Final[Mapping[Check, str]] = {
    "parsed_present": "Each generation has a text that was parsed from its present answer.",
    "hashes_match": "Each text is the one that the metadata beside it vouches for.",
    "parent_present": "Each generation's parent is in the store.",
    "not_truncated": "No answer was cut off; one that was is kept and fails to parse.",
    "score_in_range": "Each score lies between 0 and the best that its judge can give.",
}
"""What each check says where it passes."""

_IGNORED: Final = ("no digest",)
"""Texts from elsewhere are not vouched for, which is no fault of a run."""


def checks_of(stage: Stage) -> tuple[Check, ...]:
    """Return the checks that apply to a stage."""
    names: tuple[Check, ...] = get_args(Check)
    return tuple(
        name
        for name in names
        if (name != "score_in_range" or stage == "evaluation")
        and (name != "parent_present" or stage in PARENT_STAGE)
    )


def check_generations(
    store: GensStore, stage: Stage, gen_ids: Sequence[str]
) -> dict[Check, list[Finding]]:
    """Return what each check found wrong with these generations of a stage. Changes nothing."""
    found: dict[Check, list[Finding]] = {check: [] for check in CHECKS}
    for gen_id in stage_status(store, stage, gen_ids).todo:
        message = "there is no parsed text of its present answer"
        found["parsed_present"].append(Finding("not parsed", f"{stage}/{gen_id}", message))
    parent = PARENT_STAGE.get(stage)
    integrity = IntegrityCheck(
        store, {} if parent is None else {parent: frozenset(store.list_generations(parent))}
    )
    for gen_id in gen_ids:
        for finding in integrity.check(stage, gen_id):
            if finding.kind not in _IGNORED:
                of_parent = finding.kind == "no parent"
                found["parent_present" if of_parent else "hashes_match"].append(finding)
        for check, message in _answer_problems(store, stage, gen_id):
            found[check].append(Finding(check, f"{stage}/{gen_id}", message))
    return found


def _answer_problems(store: GensStore, stage: Stage, gen_id: str) -> Iterator[tuple[Check, str]]:
    try:
        raw = store.read_raw_metadata(stage, gen_id)
        if raw.get("truncated") is True:
            yield "not_truncated", "the answer was cut off; let the model write more tokens"
        parsed = store.read_parsed_metadata(stage, gen_id)
    except DataLayerError:
        return  # `parsed_present` and `hashes_match` say so
    score = read_score(parsed)
    if score is not None and not 0 <= score.normalised <= 1:
        yield "score_in_range", f"the score {score} is none of its scale"
