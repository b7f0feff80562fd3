"""Texts are given back to the character, or refused."""
# ruff: noqa: S101  pytest asserts

from pathlib import PurePath

import pytest

from daydreaming_dagster.ports.errors import UnstorableError
from daydreaming_dagster.ports.gens_store import Artifact
from daydreaming_dagster.testing.gens_store.access import ARTIFACTS, TEXTS, read, sample, write
from daydreaming_dagster.testing.gens_store.backdoors import StoreT, StoreUnderTest
from daydreaming_dagster.testing.gens_store.cases import EXACT_TEXTS, LONE_SURROGATES
from daydreaming_dagster.testing.gens_store.observation import in_case


class TextsContract(StoreUnderTest[StoreT]):
    """The part of `GensStoreContract` about texts."""

    @pytest.mark.parametrize("artifact", TEXTS)
    def test_a_text_reads_back_to_the_character(self, store: StoreT, artifact: Artifact) -> None:
        for case, text in EXACT_TEXTS.items():
            with in_case(case):
                write(store, "draft", "a", artifact, text)
                assert read(store, "draft", "a", artifact) == text

    def test_a_text_is_stored_as_its_utf8_bytes_and_nothing_else(self, store: StoreT) -> None:
        for case, text in EXACT_TEXTS.items():
            with in_case(case):
                store.write_raw("draft", "a", text)
                assert self.stored_bytes(store, "draft", "a", "raw") == text.encode()

    @pytest.mark.parametrize("artifact", ARTIFACTS)
    def test_a_write_replaces_the_whole_artifact(self, store: StoreT, artifact: Artifact) -> None:
        write(store, "draft", "a", artifact, sample(artifact, "long" * 1000))
        write(store, "draft", "a", artifact, sample(artifact, "short"))
        assert read(store, "draft", "a", artifact) == sample(artifact, "short")

    @pytest.mark.parametrize("artifact", TEXTS)
    def test_a_lone_surrogate_is_refused_and_the_old_text_stays(
        self, store: StoreT, artifact: Artifact
    ) -> None:
        write(store, "draft", "a", artifact, "old")
        for text in LONE_SURROGATES:
            with (
                in_case(ascii(text)),
                pytest.raises(UnstorableError, match=f"{artifact} of draft/a.*surrogate"),
            ):
                write(store, "draft", "a", artifact, text)
        assert read(store, "draft", "a", artifact) == "old"

    @pytest.mark.parametrize("artifact", TEXTS)
    def test_a_text_that_is_no_str_is_refused_and_the_old_text_stays(
        self, store: StoreT, artifact: Artifact
    ) -> None:
        write(store, "draft", "a", artifact, "old")
        for text in (None, b"new", 1, ["new"], PurePath("new")):
            with in_case(repr(text)), pytest.raises(UnstorableError):
                write(store, "draft", "a", artifact, text)
        assert read(store, "draft", "a", artifact) == "old"

    def test_what_is_refused_creates_no_generation(self, store: StoreT) -> None:
        for artifact in ARTIFACTS:
            with pytest.raises(UnstorableError):
                write(store, "draft", "a", artifact, None)
        assert not store.exists("draft", "a")
