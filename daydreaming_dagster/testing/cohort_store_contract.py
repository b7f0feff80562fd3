"""The contract of `CohortStore` as tests, to be run on any adapter.

A test module of an adapter subclasses the contract, and pytest runs it::

    from daydreaming_dagster.testing import CohortStoreContract

    class TestMyCohortStore(CohortStoreContract[MyCohortStore]):
        @pytest.fixture
        def cohorts(self) -> MyCohortStore:
            return MyCohortStore(...)  # with the cohorts c1 and c2, of which none is planned
"""
# ruff: noqa: S101  pytest asserts

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import pytest

from daydreaming_dagster.domain.cohort.index import CohortIndex, Seen, write_pages
from daydreaming_dagster.domain.cohort.manifest import Manifest
from daydreaming_dagster.domain.cohort.spec import make_cohort_spec
from daydreaming_dagster.domain.errors import (
    CatalogError,
    CohortBusyError,
    CohortNotPlannedError,
    UnknownCohortError,
)
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.errors import InvalidIdError
from daydreaming_dagster.types import STAGES, Stage

CohortStoreT = TypeVar("CohortStoreT", bound=CohortStore)

MEMBERS: Final[dict[Stage, list[str]]] = {
    "draft": ["d2", "d1"],
    "essay": ["e1"],
    "evaluation": [],
}

SPEC: Final = make_cohort_spec(
    {
        "axes": {"combo": [["1e3", "bee"], ["null", "über"]], "draft_template": ["links"]},
        "description_level": "sentence",
        "replicates": {"evaluation": 2},
        "sampling": {"draft": {"temperature": 0.5, "extra_body": {"n_probs": 1}}},
        "ties": [["draft_llm", "essay_llm"]],
        "tuples": [{"axes": ["draft_template", "combo"], "rows": [["links", "null+über"]]}],
    },
    lambda _name, _columns: [],
)


def _hold(cohorts: CohortStore, cohort_id: str) -> None:
    with cohorts.hold(cohort_id):
        pass


def _hold_part(cohorts: CohortStore, cohort_id: str) -> None:
    with cohorts.hold_part(cohort_id, 1):
        pass


_WITH_A_COHORT: Final[dict[str, Callable[[Any, str], object]]] = {
    "delete_cohort": lambda cohorts, cohort_id: cohorts.delete_cohort(cohort_id),
    "rename_concept": lambda cohorts, new_id: cohorts.rename_concept("ant", new_id),
    "read_spec": lambda cohorts, cohort_id: cohorts.read_spec(cohort_id),
    "write_spec": lambda cohorts, cohort_id: cohorts.write_spec(cohort_id, SPEC),
    "write_membership": lambda cohorts, cohort_id: cohorts.write_membership(cohort_id, MEMBERS),
    "read_membership": lambda cohorts, cohort_id: cohorts.read_membership(cohort_id),
    "write_manifest": lambda cohorts, cohort_id: cohorts.write_manifest(cohort_id, Manifest()),
    "read_manifest": lambda cohorts, cohort_id: cohorts.read_manifest(cohort_id),
    "write_index": lambda cohorts, cohort_id: cohorts.write_index(cohort_id, CohortIndex()),
    "read_index": lambda cohorts, cohort_id: cohorts.read_index(cohort_id),
    "hold": _hold,
    "hold_part": _hold_part,
    "write_report_files": lambda cohorts, cohort_id: cohorts.write_report_files(
        cohort_id, {"a.csv": b""}
    ),
    "write_rating_files": lambda cohorts, cohort_id: cohorts.write_rating_files(
        cohort_id, {"a.csv": b""}
    ),
    "read_rating_files": lambda cohorts, cohort_id: cohorts.read_rating_files(cohort_id),
}


class CohortStoreContract(Generic[CohortStoreT]):
    """What every `CohortStore` does. See the module's docstring for how to use it."""

    @pytest.fixture
    def cohorts(self) -> CohortStoreT:
        """Return a new store with catalogs and the cohorts c1 and c2, of which none is planned."""
        raise NotImplementedError

    def test_the_catalogs_are_there(self, cohorts: CohortStoreT) -> None:
        assert cohorts.read_catalog().templates

    def test_a_renamed_concept_keeps_the_id_that_it_is_planned_with(
        self, cohorts: CohortStoreT
    ) -> None:
        before = cohorts.read_catalog().concepts
        planned = next(iter(before))

        cohorts.rename_concept(planned, "new-id")
        renamed = cohorts.read_catalog().concepts
        cohorts.rename_concept(planned, "newer-id")
        again = cohorts.read_catalog().concepts
        cohorts.rename_concept(planned, planned)

        assert renamed[planned].shown_id == "new-id"
        assert again[planned].shown_id == "newer-id"
        assert renamed[planned].descriptions == before[planned].descriptions
        assert renamed.keys() == before.keys()
        assert cohorts.read_catalog().concepts == before

    def test_cohorts_are_listed_in_order(self, cohorts: CohortStoreT) -> None:
        assert cohorts.list_cohorts() == ["c1", "c2"]

    def test_a_specification_is_read_as_it_was_written(self, cohorts: CohortStoreT) -> None:
        cohorts.write_spec("c3", SPEC)

        assert cohorts.read_spec("c3") == SPEC
        assert cohorts.list_cohorts() == ["c1", "c2", "c3"]

    def test_a_cohort_is_planned_when_its_members_are_written(self, cohorts: CohortStoreT) -> None:
        assert cohorts.list_planned_cohorts() == []

        cohorts.write_membership("c2", MEMBERS)

        assert cohorts.list_planned_cohorts() == ["c2"]
        assert cohorts.read_membership("c2") == MEMBERS
        with pytest.raises(CohortNotPlannedError) as caught:
            cohorts.read_membership("c1")
        assert caught.value.cohort_id == "c1"
        assert str(caught.value) == "cohort 'c1' is not planned yet"

    def test_a_cohort_that_does_not_exist_is_not_taken_for_one_to_plan(
        self, cohorts: CohortStoreT
    ) -> None:
        cohorts.write_membership("imported", MEMBERS)

        for wrong, hint in (("importd", "; did you mean 'imported'?"), ("other", "")):
            with pytest.raises(UnknownCohortError) as caught:
                cohorts.read_membership(wrong)
            assert str(caught.value) == f"there is no cohort '{wrong}'{hint}"

    def test_a_cohort_without_a_specification_is_planned_if_it_has_members(
        self, cohorts: CohortStoreT
    ) -> None:
        cohorts.write_membership("c3", MEMBERS)

        assert cohorts.list_planned_cohorts() == ["c3"]
        assert cohorts.list_cohorts() == ["c1", "c2"]

    def test_a_deleted_cohort_is_gone_and_the_others_are_not(self, cohorts: CohortStoreT) -> None:
        for cohort_id in ("c1", "c2"):
            cohorts.write_membership(cohort_id, MEMBERS)
            cohorts.write_manifest(cohort_id, Manifest(spec="0"))
            cohorts.write_index(cohort_id, CohortIndex(inputs="0"))
            cohorts.write_report_files(cohort_id, {"a.csv": b"a"})
            cohorts.write_rating_files(cohort_id, {"a.csv": b"a"})

        with cohorts.hold("c1"):
            cohorts.delete_cohort("c1")
        cohorts.delete_cohort("c9")

        assert cohorts.list_cohorts() == cohorts.list_planned_cohorts() == ["c2"]
        assert cohorts.read_manifest("c1") is None
        assert cohorts.read_index("c1") == CohortIndex()
        assert cohorts.read_rating_files("c1") == {}
        assert cohorts.read_rating_files("c2") == {"a.csv": b"a"}
        assert cohorts.read_membership("c2") == MEMBERS
        with pytest.raises(CohortNotPlannedError):
            cohorts.read_membership("c1")

    def test_members_are_replaced(self, cohorts: CohortStoreT) -> None:
        cohorts.write_membership("c1", MEMBERS)
        cohorts.write_membership("c1", {"draft": ["d3"]})

        assert cohorts.read_membership("c1") == {
            stage: ["d3"] if stage == "draft" else [] for stage in STAGES
        }

    def test_a_member_that_is_written_twice_is_one(self, cohorts: CohortStoreT) -> None:
        cohorts.write_membership("c1", {**MEMBERS, "draft": ["d2", "d1", "d2"]})

        assert cohorts.read_membership("c1") == MEMBERS

    def test_what_is_read_shares_nothing_with_the_store(self, cohorts: CohortStoreT) -> None:
        written: dict[Stage, list[str]] = {"draft": ["d1"]}
        cohorts.write_membership("c1", written)

        written["draft"].append("d2")
        cohorts.read_membership("c1")["draft"].append("d3")

        assert cohorts.read_membership("c1")["draft"] == ["d1"]

    def test_a_specification_that_is_not_there_is_named(self, cohorts: CohortStoreT) -> None:
        with pytest.raises(CatalogError) as caught:
            cohorts.read_spec("c9")
        assert "c9" in caught.value.location

    def test_a_manifest_reads_back(self, cohorts: CohortStoreT) -> None:
        assert cohorts.read_manifest("c1") is None
        manifest = Manifest(spec="0", template={"draft/links": "1"}, model={"big": "2"})

        cohorts.write_manifest("c1", manifest)

        assert cohorts.read_manifest("c1") == manifest
        assert cohorts.read_manifest("c2") is None

    def test_an_index_reads_back(self, cohorts: CohortStoreT) -> None:
        assert cohorts.read_index("c1") == CohortIndex()
        seen = Seen("d1", "v1", "", "", "", "", "")
        index = CohortIndex("0", {"draft": list(write_pages([seen])), "essay": []})

        cohorts.write_index("c1", index)

        assert cohorts.read_index("c1") == index
        assert cohorts.read_index("c2") == CohortIndex()

    def test_a_cohort_is_held_by_one_at_a_time(self, cohorts: CohortStoreT) -> None:
        with cohorts.hold("c1"):
            with pytest.raises(CohortBusyError), cohorts.hold("c1"):
                pytest.fail("two hold the same cohort")
            with cohorts.hold("c2"):
                pass
        with cohorts.hold("c1"):
            pass

    def test_a_part_is_held_by_one_worker_at_a_time_and_excludes_other_runs(
        self, cohorts: CohortStoreT
    ) -> None:
        with cohorts.hold_part("c1", 0):
            with pytest.raises(CohortBusyError), cohorts.hold_part("c1", 0):
                pytest.fail("two hold the same part")
            with cohorts.hold_part("c1", 1), cohorts.hold("c2"):
                pass
            with pytest.raises(CohortBusyError), cohorts.hold("c1"):
                pytest.fail("another run holds the cohort")
        with cohorts.hold("c1"), cohorts.hold_part("c1", 0):
            pass

    def test_an_error_ends_the_hold(self, cohorts: CohortStoreT) -> None:
        with pytest.raises(KeyError), cohorts.hold("c1"):
            raise KeyError
        with cohorts.hold("c1"):
            pass

    def test_each_report_file_has_a_place_of_its_own(self, cohorts: CohortStoreT) -> None:
        places = cohorts.write_report_files("c1", {"a.csv": b"a", "b.parquet": b"\x00\xff"})
        places += cohorts.write_report_files("c2", {"a.csv": b"c"})

        assert len(set(places)) == 3  # noqa: PLR2004  as many as were written
        assert [place.rpartition("/")[2] for place in places] == ["a.csv", "b.parquet", "a.csv"]

    def test_rating_files_read_back_but_for_the_pages(self, cohorts: CohortStoreT) -> None:
        assert cohorts.read_rating_files("c1") == {}

        files = {"b.csv": b"\xff", "a.key.json": b"{}", "c.XLSX": b"PK", "a.html": b"<p>"}
        places = cohorts.write_rating_files("c1", files)
        cohorts.write_rating_files("c2", {"c.csv": b""})

        assert [place.rpartition("/")[2] for place in places] == [*files]
        del files["a.html"]
        assert cohorts.read_rating_files("c1") == files

    @pytest.mark.parametrize("method", _WITH_A_COHORT)
    @pytest.mark.parametrize("cohort_id", ["", "../c1", "c1/", ".c1", "a" * 129, "CON", "c\x00"])
    def test_an_id_that_is_not_safe_is_refused(
        self, cohorts: CohortStoreT, method: str, cohort_id: str
    ) -> None:
        with pytest.raises(InvalidIdError):
            _WITH_A_COHORT[method](cohorts, cohort_id)
        assert cohorts.list_planned_cohorts() == []
