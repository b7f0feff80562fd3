"""All that is stored of a generation, read once."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import attrs

from daydreaming_dagster.ports.errors import DataLayerError, MissingArtifactError
from daydreaming_dagster.ports.gens_store import Artifact, GensStore
from daydreaming_dagster.types import JsonObject, Stage

_T = TypeVar("_T")


@attrs.frozen
class StoredGeneration:
    """The artifacts of a generation. None where one is not there.

    `unreadable` says of those that cannot be read why; these are None too.
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


def read_stored_generation(store: GensStore, stage: Stage, gen_id: str) -> StoredGeneration:
    """Return all that is stored of a generation, whatever is wrong with it.

    Raises:
        InvalidIdError: `stage` or `gen_id` is none.
    """
    unreadable: dict[Artifact, str] = {}

    def read(artifact: Artifact, reader: Callable[[Stage, str], _T]) -> _T | None:
        try:
            return reader(stage, gen_id)
        except MissingArtifactError:
            return None
        except DataLayerError as error:
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


def is_current(raw_metadata: JsonObject | None, parsed_metadata: JsonObject | None) -> bool:
    """Return whether a parsed text is of the present answer; one without metadata is."""
    if raw_metadata is None or parsed_metadata is None:
        return True
    return raw_metadata.get("raw_sha256") == parsed_metadata.get("raw_sha256")


def if_there(
    read: Callable[[Stage, str], JsonObject], stage: Stage, gen_id: str
) -> JsonObject | None:
    """Return a document, None where it is not there."""
    try:
        return read(stage, gen_id)
    except MissingArtifactError:
        return None


def has_text(read: Callable[[Stage, str], str], stage: Stage, gen_id: str) -> bool:
    """Return whether a text is there."""
    try:
        read(stage, gen_id)
    except MissingArtifactError:
        return False
    return True
