"""A read-only view of another store."""

from collections.abc import Mapping, Sequence
from typing import Self

import attrs

from daydreaming_dagster.ports.errors import ReadOnlyStoreError
from daydreaming_dagster.ports.gens_store import (
    Artifact,
    Claim,
    GensStoreWithTemplates,
    versions_of,
)
from daydreaming_dagster.ports.ids import check_id, check_stage
from daydreaming_dagster.types import JsonObject, JsonValue, Stage


@attrs.frozen
class ReadOnlyGensStore:
    """A `GensStore` that reads from `inner` and refuses every write.

    Later changes of `inner` are visible.
    """

    _inner: GensStoreWithTemplates

    def locate(self, stage: Stage, gen_id: str) -> str:
        return self._inner.locate(stage, gen_id)

    def exists(self, stage: Stage, gen_id: str) -> bool:
        return self._inner.exists(stage, gen_id)

    def list_generations(self, stage: Stage) -> Sequence[str]:
        return self._inner.list_generations(stage)

    def generation_versions(self, stage: Stage) -> Mapping[str, str]:
        return versions_of(self._inner, stage)

    def delete_generation(self, stage: Stage, gen_id: str) -> None:
        raise _refusal("delete_generation", stage, gen_id)

    def claim(self, stage: Stage, gen_id: str) -> Claim | None:
        raise _refusal("claim", stage, gen_id)

    def read_many(
        self, stage: Stage, gen_ids: Sequence[str], artifacts: Sequence[Artifact]
    ) -> Self:
        return attrs.evolve(self, inner=self._inner.read_many(stage, gen_ids, artifacts))

    def close(self) -> None:
        self._inner.close()

    def write_prompt(self, stage: Stage, gen_id: str, text: str) -> None:
        raise _refusal("write_prompt", stage, gen_id)

    def write_raw(self, stage: Stage, gen_id: str, text: str) -> None:
        raise _refusal("write_raw", stage, gen_id)

    def write_parsed(self, stage: Stage, gen_id: str, text: str) -> None:
        raise _refusal("write_parsed", stage, gen_id)

    def write_main_metadata(
        self, stage: Stage, gen_id: str, metadata: Mapping[str, JsonValue]
    ) -> None:
        raise _refusal("write_main_metadata", stage, gen_id)

    def write_raw_metadata(
        self, stage: Stage, gen_id: str, metadata: Mapping[str, JsonValue]
    ) -> None:
        raise _refusal("write_raw_metadata", stage, gen_id)

    def write_parsed_metadata(
        self, stage: Stage, gen_id: str, metadata: Mapping[str, JsonValue]
    ) -> None:
        raise _refusal("write_parsed_metadata", stage, gen_id)

    def read_prompt(self, stage: Stage, gen_id: str) -> str:
        return self._inner.read_prompt(stage, gen_id)

    def read_raw(self, stage: Stage, gen_id: str) -> str:
        return self._inner.read_raw(stage, gen_id)

    def read_parsed(self, stage: Stage, gen_id: str) -> str:
        return self._inner.read_parsed(stage, gen_id)

    def read_main_metadata(self, stage: Stage, gen_id: str) -> JsonObject:
        return self._inner.read_main_metadata(stage, gen_id)

    def read_raw_metadata(self, stage: Stage, gen_id: str) -> JsonObject:
        return self._inner.read_raw_metadata(stage, gen_id)

    def read_parsed_metadata(self, stage: Stage, gen_id: str) -> JsonObject:
        return self._inner.read_parsed_metadata(stage, gen_id)

    def read_template(self, stage: Stage, template_id: str) -> str:
        return self._inner.read_template(stage, template_id)


def _refusal(operation: str, stage: Stage, gen_id: str) -> ReadOnlyStoreError:
    """Return the error to raise. A bad id is reported first, as everywhere in the port."""
    return ReadOnlyStoreError(operation, check_stage(stage), check_id("gen_id", gen_id))
