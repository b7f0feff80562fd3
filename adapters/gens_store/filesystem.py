"""Generations as files that a person can read with `less`."""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar, Final, Self

import attrs

from adapters.atomic_write import sync_folder, write_atomically
from adapters.files_below_root import linked, read_regular
from adapters.folder_removal import remove_folder
from adapters.gens_store.encoded import EncodedGensStore
from adapters.gens_store.file_claim import FileClaim, claim_file
from adapters.gens_store.folder_versions import FolderVersions
from adapters.storage import (
    check_space,
    most_in_flight,
    raise_if_out_of_files,
    raise_if_unavailable,
)
from daydreaming_dagster.data_layer.paths import (
    ARTIFACT_FILENAMES,
    GENS_DIRNAME,
    RAW_DIRNAME,
    TEMPLATES_DIRNAME,
    Paths,
    as_path,
)
from daydreaming_dagster.ports.errors import UnreadableArtifactError, UnsafePathError
from daydreaming_dagster.ports.gens_store import Artifact
from daydreaming_dagster.ports.ids import are_ids, check_id, check_stage, is_id
from daydreaming_dagster.types import Stage

CLAIMED_PREFIX: Final = ".claimed-"
"""Prefix of the file that exists while a run makes a generation; the gen_id follows."""

_PAID_FOR: Final = frozenset[Artifact](["raw_metadata", "raw"])

# A write starts over if another process deletes the generation meanwhile. Each attempt loses to one
# complete deletion, so this many in a row mean that something else is wrong.
_ATTEMPTS: Final = 100


@attrs.frozen
class FilesystemGensStore(EncodedGensStore):
    """A `GensStore` in the folder `data_root`, laid out as `Paths` says.

    Files are replaced in one step. A raw text and its metadata were paid for: when the write of the
    text returns, both are on the device, with the folders above them, and survive a power cut.
    Everything else can be computed again and is left to the operating system
    (`UnsyncedFilesystemGensStore` leaves everything to it).

    Symbolic links below `data_root` are refused with `UnsafePathError`, and so is reading anything
    but a regular file. A write replaces such a link by a file and does not follow it. `data_root`
    itself may be a link. A full or failing file system, and a process that can open no more files,
    raise `StorageUnavailableError`. Other failures are raised as `OSError`. If the device fails to
    confirm the name of a paid-for file, this is raised too, although the new file is already in
    place.

    The version of a generation is the inode of its folder and the latest time of change (`ctime`)
    of the folder and its files. No program can set it, so edits by hand change it too. There is no
    version in the first seconds after a change, if the time is in the future, or on Windows, which
    has no such time. Some file systems that present object stores as folders keep no time for
    folders; there, a file deleted by hand goes unnoticed.
    """

    data_root: Path = attrs.field(converter=as_path)
    paths: Paths = attrs.field(
        default=attrs.Factory(lambda store: Paths(store.data_root), takes_self=True),
        init=False,
        repr=False,
        eq=False,
    )
    """The layout of this data root."""
    _ignores_case: bool | None = attrs.field(default=None, init=False, repr=False, eq=False)
    _synced_stages: set[Stage] = attrs.field(factory=set, init=False, repr=False, eq=False)

    synced: ClassVar[bool] = True

    @classmethod
    def from_root(cls, data_root: str | os.PathLike[str]) -> Self:
        """Return the store in the folder `data_root`. The first write creates the folder."""
        return cls(Path(data_root))

    def generation_dir(self, stage: Stage, gen_id: str) -> Path:
        return self.paths.generation_dir(stage, gen_id)

    def prompt_path(self, stage: Stage, gen_id: str) -> Path:
        return self.paths.prompt_path(stage, gen_id)

    def raw_path(self, stage: Stage, gen_id: str) -> Path:
        return self.paths.raw_path(stage, gen_id)

    def parsed_path(self, stage: Stage, gen_id: str) -> Path:
        return self.paths.parsed_path(stage, gen_id)

    def main_metadata_path(self, stage: Stage, gen_id: str) -> Path:
        return self.paths.main_metadata_path(stage, gen_id)

    def raw_metadata_path(self, stage: Stage, gen_id: str) -> Path:
        return self.paths.raw_metadata_path(stage, gen_id)

    def parsed_metadata_path(self, stage: Stage, gen_id: str) -> Path:
        return self.paths.parsed_metadata_path(stage, gen_id)

    def reserve_generation(self, stage: Stage, gen_id: str, *, create: bool = True) -> Path:
        """Return the folder of the generation; create it if `create`. Then the generation exists.

        Reserving a generation that exists changes nothing.
        """
        path = self.paths.generation_dir(stage, gen_id)
        if create:
            folder = self._generation_folder(check_stage(stage), check_id("gen_id", gen_id))
            with self._naming_the_storage():
                _make_folder(folder)
        return path

    def most_in_flight(self) -> int:
        return most_in_flight(self.data_root)

    def check_space(self, answers: int) -> None:
        check_space(self.data_root, answers)

    def _exists(self, stage: Stage, gen_id: str) -> bool:
        return os.path.isdir(self._generation_folder(stage, gen_id))

    def _list(self, stage: Stage) -> list[str]:
        try:
            with os.scandir(self._folder(GENS_DIRNAME, stage)) as entries:
                names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise_if_out_of_files(error, self.data_root)
            raise _unlisted(error) from error
        return names if are_ids(names) else [name for name in names if is_id(name)]

    def _versions(self, stage: Stage) -> Mapping[str, str]:
        if os.name == "nt":  # there, ctime is the time of creation
            return {}
        try:
            folder = self._folder(GENS_DIRNAME, stage)
            return FolderVersions(folder, case_is_ignored=self._is_case_ignored())
        except OSError:  # no version is known; `list_generations` reports why
            return {}

    def _delete(self, stage: Stage, gen_id: str) -> None:
        remove_folder(Path(self._generation_folder(stage, gen_id)))

    def _claim(self, stage: Stage, gen_id: str) -> FileClaim | None:
        folder = os.path.dirname(self._generation_folder(stage, gen_id))
        path = f"{folder}/{CLAIMED_PREFIX}{gen_id}"
        if os.path.islink(path):
            raise linked(path)
        with self._naming_the_storage():
            try:
                return claim_file(path)
            except FileNotFoundError:
                _make_folder(folder)
                return claim_file(path)

    def _store(self, stage: Stage, gen_id: str, artifact: Artifact, data: bytes) -> None:
        folder = self._generation_folder(stage, gen_id)
        name = ARTIFACT_FILENAMES[artifact]
        sync = self.synced and artifact in _PAID_FOR
        with self._naming_the_storage():
            if artifact == "main_metadata":  # it is written first, when there is no folder yet
                self._make_generation(stage, folder)
            self._write(stage, folder, name, data, sync=sync)
            if sync and artifact == "raw":
                self._sync_names(stage, os.path.dirname(folder))

    def _write(self, stage: Stage, folder: str, name: str, data: bytes, *, sync: bool) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                write_atomically(folder, name, data, sync=sync)
                break
            except FileNotFoundError:
                if attempt == _ATTEMPTS:
                    raise
                self._make_generation(stage, folder)

    def _make_generation(self, stage: Stage, folder: str) -> None:
        _make_folder(folder)
        self._synced_stages.discard(stage)  # the folders above may be new, too

    def _sync_names(self, stage: Stage, stage_folder: str) -> None:
        """Sync the names of the folders above a raw text, so that they survive a power cut too.

        The generation's folder may be as new as the text. The folders above it are synced once.
        Metadata does not need this: it is useless until the text is there.
        """
        sync_folder(stage_folder)
        if stage not in self._synced_stages:
            gens_folder = os.path.dirname(stage_folder)
            sync_folder(gens_folder)
            sync_folder(os.path.dirname(gens_folder))
            self._synced_stages.add(stage)

    def _load(self, stage: Stage, gen_id: str, artifact: Artifact) -> bytes | None:
        path = f"{self._generation_folder(stage, gen_id)}/{ARTIFACT_FILENAMES[artifact]}"
        try:
            return read_regular(path)
        except OSError as error:
            raise_if_out_of_files(error, self.data_root)
            raise _unreadable(artifact, path, error) from error

    def _load_template(self, stage: Stage, template_id: str) -> bytes | None:
        folder = self._folder(RAW_DIRNAME, TEMPLATES_DIRNAME, stage)
        path = f"{folder}/{template_id}.txt"
        try:
            return read_regular(path)
        except OSError as error:
            raise_if_out_of_files(error, self.data_root)
            raise _unreadable("template", path, error) from error

    def _location(self, stage: Stage, gen_id: str, artifact: Artifact | None = None) -> str:
        # str, as in `_folder`: a run asks for what is missing of each generation.
        folder = f"{self.data_root}/{GENS_DIRNAME}/{stage}/{gen_id}"
        return folder if artifact is None else f"{folder}/{ARTIFACT_FILENAMES[artifact]}"

    def _template_location(self, stage: Stage, template_id: str) -> str:
        return str(self.paths.template_file(stage, template_id))

    @contextmanager
    def _naming_the_storage(self) -> Iterator[None]:
        """Raise what concerns every write of this store as a `StorageUnavailableError`."""
        try:
            yield
        except OSError as error:
            raise_if_unavailable(error, self.data_root)
            raise

    def _generation_folder(self, stage: Stage, gen_id: str) -> str:
        folder = self._folder(GENS_DIRNAME, stage, gen_id)
        if self._is_case_ignored():
            _refuse_other_case(os.path.dirname(folder), gen_id)
        return folder

    def _folder(self, *names: str) -> str:
        """Return the path of a folder below the root, after checking that no part is a link."""
        # str, because joining pathlib paths costs more than the system calls.
        path = str(self.data_root)
        for name in names:
            path = f"{path}/{name}"
            if os.path.islink(path):
                raise linked(path)
        return path

    def _is_case_ignored(self) -> bool:
        """Return whether the file system treats `GENS` and `gens` alike, as on macOS and Windows.

        Checked once, as soon as the folder exists, because it costs as much as a read.
        """
        if self._ignores_case is None and os.path.lexists(f"{self.data_root}/{GENS_DIRNAME}"):
            ignored = os.path.lexists(f"{self.data_root}/{GENS_DIRNAME.upper()}")
            object.__setattr__(self, "_ignores_case", ignored)
        return bool(self._ignores_case)


class UnsyncedFilesystemGensStore(FilesystemGensStore):
    """A `FilesystemGensStore` that does not wait for the device.

    It is faster, and as safe if the process ends at any moment. A power cut or a crash of the
    operating system may lose the writes of the last seconds.
    """

    synced = False


def _unlisted(error: OSError) -> UnsafePathError:
    reason = f"it cannot be listed: {error.strerror or error}"
    return UnsafePathError(str(error.filename), reason)


def _unreadable(artifact: str, path: str, error: OSError) -> UnreadableArtifactError:
    return UnreadableArtifactError(artifact, path, error.strerror or str(error))


def _make_folder(folder: str) -> None:
    """Create the folder of a generation and the folders above it, if they do not exist.

    `os.makedirs` alone fails if another process deletes the generation between two of its steps.
    Here this counts as created, and then deleted.
    """
    try:
        os.mkdir(folder)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        _make_folder(folder)
    except FileExistsError:
        with suppress(FileNotFoundError):
            if not stat.S_ISDIR(os.lstat(folder).st_mode):
                raise


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
