"""The contract of `GensStore` as tests, to be run on any adapter.

A test module of an adapter subclasses the contract, and pytest runs it::

    from daydreaming_dagster.testing import GensStoreContract

    class TestMyGensStore(GensStoreContract[MyGensStore]):
        @pytest.fixture
        def store(self, tmp_path: Path) -> MyGensStore:
            return MyGensStore(tmp_path / "my.db")

        def put_bytes(
            self, store: MyGensStore, stage: Stage, gen_id: str, artifact: Artifact, data: bytes
        ) -> None:
            store.connection.execute("UPDATE …", (data, stage, gen_id, artifact))

`add_template` is needed where the store has `Templates`. `put_bytes`, `stored_bytes` and
`plant_file` are back doors, which reach what is stored without the code under test. `settle` is
called where a version is expected of every generation. Tests are skipped that need a back door or
an ability (`Templates`, `Versions`, `Claims`) that is not there; `pytest -rs` lists them.
"""

from daydreaming_dagster.testing.gens_store.access import (
    ARTIFACTS,
    DOCUMENTS,
    METHODS,
    READERS,
    SAMPLE_ARGUMENTS,
    TEXTS,
    WRITERS,
    call,
    contents,
    read,
    sample,
    write,
)
from daydreaming_dagster.testing.gens_store.backdoors import StoreT
from daydreaming_dagster.testing.gens_store.cases import (
    CORRUPT_DOCUMENTS,
    CORRUPT_TEXTS,
    EXACT_TEXTS,
    HOSTILE_IDS,
    HOSTILE_STAGES,
    JSON_DOCUMENTS,
    LONE_SURROGATES,
    NOT_JSON,
    UNUSUAL_IDS,
)
from daydreaming_dagster.testing.gens_store.claims import ClaimsContract
from daydreaming_dagster.testing.gens_store.documents import DocumentsContract
from daydreaming_dagster.testing.gens_store.ids import IdsContract
from daydreaming_dagster.testing.gens_store.listing import ListingContract
from daydreaming_dagster.testing.gens_store.read_only import ReadOnlyGensStoreContract
from daydreaming_dagster.testing.gens_store.reading import ReadingContract
from daydreaming_dagster.testing.gens_store.templates import TemplatesContract
from daydreaming_dagster.testing.gens_store.texts import TextsContract
from daydreaming_dagster.testing.gens_store.threads import ThreadsContract
from daydreaming_dagster.testing.gens_store.versions import VersionsContract

__all__ = [
    "ARTIFACTS",
    "CORRUPT_DOCUMENTS",
    "CORRUPT_TEXTS",
    "DOCUMENTS",
    "EXACT_TEXTS",
    "HOSTILE_IDS",
    "HOSTILE_STAGES",
    "JSON_DOCUMENTS",
    "LONE_SURROGATES",
    "METHODS",
    "NOT_JSON",
    "READERS",
    "SAMPLE_ARGUMENTS",
    "TEXTS",
    "UNUSUAL_IDS",
    "WRITERS",
    "ClaimsContract",
    "GensStoreContract",
    "ReadOnlyGensStoreContract",
    "TemplatesContract",
    "VersionsContract",
    "call",
    "contents",
    "read",
    "sample",
    "write",
]


class GensStoreContract(
    TextsContract[StoreT],
    DocumentsContract[StoreT],
    IdsContract[StoreT],
    ListingContract[StoreT],
    ReadingContract[StoreT],
    ThreadsContract[StoreT],
    TemplatesContract[StoreT],
    VersionsContract[StoreT],
    ClaimsContract[StoreT],
):
    """What every `GensStore` does. See the module's docstring for how to use it."""
