"""Records of batches in any kind of files."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final

import attrs

from adapters.root_files.layout import LAYOUT
from adapters.root_files.text import json_text
from daydreaming_dagster.ports.errors import MalformedArtifactError
from daydreaming_dagster.ports.ids import is_id
from daydreaming_dagster.ports.root_files import RootFiles
from daydreaming_dagster.types import JsonObject

_HELD_SECONDS: Final = 1.0
"""How long one waits between two attempts to hold the records."""


class _HeldError(Exception):
    """Another process holds the records."""


@attrs.frozen(eq=False)
class FileBatchStore:
    """A `BatchStore` in the folder `batches` of a data root. Reads all records each time."""

    files: RootFiles

    def read_batches(self) -> Mapping[str, JsonObject]:
        documents: dict[str, JsonObject] = {}
        for path in self.files.find((LAYOUT.batches_dir / "*.json").as_posix()):
            name = path.rpartition("/")[2].removesuffix(".json")
            if is_id(name):
                try:
                    document = json.loads(self.files.read(path))
                except FileNotFoundError:  # meanwhile its last answer was stored
                    continue
                except (ValueError, RecursionError) as error:
                    raise self._malformed(path, str(error)) from None
                if not isinstance(document, dict):
                    raise self._malformed(path, "it is not a JSON object")
                documents[name] = document
        return documents

    def write_batch(self, name: str, document: JsonObject) -> None:
        self.files.write(LAYOUT.batch_json(name).as_posix(), json_text(document))

    def delete_batch(self, name: str) -> None:
        self.files.remove(LAYOUT.batch_json(name).as_posix())

    @contextmanager
    def hold(self) -> Iterator[None]:
        with ExitStack() as held:
            while True:
                hold = self.files.hold(LAYOUT.batches_lock.as_posix(), _HeldError())
                try:
                    held.enter_context(hold)
                    break
                except _HeldError:
                    time.sleep(_HELD_SECONDS)
            yield

    def _malformed(self, path: str, reason: str) -> MalformedArtifactError:
        return MalformedArtifactError("record of a batch", self.files.locate(path), reason)
