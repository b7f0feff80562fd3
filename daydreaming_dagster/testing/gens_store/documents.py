"""Documents are given back with their types and order, or refused."""
# ruff: noqa: S101  pytest asserts

from collections import OrderedDict
from types import MappingProxyType
from typing import cast

import pytest

from daydreaming_dagster.ports.errors import UnstorableError
from daydreaming_dagster.ports.gens_store import Artifact
from daydreaming_dagster.testing.gens_store.access import DOCUMENTS, read, write
from daydreaming_dagster.testing.gens_store.backdoors import StoreT, StoreUnderTest
from daydreaming_dagster.testing.gens_store.cases import JSON_DOCUMENTS, NOT_JSON
from daydreaming_dagster.testing.gens_store.observation import in_case
from daydreaming_dagster.types import JsonObject, JsonValue


class DocumentsContract(StoreUnderTest[StoreT]):
    """The part of `GensStoreContract` about documents."""

    @pytest.mark.parametrize("artifact", DOCUMENTS)
    def test_a_document_reads_back_with_its_types_and_order(
        self, store: StoreT, artifact: Artifact
    ) -> None:
        for case, document in JSON_DOCUMENTS.items():
            with in_case(case):
                write(store, "draft", "a", artifact, document)
                # repr, since True == 1 == 1.0 and dicts compare without order.
                assert repr(read(store, "draft", "a", artifact)) == repr(document)

    def test_mappings_and_subclasses_of_dict_read_back_as_plain_dicts(self, store: StoreT) -> None:
        document = MappingProxyType({"a": cast("JsonValue", OrderedDict(b=1))})
        store.write_main_metadata("draft", "a", document)
        assert repr(store.read_main_metadata("draft", "a")) == "{'a': {'b': 1}}"

    @pytest.mark.parametrize("artifact", DOCUMENTS)
    def test_what_is_not_json_is_refused_and_the_old_document_stays(
        self, store: StoreT, artifact: Artifact
    ) -> None:
        write(store, "draft", "a", artifact, {"old": 1})
        for case, document in NOT_JSON.items():
            with in_case(case), pytest.raises(UnstorableError, match=f"{artifact} of draft/a"):
                write(store, "draft", "a", artifact, document())
        assert read(store, "draft", "a", artifact) == {"old": 1}

    def test_changing_a_document_changes_nothing_stored(self, store: StoreT) -> None:
        for artifact in DOCUMENTS:
            given: JsonObject = {"a": [{"b": ["c"]}]}
            write(store, "draft", "a", artifact, given)
            _spoil(given)
            read_back = cast("JsonObject", read(store, "draft", "a", artifact))
            assert read_back == {"a": [{"b": ["c"]}]}
            _spoil(read_back)
            assert read(store, "draft", "a", artifact) == {"a": [{"b": ["c"]}]}

    def test_a_document_is_stored_for_people_to_read(self, store: StoreT) -> None:
        """One line per key, and no letter written as an escape."""
        for artifact in DOCUMENTS:
            write(store, "draft", "a", artifact, {"greeting": "Grüße 🚀", "n": 1})
            text = self.stored_bytes(store, "draft", "a", artifact).decode()
            assert "Grüße 🚀" in text
            assert not any('"greeting"' in line and '"n"' in line for line in text.splitlines())
            assert text.endswith("}\n")


def _spoil(document: JsonObject) -> None:
    """Change a document of the form `{"a": [{"b": [...]}]}` at every level."""
    inner = cast("list[dict[str, list[str]]]", document["a"])
    inner[0]["b"].append("spoiled")
    inner[0]["spoiled"] = []
    inner.append({})
    document["spoiled"] = True
