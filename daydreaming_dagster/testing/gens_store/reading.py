"""What readers say of artifacts that are missing, empty or corrupt."""
# ruff: noqa: S101  pytest asserts

import math
from collections.abc import Callable

import pytest

from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.errors import MalformedArtifactError, MissingArtifactError
from daydreaming_dagster.ports.gens_store import Artifact
from daydreaming_dagster.testing.gens_store.access import (
    ARTIFACTS,
    READERS,
    TEXTS,
    call,
    contents,
    methods_of,
    read,
    sample,
    write,
)
from daydreaming_dagster.testing.gens_store.backdoors import StoreT, StoreUnderTest
from daydreaming_dagster.testing.gens_store.cases import CORRUPT_DOCUMENTS, CORRUPT_TEXTS
from daydreaming_dagster.testing.gens_store.observation import check_pickles, in_case


class ReadingContract(StoreUnderTest[StoreT]):
    """The part of `GensStoreContract` about readers."""

    @pytest.mark.parametrize("artifact", ARTIFACTS)
    def test_a_missing_artifact_is_an_error_that_names_it(
        self, store: StoreT, artifact: Artifact
    ) -> None:
        with pytest.raises(MissingArtifactError, match=f"draft/a has no {artifact}") as absent:
            read(store, "draft", "a", artifact)
        other = ARTIFACTS[ARTIFACTS.index(artifact) - 1]
        write(store, "draft", "a", other, sample(other, "a"))
        with pytest.raises(MissingArtifactError) as begun:
            read(store, "draft", "a", artifact)
        assert isinstance(begun.value, FileNotFoundError)
        for error in (absent.value, begun.value):
            assert (error.stage, error.gen_id, error.artifact) == ("draft", "a", artifact)
            assert error.location in str(error)

    @pytest.mark.parametrize("artifact", ARTIFACTS)
    def test_one_artifact_makes_a_generation_and_the_others_stay_missing(
        self, store: StoreT, artifact: Artifact
    ) -> None:
        value = "" if artifact in TEXTS else {}
        write(store, "draft", "a", artifact, value)
        assert contents(store) == {("draft", "a"): {artifact: value}}

    def test_a_view_that_read_ahead_shows_what_the_store_has(self, store: StoreT) -> None:
        for gen_id in ("a", "b"):
            for artifact in ARTIFACTS:
                write(store, "draft", gen_id, artifact, sample(artifact, gen_id))
        store.write_raw("essay", "a", "of another stage")
        some: list[Artifact] = ["raw", "raw_metadata"]
        for gen_ids, artifacts in ((["a"], some), (["a", "b", "absent"], ARTIFACTS), ([], some)):
            view = store.read_many("draft", gen_ids, artifacts)
            view = view.read_many("essay", ["a"], ["raw"])
            assert contents(view) == contents(store)
            for artifact in ARTIFACTS:
                with pytest.raises(MissingArtifactError, match=f"draft/absent has no {artifact}"):
                    read(view, "draft", "absent", artifact)

    def test_a_malformed_artifact_that_was_read_ahead_fails_when_it_is_read(
        self, store: StoreT
    ) -> None:
        for artifact in ARTIFACTS:
            write(store, "draft", "a", artifact, sample(artifact, "a"))
        self.put_bytes(store, "draft", "a", "raw_metadata", b"not JSON")
        view = store.read_many("draft", ["a"], ARTIFACTS)
        with pytest.raises(MalformedArtifactError, match="raw_metadata"):
            view.read_raw_metadata("draft", "a")
        assert view.read_raw("draft", "a") == "raw a"

    def test_reading_creates_nothing(self, store: StoreT) -> None:
        for method in sorted(READERS & methods_of(store)):
            try:
                call(store, method)
            except FileNotFoundError:
                continue
        assert contents(store) == {}
        assert not store.exists("draft", "sample")

    @pytest.mark.parametrize("artifact", ARTIFACTS)
    def test_a_corrupt_artifact_is_an_error_that_names_the_file(
        self, store: StoreT, artifact: Artifact
    ) -> None:
        value = sample(artifact, "good")
        write(store, "draft", "corrupt", artifact, value)
        corrupt = CORRUPT_TEXTS if artifact in TEXTS else CORRUPT_DOCUMENTS
        for case, data in corrupt.items():
            self.put_bytes(store, "draft", "corrupt", artifact, data)
            with (
                in_case(case),
                pytest.raises(MalformedArtifactError, match=f"malformed {artifact} in ") as raised,
            ):
                read(store, "draft", "corrupt", artifact)
            assert isinstance(raised.value, ValueError)
            assert "corrupt" in raised.value.location
            assert raised.value.location in str(raised.value)
        assert list(store.list_generations("draft")) == ["corrupt"]
        write(store, "draft", "corrupt", artifact, value)
        assert read(store, "draft", "corrupt", artifact) == value

    def test_errors_survive_pickling_and_copying(self, store: StoreT) -> None:
        attempts: list[Callable[[], object]] = [
            lambda: store.exists("draft", ".."),
            lambda: store.read_raw("draft", "absent"),
            lambda: store.write_raw("draft", "a", "\ud800"),
            lambda: store.write_raw_metadata("draft", "a", {"a": math.nan}),
        ]
        for attempt in attempts:
            with pytest.raises(DaydreamingError) as raised:
                attempt()
            check_pickles(raised.value)

    def test_an_error_about_a_corrupt_file_survives_pickling(self, store: StoreT) -> None:
        store.write_raw("draft", "a", "text")
        self.put_bytes(store, "draft", "a", "raw", b"\xff")
        with pytest.raises(MalformedArtifactError) as raised:
            store.read_raw("draft", "a")
        check_pickles(raised.value)

    def test_the_repr_shows_no_content(self, store: StoreT) -> None:
        for artifact in ARTIFACTS:
            write(store, "draft", "a", artifact, sample(artifact, "secret"))
        assert "secret" not in repr(store)
        assert "secret" not in str(store)
