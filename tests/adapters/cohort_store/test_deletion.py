"""A cohort whose deletion was killed half-way: it is gone, and its leftovers are found."""

import os

import pytest

from adapters.cohort_store.filesystem import FilesystemCohortStore
from adapters.gens_store.filesystem_inspection import FilesystemInspection
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.ports.errors import UnsafePathError


def test_what_a_killed_deletion_left_is_no_cohort_and_is_found_and_removed(data_root):
    left = data_root / "cohorts" / ".deleted-0123456789abcdef"
    (data_root / "cohorts" / "c1").rename(left)
    (left / "membership.csv").write_text("stage,gen_id\n")
    os.utime(left, (0, 0))
    cohorts, inspection = FilesystemCohortStore(data_root), FilesystemInspection(Paths(data_root))

    findings = list(inspection.inspect_root())

    assert cohorts.list_cohorts() == cohorts.list_planned_cohorts() == []
    assert [(one.kind, one.subject) for one in findings] == [("leftover", str(left))]
    assert inspection.remove_leftovers(findings) == [str(left)]
    assert not left.exists()


def test_a_link_in_the_place_of_a_cohort_is_not_deleted(data_root, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (data_root / "cohorts" / "c2").symlink_to(mine)

    with pytest.raises(UnsafePathError):
        FilesystemCohortStore(data_root).delete_cohort("c2")
    assert mine.exists()
