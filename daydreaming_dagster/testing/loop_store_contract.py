"""The contract of `LoopStore` as tests, to be run on any adapter.

A test module of an adapter subclasses the contract, and pytest runs it::

    from daydreaming_dagster.testing import LoopStoreContract

    class TestMyLoopStore(LoopStoreContract[MyLoopStore]):
        @pytest.fixture
        def loops(self) -> MyLoopStore:
            return MyLoopStore(...)  # with the loops l1 and l2, of which none did anything

        @pytest.fixture
        def cohorts(self, loops: MyLoopStore) -> MyCohortStore:
            return MyCohortStore(...)  # of the same data root
"""
# ruff: noqa: S101  pytest asserts

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import pytest

from daydreaming_dagster.domain.errors import CatalogError, LoopBusyError
from daydreaming_dagster.domain.loop.embeddings import StoredEmbedding
from daydreaming_dagster.domain.loop.gate import Threshold
from daydreaming_dagster.domain.loop.journal import (
    Chosen,
    Decided,
    Entry,
    Journal,
    LimitReached,
    Round,
    Written,
    WrittenText,
)
from daydreaming_dagster.domain.loop.measures import RoundMeasures, estimate_richness
from daydreaming_dagster.domain.loop.registry import SAMPLERS
from daydreaming_dagster.domain.loop.sampler import Choice
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.errors import InvalidIdError
from daydreaming_dagster.ports.loop_store import LoopStore

LoopStoreT = TypeVar("LoopStoreT", bound=LoopStore)

CHOSEN: Final = Chosen("l1-0001", "0/1", 3, (Choice(("ant", "bee"), "uniform"),))
TEXT: Final = WrittenText("essay", "e1", ("ant", "bee"), "0a")
WRITTEN: Final = Written((TEXT,), Threshold(0.8, None, 1), ())
DECIDED: Final = Decided(
    {"e1": (0.5, 0.7)}, (), RoundMeasures(0, 0.5, None, estimate_richness(["e1"]), 1.0, None)
)
LIMIT: Final = LimitReached(1, 0.5, "0.50 of 0.50 USD are spent")
EMBEDDING: Final = StoredEmbedding("0a", "acme", "small-1", "AACAPw==", 1, 3, None, "small-1-b")


def _hold(loops: LoopStore, loop_id: str) -> None:
    with loops.hold(loop_id):
        pass


_WITH_A_LOOP: Final[dict[str, Callable[[Any, str], object]]] = {
    "read_spec": lambda loops, loop_id: loops.read_spec(loop_id),
    "read_journal": lambda loops, loop_id: loops.read_journal(loop_id),
    "record": lambda loops, loop_id: loops.record(loop_id, 1, CHOSEN),
    "record_limit": lambda loops, loop_id: loops.record_limit(loop_id, LIMIT),
    "read_verdicts": lambda loops, loop_id: loops.read_verdicts(loop_id),
    "write_concept": lambda loops, loop_id: loops.write_concept(loop_id, "sentence", "e1", "Text."),
    "read_embedding": lambda loops, loop_id: loops.read_embedding(loop_id, ("", "m"), "0a"),
    "write_embedding": lambda loops, loop_id: loops.write_embedding(loop_id, EMBEDDING),
    "write_report": lambda loops, loop_id: loops.write_report(loop_id, b""),
    "hold": _hold,
}


class LoopStoreContract(Generic[LoopStoreT]):
    """What every `LoopStore` does. See the module's docstring for how to use it."""

    @pytest.fixture
    def loops(self) -> LoopStoreT:
        """Return a new store with the loops l1 and l2, of which none did anything."""
        raise NotImplementedError

    @pytest.fixture
    def cohorts(self, loops: LoopStoreT) -> CohortStore:
        """Return the cohort store of the same data root."""
        raise NotImplementedError

    def test_loops_are_listed_in_order(self, loops: LoopStoreT) -> None:
        assert loops.list_loops() == ["l1", "l2"]

    def test_a_loop_without_a_specification_is_named(self, loops: LoopStoreT) -> None:
        with pytest.raises(CatalogError, match="l3"):
            loops.read_spec("l3")

    def test_a_journal_is_read_as_it_was_recorded(self, loops: LoopStoreT) -> None:
        entries: tuple[Entry, ...] = (CHOSEN, WRITTEN, DECIDED)
        found = [loops.read_journal("l1")]
        for entry in entries:
            loops.record("l1", 1, entry)
            found.append(loops.read_journal("l1"))
        loops.record("l1", 2, CHOSEN)

        assert found == [
            Journal(),
            Journal((Round(1, CHOSEN),)),
            Journal((Round(1, CHOSEN, WRITTEN),)),
            Journal((Round(1, CHOSEN, WRITTEN, DECIDED),)),
        ]
        assert len(loops.read_journal("l1").rounds) == len(entries) - 1
        assert loops.read_journal("l2") == Journal()

    def test_what_is_recorded_is_not_replaced(self, loops: LoopStoreT) -> None:
        loops.record("l1", 1, CHOSEN)

        with pytest.raises(CatalogError, match="recorded already"):
            loops.record("l1", 1, Chosen("other", "", 0, ()))

        assert loops.read_journal("l1") == Journal((Round(1, CHOSEN),))

    def test_the_last_limit_that_was_reached_is_in_the_journal(self, loops: LoopStoreT) -> None:
        loops.record("l1", 1, CHOSEN)
        loops.record_limit("l1", LimitReached(1, 0.1, "less"))

        loops.record_limit("l1", LIMIT)

        assert loops.read_journal("l1") == Journal((Round(1, CHOSEN),), LIMIT)
        assert loops.read_journal("l2") == Journal()

    def test_an_accepted_text_is_in_the_catalog(
        self, loops: LoopStoreT, cohorts: CohortStore
    ) -> None:
        before = cohorts.read_catalog().concepts

        loops.write_concept("l1", "sentence", "e1", "# Ants are bees\n\nBoth build.\n")

        concept = cohorts.read_catalog().concepts["e1"]
        assert (concept.name, concept.accepted) == ("Ants are bees", True)
        assert concept.descriptions == {"sentence": "# Ants are bees\n\nBoth build."}
        assert cohorts.read_catalog().concepts.keys() - before.keys() == {"e1"}

    def test_a_vector_is_read_as_it_was_stored(self, loops: LoopStoreT) -> None:
        loops.write_embedding("l1", EMBEDDING)

        assert loops.read_embedding("l1", ("acme", "small-1"), "0a") == EMBEDDING
        for loop_id, model, digest in (
            ("l2", ("acme", "small-1"), "0a"),
            ("l1", ("", "small-1"), "0a"),
            ("l1", ("acme", "small-1"), "0b"),
        ):
            assert loops.read_embedding(loop_id, model, digest) is None

    def test_a_report_is_replaced(self, loops: LoopStoreT) -> None:
        first = loops.write_report("l1", b"one")

        assert loops.write_report("l1", b"two") == first
        assert first.endswith("report.html")

    def test_nobody_decided_yet(self, loops: LoopStoreT) -> None:
        assert loops.read_verdicts("l1") == {}

    def test_the_built_in_samplers_are_there(self, loops: LoopStoreT) -> None:
        assert {*SAMPLERS} <= {*loops.sampler_names()}
        assert loops.load_sampler("uniform") == SAMPLERS["uniform"]
        with pytest.raises(CatalogError, match="no sampler 'other'"):
            loops.load_sampler("other")

    def test_a_loop_is_held_once(self, loops: LoopStoreT) -> None:
        with loops.hold("l1"):
            with pytest.raises(LoopBusyError, match="l1"):
                _hold(loops, "l1")
            _hold(loops, "l2")
        _hold(loops, "l1")

    @pytest.mark.parametrize("method", _WITH_A_LOOP)
    @pytest.mark.parametrize("loop_id", ["", "../l1", "a/b", ".hidden", "nul"])
    def test_unsafe_ids_are_refused(self, loops: LoopStoreT, method: str, loop_id: str) -> None:
        with pytest.raises(InvalidIdError):
            _WITH_A_LOOP[method](loops, loop_id)

    @pytest.mark.parametrize(("level", "concept_id"), [("../x", "e1"), ("sentence", "../e1")])
    def test_unsafe_concepts_are_refused(
        self, loops: LoopStoreT, level: str, concept_id: str
    ) -> None:
        with pytest.raises(InvalidIdError):
            loops.write_concept("l1", level, concept_id, "Text.")
