"""Generations as files that a person can read with `less`."""

import errno
import os
import secrets
import shutil
import stat
from contextlib import suppress
from pathlib import Path, PurePath
from typing import ClassVar, Final, Self

import attrs

from adapters.atomic_write import READ, sync_folder, write_atomically
from adapters.encoded_gens_store import EncodedGensStore
from daydreaming_dagster.data_layer.errors import UnsafePathError
from daydreaming_dagster.data_layer.ids import is_id
from daydreaming_dagster.data_layer.paths import (
    ARTIFACT_FILENAMES,
    GENS_DIRNAME,
    RAW_DIRNAME,
    TEMPLATES_DIRNAME,
    Artifact,
    Paths,
    as_path,
)
from daydreaming_dagster.types import Stage

DELETED_PREFIX: Final = ".deleted-"
"""How the folder of a deletion under way is named; no id begins with a dot."""

_READ_SIZE: Final = 1 << 20

_PAID_FOR: Final = frozenset[Artifact](["raw_metadata", "raw"])

# A writer starts over when another process deletes the generation under it. Each round loses
# against one whole deletion, so this many in a row mean that something else is wrong.
_WRITE_ATTEMPTS: Final = 100


@attrs.frozen
class FilesystemGensStore(EncodedGensStore):
    """A `GensStore` in the folder `data_root`, laid out as `Paths` says.

    Files are replaced in one step. What was paid for, a raw text and its metadata, is also
    on the device before its write returns, so that it survives a power cut; everything else
    can be computed again and is left to the operating system (`UnsyncedFilesystemGensStore`
    leaves all to it).

    Symbolic links below `data_root` are refused with `UnsafePathError`; `data_root` itself may
    be one. Other failures of the file system are raised as the `OSError` they are.
    """

    data_root: Path = attrs.field(converter=as_path)

    synced: ClassVar[bool] = True

    @classmethod
    def from_root(cls, data_root: str | os.PathLike[str]) -> Self:
        """Return the store in the folder `data_root`, which the first write creates."""
        return cls(Path(data_root))

    @property
    def paths(self) -> Paths:
        """The layout of this data root."""
        return Paths(self.data_root)

    def generation_dir(self, stage: Stage, gen_id: str) -> Path:
        return self.paths.generation_dir(stage, gen_id)

    def prompt_path(self, stage: Stage, gen_id: str) -> Path:
        return self.paths.prompt_path(stage, gen_id)

    def raw_path(self, stage: Stage, gen_id: str) -> Path:
        return self.paths.raw_path(stage, gen_id)

    def parsed_path(self, stage: Stage, gen_id: str) -> Path:
        return self.paths.parsed_path(stage, gen_id)

    def main_metadata_path(self, stage: Stage, gen_id: str) -> Path:
        return self.paths.metadata_path(stage, gen_id)

    def raw_metadata_path(self, stage: Stage, gen_id: str) -> Path:
        return self.paths.raw_metadata_path(stage, gen_id)

    def parsed_metadata_path(self, stage: Stage, gen_id: str) -> Path:
        return self.paths.parsed_metadata_path(stage, gen_id)

    def reserve_generation(self, stage: Stage, gen_id: str, *, create: bool = True) -> Path:
        return Path(super().reserve_generation(stage, gen_id, create=create))

    def _reserve(self, stage: Stage, gen_id: str) -> None:
        _make_folder(self._generation_folder(stage, gen_id))

    def _exists(self, stage: Stage, gen_id: str) -> bool:
        return os.path.isdir(self._generation_folder(stage, gen_id))

    def _list(self, stage: Stage) -> list[str]:
        try:
            with os.scandir(self._stage_folder(stage)) as entries:
                return [
                    entry.name
                    for entry in entries
                    if is_id(entry.name) and entry.is_dir(follow_symlinks=False)
                ]
        except FileNotFoundError:
            return []

    def _delete(self, stage: Stage, gen_id: str) -> None:
        folder = self._generation_folder(stage, gen_id)
        deleted = f"{self._stage_folder(stage)}/{DELETED_PREFIX}{secrets.token_hex(8)}"
        try:
            os.rename(folder, deleted)
        except FileNotFoundError:
            return
        shutil.rmtree(deleted)

    def _store(self, stage: Stage, gen_id: str, artifact: Artifact, data: bytes) -> None:
        folder = self._generation_folder(stage, gen_id)
        name = ARTIFACT_FILENAMES[artifact]
        sync = self.synced and artifact in _PAID_FOR
        for attempt in range(1, _WRITE_ATTEMPTS + 1):
            try:
                write_atomically(folder, name, data, sync=sync)
                break
            except FileNotFoundError:
                if attempt == _WRITE_ATTEMPTS:
                    raise
                _make_folder(folder)
        if sync:
            # The folders above may be as new as the file.
            for parent in (self._stage_folder(stage), self._gens_folder(), str(self.data_root)):
                sync_folder(parent)

    def _load(self, stage: Stage, gen_id: str, artifact: Artifact) -> bytes | None:
        return _read(f"{self._generation_folder(stage, gen_id)}/{ARTIFACT_FILENAMES[artifact]}")

    def _load_template(self, stage: Stage, template_id: str) -> bytes | None:
        raw = _no_link(f"{self.data_root}/{RAW_DIRNAME}")
        folder = _no_link(f"{_no_link(f'{raw}/{TEMPLATES_DIRNAME}')}/{stage}")
        return _read(f"{folder}/{template_id}.txt")

    def _location(self, stage: Stage, gen_id: str, artifact: Artifact | None = None) -> PurePath:
        return self.paths.artifact_path(stage, gen_id, artifact)

    def _template_location(self, stage: Stage, template_id: str) -> PurePath:
        return self.paths.template_file(stage, template_id)

    # Folders as str, checked: joining pathlib's paths costs more than the system calls.

    def _gens_folder(self) -> str:
        return _no_link(f"{self.data_root}/{GENS_DIRNAME}")

    def _stage_folder(self, stage: Stage) -> str:
        return _no_link(f"{self._gens_folder()}/{stage}")

    def _generation_folder(self, stage: Stage, gen_id: str) -> str:
        stage_folder = self._stage_folder(stage)
        folder = _no_link(f"{stage_folder}/{gen_id}")
        if self._ignores_case():
            _refuse_other_case(stage_folder, gen_id)
        return folder

    def _ignores_case(self) -> bool:
        """Return whether the file system takes `GENS` for `gens`, as macOS and Windows do."""
        return os.path.lexists(f"{self.data_root}/{GENS_DIRNAME.upper()}")


class UnsyncedFilesystemGensStore(FilesystemGensStore):
    """A `FilesystemGensStore` that waits for no device.

    Faster, and as safe when the process ends at any moment; a power cut or a crash of the
    operating system may lose the last seconds of what was written.
    """

    synced = False


def _make_folder(folder: str) -> None:
    """Create the folder of a generation, if it is not there, and the folders above it.

    `os.makedirs` alone fails when another process deletes the generation between two of its
    steps; here it was created then, and deleted after.
    """
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    try:
        os.mkdir(folder)
    except FileExistsError:
        with suppress(FileNotFoundError):
            if not stat.S_ISDIR(os.lstat(folder).st_mode):
                raise


def _no_link(path: str) -> str:
    if os.path.islink(path):
        raise _linked(path)
    return path


def _linked(path: str) -> UnsafePathError:
    return UnsafePathError(path, "a symbolic link may lead outside the data root; replace it")


def _refuse_other_case(stage_folder: str, gen_id: str) -> None:
    try:
        names = os.listdir(stage_folder)
    except FileNotFoundError:
        return
    if gen_id in names:
        return
    for name in names:
        if name.lower() == gen_id.lower():
            reason = f"this file system would keep {gen_id!r} in the folder of {name!r}"
            raise UnsafePathError(f"{stage_folder}/{gen_id}", reason)


def _read(path: str) -> bytes | None:
    try:
        descriptor = os.open(path, READ)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _linked(path) from error
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UnsafePathError(path, "it is no regular file; remove it")
        parts = [os.read(descriptor, status.st_size + 1)]
        while parts[-1]:
            parts.append(os.read(descriptor, _READ_SIZE))
        return b"".join(parts)
    finally:
        os.close(descriptor)
