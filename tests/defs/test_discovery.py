"""The sensor that finds cohorts, and the job that prunes, on a real Dagster instance."""

import shutil

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)

# Where the daemon keeps cursors; no public module does.
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from adapters import FilesystemGensStore
from adapters.cohort_store.filesystem import FilesystemCohortStore
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.defs.discovery import build_cohort_sensor, build_prune_partitions
from daydreaming_dagster.defs.launch import open_instance
from daydreaming_dagster.defs.partitions import register_partitions
from daydreaming_dagster.defs.resources import resource_key
from in_dagster import resource


@pytest.fixture
def instance(tmp_path):
    with open_instance(tmp_path / "dagster_home") as instance:
        yield instance


class Location:
    """A code location, whose sensor looks at its data root as the daemon lets it."""

    def __init__(self, instance, data_root, key_prefix=""):
        self.instance, self.key_prefix, self.cursor = instance, key_prefix, None
        self.sensor, self.recorded = build_cohort_sensor(key_prefix), []
        self.shows(data_root)
        target = LoadableTargetOrigin(python_file=f"{data_root}.py")
        location = ManagedGrpcPythonEnvCodeLocationOrigin(target, str(data_root))
        self.origin = RemoteInstigatorOrigin(
            RemoteRepositoryOrigin(location, "__repository__"), self.sensor.name
        )
        self.instance.add_instigator_state(self.state)

    @property
    def state(self):
        data = SensorInstigatorData(cursor=self.cursor)
        return InstigatorState(self.origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data)

    def shows(self, data_root):
        self.resources = {resource_key(self.key_prefix): resource(data_root)}

    def look(self):
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources=self.resources
        )
        with context:
            result = self.sensor.evaluate_tick(context)
        self.cursor = result.cursor
        self.instance.update_instigator_state(self.state)
        for event in result.asset_events:
            self.instance.report_runless_asset_event(event)
            self.recorded.append(event)
        for request in result.dynamic_partitions_requests or ():
            if isinstance(request, dg.AddDynamicPartitionsRequest):
                self.instance.add_dynamic_partitions(
                    request.partitions_def_name, request.partition_keys
                )
            else:
                for key in request.partition_keys:
                    self.instance.delete_dynamic_partition(request.partitions_def_name, key)
        return result.skip_message


def cohorts(instance):
    return set(instance.get_dynamic_partitions("cohorts"))


def test_new_cohorts_are_found_and_gone_ones_forgotten(instance, data_root):
    location = Location(instance, data_root)
    location.look()
    assert cohorts(instance) == {"c1"}

    (data_root / "cohorts/c1").rename(data_root / "cohorts/c2")
    location.look()
    assert cohorts(instance) == {"c2"}
    assert location.look() == "the cohorts are the same as before"


def test_a_cohort_that_the_command_planned_is_recorded_as_planned_once(instance, data_root):
    location = Location(instance, data_root)
    location.look()
    assert location.recorded == []
    plan_cohort(FilesystemGensStore(data_root), FilesystemCohortStore(data_root), "c1")

    location.look()
    location.look()

    (planned,) = location.recorded
    assert (planned.asset_key.to_user_string(), planned.partition) == ("cohort_membership", "c1")
    assert planned.metadata["evaluations"].value == 12


def test_a_cohort_whose_membership_cannot_be_read_keeps_no_other_from_being_found(
    instance, data_root
):
    location = Location(instance, data_root)
    (data_root / "cohorts/broken").mkdir()
    (data_root / "cohorts/broken/membership.csv").write_text("no table")

    location.look()

    assert cohorts(instance) == {"broken", "c1"}
    assert location.recorded == []


def test_locations_with_a_data_root_each_leave_each_others_cohorts(instance, data_root, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(data_root, other)
    (other / "cohorts/c1").rename(other / "cohorts/c2")
    locations = [Location(instance, data_root), Location(instance, other)]

    for location in [*locations, *locations]:
        location.look()

    assert cohorts(instance) == {"c1", "c2"}


def test_a_location_that_shows_another_data_root_leaves_the_cohorts_of_the_one_before(
    instance, data_root, tmp_path
):
    other = tmp_path / "other"
    shutil.copytree(data_root, other)
    (other / "cohorts/c1").rename(other / "cohorts/c2")
    location = Location(instance, data_root)
    location.look()

    location.shows(other)
    location.look()

    assert cohorts(instance) == {"c1", "c2"}


def test_a_cohort_that_another_data_root_has_too_is_not_removed_before_it_is_gone_there(
    instance, data_root, tmp_path
):
    other = tmp_path / "other"
    shutil.copytree(data_root, other)
    here, there = locations = [Location(instance, data_root), Location(instance, other)]
    for location in locations:
        location.look()
    assert f"c1 may also be a cohort of another data root ({data_root})" in there.look()

    (data_root / "cohorts/c1").rename(data_root / "cohorts/c2")
    here.look()
    assert cohorts(instance) == {"c1", "c2"}

    (other / "cohorts/c1").rename(other / "cohorts/c3")
    there.look()
    assert cohorts(instance) == {"c2", "c3"}


def test_the_cursor_of_an_older_version_removes_nothing(instance, data_root):
    instance.add_dynamic_partitions("cohorts", ["gone"])
    location = Location(instance, data_root)
    location.cursor = "c1 gone"

    location.look()

    assert cohorts(instance) == {"c1", "gone"}


def test_with_a_prefix_each_a_cohort_of_the_same_name_goes_where_it_is_gone(
    instance, data_root, tmp_path
):
    other = tmp_path / "other"
    shutil.copytree(data_root, other)
    locations = [Location(instance, data_root, "a"), Location(instance, other, "b")]
    for location in locations:
        location.look()

    (other / "cohorts/c1").rename(other / "cohorts/c2")
    for location in locations:
        location.look()

    assert instance.get_dynamic_partitions("a/cohorts") == ["c1"]
    assert instance.get_dynamic_partitions("b/cohorts") == ["c2"]


@pytest.mark.parametrize("folder", ["", "cohorts"])
def test_a_folder_that_is_gone_removes_no_cohort(instance, data_root, folder):
    location = Location(instance, data_root)
    location.look()
    (data_root / folder).rename(data_root.with_name("unmounted"))

    assert "may not be mounted" in location.look()
    assert cohorts(instance) == {"c1"}

    data_root.with_name("unmounted").rename(data_root / folder)
    assert location.look() == "the cohorts are the same as before"


def test_a_cohort_that_can_never_be_planned_is_not_added(instance, data_root):
    shutil.copytree(data_root / "cohorts/c1", data_root / "cohorts/my cohort...")

    Location(instance, data_root).look()

    assert cohorts(instance) == {"c1"}


def prune(instance, data_root, *, raise_on_error=True):
    return build_prune_partitions().execute_in_process(
        instance=instance,
        resources={"data_root": resource(data_root)},
        raise_on_error=raise_on_error,
    )


@pytest.fixture
def planned(instance, data_root):
    cohorts = FilesystemCohortStore(data_root)
    plan_cohort(FilesystemGensStore(data_root), cohorts, "c1")
    register_partitions(instance, cohorts.read_membership("c1"))
    instance.add_dynamic_partitions("draft_generations", ["d_old", "d_elsewhere"])
    FilesystemGensStore(data_root).write_raw("draft", "d_old", "paid for")


@pytest.mark.usefixtures("planned")
def test_generations_of_no_cohort_are_pruned_and_their_texts_kept(instance, data_root):
    prune(instance, data_root)

    drafts = instance.get_dynamic_partitions("draft_generations")
    assert len(drafts) == 4
    assert "d_old" not in drafts
    assert "d_elsewhere" in drafts  # of another data root
    assert FilesystemGensStore(data_root).read_raw("draft", "d_old") == "paid for"


@pytest.mark.usefixtures("planned")
def test_nothing_is_pruned_where_no_cohort_is_planned(instance, data_root):
    (data_root / "cohorts").rename(data_root.with_name("unmounted"))

    assert not prune(instance, data_root, raise_on_error=False).success
    assert len(instance.get_dynamic_partitions("draft_generations")) == 5
