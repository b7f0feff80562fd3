"""Workers of a cohort's run that are killed: the others and their successors make everything."""

from daydreaming_dagster.defs.launch import open_instance
from endpoint import serving
from killing import Calls, QuietEndpoint, kill_some, missing, start_run, write_cohort


def test_a_run_survives_workers_that_are_killed_and_pays_twice_only_what_was_in_flight(
    tmp_path, environment
):
    root, home = tmp_path / "lab", tmp_path / "home"
    planned = write_cohort(root, 60)
    calls = Calls(latency_seconds=1.0)
    with open_instance(home) as instance:
        instance.add_dynamic_partitions("cohorts", ["c1"])
    with serving(QuietEndpoint(calls.respond)) as endpoint:
        run = start_run(
            tmp_path / "log",
            environment,
            2,
            DAYDREAM_DATA_ROOT=str(root),
            DAGSTER_HOME=str(home),
            OPENAI_BASE_URL=endpoint.url,
        )
        kills = kill_some(run, calls, 0.5, most=2)

    assert (kills, run.returncode) == (2, 0), (tmp_path / "log").read_text()[-2000:]
    assert missing(root) == 0
    assert len(calls.asked) == planned
    assert calls.paid_twice_without_need == []
