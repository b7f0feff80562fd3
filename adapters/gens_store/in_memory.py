"""Generations in a dict, for fast tests."""

from collections.abc import Iterator, Mapping
from itertools import count
from uuid import uuid4

import attrs

from adapters.gens_store.encoded import EncodedGensStore
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.ports.gens_store import Artifact
from daydreaming_dagster.ports.ids import check_id, check_stage
from daydreaming_dagster.types import Stage

_PATHS = Paths.from_str("memory:")


def _check_ids(
    _store: object, _attribute: object, templates: Mapping[tuple[Stage, str], str]
) -> None:
    for stage, template_id in templates:
        check_stage(stage)
        check_id("template_id", template_id)


def _versions() -> Iterator[str]:
    """Return an iterator of versions that no other store has. Any thread may use it."""
    return map(f"{uuid4().hex}-{{}}".format, count())


@attrs.frozen(eq=False)
class InMemoryGensStore(EncodedGensStore):
    """A `GensStore` that keeps in memory the same bytes as the store on disk.

    `templates` maps `(stage, template_id)` to the template's source.
    """

    templates: Mapping[tuple[Stage, str], str] = attrs.field(
        factory=dict, repr=False, validator=_check_ids
    )
    _generations: dict[tuple[Stage, str], dict[Artifact, bytes]] = attrs.field(
        factory=dict, init=False, repr=False
    )
    _version_of: dict[tuple[Stage, str], str] = attrs.field(factory=dict, init=False, repr=False)
    _new_versions: Iterator[str] = attrs.field(factory=_versions, init=False, repr=False)
    _claims: dict[tuple[Stage, str], "_Claim"] = attrs.field(factory=dict, init=False, repr=False)

    def _exists(self, stage: Stage, gen_id: str) -> bool:
        return (stage, gen_id) in self._generations

    def _list(self, stage: Stage) -> list[str]:
        # list() copies the keys in one step, so other threads may write meanwhile.
        return [gen_id for of_stage, gen_id in list(self._generations) if of_stage == stage]

    def _versions(self, stage: Stage) -> dict[str, str]:
        versions = list(self._version_of.items())
        return {gen_id: version for (of_stage, gen_id), version in versions if of_stage == stage}

    def _delete(self, stage: Stage, gen_id: str) -> None:
        self._generations.pop((stage, gen_id), None)
        self._version_of.pop((stage, gen_id), None)

    def _claim(self, stage: Stage, gen_id: str) -> "_Claim | None":
        claim = _Claim(self._claims, (stage, gen_id))
        # setdefault is one step: of two threads, only one gets its own claim back.
        return claim if self._claims.setdefault((stage, gen_id), claim) is claim else None

    def _store(self, stage: Stage, gen_id: str, artifact: Artifact, data: bytes) -> None:
        self._generations.setdefault((stage, gen_id), {})[artifact] = data
        # After the change, so a version that was looked up before it is no longer current.
        self._version_of[stage, gen_id] = next(self._new_versions)

    def _load(self, stage: Stage, gen_id: str, artifact: Artifact) -> bytes | None:
        return self._generations.get((stage, gen_id), {}).get(artifact)

    def _load_template(self, stage: Stage, template_id: str) -> bytes | None:
        source = self.templates.get((stage, template_id))
        # A lone surrogate becomes invalid UTF-8, as in a malformed file.
        return None if source is None else source.encode(errors="surrogatepass")

    def _location(self, stage: Stage, gen_id: str, artifact: Artifact | None = None) -> str:
        return _PATHS.artifact_path(stage, gen_id, artifact).as_posix()

    def _template_location(self, stage: Stage, template_id: str) -> str:
        return _PATHS.template_file(stage, template_id).as_posix()


@attrs.frozen(eq=False)
class _Claim:
    _claims: "dict[tuple[Stage, str], _Claim]"
    _key: tuple[Stage, str]

    def held(self) -> bool:
        return True

    def release(self) -> None:
        del self._claims[self._key]
