"""Whatever moment a process is killed at, the store holds whole texts."""

import pytest

from adapters import FilesystemGensStore
from adapters.cohort_store.filesystem import FilesystemCohortStore
from builders import FILES, write_data_root
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.data_layer.paths import Paths
from dreaming import make_loop

# 0.03 s each.
KILLS = 200

# 0.5 s each.
LOOP_KILLS = 40
SCORE_KILLS = 20
CALLS_AT_ONCE = 4


@pytest.mark.parametrize(
    ("operation", "before", "after"),
    [
        ("overwrite", {"old"}, "new"),
        # The folder comes before the text: a generation that has none yet is a whole one.
        ("write", {"gone", "missing"}, "new"),
        ("delete", {"old"}, "gone"),
    ],
)
def test_a_process_killed_at_any_call_leaves_the_state_before_or_after(
    start, tmp_path, operation, before, after
):
    """SIGKILL before and after each call of the system that the operation makes."""
    states = start("kill_at_each_call", str(tmp_path), operation)()
    calls = [call for call, _ in states]
    expected = {"delete": ["rename"]}.get(operation, ["open", "write", "fsync", "close", "replace"])
    assert {f"c_call {name}" for name in expected} <= set(calls)
    found = [state for _, state in states]
    assert {*before, after} == set(found)
    # Once the new state is there, it stays.
    assert after not in found[: found.index(after)]
    assert set(found[found.index(after) :]) == {after}


def test_a_process_killed_at_random_moments_of_many_overwrites_leaves_a_whole_text(start, tmp_path):
    assert start("kill_at_random_moments", str(tmp_path), KILLS, 0)() > 0


def test_the_claim_of_a_process_that_is_killed_is_free_and_its_file_goes_with_the_next(
    start, tmp_path
):
    process = start("claim_and_hold", str(tmp_path)).process
    assert process.stdout.readline() == "true\n"
    store = FilesystemGensStore(tmp_path)
    assert store.claim("draft", "a") is None

    process.kill()
    process.wait()

    left = tmp_path / "gens/draft/.claimed-a"
    assert left.exists()
    store.claim("draft", "a").release()
    assert not left.exists()


def test_a_loop_that_is_killed_at_random_moments_comes_to_the_same(start, tmp_path):
    data_root = write_data_root(tmp_path / "begun")
    make_loop(data_root)

    unkilled, *killed = start("begin_and_be_killed", "dream", str(tmp_path), LOOP_KILLS, 0)()

    journal, generations, calls, _ = unkilled
    assert calls == 3 * 4 * 3  # rounds, pairs, a draft and two evaluations
    assert len(journal) > 9  # three entries a round, and what was accepted
    assert sum(kills for *_, kills in killed) >= LOOP_KILLS
    for of_killed, made, asked, kills in killed:
        assert of_killed == journal
        assert made == generations
        assert asked - calls <= CALLS_AT_ONCE * kills


def test_a_run_under_a_stop_rule_that_is_killed_asks_nothing_twice_and_comes_to_the_same(
    start, tmp_path
):
    root = write_data_root(tmp_path / "begun")
    spec = root / "cohorts/c1/spec/config.yaml"
    spec.write_text(
        f"{FILES['cohorts/c1/spec/config.yaml']}sampling: {{evaluation: {{seed: 1}}}}\n"
    )
    plan_cohort(FilesystemGensStore(root), FilesystemCohortStore(Paths(root)), "c1")

    unkilled, *killed = start("begin_and_be_killed", "score", str(tmp_path), SCORE_KILLS, 0)()

    files, generations, calls, _ = unkilled
    assert calls > 3 + 3 + 2 * 6 + 20, "drafts, essays, and more scores than planned"
    assert sum(kills for *_, kills in killed) >= SCORE_KILLS
    for of_killed, made, asked, kills in killed:
        assert of_killed == files
        assert made == generations
        assert asked - calls <= CALLS_AT_ONCE * kills
