"""Which generations there are: what lists, locates and deletes them."""
# ruff: noqa: S101  pytest asserts

import re

from daydreaming_dagster.testing.gens_store.access import ARTIFACTS, contents, sample, write
from daydreaming_dagster.testing.gens_store.backdoors import StoreT, StoreUnderTest
from daydreaming_dagster.testing.gens_store.cases import UNUSUAL_IDS
from daydreaming_dagster.types import STAGES


class ListingContract(StoreUnderTest[StoreT]):
    """The part of `GensStoreContract` about generations as a whole."""

    def test_listing_is_sorted_by_code_point_and_complete(self, store: StoreT) -> None:
        for i, gen_id in enumerate(UNUSUAL_IDS):
            artifact = ARTIFACTS[i % len(ARTIFACTS)]
            write(store, "essay", gen_id, artifact, sample(artifact, "a"))
        assert list(store.list_generations("essay")) == sorted(UNUSUAL_IDS)

    def test_listing_tells_the_stages_apart(self, store: StoreT) -> None:
        store.write_raw("draft", "a", "")
        store.write_prompt("evaluation", "b", "")
        assert [list(store.list_generations(stage)) for stage in STAGES] == [["a"], [], ["b"]]

    def test_a_listing_belongs_to_the_caller(self, store: StoreT) -> None:
        store.write_prompt("draft", "a", "")
        listing = store.list_generations("draft")
        store.write_prompt("draft", "b", "")
        assert list(listing) == ["a"]
        if isinstance(listing, list):
            listing.clear()
        assert list(store.list_generations("draft")) == ["a", "b"]

    def test_files_that_are_no_generations_are_not_listed(self, store: StoreT) -> None:
        store.write_prompt("draft", "a", "")
        for name in ("README", "notes.txt", ".tmp-0123", ".deleted-0123", "Thumbs.db", "a b", "é"):
            self.plant_file(store, "draft", name)
        assert list(store.list_generations("draft")) == ["a"]

    def test_a_generation_exists_as_soon_as_it_has_an_artifact(self, store: StoreT) -> None:
        for artifact in ARTIFACTS:
            assert not store.exists("draft", f"of-{artifact}")
            write(store, "draft", f"of-{artifact}", artifact, sample(artifact, "a"))
            assert store.exists("draft", f"of-{artifact}")
            assert not store.exists("essay", f"of-{artifact}")

    def test_it_says_where_a_generation_is_and_creates_nothing(self, store: StoreT) -> None:
        place = store.locate("draft", "a")
        assert re.split(r"[/\\]", place)[-2:] == ["draft", "a"]
        assert contents(store) == {}
        store.write_raw("draft", "a", "text")
        assert store.locate("draft", "a") == place

    def test_a_closed_store_opens_again(self, store: StoreT) -> None:
        store.write_raw("draft", "a", "text")
        store.close()
        store.close()
        assert store.read_raw("draft", "a") == "text"

    def test_deleting_removes_every_artifact_and_nothing_else(self, store: StoreT) -> None:
        for gen_id in ("a", "aa", "a-b"):
            for artifact in ARTIFACTS:
                write(store, "draft", gen_id, artifact, sample(artifact, gen_id))
        store.write_raw("essay", "a", "same id, other stage")
        before = contents(store)
        store.delete_generation("draft", "a")
        del before["draft", "a"]
        assert contents(store) == before
        assert not store.exists("draft", "a")

    def test_deleting_again_or_what_never_was_changes_nothing(self, store: StoreT) -> None:
        store.delete_generation("draft", "a")
        store.write_raw("draft", "a", "text")
        store.delete_generation("draft", "a")
        store.delete_generation("draft", "a")
        assert contents(store) == {}

    def test_a_deleted_generation_can_be_written_anew(self, store: StoreT) -> None:
        store.write_raw("draft", "a", "old")
        store.delete_generation("draft", "a")
        store.write_parsed("draft", "a", "new")
        assert contents(store) == {("draft", "a"): {"parsed": "new"}}
