"""Generations as objects in a bucket, named as the files of a data root are."""

from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, Self

import attrs

from adapters.gens_store.encoded import EncodedGensStore
from adapters.object_store.bucket import AT_ONCE, Bucket
from adapters.object_store.claims import BucketClaim, BucketClaims
from adapters.root_files.layout import LAYOUT
from daydreaming_dagster.data_layer.paths import ARTIFACT_FILENAMES, GENS_DIRNAME
from daydreaming_dagster.ports.gens_store import Artifact
from daydreaming_dagster.ports.ids import is_id
from daydreaming_dagster.types import Stage

_FILENAMES: Final = frozenset(ARTIFACT_FILENAMES.values())
_DELETED_IN_TURN: Final[Sequence[frozenset[Artifact]]] = (
    frozenset(["prompt", "raw", "parsed"]),
    frozenset(["raw_metadata", "parsed_metadata"]),
    frozenset(["main_metadata"]),
)


@attrs.frozen(eq=False)
class ObjectGensStore(EncodedGensStore):
    """A `GensStore` in a bucket, laid out as `Paths` says, so that any browser shows its texts.

    A write replaces one object in one step. Whoever reads next finds it: S3, Google Cloud Storage
    and Azure are strongly consistent. Every failure of the network raises
    `StorageUnreachableError`, also while reading.

    The version of a generation is a digest of the entity tags and times of change of its objects.
    A tag may come back with the same content, which is why the time is part of it.
    """

    bucket: Bucket
    claims: BucketClaims = attrs.field(
        default=attrs.Factory(lambda store: BucketClaims(store.bucket), takes_self=True)
    )
    # What a view has read: the contents by name, None for what does not exist.
    _ahead_of: dict[str, bytes | None] | None = attrs.field(default=None, repr=False)

    def threads(self) -> int:
        return AT_ONCE

    def close(self) -> None:
        self.claims.close()

    def _exists(self, stage: Stage, gen_id: str) -> bool:
        return bool(self._names(stage, gen_id))

    def _list(self, stage: Stage) -> list[str]:
        return list(filter(is_id, self.bucket.list_folders(f"{GENS_DIRNAME}/{stage}")))

    def _versions(self, stage: Stage) -> dict[str, str]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for meta in self.bucket.list(f"{GENS_DIRNAME}/{stage}"):
            gen_id, _, filename = meta["path"].rpartition("/")
            if filename in _FILENAMES:
                changed = f"{filename} {meta['e_tag']} {meta['last_modified'].timestamp()}"
                found[gen_id.rpartition("/")[2]].append(changed)
        return {
            gen_id: sha256("\n".join(sorted(changes)).encode()).hexdigest()[:32]
            for gen_id, changes in found.items()
            if is_id(gen_id)
        }

    def _delete(self, stage: Stage, gen_id: str) -> None:
        names = self._names(stage, gen_id)
        for artifacts in _DELETED_IN_TURN:
            of_turn = {self._name(stage, gen_id, artifact) for artifact in artifacts}
            self.bucket.delete(sorted(names & of_turn))

    def _store(self, stage: Stage, gen_id: str, artifact: Artifact, data: bytes) -> None:
        self.bucket.write(self._name(stage, gen_id, artifact), data)

    def _load(self, stage: Stage, gen_id: str, artifact: Artifact) -> bytes | None:
        return self._read(self._name(stage, gen_id, artifact))

    def _load_template(self, stage: Stage, template_id: str) -> bytes | None:
        name = LAYOUT.template_file(stage, template_id).as_posix()
        data = self._read(name)
        if self._ahead_of is not None:  # a view reads a template once
            self._ahead_of[name] = data
        return data

    def _ahead(self, stage: Stage, gen_ids: Sequence[str], artifacts: Sequence[Artifact]) -> Self:
        known = self._ahead_of or {}
        names = [
            self._name(stage, gen_id, artifact) for gen_id in gen_ids for artifact in artifacts
        ]
        new = [name for name in dict.fromkeys(names) if name not in known]
        read = dict(zip(new, self.bucket.read_many(new), strict=True))
        return attrs.evolve(self, ahead_of={**known, **read})

    def _claim(self, stage: Stage, gen_id: str) -> BucketClaim | None:
        return self.claims.claim(LAYOUT.generation_dir(stage, gen_id).as_posix())

    def _location(self, stage: Stage, gen_id: str, artifact: Artifact | None = None) -> str:
        return self.bucket.locate(LAYOUT.artifact_path(stage, gen_id, artifact).as_posix())

    def _template_location(self, stage: Stage, template_id: str) -> str:
        return self.bucket.locate(LAYOUT.template_file(stage, template_id).as_posix())

    def _read(self, name: str) -> bytes | None:
        if self._ahead_of is not None and name in self._ahead_of:
            return self._ahead_of[name]
        return self.bucket.read(name)

    def _names(self, stage: Stage, gen_id: str) -> frozenset[str]:
        """Return the names of a generation's objects."""
        folder = f"{GENS_DIRNAME}/{stage}/{gen_id}"
        return frozenset(
            meta["path"]
            for meta in self.bucket.list(folder)
            if meta["path"].rpartition("/")[2] in _FILENAMES
        )

    @staticmethod
    def _name(stage: Stage, gen_id: str, artifact: Artifact) -> str:
        # Not through pathlib, which costs more than a request to a fast server.
        return f"{GENS_DIRNAME}/{stage}/{gen_id}/{ARTIFACT_FILENAMES[artifact]}"
