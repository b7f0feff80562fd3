"""Events written through connections that stay open, read as Dagster reads them."""

import subprocess
import sys

import dagster as dg
import pytest
import sqlalchemy
import sqlalchemy.event

from daydreaming_dagster.defs.event_log import ConnectedSqliteEventLogStorage
from daydreaming_dagster.defs.launch import open_instance

IDEA = dg.AssetKey("idea")
KEYS = [f"idea-{number}" for number in range(20)]


@dg.op
def have_ideas():
    for key in KEYS:
        yield dg.AssetMaterialization(IDEA, partition=key, metadata={"text": f"of {key}"})
    yield dg.Output(None)


@dg.job
def ideas():
    have_ideas()


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def run(instance):
    return ideas.execute_in_process(instance=instance).run_id


def test_dagsters_own_class_finds_every_event(home):
    with open_instance(home) as instance:
        assert isinstance(instance.event_log_storage, ConnectedSqliteEventLogStorage)
        run_id = run(instance)
        written = instance.all_logs(run_id)

    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert not isinstance(instance.event_log_storage, ConnectedSqliteEventLogStorage)
        assert instance.all_logs(run_id) == written
        assert instance.get_run_by_id(run_id).status == dg.DagsterRunStatus.SUCCESS
        assert set(instance.get_materialized_partitions(IDEA)) == set(KEYS)
        latest = instance.get_latest_materialization_event(IDEA).asset_materialization
        assert latest.metadata["text"].value == f"of {KEYS[-1]}"


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
        process.communicate(timeout=60)

    assert [process.returncode for process in processes] == [0, 0, 0]


def test_events_need_no_connection_of_their_own(home):
    files = []

    def note(connection, _record):
        files.append(connection.execute("PRAGMA database_list").fetchone()[2])

    with open_instance(home) as instance:
        run(instance)
        sqlalchemy.event.listen(sqlalchemy.Engine, "connect", note)
        try:
            run_id = run(instance)
        finally:
            sqlalchemy.event.remove(sqlalchemy.Engine, "connect", note)

    events = [file for file in files if "history" in file and not file.endswith("history/runs.db")]
    assert len(events) == 1
    assert events[0].endswith(f"{run_id}.db")


def test_connections_to_earlier_runs_are_closed(home):
    closed = []

    def note(connection, _record):
        closed.append(connection)

    with open_instance(home) as instance:
        sqlalchemy.event.listen(sqlalchemy.Engine, "close", note)
        try:
            for number in range(20):
                assert instance.event_log_storage.get_logs_for_run(f"run-{number}") == []
        finally:
            sqlalchemy.event.remove(sqlalchemy.Engine, "close", note)

    assert len(closed) > 10


def test_after_wiping_runs_are_written_to_new_files(home):
    with open_instance(home) as instance:
        storage = instance.event_log_storage
        run_id = run(instance)
        event = instance.all_logs(run_id)[0]
        storage.wipe()
        storage.store_event(event)

    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert instance.all_logs(run_id) == [event]


def test_a_storage_that_the_researcher_chose_is_kept(home):
    home.mkdir()
    elsewhere = home / "elsewhere"
    settings = f"storage: {{sqlite: {{base_dir: {elsewhere}}}}}\n"
    (home / "dagster.yaml").write_text(settings, "utf-8")
    with open_instance(home) as instance:
        assert not isinstance(instance.event_log_storage, ConnectedSqliteEventLogStorage)
        run_id = run(instance)

    assert list(elsewhere.rglob(f"{run_id}.db"))
