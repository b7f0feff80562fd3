"""Events recorded many at once, read as Dagster reads those that were recorded one by one."""

import subprocess
import sys

import dagster as dg
import pytest
import sqlalchemy
import sqlalchemy.event
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from calls import PATIENCE
from daydreaming_dagster.defs.event_log import (
    databases_open,
    planned_materialization,
    record_events,
)
from daydreaming_dagster.defs.launch import open_instance
from daydreaming_dagster.defs.partitions import add_partitions

IDEA, OTHER = dg.AssetKey("idea"), dg.AssetKey("other")
KEYS = [f"idea-{number}" for number in range(20)]
EVENTS = [
    *(dg.AssetMaterialization(IDEA, partition=key, metadata={"text": f"of {key}"}) for key in KEYS),
    dg.AssetMaterialization(OTHER, partition="tagged", tags={"mood": "calm"}),
    dg.AssetObservation(OTHER, partition="seen", metadata={"reason": "it rained"}),
]


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def one_by_one(context, events):
    for event in events:
        context.log_event(event)


def run(instance, record, events=EVENTS):
    """Return the id of a run that records the events, and whether it ended well."""

    @dg.asset
    def dreams(context: dg.AssetExecutionContext):
        record(context, events)

    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    result = dg.materialize([dreams], instance=instance, run_config=quiet, raise_on_error=False)
    return result.run_id, result.success


def seen(instance, run_id):
    """Return what Dagster's UI reads, without what differs from run to run."""
    events = instance.all_logs(run_id)
    materialized = instance.fetch_materializations(IDEA, limit=100).records
    observed = instance.fetch_observations(OTHER, limit=100).records
    latest = instance.get_latest_materialization_event(IDEA).asset_materialization
    last = instance.get_asset_records([IDEA])[0].asset_entry
    return {
        "log": [
            (event.dagster_event_type, event.step_key, event.level, event.message)
            for event in events
            if event.dagster_event and event.dagster_event.is_step_materialization
        ],
        "partitions": instance.get_materialized_partitions(IDEA),
        "materializations": [
            (r.partition_key, r.asset_materialization.metadata) for r in materialized
        ],
        "observations": [(r.partition_key, r.asset_observation.metadata) for r in observed],
        "latest": latest,
        "last run": last.last_run_id == run_id,
        "keys": instance.get_asset_keys(),
        "tags": instance.event_log_storage.get_event_tags_for_asset(OTHER),
        "of the step": len(instance.get_run_step_stats(run_id)[0].materialization_events),
        "by partition": {
            key: event.dagster_event.partition
            for key, event in instance.event_log_storage.get_latest_materialization_events(
                [IDEA, OTHER]
            ).items()
        },
    }


def test_together_they_leave_what_one_by_one_they_leave(tmp_path):
    with open_instance(tmp_path / "single") as instance:
        expected = seen(instance, run(instance, one_by_one)[0])
    with open_instance(tmp_path / "together") as instance:
        found = seen(instance, run(instance, record_events)[0])

    assert found == expected
    assert found["partitions"] == set(KEYS)


def test_a_storage_without_files_takes_them_too():
    with dg.DagsterInstance.ephemeral() as instance:
        run(instance, record_events)

        assert instance.get_materialized_partitions(IDEA) == set(KEYS)


def test_such_a_storage_gets_a_batch_for_each_asset_and_type_of_event(monkeypatch):
    batches = []
    with dg.DagsterInstance.ephemeral() as instance:
        monkeypatch.setattr(instance.event_log_storage, "store_event_batch", batches.append)
        run(instance, record_events)

    kinds = [
        {(e.dagster_event.asset_key, e.dagster_event_type) for e in batch} for batch in batches
    ]
    assert [len(kind) for kind in kinds] == [1, 1, 1]
    assert sum(map(len, batches)) == len(EVENTS)


def test_many_events_need_few_connections(home):
    opened = []

    def note(connection, _record):
        opened.append(connection)

    def counted(context, events):
        sqlalchemy.event.listen(sqlalchemy.Engine, "connect", note)
        try:
            record_events(context, events)
        finally:
            sqlalchemy.event.remove(sqlalchemy.Engine, "connect", note)

    with open_instance(home) as instance:
        run(instance, counted)

    assert 0 < len(opened) < 5


def test_databases_that_are_kept_open_are_not_tidied_after_each_event(home):
    logs = []

    def recorded_open(context, events):
        with databases_open(context.instance, context.run.run_id):
            record_events(context, events)
            logs.extend(home.rglob("*.db-wal"))

    with open_instance(home) as instance:
        run_id, _ = run(instance, recorded_open)

        assert {log.name for log in logs} >= {"index.db-wal", f"{run_id}.db-wal"}
        assert not any(log.exists() for log in logs)
        assert instance.get_materialized_partitions(IDEA) == set(KEYS)


def test_a_storage_without_files_has_nothing_to_keep_open():
    with dg.DagsterInstance.ephemeral() as instance, databases_open(instance):
        run(instance, record_events)

        assert instance.get_materialized_partitions(IDEA) == set(KEYS)


def test_a_database_that_is_not_there_is_not_made(home):
    with open_instance(home) as instance, databases_open(instance, "unknown"):
        assert not [*home.rglob("unknown*")]


def test_there_may_be_nothing_to_record(home):
    with open_instance(home) as instance:
        _, success = run(instance, record_events, events=[])

        assert success
        assert instance.get_materialized_partitions(IDEA) == set()


def test_events_that_cannot_be_written_fail_the_run_and_leave_no_half(home):
    with open_instance(home) as instance:
        storage = instance.event_log_storage
        with storage.index_connection() as connection:
            connection.execute(
                sqlalchemy.text(
                    "CREATE TRIGGER no_more BEFORE INSERT ON event_logs WHEN new.partition = "
                    f"'{KEYS[-1]}' BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
                )
            )

        _, success = run(instance, record_events)

        assert not success
        assert instance.get_materialized_partitions(IDEA) == set()


def test_a_planned_partition_of_a_run_that_failed_shows_as_failed(home):
    def fail(context, _events):
        record_events(context, [planned_materialization(IDEA, KEYS[0])])
        raise dg.Failure("no idea")

    with open_instance(home) as instance:
        run(instance, fail)
        status = get_and_update_asset_status_cache_value(
            instance, IDEA, dg.StaticPartitionsDefinition(KEYS)
        )

        assert status.deserialize_failed_partition_subsets(
            dg.StaticPartitionsDefinition(KEYS)
        ).get_partition_keys() == {KEYS[0]}


def test_processes_that_open_a_new_home_at_once_do_not_break_it(home):
    program = """if True:
        import sys
        from pathlib import Path
        from daydreaming_dagster.defs.launch import open_instance
        print("ready", flush=True)
        sys.stdin.readline()
        with open_instance(Path(sys.argv[1])) as instance:
            instance.add_dynamic_partitions("cohorts", ["c1"])
    """
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=PATIENCE)

    assert [process.returncode for process in processes] == [0, 0, 0]


def test_partitions_that_another_process_adds_at_the_same_moment_are_added_once(home):
    left = ["c2"]
    with open_instance(home) as instance, open_instance(home) as other:

        def be_faster(_connection, _cursor, statement, *_rest):
            if left and statement.startswith("INSERT INTO dynamic_partitions"):
                other.add_dynamic_partitions("cohorts", [left.pop()])

        sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", be_faster)
        add_partitions(instance, "cohorts", ["c1", "c2"])
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", be_faster)

        assert not left
        assert instance.get_dynamic_partitions("cohorts") == ["c2", "c1"]


def test_a_storage_that_the_researcher_chose_is_kept(home):
    home.mkdir()
    elsewhere = home / "elsewhere"
    settings = f"storage: {{sqlite: {{base_dir: {elsewhere}}}}}\n"
    (home / "dagster.yaml").write_text(settings, "utf-8")
    with open_instance(home) as instance:
        run_id, _ = run(instance, record_events)

    assert list(elsewhere.rglob(f"{run_id}.db"))
