"""What every store with `Claims` does."""
# ruff: noqa: S101  pytest asserts

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from daydreaming_dagster.ports.gens_store import Claim, Claims
from daydreaming_dagster.testing.gens_store.access import ARTIFACTS, contents, read, sample, write
from daydreaming_dagster.testing.gens_store.backdoors import StoreT, StoreUnderTest
from daydreaming_dagster.testing.gens_store.observation import threads_that_alternate
from daydreaming_dagster.types import STAGES, Stage


class ClaimsContract(StoreUnderTest[StoreT]):
    """Skipped where the store has none. Mixed into `GensStoreContract`."""

    @pytest.fixture
    def claims(self, store: StoreT) -> Claims:
        """Return the store as one that has `Claims`."""
        if not isinstance(store, Claims):
            pytest.skip(f"{type(store).__name__} has no claim")
        return store

    def test_a_claim_keeps_others_out_until_it_is_released(self, claims: Claims) -> None:
        claim = _claimed(claims, "draft", "a")
        assert claims.claim("draft", "a") is None
        assert claim.held()
        claim.release()
        again = _claimed(claims, "draft", "a")
        assert claims.claim("draft", "a") is None
        again.release()

    def test_claims_of_other_generations_are_free(self, claims: Claims) -> None:
        places = list(itertools.product(STAGES, ("a", "aa", "b")))
        held = [_claimed(claims, stage, gen_id) for stage, gen_id in places]
        for claim in held:
            claim.release()

    def test_a_claim_keeps_nothing_else_from_the_generation(
        self, store: StoreT, claims: Claims
    ) -> None:
        claim = _claimed(claims, "draft", "a")
        assert not store.exists("draft", "a")
        assert list(store.list_generations("draft")) == []
        for artifact in ARTIFACTS:
            write(store, "draft", "a", artifact, sample(artifact, "claimed"))
            assert read(store, "draft", "a", artifact) == sample(artifact, "claimed")
        store.delete_generation("draft", "a")
        assert claims.claim("draft", "a") is None
        claim.release()
        assert contents(store) == {}

    def test_of_threads_that_claim_the_same_one_has_it_at_a_time(
        self, store: StoreT, claims: Claims
    ) -> None:
        """Each thread counts while it has the claim; a step that another thread shared is lost."""
        threads, steps, counted = 4, 50, 0

        def count() -> None:
            nonlocal counted
            done = 0
            while done < steps:
                claim = claims.claim("draft", "a")
                if claim is not None:
                    seen = counted
                    store.exists("draft", "a")
                    counted = seen + 1
                    done += 1
                    claim.release()

        with threads_that_alternate(), ThreadPoolExecutor() as pool:
            for thread in [pool.submit(count) for _ in range(threads)]:
                thread.result()
        assert counted == threads * steps

    def test_a_claim_can_be_released_by_another_thread(self, claims: Claims) -> None:
        claim = _claimed(claims, "draft", "a")
        with ThreadPoolExecutor() as pool:
            pool.submit(claim.release).result()
        _claimed(claims, "draft", "a").release()


def _claimed(claims: Claims, stage: Stage, gen_id: str) -> Claim:
    claim = claims.claim(stage, gen_id)
    assert claim is not None
    return claim
