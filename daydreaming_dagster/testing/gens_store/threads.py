"""Readers see whole listings and whole texts while other threads write."""
# ruff: noqa: S101  pytest asserts

import threading
from concurrent.futures import ThreadPoolExecutor

from daydreaming_dagster.testing.gens_store.backdoors import StoreT, StoreUnderTest
from daydreaming_dagster.testing.gens_store.observation import threads_that_alternate


class ThreadsContract(StoreUnderTest[StoreT]):
    """The part of `GensStoreContract` about threads."""

    def test_listing_is_stable_while_others_create_and_delete(self, store: StoreT) -> None:
        kept = [f"kept{i:02}" for i in range(20)]
        for gen_id in kept:
            store.write_prompt("draft", gen_id, "kept")
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

        with threads_that_alternate(), ThreadPoolExecutor() as pool:
            try:
                others = [pool.submit(come_and_go, f"going{i}") for i in range(2)]
                look()
            finally:
                stop.set()
            for other in others:
                other.result()
        assert list(store.list_generations("draft")) == kept

    def test_readers_find_whole_texts_while_others_write(self, store: StoreT) -> None:
        texts = [f"{i}" * 50_000 for i in range(4)]
        store.write_parsed("draft", "a", texts[0])
        stop = threading.Event()

        def rewrite(text: str) -> None:
            while not stop.is_set():
                store.write_parsed("draft", "a", text)

        with threads_that_alternate(), ThreadPoolExecutor() as pool:
            try:
                others = [pool.submit(rewrite, text) for text in texts]
                for _ in range(100):
                    assert store.read_parsed("draft", "a") in texts
            finally:
                stop.set()
            for other in others:
                other.result()
