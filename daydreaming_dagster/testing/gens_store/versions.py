"""What every store with `Versions` does."""
# ruff: noqa: S101  pytest asserts

from collections.abc import Callable
from contextlib import suppress

import pytest

from daydreaming_dagster.ports.errors import UnstorableError
from daydreaming_dagster.ports.gens_store import Artifact, Versions
from daydreaming_dagster.testing.gens_store.access import (
    ARTIFACTS,
    READERS,
    call,
    methods_of,
    sample,
    write,
)
from daydreaming_dagster.testing.gens_store.backdoors import StoreT, StoreUnderTest


class VersionsContract(StoreUnderTest[StoreT]):
    """Skipped where the store has none. Mixed into `GensStoreContract`."""

    @pytest.fixture
    def versions(self, store: StoreT) -> Versions:
        """Return the store as one that has `Versions`."""
        if not isinstance(store, Versions):
            pytest.skip(f"{type(store).__name__} has no generation_versions")
        return store

    def test_a_version_lasts_while_nothing_is_written(
        self, store: StoreT, versions: Versions, settle: Callable[[], None]
    ) -> None:
        for artifact in ARTIFACTS:
            write(store, "draft", "a", artifact, sample(artifact, "a"))
        store.write_raw("essay", "a", "same id, other stage")
        settle()
        before = dict(versions.generation_versions("draft"))
        for method in sorted(READERS & methods_of(store)):
            with suppress(FileNotFoundError):
                call(store, method, gen_id="a")
        with pytest.raises(UnstorableError):
            write(store, "draft", "a", "raw", None)
        store.write_raw("draft", "other", "text")
        store.write_raw("essay", "a", "text")
        settle()
        after = dict(versions.generation_versions("draft"))
        assert before.keys() == {"a"}
        assert after.keys() == {"a", "other"}
        assert all(isinstance(version, str) for version in after.values())
        del after["other"]
        assert after == before

    @pytest.mark.parametrize("artifact", ARTIFACTS)
    def test_a_generation_with_another_content_has_another_version(
        self, store: StoreT, versions: Versions, settle: Callable[[], None], artifact: Artifact
    ) -> None:
        seen: dict[str, str] = {}
        for mark in ("old", "new", "new", "old"):
            write(store, "draft", "a", artifact, sample(artifact, mark))
            settle()
            version = versions.generation_versions("draft")["a"]
            assert seen.setdefault(version, mark) == mark
        assert len(seen) > 1

    def test_a_generation_that_was_deleted_and_written_otherwise_has_another_version(
        self, store: StoreT, versions: Versions, settle: Callable[[], None]
    ) -> None:
        seen = []
        for number in range(3):
            store.write_raw("draft", "a", f"text {number}")
            settle()
            seen.append(versions.generation_versions("draft")["a"])
            store.delete_generation("draft", "a")
            assert "a" not in versions.generation_versions("draft")
        assert len(set(seen)) == len(seen)

    def test_a_deleted_artifact_gives_a_generation_another_version(
        self, store: StoreT, versions: Versions, settle: Callable[[], None]
    ) -> None:
        for artifact in ARTIFACTS:
            write(store, "draft", "a", artifact, sample(artifact, "a"))
        settle()
        whole = versions.generation_versions("draft")["a"]
        store.delete_generation("draft", "a")
        for artifact in ARTIFACTS[1:]:
            write(store, "draft", "a", artifact, sample(artifact, "a"))
        settle()
        assert versions.generation_versions("draft")["a"] != whole

    def test_no_version_outlives_a_write_however_soon_it_comes(
        self, store: StoreT, versions: Versions
    ) -> None:
        seen = set[str]()
        for number in range(200):
            store.write_parsed("draft", "a", str(number))
            version = versions.generation_versions("draft").get("a", f"none {number}")
            assert version not in seen
            seen.add(version)

    def test_only_generations_have_versions(
        self, store: StoreT, versions: Versions, settle: Callable[[], None]
    ) -> None:
        store.write_raw("draft", "a", "text")
        self.plant_file(store, "draft", "stray")
        settle()
        assert versions.generation_versions("draft").keys() == {"a"}
        assert versions.generation_versions("essay") == {}
