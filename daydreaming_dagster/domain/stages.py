"""What the stages are: one row a stage, from which everything else about stages follows."""

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
        name: Its name: of its folders, assets and partitions.
        parent: The stage that its generations' parents belong to; None if they have concepts.
        id_prefix: What its gen_ids begin with.
        variables: What its templates call the text of the parent, or the concepts.
        default_parser: The parser of templates that name none.
        typical_answer_tokens: How long an answer is taken to be if no `max_tokens` is set.
        judges: Whether it scores its parent, so that an answer is of no use without a score.
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
"""The stage that a generation's parent belongs to; a draft has no parent."""

FIRST_STAGE: Final[Stage] = next(row.name for row in _ROWS if row.parent is None)
"""The stage that is made of concepts."""

JUDGING_STAGE: Final[Stage] = next(row.name for row in _ROWS if row.judges)
"""The stage that scores."""

JUDGED_STAGE: Final[Stage] = PARENT_STAGE[JUDGING_STAGE]
"""The stage that is scored, and ranked."""


def _with_ancestors(stage: Stage) -> tuple[Stage, ...]:
    parent = PARENT_STAGE.get(stage)
    return (stage,) if parent is None else (*_with_ancestors(parent), stage)


JUDGED_LINEAGE: Final = _with_ancestors(JUDGING_STAGE)
"""The stages that a judgement goes back through, the first one first."""

if tuple(STAGE_DEFINITIONS) != STAGES:
    raise AssertionError(f"rows for {STAGES}, in this order, are due")
