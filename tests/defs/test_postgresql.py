"""Events recorded many at once in PostgreSQL, on a server of its own."""

import subprocess
import sys

import dagster as dg
import pytest
from dagster_postgres.utils import retry_pg_connection_fn
from sqlalchemy import create_engine

from bucket_server import free_port
from calls import PATIENCE
from daydreaming_dagster.defs.event_log import (
    as_event_log_error,
    planned_materialization,
    record_events,
)
from daydreaming_dagster.defs.home import EventLogError
from daydreaming_dagster.defs.launch import open_instance

ASSETS = [dg.AssetKey(name) for name in ("idea", "note", "plan")]

WRITER = """if True:
    import sys
    from pathlib import Path

    import dagster as dg

    from daydreaming_dagster.defs.event_log import record_events
    from daydreaming_dagster.defs.launch import open_instance

    home, writer, assets = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]

    @dg.asset
    def dreams(context: dg.AssetExecutionContext):
        print("ready", flush=True)
        sys.stdin.readline()
        for batch in range(30):
            events = [
                dg.AssetMaterialization(asset, partition=f"{writer}-{batch}-{number}")
                for number in range(5)
                for asset in assets
            ]
            record_events(context, events)

    with open_instance(home) as instance:
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        assert dg.materialize([dreams], instance=instance, run_config=quiet).success
"""


@pytest.fixture
def instance(postgresql_home):
    with open_instance(postgresql_home) as instance:
        yield instance


def latest_of(instance):
    """Return the last event of each asset, as the asset's own row and as the log has it."""
    rows = {
        record.asset_entry.asset_key: record.asset_entry.last_materialization_record.storage_id
        for record in instance.get_asset_records(ASSETS)
    }
    log = {
        asset: instance.fetch_materializations(asset, limit=1).records[0].storage_id
        for asset in ASSETS
    }
    return rows, log


def test_each_asset_of_a_batch_gets_its_own_last_event(instance):
    seen = [dg.AssetMaterialization(asset, partition=key) for key in ("a", "b") for asset in ASSETS]

    @dg.asset
    def dreams(context: dg.AssetExecutionContext):
        failed = [planned_materialization(asset, "c") for asset in ASSETS]
        record_events(context, [*seen, *failed, dg.AssetObservation(ASSETS[0], partition="c")])

    result = dg.materialize([dreams], instance=instance)

    assert result.success
    rows, log = latest_of(instance)
    assert rows == log
    for asset in ASSETS:
        latest = instance.get_latest_materialization_event(asset)
        assert latest.dagster_event.partition == "b"
        assert instance.get_materialized_partitions(asset) == {"a", "b"}
    planned = instance.all_logs(
        result.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
    )
    assert [
        entry.dagster_event.asset_key for entry in planned if entry.dagster_event.partition == "c"
    ] == ASSETS
    assert [r.partition_key for r in instance.fetch_observations(ASSETS[0], 9).records] == ["c"]
    assert {record.asset_entry.last_run_id for record in instance.get_asset_records(ASSETS)} == {
        result.run_id
    }


def test_processes_that_record_at_once_keep_the_latest_event_of_each_asset(
    instance, postgresql_home
):
    names = [asset.to_user_string() for asset in ASSETS]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(postgresql_home), writer, *order],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for writer, order in [("up", names), ("down", names[::-1])]
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n", writer.communicate()[1]
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    outcomes = [(writer.communicate(timeout=PATIENCE)[1], writer.returncode) for writer in writers]

    assert [code for _, code in outcomes] == [0, 0], outcomes
    rows, log = latest_of(instance)
    assert rows == log
    for asset in ASSETS:
        assert len(instance.get_materialized_partitions(asset)) == 2 * 30 * 5


UNSET = """storage: {postgres: {postgres_db: {
  hostname: {env: NO_HOST}, username: {env: NO_NAME}, password: p, db_name: p}}}"""


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            "storage: {postgres: {postgres_url: 'postgresql://p@127.0.0.1/p'}}",
            r"No module named 'psycopg'; write postgresql\+psycopg2:// for",
        ),
        ("storage: {postgres: {postgres_uri: 'x'}}", "unexpected.*postgres_uri.*; correct dagster"),
        ("storage: {mysql: {mysql_url: 'x'}}", "import module dagster_mysql.*; correct dagster"),
        (
            UNSET,
            "^Dagster's database failed: not set in the environment: NO_HOST, NO_NAME; set what",
        ),
        ("storage: {", "; correct dagster.yaml in DAGSTER_HOME, and run the command again"),
    ],
)
def test_settings_that_do_not_work_say_what_to_write(tmp_path, settings, said):
    (tmp_path / "dagster.yaml").write_text(settings)

    with pytest.raises(EventLogError, match=said), open_instance(tmp_path):
        pass


def test_a_server_that_is_not_reached_is_named_with_the_reason(postgresql_server):
    engine = create_engine(f"postgresql+psycopg2://p@127.0.0.1:{free_port()}/p")

    with pytest.raises(EventLogError, match="Connection refused"), as_event_log_error():
        retry_pg_connection_fn(engine.connect, retry_limit=0, retry_wait=0)


def test_without_dagster_postgres_the_extra_is_named(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("dagster_postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dagster_postgres", None)
    (tmp_path / "dagster.yaml").write_text("storage: {postgres: {postgres_url: 'postgresql://'}}")

    with (
        pytest.raises(EventLogError, match=r"pip install .daydreaming-dagster\[postgres\]"),
        open_instance(tmp_path),
    ):
        pass
