"""What callers get from a store that lacks an ability."""

import attrs
import pytest

from adapters import FilesystemGensStore, InMemoryGensStore, ReadOnlyGensStore
from daydreaming_dagster.ports.gens_store import (
    Claims,
    Templates,
    Versions,
    claim_generation,
    versions_of,
)
from daydreaming_dagster.testing import GensStoreContract

ABILITIES = (Templates, Versions, Claims)


@attrs.frozen
class ArtifactsAlone:
    """A store that can do what every store can, and nothing else."""

    inner: InMemoryGensStore = attrs.field(factory=InMemoryGensStore)

    def __getattr__(self, name):
        if name in {"read_template", "generation_versions", "claim"}:
            raise AttributeError(name)
        return getattr(self.inner, name)


class TestArtifactsAlone(GensStoreContract[ArtifactsAlone]):
    """What an ability says is skipped, and everything else holds."""

    @pytest.fixture
    def store(self):
        return ArtifactsAlone()


def test_a_store_without_versions_knows_none():
    store = ArtifactsAlone()
    store.write_raw("draft", "a", "text")

    assert versions_of(store, "draft") == {}
    assert versions_of(store.inner, "draft").keys() == {"a"}


def test_a_store_without_claims_keeps_nobody_out():
    store = ArtifactsAlone()

    first, second = (claim_generation(store, "draft", "a") for _ in range(2))

    assert first is not None
    assert second is not None
    first.release()
    second.release()


def test_a_store_with_claims_keeps_others_out():
    store = InMemoryGensStore()
    claim = claim_generation(store, "draft", "a")

    assert claim_generation(store, "draft", "a") is None
    claim.release()
    claim_generation(store, "draft", "a").release()


def test_the_read_only_view_of_a_store_without_versions_knows_none():
    assert versions_of(ReadOnlyGensStore(ArtifactsAlone()), "draft") == {}


@pytest.mark.parametrize("ability", ABILITIES)
def test_the_stores_of_this_project_have_every_ability(ability, tmp_path):
    memory = InMemoryGensStore()

    for store in (memory, ReadOnlyGensStore(memory), FilesystemGensStore(tmp_path)):
        assert isinstance(store, ability)
    assert not isinstance(ArtifactsAlone(), ability)
