"""Records of batches as files."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import attrs

from adapters.file_lock import locked
from adapters.files_below_root import read_file, refuse_links, write_file
from adapters.root_files.text import json_text
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.ports.errors import MalformedArtifactError, UnsafePathError
from daydreaming_dagster.ports.ids import is_id
from daydreaming_dagster.types import JsonObject

_Version = tuple[int, int, int]


@attrs.frozen(eq=False)
class FilesystemBatchStore:
    """A `BatchStore` in the folder `batches` of a data root.

    A file that did not change since it was read is not read again, because a run looks for each
    generation that it is about to ask.
    """

    paths: Paths
    _read: dict[str, tuple[_Version, JsonObject]] = attrs.field(
        factory=dict, init=False, repr=False
    )

    def read_batches(self) -> Mapping[str, JsonObject]:
        documents: dict[str, JsonObject] = {}
        try:
            with os.scandir(self.paths.batches_dir) as entries:
                found = {entry.name.removesuffix(".json"): entry for entry in entries}
        except FileNotFoundError:
            return documents
        for name in sorted(found):
            if found[name].name != name and is_id(name):
                try:
                    status = found[name].stat()
                except FileNotFoundError:  # meanwhile its last answer was stored
                    continue
                version = (status.st_mtime_ns, status.st_size, status.st_ino)
                known = self._read.get(name)
                if known is None or known[0] != version:
                    document = self._document(self.paths.batch_json(name))
                    if document is None:
                        continue
                    known = self._read[name] = (version, document)
                documents[name] = known[1]
        return documents

    def write_batch(self, name: str, document: JsonObject) -> None:
        path = self.paths.batch_json(name)
        write_file(self.paths.data_root, path, json_text(document), sync=True)

    def delete_batch(self, name: str) -> None:
        path = self.paths.batch_json(name)
        refuse_links(self.paths.data_root, path)
        path.unlink(missing_ok=True)

    @contextmanager
    def hold(self) -> Iterator[None]:
        path = self.paths.batches_lock
        refuse_links(self.paths.data_root, path)
        path.parent.mkdir(exist_ok=True)
        with locked(path):
            yield

    def _document(self, path: Path) -> JsonObject | None:
        try:
            document = json.loads(read_file(self.paths.data_root, path))
        except FileNotFoundError:  # meanwhile its last answer was stored
            return None
        except (OSError, UnsafePathError, ValueError, RecursionError) as error:
            raise MalformedArtifactError("record of a batch", str(path), str(error)) from None
        if not isinstance(document, dict):
            reason = "it is not a JSON object"
            raise MalformedArtifactError("record of a batch", str(path), reason)
        return document
