"""The contract of `GensStore` as tests, to be run on any adapter.

A test module of an adapter subclasses the contract, and pytest runs it::

    from daydreaming_dagster.testing import GensStoreContract

    class TestMyGensStore(GensStoreContract):
        @pytest.fixture
        def store(self, tmp_path):
            return MyGensStore(tmp_path / "my.db")

        def add_template(self, store, stage, template_id, source):
            store.connection.execute("INSERT …", (stage, template_id, source))

        def put_bytes(self, store, stage, gen_id, artifact, data):
            store.connection.execute("UPDATE …", (data, stage, gen_id, artifact))

`put_bytes`, `stored_bytes` and `plant_file` are back doors, which reach what is stored without
the code under test. `settle` is called where a version is expected of every generation. The tests
that need one that an adapter lacks are skipped.
"""
# ruff: noqa: S101  pytest asserts
# ruff: noqa: ARG002  a back door that is not there has no use for its parameters

import copy
import inspect
import itertools
import math
import pickle
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import PurePath
from types import FrameType, MappingProxyType
from typing import Final, NamedTuple, Protocol, cast

import pytest

from daydreaming_dagster.data_layer.paths import ARTIFACT_FILENAMES
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.errors import (
    InvalidIdError,
    MalformedArtifactError,
    MissingArtifactError,
    MissingTemplateError,
    ReadOnlyStoreError,
    UnsafePathError,
    UnstorableError,
)
from daydreaming_dagster.ports.gens_store import (
    Artifact,
    Claim,
    Claims,
    GensStore,
    GensStoreWithTemplates,
    Versions,
)
from daydreaming_dagster.ports.ids import MAX_ID_LENGTH
from daydreaming_dagster.types import STAGES, JsonObject, JsonValue, Stage


class _GensStore(GensStoreWithTemplates, Versions, Claims, Protocol):
    """A store with every ability."""


# What the port consists of, from the port itself.

METHODS: Final[Mapping[str, inspect.Signature]] = {
    name: inspect.signature(function)
    for name, function in inspect.getmembers(_GensStore, inspect.isfunction)
    if not name.startswith("_")
}
"""Every method of the port."""

READERS: Final = frozenset(
    {
        "exists",
        "generation_versions",
        "list_generations",
        "read_main_metadata",
        "read_parsed",
        "read_parsed_metadata",
        "read_prompt",
        "read_raw",
        "read_raw_metadata",
        "read_template",
    }
)
"""The methods that change nothing; decided by hand, and checked to be complete."""

WRITERS: Final = frozenset(
    {
        "claim",
        "delete_generation",
        "reserve_generation",
        "write_main_metadata",
        "write_parsed",
        "write_parsed_metadata",
        "write_prompt",
        "write_raw",
        "write_raw_metadata",
    }
)
"""The methods that a read-only store refuses; `reserve_generation` unless `create` is false."""

ARTIFACTS: Final[Sequence[Artifact]] = tuple(ARTIFACT_FILENAMES)
TEXTS: Final[Sequence[Artifact]] = tuple(
    a for a in ARTIFACTS if "text" in METHODS[f"write_{a}"].parameters
)
DOCUMENTS: Final[Sequence[Artifact]] = tuple(
    a for a in ARTIFACTS if "metadata" in METHODS[f"write_{a}"].parameters
)

SAMPLE_ARGUMENTS: Final[Mapping[str, object]] = {
    "stage": "draft",
    "gen_id": "sample",
    "template_id": "sample",
    "text": "sample text",
    "metadata": {"sample": "document"},
    "create": True,
}
"""One good value for each parameter that a method of the port has."""


def call(store: GensStore, method: str, **arguments: object) -> object:
    """Call a method of the port by name, with sample arguments for what is not given."""
    parameters = [name for name in METHODS[method].parameters if name != "self"]
    chosen = {name: arguments.get(name, SAMPLE_ARGUMENTS[name]) for name in parameters}
    return cast("Callable[..., object]", getattr(store, method))(**chosen)


def sample(artifact: Artifact, mark: str) -> str | JsonObject:
    """Return a text or document for the artifact that no other artifact or mark shares."""
    text = f"{artifact} {mark}"
    return text if artifact in TEXTS else {"is": text}


def write(store: GensStore, stage: Stage, gen_id: str, artifact: Artifact, value: object) -> None:
    """Write the artifact, whichever it is."""
    call(store, f"write_{artifact}", stage=stage, gen_id=gen_id, text=value, metadata=value)


def read(store: GensStore, stage: Stage, gen_id: str, artifact: Artifact) -> object:
    """Read the artifact, whichever it is."""
    return call(store, f"read_{artifact}", stage=stage, gen_id=gen_id)


def contents(store: GensStore) -> dict[tuple[Stage, str], dict[Artifact, object]]:
    """Return everything that can be read from a store, except its templates."""
    return {
        (stage, gen_id): {
            artifact: read(store, stage, gen_id, artifact)
            for artifact in ARTIFACTS
            if _has(store, stage, gen_id, artifact)
        }
        for stage in STAGES
        for gen_id in store.list_generations(stage)
    }


def _has(store: GensStore, stage: Stage, gen_id: str, artifact: Artifact) -> bool:
    try:
        read(store, stage, gen_id, artifact)
    except MissingArtifactError:
        return False
    return True


# The cases. Public, for tests of an adapter's own.

EXACT_TEXTS: Final = {
    "empty": "",
    "newlines of Windows": "a\r\nb\r\n",
    "lone carriage return": "a\rb\r",
    "newline at the end": "a\n",
    "no newline at the end": "a\nb",
    "blanks around": " \t a \n\n",
    "NUL": "a\x00b\x00",
    "byte order mark": "\ufeffa\ufeff",
    "other line separators": "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1ah",
    "composed and decomposed": "\u00e9 e\u0301",
    "astral": "\U0001f680 \U0010ffff",
    "noncharacters": "\ufffe \uffff",
    "1 MB": "0123456789abcdé\n" * 65536,
}
"""Texts that a store gives back to the character."""

JSON_DOCUMENTS: Final[Mapping[str, JsonObject]] = {
    "empty": {},
    "every kind of value": {"a": None, "b": True, "c": 1, "d": 1.0, "e": "x", "f": [], "g": {}},
    "nested": {"a": [{"b": [[], [1, [2, {"c": None}]]]}]},
    "large and small numbers": {"a": 2**80, "b": -(2**63), "c": 5e-324, "d": 1e308, "e": -0.0},
    "unicode": {"ключ 🚀": "значение \u2028 \ufeff é"},
    "strange keys": {"": 1, " ": 2, "a.b": 3, "\x00": 4, "\n": 5, '"': 6, "\\": 7},
    "order of keys": {"b": 1, "a": 2, "c": 3},
}
"""Documents that a store gives back with every type and the order of keys."""


class _Pair(NamedTuple):
    x: int
    y: int


def _endless() -> dict[str, object]:
    document: dict[str, object] = {}
    document["itself"] = document
    return document


def _deep() -> dict[str, object]:
    document: dict[str, object] = {}
    for _ in range(100_000):
        document = {"deeper": document}
    return document


NOT_JSON: Final[Mapping[str, Callable[[], object]]] = {
    "NaN": lambda: {"a": math.nan},
    "infinity": lambda: {"a": [math.inf]},
    "minus infinity": lambda: {"a": {"b": -math.inf}},
    "key that is a number": lambda: {1: "a"},
    "key that is None": lambda: {None: "a"},
    "key that is true": lambda: {True: "a"},
    "nested key that is a number": lambda: {"a": [{1: "a"}]},
    "tuple": lambda: {"a": (1, 2)},
    "named tuple": lambda: {"a": _Pair(1, 2)},
    "set": lambda: {"a": {1}},
    "bytes": lambda: {"a": b"a"},
    "path": lambda: {"a": PurePath("a")},
    "object": lambda: {"a": object()},
    "class": lambda: {"a": str},
    "number too long to be read": lambda: {"a": 10**5000},
    "lone surrogate": lambda: {"a": "\ud800"},
    "lone surrogate in a key": lambda: {"\udfff": "a"},
    "endless": _endless,
    "too deep": _deep,
    "array": lambda: [1],
    "text": lambda: "{}",
    "number": lambda: 1,
    "nothing": lambda: None,
    "pairs": lambda: [("a", 1)],
}
"""What JSON could not give back, made anew by each call, since some of it can hardly be shown."""

LONE_SURROGATES: Final = ("\ud800", "a\udfffb", "\ude80\ud83d", "\udcff")

HOSTILE_IDS: Final[Sequence[object]] = (
    "",
    ".",
    "..",
    "...",
    ".hidden",
    "-option",
    "_",
    " ",
    " a",
    "a ",
    "a.",
    "a.txt",
    "a/b",
    "a\\b",
    "/",
    "/etc/passwd",
    "../a",
    "..\\a",
    "../../../evil",
    "C:",
    "C:\\a",
    "\\\\host\\share",
    "a:b",
    "~",
    "a*",
    "a?",
    "a\x00",
    "\x00",
    "a\n",
    "\na",
    "a\r",
    "a\tb",
    "a\x7f",
    "a" * (MAX_ID_LENGTH + 1),
    "a" * 300,
    "CON",
    "con",
    "nUl",
    "AUX",
    "PRN",
    "COM1",
    "lpt9",
    "\u0430",  # a Cyrillic letter that looks like an a
    "\uff41",  # full-width a
    "\u00e9",
    "e\u0301",
    "\u0131",  # the dotless i, whose upper case is I
    "\u212a",  # the Kelvin sign, whose lower case is k
    "\u0661",  # Arabic 1
    "a\u200b",
    "a\u202eb",
    "\ud800",
    "\U0001f680",
    None,
    True,
    0,
    1.5,
    b"a",
    bytearray(b"a"),
    ["a"],
    ("a",),
    {"a": "a"},
    PurePath("a"),
    object(),
)
"""What no store takes for a gen_id or template_id."""

HOSTILE_STAGES: Final[Sequence[object]] = (
    "",
    ".",
    "..",
    "drafts",
    "Draft",
    "DRAFT",
    " draft",
    "draft ",
    "draft\n",
    "draft/",
    "./draft",
    "../draft",
    "/draft",
    "draft\x00",
    "dr\u0430ft",
    None,
    0,
    b"draft",
    ["draft"],
    PurePath("draft"),
    object(),
)
"""What no store takes for a stage."""

UNUSUAL_IDS: Final = (
    "0",
    "00",
    "a",
    "a-",
    "a_",
    "a-b",
    "a_b",
    "a--b",
    "aa",
    "Z9",
    "CONSOLE",
    "COM10",
    "x" * (MAX_ID_LENGTH - 1),
    "x" * MAX_ID_LENGTH,
)
"""Ids that are fine, close to each other or to ones that are not."""

CORRUPT_TEXTS: Final = {
    "not UTF-8": b"a\xff",
    "cut character": "é".encode()[:1],
    "overlong form": b"\xc0\xaf",
    "surrogate": b"\xed\xa0\x80",
    "UTF-16": "a".encode("utf-16"),
}

CORRUPT_DOCUMENTS: Final = {
    **CORRUPT_TEXTS,
    "empty": b"",
    "cut": b'{"a": "b',
    "half a document after a whole one": b'{"a": 1}\n{"a"',
    "NULs": b"\x00" * 20,
    "not JSON": b"{'a': 1}",
    "array": b"[]",
    "null": b"null",
    "text": b'"a"',
    "NaN": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "number that is infinite": b'{"a": 1e999}',
    "number too long": b'{"a": 1' + b"0" * 5000 + b"}",
    "byte order mark": b"\xef\xbb\xbf{}",
    "too deep": b'{"a":' + b"[" * 100_000,
}


class _Backdoors:
    """What an adapter's test class says about the adapter."""

    def add_template(self, store: _GensStore, stage: Stage, template_id: str, source: str) -> None:
        """Give the store a template."""
        raise NotImplementedError

    def put_bytes(
        self, store: _GensStore, stage: Stage, gen_id: str, artifact: Artifact, data: bytes
    ) -> None:
        """Put bytes in the place of an artifact that is there, as a fault of the disk would."""
        pytest.skip(f"{type(self).__name__} has no put_bytes")

    def stored_bytes(
        self, store: _GensStore, stage: Stage, gen_id: str, artifact: Artifact
    ) -> bytes:
        """Return the bytes of an artifact."""
        pytest.skip(f"{type(self).__name__} has no stored_bytes")

    @pytest.fixture
    def settle(self) -> Callable[[], None]:
        """Return what waits until every generation has a version that tells its next change."""
        pytest.skip(f"{type(self).__name__} has no settle")

    def plant_file(self, store: _GensStore, stage: Stage, name: str) -> None:
        """Put a file that is no generation where the generations of the stage are."""
        pytest.skip(f"{type(self).__name__} has no plant_file")


class GensStoreContract(_Backdoors):
    """What every `GensStore` does. See the module's docstring for how to use it."""

    @pytest.fixture
    def store(self) -> _GensStore:
        """Return a new store that holds nothing."""
        raise NotImplementedError

    # Texts

    @pytest.mark.parametrize("artifact", TEXTS)
    def test_a_text_reads_back_to_the_character(
        self, store: _GensStore, artifact: Artifact
    ) -> None:
        for case, text in EXACT_TEXTS.items():
            with _case(case):
                write(store, "draft", "a", artifact, text)
                assert read(store, "draft", "a", artifact) == text

    def test_a_text_is_stored_as_its_utf8_bytes_and_nothing_else(self, store: _GensStore) -> None:
        for case, text in EXACT_TEXTS.items():
            with _case(case):
                store.write_raw("draft", "a", text)
                assert self.stored_bytes(store, "draft", "a", "raw") == text.encode()

    @pytest.mark.parametrize("artifact", ARTIFACTS)
    def test_a_write_replaces_the_whole_artifact(
        self, store: _GensStore, artifact: Artifact
    ) -> None:
        write(store, "draft", "a", artifact, sample(artifact, "long" * 1000))
        write(store, "draft", "a", artifact, sample(artifact, "short"))
        assert read(store, "draft", "a", artifact) == sample(artifact, "short")

    @pytest.mark.parametrize("artifact", TEXTS)
    def test_a_lone_surrogate_is_refused_and_the_old_text_stays(
        self, store: _GensStore, artifact: Artifact
    ) -> None:
        write(store, "draft", "a", artifact, "old")
        for text in LONE_SURROGATES:
            with (
                _case(ascii(text)),
                pytest.raises(UnstorableError, match=f"{artifact} of draft/a.*surrogate"),
            ):
                write(store, "draft", "a", artifact, text)
        assert read(store, "draft", "a", artifact) == "old"

    @pytest.mark.parametrize("artifact", TEXTS)
    def test_a_text_that_is_no_str_is_refused_and_the_old_text_stays(
        self, store: _GensStore, artifact: Artifact
    ) -> None:
        write(store, "draft", "a", artifact, "old")
        for text in (None, b"new", 1, ["new"], PurePath("new")):
            with _case(repr(text)), pytest.raises(UnstorableError):
                write(store, "draft", "a", artifact, text)
        assert read(store, "draft", "a", artifact) == "old"

    def test_what_is_refused_creates_no_generation(self, store: _GensStore) -> None:
        for artifact in ARTIFACTS:
            with pytest.raises(UnstorableError):
                write(store, "draft", "a", artifact, None)
        assert not store.exists("draft", "a")

    # Documents

    @pytest.mark.parametrize("artifact", DOCUMENTS)
    def test_a_document_reads_back_with_its_types_and_order(
        self, store: _GensStore, artifact: Artifact
    ) -> None:
        for case, document in JSON_DOCUMENTS.items():
            with _case(case):
                write(store, "draft", "a", artifact, document)
                # repr, since True == 1 == 1.0 and dicts compare without order.
                assert repr(read(store, "draft", "a", artifact)) == repr(document)

    def test_mappings_and_subclasses_of_dict_read_back_as_plain_dicts(
        self, store: _GensStore
    ) -> None:
        document = MappingProxyType({"a": cast("JsonValue", OrderedDict(b=1))})
        store.write_main_metadata("draft", "a", document)
        assert repr(store.read_main_metadata("draft", "a")) == "{'a': {'b': 1}}"

    @pytest.mark.parametrize("artifact", DOCUMENTS)
    def test_what_is_not_json_is_refused_and_the_old_document_stays(
        self, store: _GensStore, artifact: Artifact
    ) -> None:
        write(store, "draft", "a", artifact, {"old": 1})
        for case, document in NOT_JSON.items():
            with _case(case), pytest.raises(UnstorableError, match=f"{artifact} of draft/a"):
                write(store, "draft", "a", artifact, document())
        assert read(store, "draft", "a", artifact) == {"old": 1}

    def test_changing_a_document_changes_nothing_stored(self, store: _GensStore) -> None:
        for artifact in DOCUMENTS:
            given: JsonObject = {"a": [{"b": ["c"]}]}
            write(store, "draft", "a", artifact, given)
            _spoil(given)
            read_back = cast("JsonObject", read(store, "draft", "a", artifact))
            assert read_back == {"a": [{"b": ["c"]}]}
            _spoil(read_back)
            assert read(store, "draft", "a", artifact) == {"a": [{"b": ["c"]}]}

    def test_a_document_is_stored_for_people_to_read(self, store: _GensStore) -> None:
        """One line per key, and no letter written as an escape."""
        for artifact in DOCUMENTS:
            write(store, "draft", "a", artifact, {"greeting": "Grüße 🚀", "n": 1})
            text = self.stored_bytes(store, "draft", "a", artifact).decode()
            assert "Grüße 🚀" in text
            assert not any('"greeting"' in line and '"n"' in line for line in text.splitlines())
            assert text.endswith("}\n")

    # Which generations there are

    def test_no_two_places_share_storage(self, store: _GensStore) -> None:
        places: list[tuple[Stage, str, Artifact]] = [
            *((stage, gen_id, "raw") for stage in STAGES for gen_id in UNUSUAL_IDS),
            *(("draft", "a-b", artifact) for artifact in ARTIFACTS),
        ]
        for stage, gen_id, artifact in places:
            write(store, stage, gen_id, artifact, sample(artifact, f"{stage} {gen_id}"))
        for stage, gen_id, artifact in places:
            expected = sample(artifact, f"{stage} {gen_id}")
            assert read(store, stage, gen_id, artifact) == expected

    def test_ids_that_differ_in_case_are_kept_apart_or_the_second_is_refused(
        self, store: _GensStore
    ) -> None:
        for artifact in ARTIFACTS:
            write(store, "draft", "case", artifact, sample(artifact, "lower"))
        for method in sorted(METHODS):
            if "gen_id" in METHODS[method].parameters:
                try:
                    call(store, method, gen_id="CASE")
                except (UnsafePathError, MissingArtifactError):
                    continue
        assert contents(store)["draft", "case"] == {a: sample(a, "lower") for a in ARTIFACTS}

    def test_listing_is_sorted_by_code_point_and_complete(self, store: _GensStore) -> None:
        for i, gen_id in enumerate(UNUSUAL_IDS):
            artifact = ARTIFACTS[i % len(ARTIFACTS)]
            write(store, "essay", gen_id, artifact, sample(artifact, "a"))
        assert list(store.list_generations("essay")) == sorted(UNUSUAL_IDS)

    def test_listing_tells_the_stages_apart(self, store: _GensStore) -> None:
        store.write_raw("draft", "a", "")
        store.reserve_generation("evaluation", "b")
        assert [list(store.list_generations(stage)) for stage in STAGES] == [["a"], [], ["b"]]

    def test_a_listing_belongs_to_the_caller(self, store: _GensStore) -> None:
        store.reserve_generation("draft", "a")
        listing = store.list_generations("draft")
        store.reserve_generation("draft", "b")
        assert list(listing) == ["a"]
        if isinstance(listing, list):
            listing.clear()
        assert list(store.list_generations("draft")) == ["a", "b"]

    def test_files_that_are_no_generations_are_not_listed(self, store: _GensStore) -> None:
        store.reserve_generation("draft", "a")
        for name in ("README", "notes.txt", ".tmp-0123", ".deleted-0123", "Thumbs.db", "a b", "é"):
            self.plant_file(store, "draft", name)
        assert list(store.list_generations("draft")) == ["a"]

    def test_a_generation_without_artifacts_exists(self, store: _GensStore) -> None:
        assert not store.exists("draft", "a")
        store.reserve_generation("draft", "a")
        assert store.exists("draft", "a")
        assert not store.exists("essay", "a")
        assert list(store.list_generations("draft")) == ["a"]

    def test_reserving_again_changes_nothing(self, store: _GensStore) -> None:
        first = store.reserve_generation("draft", "a")
        for artifact in ARTIFACTS:
            write(store, "draft", "a", artifact, sample(artifact, "old"))
        before = contents(store)
        assert store.reserve_generation("draft", "a") == first
        assert contents(store) == before

    def test_reserving_without_creating_says_where_and_creates_nothing(
        self, store: _GensStore
    ) -> None:
        place = store.reserve_generation("draft", "a", create=False)
        assert isinstance(place, PurePath)
        assert place.name == "a"
        assert contents(store) == {}
        assert store.reserve_generation("draft", "a") == place

    def test_deleting_removes_every_artifact_and_nothing_else(self, store: _GensStore) -> None:
        for gen_id in ("a", "aa", "a-b"):
            for artifact in ARTIFACTS:
                write(store, "draft", gen_id, artifact, sample(artifact, gen_id))
        store.write_raw("essay", "a", "same id, other stage")
        before = contents(store)
        store.delete_generation("draft", "a")
        del before["draft", "a"]
        assert contents(store) == before
        assert not store.exists("draft", "a")

    def test_deleting_again_or_what_never_was_changes_nothing(self, store: _GensStore) -> None:
        store.delete_generation("draft", "a")
        store.write_raw("draft", "a", "text")
        store.delete_generation("draft", "a")
        store.delete_generation("draft", "a")
        assert contents(store) == {}

    def test_a_deleted_generation_can_be_written_anew(self, store: _GensStore) -> None:
        store.write_raw("draft", "a", "old")
        store.delete_generation("draft", "a")
        store.write_parsed("draft", "a", "new")
        assert contents(store) == {("draft", "a"): {"parsed": "new"}}

    # Artifacts that are missing, empty or alone

    @pytest.mark.parametrize("artifact", ARTIFACTS)
    def test_a_missing_artifact_is_an_error_that_names_it(
        self, store: _GensStore, artifact: Artifact
    ) -> None:
        with pytest.raises(MissingArtifactError, match=f"draft/a has no {artifact}") as absent:
            read(store, "draft", "a", artifact)
        store.reserve_generation("draft", "a")
        with pytest.raises(MissingArtifactError) as reserved:
            read(store, "draft", "a", artifact)
        assert isinstance(reserved.value, FileNotFoundError)
        for error in (absent.value, reserved.value):
            assert (error.stage, error.gen_id, error.artifact) == ("draft", "a", artifact)
            assert error.location in str(error)

    @pytest.mark.parametrize("artifact", ARTIFACTS)
    def test_one_artifact_makes_a_generation_and_the_others_stay_missing(
        self, store: _GensStore, artifact: Artifact
    ) -> None:
        value = "" if artifact in TEXTS else {}
        write(store, "draft", "a", artifact, value)
        assert contents(store) == {("draft", "a"): {artifact: value}}

    def test_reading_creates_nothing(self, store: _GensStore) -> None:
        for method in sorted(READERS):
            try:
                call(store, method)
            except FileNotFoundError:
                continue
        assert contents(store) == {}
        assert not store.exists("draft", "sample")

    # Versions

    def test_a_version_lasts_while_nothing_is_written(
        self, store: _GensStore, settle: Callable[[], None]
    ) -> None:
        for artifact in ARTIFACTS:
            write(store, "draft", "a", artifact, sample(artifact, "a"))
        store.reserve_generation("draft", "empty")
        store.write_raw("essay", "a", "same id, other stage")
        settle()
        before = dict(store.generation_versions("draft"))
        for method in sorted(READERS):
            with suppress(FileNotFoundError):
                call(store, method, gen_id="a")
        store.reserve_generation("draft", "a")
        with pytest.raises(UnstorableError):
            write(store, "draft", "a", "raw", None)
        store.write_raw("draft", "other", "text")
        store.write_raw("essay", "a", "text")
        settle()
        after = dict(store.generation_versions("draft"))
        assert before.keys() == {"a", "empty"}
        assert after.keys() == {"a", "empty", "other"}
        assert all(isinstance(version, str) for version in after.values())
        del after["other"]
        assert after == before

    @pytest.mark.parametrize("artifact", ARTIFACTS)
    def test_a_write_gives_a_generation_another_version(
        self, store: _GensStore, settle: Callable[[], None], artifact: Artifact
    ) -> None:
        seen = []
        for mark in ("old", "new", "new", "old"):
            write(store, "draft", "a", artifact, sample(artifact, mark))
            settle()
            seen.append(store.generation_versions("draft")["a"])
        assert len(set(seen)) == len(seen)

    def test_a_generation_that_was_deleted_and_written_anew_has_another_version(
        self, store: _GensStore, settle: Callable[[], None]
    ) -> None:
        seen = []
        for _ in range(3):
            store.write_raw("draft", "a", "text")
            settle()
            seen.append(store.generation_versions("draft")["a"])
            store.delete_generation("draft", "a")
            assert "a" not in store.generation_versions("draft")
        assert len(set(seen)) == len(seen)

    def test_no_version_outlives_a_write_however_soon_it_comes(self, store: _GensStore) -> None:
        seen = set[str]()
        for number in range(200):
            store.write_parsed("draft", "a", str(number))
            version = store.generation_versions("draft").get("a", f"none {number}")
            assert version not in seen
            seen.add(version)

    def test_only_generations_have_versions(
        self, store: _GensStore, settle: Callable[[], None]
    ) -> None:
        store.write_raw("draft", "a", "text")
        self.plant_file(store, "draft", "stray")
        settle()
        assert store.generation_versions("draft").keys() == {"a"}
        assert store.generation_versions("essay") == {}

    # Claims

    def test_a_claim_keeps_others_out_until_it_is_released(self, store: _GensStore) -> None:
        claim = _claimed(store, "draft", "a")
        assert store.claim("draft", "a") is None
        claim.release()
        again = _claimed(store, "draft", "a")
        assert store.claim("draft", "a") is None
        again.release()

    def test_claims_of_other_generations_are_free(self, store: _GensStore) -> None:
        places = list(itertools.product(STAGES, ("a", "aa", "b")))
        claims = [_claimed(store, stage, gen_id) for stage, gen_id in places]
        for claim in claims:
            claim.release()

    def test_a_claim_keeps_nothing_else_from_the_generation(self, store: _GensStore) -> None:
        claim = _claimed(store, "draft", "a")
        assert not store.exists("draft", "a")
        assert list(store.list_generations("draft")) == []
        for artifact in ARTIFACTS:
            write(store, "draft", "a", artifact, sample(artifact, "claimed"))
            assert read(store, "draft", "a", artifact) == sample(artifact, "claimed")
        store.delete_generation("draft", "a")
        assert store.claim("draft", "a") is None
        claim.release()
        assert contents(store) == {}

    def test_of_threads_that_claim_the_same_one_has_it_at_a_time(self, store: _GensStore) -> None:
        """Each thread counts while it has the claim; a step that another thread shared is lost."""
        threads, steps, counted = 4, 50, 0

        def count() -> None:
            nonlocal counted
            done = 0
            while done < steps:
                claim = store.claim("draft", "a")
                if claim is not None:
                    seen = counted
                    store.exists("draft", "a")
                    counted = seen + 1
                    done += 1
                    claim.release()

        with _threads_that_alternate(), ThreadPoolExecutor() as pool:
            for thread in [pool.submit(count) for _ in range(threads)]:
                thread.result()
        assert counted == threads * steps

    def test_a_claim_can_be_released_by_another_thread(self, store: _GensStore) -> None:
        claim = _claimed(store, "draft", "a")
        with ThreadPoolExecutor() as pool:
            pool.submit(claim.release).result()
        _claimed(store, "draft", "a").release()

    # Templates

    def test_a_template_reads_back_to_the_character(self, store: _GensStore) -> None:
        for case, source in EXACT_TEXTS.items():
            with _case(case):
                self.add_template(store, "draft", "a", source)
                assert store.read_template("draft", "a") == source

    def test_templates_are_told_apart_and_are_no_generations(self, store: _GensStore) -> None:
        places = list(itertools.product(STAGES, ("a", "aa", "a-b")))
        for stage, template_id in places:
            self.add_template(store, stage, template_id, f"{stage} {template_id}")
        for stage, template_id in places:
            assert store.read_template(stage, template_id) == f"{stage} {template_id}"
        assert contents(store) == {}

    def test_a_missing_template_is_an_error_that_names_it(self, store: _GensStore) -> None:
        self.add_template(store, "draft", "a", "")
        with pytest.raises(MissingTemplateError, match="no essay template 'a'") as raised:
            store.read_template("essay", "a")
        assert isinstance(raised.value, FileNotFoundError)
        assert (raised.value.stage, raised.value.template_id) == ("essay", "a")
        assert raised.value.location in str(raised.value)

    # Ids

    @pytest.mark.parametrize("method", sorted(METHODS))
    def test_every_method_refuses_hostile_ids_before_any_io(
        self, store: _GensStore, method: str
    ) -> None:
        hostile: dict[str, Sequence[object]] = {
            "stage": HOSTILE_STAGES,
            "gen_id": HOSTILE_IDS,
            "template_id": HOSTILE_IDS,
        }
        store.write_raw("draft", "sample", "old")
        before = contents(store)
        accepted = []
        for parameter in METHODS[method].parameters.keys() & hostile.keys():
            for value in hostile[parameter]:
                with _io_calls() as io_calls:
                    try:
                        call(store, method, **{parameter: value})
                        accepted.append(value)
                    except InvalidIdError as error:
                        assert isinstance(error, ValueError)  # noqa: PT017  asserted of each
                        assert error.kind == parameter  # noqa: PT017
                assert io_calls == []
        assert accepted == []
        assert contents(store) == before

    def test_a_str_of_another_class_is_the_id_that_it_equals(self, store: _GensStore) -> None:
        """Such as a member of a StrEnum, which formats itself in ways of its own."""

        class Shouted(str):
            __slots__ = ()

            def __str__(self) -> str:
                return "../evil"

            def __format__(self, _spec: str) -> str:
                return "../evil"

        store.write_raw("draft", Shouted("a"), "text")
        assert list(store.list_generations("draft")) == ["a"]
        assert store.read_raw("draft", "a") == "text"

    # Errors

    @pytest.mark.parametrize("artifact", ARTIFACTS)
    def test_a_corrupt_artifact_is_an_error_that_names_the_file(
        self, store: _GensStore, artifact: Artifact
    ) -> None:
        value = sample(artifact, "good")
        write(store, "draft", "corrupt", artifact, value)
        corrupt = CORRUPT_TEXTS if artifact in TEXTS else CORRUPT_DOCUMENTS
        for case, data in corrupt.items():
            self.put_bytes(store, "draft", "corrupt", artifact, data)
            with (
                _case(case),
                pytest.raises(MalformedArtifactError, match=f"malformed {artifact} in ") as raised,
            ):
                read(store, "draft", "corrupt", artifact)
            assert isinstance(raised.value, ValueError)
            assert "corrupt" in raised.value.location
            assert raised.value.location in str(raised.value)
        assert list(store.list_generations("draft")) == ["corrupt"]
        write(store, "draft", "corrupt", artifact, value)
        assert read(store, "draft", "corrupt", artifact) == value

    def test_errors_survive_pickling_and_copying(self, store: _GensStore) -> None:
        attempts: list[Callable[[], object]] = [
            lambda: store.exists("draft", ".."),
            lambda: store.read_raw("draft", "absent"),
            lambda: store.read_template("draft", "absent"),
            lambda: store.write_raw("draft", "a", "\ud800"),
            lambda: store.write_raw_metadata("draft", "a", {"a": math.nan}),
        ]
        for attempt in attempts:
            with pytest.raises(DaydreamingError) as raised:
                attempt()
            _check_pickles(raised.value)

    def test_an_error_about_a_corrupt_file_survives_pickling(self, store: _GensStore) -> None:
        store.write_raw("draft", "a", "text")
        self.put_bytes(store, "draft", "a", "raw", b"\xff")
        with pytest.raises(MalformedArtifactError) as raised:
            store.read_raw("draft", "a")
        _check_pickles(raised.value)

    def test_the_repr_shows_no_content(self, store: _GensStore) -> None:
        self.add_template(store, "draft", "a", "a secret template")
        for artifact in ARTIFACTS:
            write(store, "draft", "a", artifact, sample(artifact, "secret"))
        assert "secret" not in repr(store)
        assert "secret" not in str(store)

    # Threads

    def test_listing_is_stable_while_others_create_and_delete(self, store: _GensStore) -> None:
        kept = [f"kept{i:02}" for i in range(20)]
        for gen_id in kept:
            store.reserve_generation("draft", gen_id)
        stop = threading.Event()

        def come_and_go(name: str) -> None:
            while not stop.is_set():
                store.write_parsed("draft", name, "text")
                store.delete_generation("draft", name)

        def look() -> None:
            for _ in range(100):
                seen = list(store.list_generations("draft"))
                assert seen == sorted(seen)
                assert set(kept) <= set(seen) <= {*kept, "going0", "going1"}

        with _threads_that_alternate(), ThreadPoolExecutor() as pool:
            try:
                others = [pool.submit(come_and_go, f"going{i}") for i in range(2)]
                look()
            finally:
                stop.set()
            for other in others:
                other.result()
        assert list(store.list_generations("draft")) == kept

    def test_readers_find_whole_texts_while_others_write(self, store: _GensStore) -> None:
        texts = [f"{i}" * 50_000 for i in range(4)]
        store.write_parsed("draft", "a", texts[0])
        stop = threading.Event()

        def rewrite(text: str) -> None:
            while not stop.is_set():
                store.write_parsed("draft", "a", text)

        with _threads_that_alternate(), ThreadPoolExecutor() as pool:
            try:
                others = [pool.submit(rewrite, text) for text in texts]
                for _ in range(100):
                    assert store.read_parsed("draft", "a") in texts
            finally:
                stop.set()
            for other in others:
                other.result()


class ReadOnlyGensStoreContract(_Backdoors):
    """What every `GensStore` that only reads does, for a view of another store."""

    @pytest.fixture
    def inner(self) -> _GensStore:
        """Return a new store that holds nothing and can be written."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, inner: _GensStore) -> _GensStore:
        """Return the store under test, which shows what `inner` holds."""
        raise NotImplementedError

    def digest(self, inner: _GensStore) -> object:
        """Return something that is equal only while nothing in `inner` changed."""
        return contents(inner)

    @pytest.fixture
    def filled(self, inner: _GensStore) -> _GensStore:
        """Return `inner` with the generation `draft/sample` and the template of that name."""
        self.add_template(inner, "draft", "sample", "a template")
        for artifact in ARTIFACTS:
            write(inner, "draft", "sample", artifact, sample(artifact, "inner"))
        inner.reserve_generation("draft", "reserved")
        return inner

    def test_every_method_of_the_port_is_known_to_read_or_to_write(self) -> None:
        """A method added to the port fails here until someone decides which it is."""
        assert METHODS.keys() == READERS | WRITERS
        assert not READERS & WRITERS

    def test_it_has_no_public_method_beyond_the_port(self, store: _GensStore) -> None:
        """Such as an inherited `clear`, through which well-known read-only stores are written."""
        public = {name for name in dir(store) if not name.startswith("_")}
        assert {name for name in public if callable(getattr(store, name))} == METHODS.keys()

    @pytest.mark.parametrize("gen_id", ["sample", "reserved", "new"])
    @pytest.mark.parametrize("method", sorted(WRITERS))
    def test_every_writer_is_refused_and_the_inner_store_unchanged(
        self, filled: _GensStore, store: _GensStore, method: str, gen_id: str
    ) -> None:
        before = self.digest(filled)
        with pytest.raises(ReadOnlyStoreError, match=f"{method} refused for draft/{gen_id}") as e:
            call(store, method, gen_id=gen_id)
        assert isinstance(e.value, PermissionError)
        _check_pickles(e.value)
        assert self.digest(filled) == before

    @pytest.mark.parametrize("method", sorted(WRITERS))
    def test_a_writer_refuses_a_hostile_id_for_the_id(self, store: _GensStore, method: str) -> None:
        with pytest.raises(InvalidIdError, match="invalid gen_id"):
            call(store, method, gen_id="../evil")

    @pytest.mark.parametrize("method", sorted(READERS))
    def test_every_reader_answers_as_the_inner_store_does(
        self, filled: _GensStore, store: _GensStore, method: str
    ) -> None:
        before = self.digest(filled)
        for name in ("sample", "reserved", "absent", "../evil"):
            for stage in ("draft", "essay", "evil"):
                arguments = {"stage": stage, "gen_id": name, "template_id": name}
                expected = _outcome(partial(call, filled, method, **arguments))
                assert _outcome(partial(call, store, method, **arguments)) == expected
        assert self.digest(filled) == before

    def test_reading_an_empty_store_creates_nothing(
        self, inner: _GensStore, store: _GensStore
    ) -> None:
        before = self.digest(inner)
        for method in sorted(READERS):
            try:
                call(store, method)
            except FileNotFoundError:
                continue
        store.reserve_generation("draft", "a", create=False)
        assert self.digest(inner) == before

    def test_it_says_where_a_generation_would_be(
        self, inner: _GensStore, store: _GensStore
    ) -> None:
        place = store.reserve_generation("draft", "a", create=False)
        assert place == inner.reserve_generation("draft", "a", create=False)
        with pytest.raises(ReadOnlyStoreError):
            store.reserve_generation("draft", "a")

    def test_later_writes_to_the_inner_store_are_seen(
        self, filled: _GensStore, store: _GensStore
    ) -> None:
        assert contents(store) == contents(filled)
        filled.write_raw("draft", "sample", "later")
        filled.write_raw("essay", "new", "later")
        filled.delete_generation("draft", "reserved")
        self.add_template(filled, "essay", "new", "later")
        assert store.read_raw("draft", "sample") == "later"
        assert store.read_raw("essay", "new") == "later"
        assert store.read_template("essay", "new") == "later"
        assert contents(store) == contents(filled)

    def test_the_repr_shows_no_content(self, filled: _GensStore, store: _GensStore) -> None:
        filled.write_raw("draft", "sample", "secret")
        assert "secret" not in repr(store)


def _claimed(store: _GensStore, stage: Stage, gen_id: str) -> Claim:
    claim = store.claim(stage, gen_id)
    assert claim is not None
    return claim


def _spoil(document: JsonObject) -> None:
    """Change a document of the form `{"a": [{"b": [...]}]}` at every level."""
    inner = cast("list[dict[str, list[str]]]", document["a"])
    inner[0]["b"].append("spoiled")
    inner[0]["spoiled"] = []
    inner.append({})
    document["spoiled"] = True


def _outcome(attempt: Callable[[], object]) -> object:
    try:
        return attempt()
    except DaydreamingError as error:
        return type(error), str(error)


def _check_pickles(error: BaseException) -> None:
    for copied in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301  our own
        assert type(copied) is type(error)
        assert str(copied) == str(error)
        assert copied.args == error.args


@contextmanager
def _threads_that_alternate() -> Iterator[None]:
    """Let threads take turns a thousand times more often, so that they meet in short steps too."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(before / 1000)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextmanager
def _case(name: str) -> Iterator[None]:
    """Say in a failure which case of several it was."""
    try:
        yield
    except BaseException as failure:
        failure.add_note(f"case: {name}")
        raise


@contextmanager
def _io_calls() -> Iterator[list[str]]:
    """Yield the names of the system's functions that this thread calls meanwhile."""
    calls: list[str] = []

    def profile(_frame: FrameType, event: str, function: object) -> None:
        if event == "c_call":
            module = getattr(function, "__module__", None)
            module = module or type(getattr(function, "__self__", None)).__module__
            if module in {"posix", "nt", "io", "_io", "_socket", "_sqlite3"}:
                calls.append(f"{module}.{getattr(function, '__name__', function)}")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield calls
    finally:
        sys.setprofile(before)
