"""Events recorded many at once in PostgreSQL, on a server of its own."""

import os
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

import dagster as dg
import pytest

from daydreaming_dagster.defs.event_log import record_events
from daydreaming_dagster.defs.launch import open_instance

# Debian does not put the server's programs on the path.
FOLDERS = [os.environ["PATH"], *map(str, Path("/usr/lib").glob("postgresql/*/bin"))]
INITDB = shutil.which("initdb", path=os.pathsep.join(FOLDERS))

pytestmark = [
    pytest.mark.skipif(
        INITDB is None, reason="no PostgreSQL: install it (Debian: apt-get install postgresql)"
    ),
    pytest.mark.skipif(
        find_spec("dagster_postgres") is None,
        reason="Dagster cannot use PostgreSQL: pip install dagster-postgres psycopg2-binary",
    ),
]

ASSETS = [dg.AssetKey(name) for name in ("idea", "note", "plan")]


@pytest.fixture
def instance(tmp_path):
    # PostgreSQL refuses to run as root; Debian's package has a user for it.
    owner = "postgres" if os.geteuid() == 0 else None
    # The path of a socket has at most 107 bytes.
    folder = Path(tempfile.mkdtemp())

    def call(*command):
        subprocess.run(command, user=owner, check=True, capture_output=True, cwd=folder)

    server = [str(Path(INITDB).with_name("pg_ctl")), "-D", str(folder / "db")]
    try:
        if owner is not None:
            shutil.chown(folder, owner)
        call(INITDB, "-D", str(folder / "db"), "-U", "postgres", "--no-sync")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        call(*server, "-w", "-l", str(folder / "log"), "-o", options, "start")
        home = tmp_path / "home"
        home.mkdir()
        (home / "dagster.yaml").write_text(
            "storage: {postgres: {postgres_url: "
            f"'postgresql+psycopg2://postgres@/postgres?host={folder}'}}}}\n"
        )
        with open_instance(home) as instance:
            yield instance
    finally:
        subprocess.run([*server, "-m", "immediate", "stop"], user=owner, check=False, cwd=folder)
        shutil.rmtree(folder)


def test_each_asset_of_a_batch_gets_its_own_last_event(instance):
    @dg.asset
    def dreams(context: dg.AssetExecutionContext):
        record_events(
            context,
            [
                dg.AssetMaterialization(asset, partition=key)
                for key in ("a", "b")
                for asset in ASSETS
            ],
        )

    assert dg.materialize([dreams], instance=instance).success

    latest = {
        record.asset_entry.asset_key: record.asset_entry.last_materialization.dagster_event
        for record in instance.get_asset_records(ASSETS)
    }
    assert {asset: event.partition for asset, event in latest.items()} == dict.fromkeys(ASSETS, "b")
    for asset in ASSETS:
        assert instance.get_materialized_partitions(asset) == {"a", "b"}
