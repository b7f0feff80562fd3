"""Records of batches in a dict, for fast tests."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock

import attrs

from daydreaming_dagster.ports.ids import check_id
from daydreaming_dagster.types import JsonObject


@attrs.frozen(eq=False)
class InMemoryBatchStore:
    """A `BatchStore` that keeps its documents in memory, as JSON."""

    _documents: dict[str, str] = attrs.field(factory=dict, init=False, repr=False)
    _lock: Lock = attrs.field(factory=Lock, init=False, repr=False)

    def read_batches(self) -> Mapping[str, JsonObject]:
        return {name: json.loads(text) for name, text in sorted(self._documents.items())}

    def write_batch(self, name: str, document: JsonObject) -> None:
        self._documents[check_id("batch", name)] = json.dumps(document)

    def delete_batch(self, name: str) -> None:
        self._documents.pop(check_id("batch", name), None)

    @contextmanager
    def hold(self) -> Iterator[None]:
        with self._lock:
            yield
