"""The stored artifacts of a generation."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TypeVar

import attrs

from daydreaming_dagster.ports.errors import ArtifactError, MissingArtifactError
from daydreaming_dagster.ports.gens_store import Artifact, GensStore
from daydreaming_dagster.types import JsonObject, Stage

_T = TypeVar("_T")


def if_there(read: Callable[[Stage, str], _T], stage: Stage, gen_id: str) -> _T | None:
    """Return an artifact, or None if it is missing."""
    try:
        return read(stage, gen_id)
    except MissingArtifactError:
        return None


@attrs.frozen
class StoredGeneration:
    """The artifacts of a generation, all read at once. A missing one is None.

    `unreadable` gives the reason for each artifact that cannot be read; it is None too.
    """

    stage: Stage
    gen_id: str
    prompt: str | None
    raw: str | None
    parsed: str | None
    main_metadata: JsonObject | None
    raw_metadata: JsonObject | None
    parsed_metadata: JsonObject | None
    unreadable: Mapping[Artifact, str]


@attrs.frozen
class LazyGeneration:
    """The artifacts of a generation, each read at its first use. A missing one is None.

    Each raises a `DataLayerError` if it cannot be read.
    """

    store: GensStore
    stage: Stage
    gen_id: str

    @cached_property
    def prompt(self) -> str | None:
        """The prompt."""
        return if_there(self.store.read_prompt, self.stage, self.gen_id)

    @cached_property
    def raw(self) -> str | None:
        """The answer as it came."""
        return if_there(self.store.read_raw, self.stage, self.gen_id)

    @cached_property
    def parsed(self) -> str | None:
        """What was read in the answer."""
        return if_there(self.store.read_parsed, self.stage, self.gen_id)

    @cached_property
    def raw_metadata(self) -> JsonObject | None:
        """The document beside the answer."""
        return if_there(self.store.read_raw_metadata, self.stage, self.gen_id)

    @cached_property
    def parsed_metadata(self) -> JsonObject | None:
        """The document beside what was read."""
        return if_there(self.store.read_parsed_metadata, self.stage, self.gen_id)


def read_stored_generation(store: GensStore, stage: Stage, gen_id: str) -> StoredGeneration:
    """Return all stored artifacts of a generation, even if some are unreadable.

    Raises:
        InvalidIdError: `stage` or `gen_id` is invalid.
    """
    unreadable: dict[Artifact, str] = {}

    def read(artifact: Artifact, reader: Callable[[Stage, str], _T]) -> _T | None:
        try:
            return if_there(reader, stage, gen_id)
        except ArtifactError as error:
            unreadable[artifact] = str(error)
            return None

    return StoredGeneration(
        stage,
        gen_id,
        prompt=read("prompt", store.read_prompt),
        raw=read("raw", store.read_raw),
        parsed=read("parsed", store.read_parsed),
        main_metadata=read("main_metadata", store.read_main_metadata),
        raw_metadata=read("raw_metadata", store.read_raw_metadata),
        parsed_metadata=read("parsed_metadata", store.read_parsed_metadata),
        unreadable=unreadable,
    )
