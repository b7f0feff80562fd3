"""What an adapter's test class says about the adapter."""
# ruff: noqa: ARG002  a back door that is not there has no use for its parameters

from collections.abc import Callable
from typing import Generic, TypeVar

import pytest

from daydreaming_dagster.ports.gens_store import Artifact, GensStore
from daydreaming_dagster.types import Stage

StoreT = TypeVar("StoreT", bound=GensStore)


class Backdoors(Generic[StoreT]):
    """Reaches what is stored without the code under test.

    Tests that need a back door that the adapter's test class does not write are skipped.
    """

    def add_template(self, store: StoreT, stage: Stage, template_id: str, source: str) -> None:
        """Give a store that has `Templates` one more."""
        raise NotImplementedError

    def put_bytes(
        self, store: StoreT, stage: Stage, gen_id: str, artifact: Artifact, data: bytes
    ) -> None:
        """Put bytes in the place of an artifact that is there, as a fault of the disk would."""
        pytest.skip(f"{type(self).__name__} has no put_bytes")

    def stored_bytes(self, store: StoreT, stage: Stage, gen_id: str, artifact: Artifact) -> bytes:
        """Return the bytes of an artifact."""
        pytest.skip(f"{type(self).__name__} has no stored_bytes")

    @pytest.fixture
    def settle(self) -> Callable[[], None]:
        """Return what waits until every generation has a version that tells its next change."""
        pytest.skip(f"{type(self).__name__} has no settle")

    def plant_file(self, store: StoreT, stage: Stage, name: str) -> None:
        """Put a file that is not a generation among the generations of the stage."""
        pytest.skip(f"{type(self).__name__} has no plant_file")


class StoreUnderTest(Backdoors[StoreT]):
    """Opens the store that the tests are about."""

    @pytest.fixture
    def store(self) -> StoreT:
        """Return a new store that holds nothing."""
        raise NotImplementedError
