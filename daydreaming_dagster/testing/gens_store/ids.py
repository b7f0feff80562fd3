"""Ids are told apart, and hostile ones refused before any I/O."""
# ruff: noqa: S101  pytest asserts

from collections.abc import Sequence

import pytest

from daydreaming_dagster.ports.errors import InvalidIdError, MissingArtifactError, UnsafePathError
from daydreaming_dagster.ports.gens_store import Artifact
from daydreaming_dagster.testing.gens_store.access import (
    ARTIFACTS,
    METHODS,
    call,
    contents,
    methods_of,
    read,
    sample,
    skip_unless_able,
    write,
)
from daydreaming_dagster.testing.gens_store.backdoors import StoreT, StoreUnderTest
from daydreaming_dagster.testing.gens_store.cases import HOSTILE_IDS, HOSTILE_STAGES, UNUSUAL_IDS
from daydreaming_dagster.testing.gens_store.observation import watched_io
from daydreaming_dagster.types import STAGES, Stage


class IdsContract(StoreUnderTest[StoreT]):
    """The part of `GensStoreContract` about ids."""

    def test_no_two_places_share_storage(self, store: StoreT) -> None:
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
        self, store: StoreT
    ) -> None:
        for artifact in ARTIFACTS:
            write(store, "draft", "case", artifact, sample(artifact, "lower"))
        for method in sorted(methods_of(store)):
            if "gen_id" in METHODS[method].parameters:
                try:
                    call(store, method, gen_id="CASE")
                except (UnsafePathError, MissingArtifactError):
                    continue
        assert contents(store)["draft", "case"] == {a: sample(a, "lower") for a in ARTIFACTS}

    @pytest.mark.parametrize("method", sorted(METHODS))
    def test_every_method_refuses_hostile_ids_before_any_io(
        self, store: StoreT, method: str
    ) -> None:
        skip_unless_able(store, method)
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
                with watched_io() as io_calls:
                    try:
                        call(store, method, **{parameter: value})
                        accepted.append(value)
                    except InvalidIdError as error:
                        assert isinstance(error, ValueError)  # noqa: PT017  asserted of each
                        assert error.kind == parameter  # noqa: PT017
                assert io_calls == []
        assert accepted == []
        assert contents(store) == before

    def test_reading_ahead_refuses_hostile_ids_before_any_io(self, store: StoreT) -> None:
        for value in HOSTILE_IDS:
            with watched_io() as io_calls, pytest.raises(InvalidIdError, match="invalid gen_id"):
                call(store, "read_many", gen_ids=["a", value])
            assert io_calls == []

    def test_a_str_of_another_class_is_the_id_that_it_equals(self, store: StoreT) -> None:
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
