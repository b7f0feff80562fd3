"""Running a cohort by batch, at a real server with the two endpoints."""

import json
import re
import signal

import pytest

from batch_endpoint import serving_batches
from calls import PATIENCE, wait_for_line

KEY = {"BATCH_KEY": "sk-the-key-of-batches"}


@pytest.fixture
def endpoint(data_root):
    """The endpoint, which is that of the cohort's model."""
    with serving_batches() as endpoint:
        (data_root / "1_raw/endpoints.csv").write_text(
            "id,base_url,api_key_variable,header_variables,batch_poll_seconds\n"
            f"acme,{endpoint.url}?api-version=7,BATCH_KEY,X-Team=TEAM,0.05\n"
        )
        (data_root / "1_raw/llm_models.csv").write_text(
            "id,model,provider,prompt_price,completion_price,batch_discount\n"
            "big,big-1,acme,1000,1000,0.5\n"
        )
        yield endpoint


@pytest.fixture
def run(daydream, endpoint):
    assert daydream("plan", "c1", TEAM="dreamers", **KEY).returncode == 0
    return lambda *arguments: daydream("run", "c1", *arguments, TEAM="dreamers", **KEY)


def test_a_dry_run_has_the_price_by_batch_of_models_that_are_always_asked_so(
    daydream, endpoint, data_root
):
    models = data_root / "1_raw/llm_models.csv"
    costs = []
    for batch in ("no", "yes"):
        models.write_text(
            "id,model,provider,prompt_price,completion_price,batch_discount,batch\n"
            f"big,big-1,acme,1000,1000,0.5,{batch}\n"
        )
        shown = daydream("plan", "c1", "--dry-run", TEAM="dreamers", **KEY)
        costs.append(float(re.findall(r"([\d.]+) USD", shown.stdout)[-1]))

    assert costs[1] == pytest.approx(costs[0] / 2, rel=0.01)
    assert not endpoint.calls


def test_a_cohort_is_made_by_three_batches_and_the_report_of_costs_has_the_discount(
    run, endpoint, data_root
):
    ran = run("--batch")

    assert ran.returncode == 0, ran.stderr
    assert endpoint.calls.count("POST /files") == 3
    assert endpoint.calls.count("POST /batches") == 3
    assert not endpoint.chat.bodies
    for handler in endpoint.received:
        assert handler.headers["Authorization"] == "Bearer sk-the-key-of-batches"
        assert handler.headers["X-Team"] == "dreamers"
        assert handler.query["api-version"] == ["7"]
    batch = endpoint.batches.batches["batch_0"]
    assert batch["endpoint"] == "/v1/chat/completions"
    assert batch["completion_window"] == "24h"
    assert batch["metadata"]["daydream_cohort"] == "c1"
    assert batch["metadata"]["daydream_data_root"] == str(data_root)
    question = json.loads(endpoint.batches.files[batch["input_file_id"]].splitlines()[0])
    assert question["url"] == "/v1/chat/completions"
    assert question["body"]["model"] == "big-1"
    assert max(map(len, endpoint.batches.asked)) <= 64
    (raw,) = [
        path
        for path in data_root.glob("gens/draft/*/raw_metadata.json")
        if path.parent.name.startswith(question["custom_id"][:28])
    ]
    record = json.loads(raw.read_text())
    assert record["batch_id"] == "batch_0"
    assert record["duration_seconds"] == 3600.0
    assert "18 calls, 216 tokens, 0.11 USD" in ran.stderr  # half of 12 tokens at 0.001 USD each
    kept = [path.read_bytes() for path in data_root.rglob("*") if path.is_file()]
    assert all(b"sk-the-key" not in content for content in [ran.stderr.encode(), *kept])


def test_ctrl_c_leaves_a_batch_running_which_status_shows_and_which_the_next_run_takes(
    run, endpoint, start, daydream, data_root
):
    endpoint.batches.looks = 10**9
    process = start("run", "c1", "--batch", TEAM="dreamers", **KEY)
    line = wait_for_line(process, "waiting for big-1")
    assert "0 of 3 questions answered in 1 batch since 20" in line

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 1
    place = f"batch batch_0 of big-1 at {endpoint.url}?api-version=*** since 20"
    assert f"3 generations wait in {place}" in err
    assert "batches go on without this command: `daydream run c1 --batch` takes their" in err
    shown = daydream("status", "c1")
    assert f"waiting for an answer: 3 generations in {place}" in shown.stderr
    assert re.search(r"\((validating|in_progress), 0 of 3 answered when last seen\)", shown.stderr)
    waiting = json.loads(daydream("status", "c1", "--json").stdout)["draft"]["waiting"]
    assert len(waiting) == 3
    refused = daydream("delete", "c1", "--yes")
    assert refused.returncode == 2
    assert "batch batch_0 of big-1" in refused.stderr
    without = run()
    assert without.returncode == 1
    assert f"3 generations wait in {place}" in without.stderr
    assert not endpoint.chat.bodies

    endpoint.batches.looks = endpoint.batches.left["batch_0"] = 1
    assert run("--batch").returncode == 0
    assert len(endpoint.batches.asked) == len(set(endpoint.batches.asked)) == 18
    assert not list(data_root.glob("batches/*.json"))


def test_cancelled_batches_keep_what_was_answered(run, endpoint, start, daydream):
    endpoint.batches.looks = 10**9
    process = start("run", "c1", "--batch", TEAM="dreamers", **KEY)
    wait_for_line(process, "waiting for big-1")
    process.kill()
    process.communicate()
    answered = endpoint.batches.answered
    first = endpoint.batches.asked[0]
    endpoint.batches.line = lambda question: (
        answered(question)
        if question["custom_id"] == first
        else {"custom_id": question["custom_id"], "response": None, "error": {"code": "cancelled"}}
    )

    cancelled = run("--cancel-batches")

    assert cancelled.returncode == 1
    assert endpoint.calls.count("POST /batches/batch_0/cancel") == 1
    assert "20 generations not done" in cancelled.stderr
    assert "wait in" not in cancelled.stderr
    assert run("--batch", "--cancel-batches").returncode == 2


def test_an_endpoint_without_batches_is_called_and_the_run_says_so(run, endpoint):
    respond = endpoint.respond
    endpoint.respond = lambda call, handler: (
        respond(call, handler)
        if "chat" in call
        else (404, {"error": {"message": f"nothing at {call}"}})
    )

    ran = run("--batch")

    assert ran.returncode == 0, ran.stderr
    assert len(endpoint.chat.bodies) == 18
    assert "big-1 is called instead of asked by batch: big-1 at " in ran.stderr
