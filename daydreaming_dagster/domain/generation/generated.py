"""The outcome of a generation and of a run."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Literal, get_args

import attrs

from daydreaming_dagster.domain.generation.answers import read_answer, read_parsed
from daydreaming_dagster.domain.generation.metadata import (
    GenerationMetadata,
    resolve_generation_metadata,
)
from daydreaming_dagster.domain.generation.state import RawAnswer
from daydreaming_dagster.domain.generation.stored import if_there
from daydreaming_dagster.domain.parsing.response import ParsedResponse
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.errors import ArtifactError, MissingArtifactError
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.ports.language_model import ModelKey
from daydreaming_dagster.types import Stage

Step = Literal["prompt", "raw", "parsed"]
STEPS: Final[tuple[Step, ...]] = get_args(Step)
"""The steps of every generation in their order."""


@attrs.define
class Generated:
    """The outcome of a generation: the result of each step, and the error that ended it early.

    `asked` says that the call or copy was attempted, whatever the outcome. `metadata` says how the
    generation is made, None if unreadable. `model` is its provider and model, None for a copy.
    """

    stage: Stage
    gen_id: str
    metadata: GenerationMetadata | None = None
    prompt: str | None = None
    raw: RawAnswer | None = None
    parsed: ParsedResponse | None = None
    error: DaydreamingError | OSError | None = None
    asked: bool = False
    model: ModelKey | None = None

    @property
    def ref(self) -> GenerationRef:
        """Which generation it is."""
        return GenerationRef(self.stage, self.gen_id)


@attrs.frozen
class Outcome:
    """The outcome of a run.

    Attributes:
        made: How many generations were made.
        failed: Which failed.
        left: How many were not started, or not asked because their model was set aside.
        set_aside: Why models were set aside, a sentence for each.
    """

    made: int
    failed: Sequence[Generated]
    left: int
    set_aside: Sequence[str] = ()


def read_generated(store: GensStore, stage: Stage, gen_id: str) -> Generated:
    """Return a stored generation with the artifacts that exist."""
    stored = Generated(stage, gen_id)
    with suppress(ArtifactError):
        stored.metadata = resolve_generation_metadata(store, stage, gen_id)
    stored.prompt = if_there(store.read_prompt, stage, gen_id)
    with suppress(MissingArtifactError):
        stored.raw = read_answer(store, stage, gen_id)
    with suppress(MissingArtifactError):
        stored.parsed = read_parsed(store, stage, gen_id)
    return stored
