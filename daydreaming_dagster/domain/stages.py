"""The stages: one row per stage, from which everything else about stages follows."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import attrs

from daydreaming_dagster.types import STAGES, Stage


class GenerationRef(NamedTuple):
    """Names a generation: equal to the pair `(stage, gen_id)`, shown as `stage/gen_id`."""

    stage: Stage
    gen_id: str

    def __str__(self) -> str:
        return f"{self.stage}/{self.gen_id}"


@attrs.frozen
class StageDefinition:
    """A stage.

    Attributes:
        name: The name, also of its folders, assets and partitions.
        parent: The stage of its generations' parents; None if they are made from concepts.
        id_prefix: The first letter of its gen_ids.
        variables: The template variables for the parent's text, or for the concepts.
        default_parser: The parser of templates that name none.
        typical_answer_tokens: The expected length of an answer without `max_tokens`.
        judges: Whether it scores its parent; then an answer needs a score.
    """

    name: Stage
    parent: Stage | None
    id_prefix: str
    variables: tuple[str, ...]
    default_parser: str = "identity"
    typical_answer_tokens: int = 1500
    judges: bool = False

    @property
    def axes(self) -> tuple[str, str]:
        """The axes of a cohort that say which templates and models it uses."""
        return f"{self.name}_template", f"{self.name}_llm"


_ROWS: Final = (
    StageDefinition("draft", None, "d", ("concepts",)),
    StageDefinition("essay", "draft", "e", ("draft_block", "links_block")),
    StageDefinition(
        "evaluation",
        "essay",
        "v",
        ("response",),
        default_parser="in_last_line",
        typical_answer_tokens=800,
        judges=True,
    ),
)

STAGE_DEFINITIONS: Final[Mapping[Stage, StageDefinition]] = {row.name: row for row in _ROWS}
"""The definition of each stage, in the order of `STAGES`."""

PARENT_STAGE: Final[Mapping[Stage, Stage]] = {
    row.name: row.parent for row in _ROWS if row.parent is not None
}
"""The stage of a generation's parent, by stage. A draft has no parent."""

FIRST_STAGE: Final[Stage] = next(row.name for row in _ROWS if row.parent is None)
"""The stage that is made from concepts."""

JUDGING_STAGE: Final[Stage] = next(row.name for row in _ROWS if row.judges)
"""The stage that scores."""

JUDGED_STAGE: Final[Stage] = PARENT_STAGE[JUDGING_STAGE]
"""The stage that is scored, and ranked."""


def _with_ancestors(stage: Stage) -> tuple[Stage, ...]:
    parent = PARENT_STAGE.get(stage)
    return (stage,) if parent is None else (*_with_ancestors(parent), stage)


JUDGED_LINEAGE: Final = _with_ancestors(JUDGING_STAGE)
"""The stages from the first one to the judging one, in order."""

if tuple(STAGE_DEFINITIONS) != STAGES:
    raise AssertionError(f"there must be one row for each of {STAGES}, in this order")
