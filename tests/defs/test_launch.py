"""Dagster's instance in a folder of its own, where processes end early."""

import signal
import subprocess
import sys

import pytest

from calls import PATIENCE
from daydreaming_dagster.defs.launch import open_instance

KILLED = """if True:
    import os, signal, sys
    from pathlib import Path
    from daydreaming_dagster.defs.launch import open_instance

    connections = 0

    def kill(event, arguments):
        global connections
        if event == "sqlite3.connect" and str(arguments[0]).endswith("index.db"):
            connections += 1
            if connections == int(sys.argv[2]):
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(kill)
    open_instance(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("connection", [1, 3])
def test_a_process_that_is_killed_while_it_sets_dagster_up_leaves_what_can_be_opened(
    tmp_path, monkeypatch, connection
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # without empty databases
    home = tmp_path / "home"
    command = [sys.executable, "-c", KILLED, str(home), str(connection)]
    assert subprocess.run(command, timeout=PATIENCE, check=False).returncode == -signal.SIGKILL

    with open_instance(home) as instance:
        instance.add_dynamic_partitions("cohort", ["c1"])

        assert instance.get_dynamic_partitions("cohort") == ["c1"]
    assert not (home / ".setup").exists()


def test_databases_are_created_in_place_where_the_cache_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    with open_instance(tmp_path / "home") as instance:
        instance.add_dynamic_partitions("cohort", ["c1"])
    with open_instance(tmp_path / "home") as instance:
        assert instance.get_dynamic_partitions("cohort") == ["c1"]
