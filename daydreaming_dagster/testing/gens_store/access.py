"""The methods of a store, called by name."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, cast

import pytest

from daydreaming_dagster.data_layer.paths import ARTIFACT_FILENAMES
from daydreaming_dagster.ports.errors import MissingArtifactError
from daydreaming_dagster.ports.gens_store import Artifact, Claims, GensStore, Templates, Versions
from daydreaming_dagster.types import STAGES, JsonObject, Stage


def _methods(port: type) -> dict[str, inspect.Signature]:
    functions = inspect.getmembers(port, inspect.isfunction)
    return {name: inspect.signature(f) for name, f in functions if not name.startswith("_")}


METHODS: Final[Mapping[str, inspect.Signature]] = {
    name: signature
    for port in (GensStore, Templates, Versions, Claims)
    for name, signature in _methods(port).items()
}
"""Every method that a store may have, from the ports themselves."""

_OF_ABILITIES: Final = METHODS.keys() - _methods(GensStore).keys()

READERS: Final = frozenset(
    {
        "close",
        "exists",
        "generation_versions",
        "list_generations",
        "locate",
        "read_main_metadata",
        "read_many",
        "read_parsed",
        "read_parsed_metadata",
        "read_prompt",
        "read_raw",
        "read_raw_metadata",
        "read_template",
    }
)
"""The methods that change nothing; decided by hand, and checked to be complete."""

WRITERS: Final = frozenset(
    {
        "claim",
        "delete_generation",
        "write_main_metadata",
        "write_parsed",
        "write_parsed_metadata",
        "write_prompt",
        "write_raw",
        "write_raw_metadata",
    }
)
"""The methods that a read-only store refuses."""

ARTIFACTS: Final[Sequence[Artifact]] = tuple(ARTIFACT_FILENAMES)
TEXTS: Final[Sequence[Artifact]] = tuple(
    a for a in ARTIFACTS if "text" in METHODS[f"write_{a}"].parameters
)
DOCUMENTS: Final[Sequence[Artifact]] = tuple(
    a for a in ARTIFACTS if "metadata" in METHODS[f"write_{a}"].parameters
)

SAMPLE_ARGUMENTS: Final[Mapping[str, object]] = {
    "stage": "draft",
    "gen_id": "sample",
    "template_id": "sample",
    "text": "sample text",
    "metadata": {"sample": "document"},
    "gen_ids": ("sample",),
    "artifacts": ("raw", "main_metadata"),
}
"""One good value for each parameter that a method of a store has."""


def methods_of(store: GensStore) -> AbstractSet[str]:
    """Return which of `METHODS` the store should have: all but those of abilities it lacks."""
    return {name for name in METHODS if name not in _OF_ABILITIES or hasattr(store, name)}


def skip_unless_able(store: GensStore, method: str) -> None:
    """Skip the test if the store lacks the ability that the method belongs to."""
    if method not in methods_of(store):
        pytest.skip(f"{type(store).__name__} has no {method}")


def call(store: GensStore, method: str, **arguments: object) -> object:
    """Call a method of a store by name, with sample arguments for what is not given."""
    parameters = [name for name in METHODS[method].parameters if name != "self"]
    chosen = {name: arguments.get(name, SAMPLE_ARGUMENTS[name]) for name in parameters}
    return cast("Callable[..., object]", getattr(store, method))(**chosen)


def sample(artifact: Artifact, mark: str) -> str | JsonObject:
    """Return a text or document for the artifact that no other artifact or mark shares."""
    text = f"{artifact} {mark}"
    return text if artifact in TEXTS else {"is": text}


def write(store: GensStore, stage: Stage, gen_id: str, artifact: Artifact, value: object) -> None:
    """Write the artifact, whichever it is."""
    call(store, f"write_{artifact}", stage=stage, gen_id=gen_id, text=value, metadata=value)


def read(store: GensStore, stage: Stage, gen_id: str, artifact: Artifact) -> object:
    """Read the artifact, whichever it is."""
    return call(store, f"read_{artifact}", stage=stage, gen_id=gen_id)


def contents(store: GensStore) -> dict[tuple[Stage, str], dict[Artifact, object]]:
    """Return everything that can be read from a store, except its templates."""
    return {
        (stage, gen_id): {
            artifact: read(store, stage, gen_id, artifact)
            for artifact in ARTIFACTS
            if _has(store, stage, gen_id, artifact)
        }
        for stage in STAGES
        for gen_id in store.list_generations(stage)
    }


def _has(store: GensStore, stage: Stage, gen_id: str, artifact: Artifact) -> bool:
    try:
        read(store, stage, gen_id, artifact)
    except MissingArtifactError:
        return False
    return True
