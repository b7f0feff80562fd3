"""Which files of a data root belong to what."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from adapters.folder_removal import DELETED_PREFIX
from daydreaming_dagster.data_layer.paths import ARTIFACT_FILENAMES, Paths
from daydreaming_dagster.ports.ids import is_id
from daydreaming_dagster.ports.root_files import RootFiles
from daydreaming_dagster.types import Stage

LAYOUT: Final = Paths(Path())
"""The names of files in a data root, as relative paths."""


def misnamed(files: RootFiles, top: str, *marks: str) -> list[str]:
    """Return the places of the folders below `top` that have one of these files, but no id."""
    folders = {
        name.removeprefix(f"{top}/").removesuffix(f"/{mark}")
        for name in files.list_files(top)
        for mark in marks
        if name.endswith(f"/{mark}")
    }
    return [
        files.locate(f"{top}/{folder}")
        for folder in sorted(folders)
        if not is_id(folder) and not folder.startswith(DELETED_PREFIX)
    ]


class LaidOutFiles:
    """The part of `RootFiles` that follows from the layout of a data root."""

    __slots__ = ()

    @abstractmethod
    def list_files(self, folder: str) -> Sequence[str]:
        """Return what `RootFiles.list_files` says."""

    def catalog_files(self) -> list[str]:
        return list(self.list_files(LAYOUT.raw_dir.as_posix()))

    def cohort_files(self, cohort_id: str) -> list[str]:
        folders = (LAYOUT.cohort_reports_dir(cohort_id), LAYOUT.cohort_part_locks_dir(cohort_id))
        prefixes = tuple(f"{folder.as_posix()}/" for folder in folders)
        made_again = (LAYOUT.cohort_index_jsonl(cohort_id), LAYOUT.cohort_run_lock(cohort_id))
        left_out = {path.as_posix() for path in made_again}
        return [
            name
            for name in self.list_files(LAYOUT.cohort_dir(cohort_id).as_posix())
            if name not in left_out and not name.startswith(prefixes)
        ]

    def generation_files(self, stage: Stage, gen_id: str) -> list[str]:
        folder = LAYOUT.generation_dir(stage, gen_id).as_posix()
        artifacts = {f"{folder}/{name}" for name in ARTIFACT_FILENAMES.values()}
        return sorted(artifacts.intersection(self.list_files(folder)))
