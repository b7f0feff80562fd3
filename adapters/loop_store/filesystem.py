"""Loops in a folder."""

from adapters.loop_store.files import FileLoopStore
from adapters.root_files.filesystem import FilesystemRootFiles
from daydreaming_dagster.data_layer.paths import Paths


class FilesystemLoopStore(FileLoopStore):
    """A `LoopStore` in the folder of a data root. `paths` is its layout."""

    paths: Paths

    def __init__(self, paths: Paths) -> None:
        super().__init__(FilesystemRootFiles(paths.data_root))
        object.__setattr__(self, "paths", paths)
