"""Runs of a cohort again: what is stale, chosen, deleted, added."""

import json
import re
import shutil
import time
from collections import Counter

import pytest

from adapters import FilesystemGensStore


@pytest.mark.usefixtures("planned")
def test_stale_answers_are_listed_and_replaced_on_request_alone(daydream, chat_endpoint, data_root):
    daydream("run", "c1")
    (data_root / "1_raw/templates/essay/story.txt").write_text("Sing of: {{ draft_block }}")
    chat_endpoint.bodies.clear()

    status = daydream("status", "c1")
    assert "stale: 3 essays: essay template 'story' was edited (" in status.stderr
    assert re.search(r"stale: 6 evaluations: .* is stale \(", status.stderr)
    kept = daydream("run", "c1")
    assert kept.returncode == 0
    assert "9 answers stale: `daydream status c1` says why, and --stale" in kept.stderr
    assert chat_endpoint.bodies == []

    stopped = daydream("run", "c1", "--stale", "--max-calls", "1")
    assert stopped.returncode == 1
    assert "8 generations not done" in stopped.stderr
    replaced = daydream("run", "c1", "--stale")
    assert replaced.returncode == 0
    assert "answers stale" not in replaced.stderr

    assert len(chat_endpoint.bodies) == 3 + 6
    after = json.loads(daydream("status", "c1", "--json").stdout)
    assert [state["stale"] for state in after.values()] == [{}, {}, {}]
    store = FilesystemGensStore(data_root)
    replaced = [
        store.read_raw_metadata("essay", gen_id).get("replaced")
        for gen_id in store.list_generations("essay")
    ]
    assert sum(answers is not None for answers in replaced) == 3


@pytest.mark.usefixtures("planned")
def test_metadata_that_cannot_be_read_fails_its_generation_and_nothing_else(
    daydream, chat_endpoint, data_root
):
    store = FilesystemGensStore(data_root)
    broken = store.list_generations("evaluation")[0]
    store.main_metadata_path("evaluation", broken).write_text("{")

    ran = daydream("run", "c1")

    assert ran.returncode == 1, ran.stderr
    assert f"evaluation/{broken}: malformed main_metadata in" in ran.stderr
    assert "no ranking: malformed main_metadata in" in ran.stderr
    assert "1 generation not done" in ran.stderr
    assert len(chat_endpoint.bodies) == 17


@pytest.mark.usefixtures("planned")
def test_chosen_generations_are_asked_again(daydream, chat_endpoint, data_root):
    daydream("run", "c1")
    store = FilesystemGensStore(data_root)
    essay = next(
        gen_id
        for gen_id in store.list_generations("essay")
        if store.read_main_metadata("essay", gen_id)["mode"] == "llm"
    )
    chat_endpoint.answer = lambda _prompt: "another text"
    chat_endpoint.bodies.clear()

    forced = daydream("run", "c1", "--force", essay)

    assert forced.returncode == 0
    assert len(chat_endpoint.bodies) == 1
    assert "2 answers stale" in forced.stderr, "the evaluations are of the essay before"

    unknown = daydream("run", "c1", "--force", "v_unknown")
    assert unknown.returncode == 2
    assert "'v_unknown' is not in the cohort" in unknown.stderr


@pytest.mark.usefixtures("planned")
def test_a_growing_cohort_sends_its_new_calls_alone(daydream, chat_endpoint, data_root):
    daydream("run", "c1")
    chat_endpoint.bodies.clear()
    spec = data_root / "cohorts/c1/spec/config.yaml"
    spec.write_text(spec.read_text().replace("evaluation: 2", "evaluation: 3"))

    daydream("plan", "c1")
    assert daydream("run", "c1").returncode == 0

    assert len(chat_endpoint.bodies) == 6


@pytest.mark.usefixtures("planned")
def test_output_that_is_no_terminal_is_not_flooded(daydream):
    ran = daydream("run", "c1")

    assert len(ran.stderr.splitlines()) < 10
    assert "\x1b" not in ran.stdout + ran.stderr


@pytest.fixture
def seen(daydream, planned, chat_endpoint, data_root):
    """The index of the cohort, which knows all that a run made."""
    assert daydream("run", "c1").returncode == 0
    time.sleep(3.5)  # a generation that changed just now is in no index
    assert daydream("run", "c1").returncode == 0
    chat_endpoint.bodies.clear()
    index = data_root / "cohorts/c1/index.jsonl"
    _header, *pages = index.read_bytes().splitlines()
    assert [len(json.loads(page)) for page in pages] == [3, 6, 12]
    return index


def delete_two(data_root):
    """Delete the answer of one evaluation and the parsed text of another."""
    first, second = sorted((data_root / "gens/evaluation").iterdir())[:2]
    for file in (first / "raw.txt", first / "parsed.txt", second / "parsed.txt"):
        file.unlink()
    return {first.name, second.name}


def left(status):
    return [gen_id for state in status.values() for gen_id in state["missing"] + state["unparsed"]]


def test_what_is_deleted_is_made_again_and_nothing_else(daydream, chat_endpoint, data_root, seen):
    deleted = delete_two(data_root)

    assert set(left(json.loads(daydream("status", "c1", "--json").stdout))) == deleted
    assert daydream("run", "c1").returncode == 0

    assert len(chat_endpoint.bodies) == 1  # one answer is there still
    assert left(json.loads(daydream("status", "c1", "--json").stdout)) == []


def test_the_index_of_another_data_root_says_nothing_of_a_copy(daydream, data_root, seen, tmp_path):
    """As `cp -a` copies it, times and all."""
    copy = tmp_path / "copy"
    shutil.copytree(data_root, copy, symlinks=True)
    deleted = delete_two(copy)

    assert set(left(json.loads(daydream("status", "c1", "-d", str(copy), "--json").stdout))) == (
        deleted
    )
    assert daydream("run", "c1", "-d", str(copy)).returncode == 0
    assert left(json.loads(daydream("status", "c1", "-d", str(copy), "--json").stdout)) == []


def test_an_index_that_is_damaged_is_replaced(daydream, chat_endpoint, seen):
    seen.write_text("{")

    assert daydream("status", "c1").returncode == 0
    assert seen.read_text() == "{"
    assert daydream("run", "c1").returncode == 0

    assert len(json.loads(seen.read_bytes().splitlines()[-1])) == 12
    assert chat_endpoint.bodies == []


@pytest.mark.usefixtures("planned")
def test_limits_that_cannot_be_kept_are_an_error_before_the_first_call(
    daydream, chat_endpoint, data_root, tmp_path
):
    (tmp_path / "state").write_text("no folder")
    assert daydream("run", "c1", "--max-calls", "1").returncode == 1  # no limits, no folder

    catalog = data_root / "1_raw/llm_models.csv"
    catalog.write_text("id,model,provider,requests_per_minute\nbig,big-1,acme,600\n")
    refused = daydream("run", "c1")

    assert refused.returncode == 2
    folder = tmp_path / "state/daydreaming_dagster/limits"
    assert f"error: the limits in llm_models.csv cannot be kept in {folder} (" in refused.stderr
    assert "set XDG_STATE_HOME" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert len(chat_endpoint.bodies) == 1


def test_replicates_are_told_apart_by_their_seeds_and_all_that_was_asked_is_recorded(
    daydream, chat_endpoint, data_root
):
    spec = data_root / "cohorts/c1/spec/config.yaml"
    sampling = "sampling: {evaluation: {temperature: 0.2, max_tokens: 50, seed: 7}}\n"
    spec.write_text(spec.read_text() + sampling)
    daydream("plan", "c1")

    assert daydream("run", "c1").returncode == 0

    sent = [body for body in chat_endpoint.bodies if "seed" in body]
    prompts = Counter(body["messages"][0]["content"] for body in sent)
    assert set(prompts.values()) == {2}
    asked = {(body["messages"][0]["content"], body["seed"]) for body in sent}
    assert asked == {(prompt, seed) for prompt in prompts for seed in (7, 8)}
    store = FilesystemGensStore(data_root)
    for gen_id in store.list_generations("evaluation"):
        metadata = store.read_raw_metadata("evaluation", gen_id)
        replicate = store.read_main_metadata("evaluation", gen_id)["replicate"]
        parameters = {"temperature": 0.2, "max_tokens": 50, "seed": 6 + replicate}
        assert metadata["parameters"] == parameters
        recorded = (metadata["provider"], metadata["model"], metadata["answered_by"])
        assert recorded == ("acme", "big-1", "big-1-0613")
        prompt = store.read_prompt("evaluation", gen_id)
        (body,) = [
            body
            for body in sent
            if (body["messages"][0]["content"], body["seed"]) == (prompt, parameters["seed"])
        ]
        assert body == {
            "model": "big-1",
            "messages": [{"role": "user", "content": prompt}],
            **parameters,
        }


@pytest.mark.usefixtures("planned")
def test_nothing_is_bought_where_dagster_cannot_keep_its_records(daydream, chat_endpoint, tmp_path):
    (tmp_path / "taken").write_text("no folder")

    ran = daydream("run", "c1", DAGSTER_HOME=str(tmp_path / "taken"))

    assert ran.returncode == 2
    assert f"cannot be kept in {tmp_path / 'taken'} (File exists); set DAGSTER_HOME" in ran.stderr
    assert chat_endpoint.bodies == []


@pytest.mark.usefixtures("planned")
def test_a_run_that_makes_nothing_adds_nothing_to_dagsters_records(daydream, data_root):
    assert daydream("run", "c1").returncode == 0
    databases = sorted((data_root / "dagster_home/history/runs").glob("*.db"))

    assert daydream("run", "c1").returncode == 0
    assert sorted((data_root / "dagster_home/history/runs").glob("*.db")) == databases

    # Without its mark, Dagster is asked what it knows.
    for mark in (data_root / "dagster_home/history/recorded").iterdir():
        mark.unlink()
    assert daydream("run", "c1").returncode == 0
    assert len([*(data_root / "dagster_home/history/runs").glob("*.db")]) == len(databases) + 1
