"""The stages of a data root that names none: concepts, draft, essay, evaluation."""

from collections.abc import Mapping
from typing import Final

from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.domain.stages_document import make_pipeline
from daydreaming_dagster.types import JsonObject, Stage

SHIPPED_DOCUMENT: Final[JsonObject] = {
    "stages": {
        "draft": {"from": "concepts", "id_prefix": "d", "required": True},
        "essay": {
            "from": "draft",
            "variables": ["draft_block", "links_block"],
            "id_prefix": "e",
            "required": True,
        },
        "evaluation": {
            "from": "essay",
            "variables": ["response"],
            "parser": "in_last_line",
            "judges": "scores",
            "typical_answer_tokens": 800,
            "id_prefix": "v",
            "required": True,
        },
    }
}
"""The document that `1_raw/stages.yaml` would be; a copy of it there changes nothing."""

SHIPPED: Final[Pipeline] = make_pipeline(SHIPPED_DOCUMENT, "the shipped stages")
"""The pipeline of that document."""

STAGES: Final[tuple[Stage, ...]] = SHIPPED.names
"""The shipped stages in the order in which they run."""

PARENT_STAGE: Final[Mapping[Stage, Stage]] = {
    definition.name: definition.parents[0].stages[0]
    for definition in SHIPPED.stages
    if definition.parents
}
"""The stage of a generation's parent, by shipped stage. A draft has no parent."""
