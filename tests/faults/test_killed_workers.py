"""Workers of a cohort's run that are killed: the others and their successors make everything."""

import os

import pytest

from command import call_daydream
from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.defs.launch import open_instance
from endpoint import serving
from killing import Calls, QuietEndpoint, kill_some, missing, start_run, write_cohort

LIMIT = 40
"""In USD. Each call costs one."""


@pytest.fixture
def cohort(tmp_path):
    """The folder of a data root with a planned cohort, and how many generations it has."""
    planned = write_cohort(tmp_path / "lab", 60)
    with open_instance(tmp_path / "home") as instance:
        instance.add_dynamic_partitions("cohorts", ["c1"])
    return tmp_path / "lab", planned


@pytest.fixture
def killed_run(tmp_path, environment):
    """Run the cohort at a location on two workers, kill some; return the run, kills and log."""

    def call(location, calls, endpoint, limits=(), *, most):
        log = tmp_path / "log"
        run = start_run(
            log,
            environment,
            2,
            limits,
            DAYDREAM_DATA_ROOT=str(location),
            DAGSTER_HOME=str(tmp_path / "home"),
            OPENAI_BASE_URL=endpoint.url,
            **{name: value for name, value in os.environ.items() if name.startswith("AWS_")},
        )
        kills = kill_some(run, calls, 0.5, most)
        return run.returncode, kills, log.read_text("utf-8")

    return call


def test_a_run_survives_workers_that_are_killed_and_pays_twice_only_what_was_in_flight(
    cohort, killed_run
):
    root, planned = cohort
    calls = Calls(latency_seconds=1.0)
    with serving(QuietEndpoint(calls.respond)) as endpoint:
        code, kills, log = killed_run(root, calls, endpoint, most=2)

    assert (kills, code) == (2, 0), log[-2000:]
    assert missing(root) == 0
    assert len(calls.asked) == planned
    assert calls.paid_twice_without_need == []


def test_a_limit_holds_in_a_bucket_though_a_worker_is_killed_and_the_next_run_goes_on(
    cohort, killed_run, environment, s3_url
):
    root, planned = cohort
    copied = call_daydream(("copy", str(root), s3_url), environment)
    assert copied.returncode == 0, copied.stderr
    calls, limits = Calls(latency_seconds=1.0), {"max_cost": LIMIT, "max_calls": 2 * LIMIT}
    with serving(QuietEndpoint(calls.respond)) as endpoint:
        code, kills, log = killed_run(s3_url, calls, endpoint, limits, most=1)

        assert (kills, code) == (1, 1), log[-2000:]
        assert f"stopped: the limit of {LIMIT} USD is reached" in log
        # What the killed one held and did not use counts as spent.
        assert LIMIT // 2 <= calls.asked.total() <= LIMIT

        code, _, log = killed_run(s3_url, calls, endpoint, most=0)

    assert code == 0, log[-2000:]
    assert missing(s3_url) == 0
    assert len(calls.asked) == planned
    assert calls.paid_twice_without_need == []
    assert not open_data_root(s3_url).written_files().list_files("ledgers")
