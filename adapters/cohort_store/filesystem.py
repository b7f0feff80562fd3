"""Catalogs, cohorts and reports in a folder."""

from pathlib import Path

from adapters.cohort_store.files import FileCohortStore
from adapters.root_files.filesystem import FilesystemRootFiles
from daydreaming_dagster.data_layer.paths import Paths


class FilesystemCohortStore(FileCohortStore):
    """A `CohortStore` in the folder of a data root. `paths` is its layout."""

    paths: Paths

    def __init__(self, root: Paths | Path | str) -> None:
        paths = root if isinstance(root, Paths) else Paths.from_str(root)
        super().__init__(FilesystemRootFiles(paths.data_root))
        object.__setattr__(self, "paths", paths)
