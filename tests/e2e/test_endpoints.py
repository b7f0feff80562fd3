"""Experiments that call several endpoints: `1_raw/endpoints.csv`."""

import json
import threading
import time
from contextlib import ExitStack

import attrs
import pytest

from endpoint import ChatEndpoint, Endpoint, serving, serving_chat

STAGES = ("draft", "essay", "evaluation")
KEYS = {f"{stage.upper()}_KEY": f"sk-the-key-for-{stage}s" for stage in STAGES}


@attrs.define
class Crowd:
    """How many calls were in flight at once at most."""

    answer: object
    now: int = 0
    most: int = 0
    lock: threading.Lock = attrs.field(factory=threading.Lock)

    def __call__(self, prompt):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.1)
        with self.lock:
            self.now -= 1
        return self.answer(prompt)


@pytest.fixture
def endpoints():
    """Three real servers, one for each stage."""
    with ExitStack() as stack:
        yield {stage: stack.enter_context(serving_chat()) for stage in STAGES}


@pytest.fixture
def each_stage_has_its_own(data_root, endpoints):
    """Let each stage be asked of another endpoint, with its own key and limit."""
    raw = data_root / "1_raw"
    rows = [f"{stage}s,{endpoints[stage].base_url},{stage.upper()}_KEY" for stage in STAGES]
    raw.joinpath("endpoints.csv").write_text(
        "\n".join(
            ["id,base_url,api_key_variable", *rows, "other,http://unused.invalid/v1,UNUSED\n"]
        )
    )
    raw.joinpath("llm_models.csv").write_text(
        "id,model,provider,max_concurrency,requests_per_minute\n"
        "drafter,m-1,drafts,1,\nwriter,m-1,essays,2,\njudge,m-1,evaluations,,1200\n"
        "other,m-1,other,,\n"
    )
    spec = data_root / "cohorts/c1/spec/config.yaml"
    text = spec.read_text()
    for stage, model in zip(STAGES, ("drafter", "writer", "judge"), strict=True):
        text = text.replace(f"{stage}_llm: [big]", f"{stage}_llm: [{model}]")
    spec.write_text(text)


@pytest.mark.usefixtures("each_stage_has_its_own")
def test_a_cohort_calls_three_endpoints_with_three_keys_and_three_limits(
    daydream, endpoints, data_root
):
    for endpoint in endpoints.values():
        endpoint.answer = Crowd(endpoint.answer)
    assert daydream("plan", "c1").returncode == 0

    ran = daydream("run", "c1", **KEYS)

    assert ran.returncode == 0, ran.stderr
    assert [len(endpoints[stage].bodies) for stage in STAGES] == [3, 3, 12]
    for stage in STAGES:
        assert set(endpoints[stage].keys) == {f"Bearer sk-the-key-for-{stage}s"}
    assert endpoints["draft"].answer.most == 1
    assert endpoints["essay"].answer.most <= 2
    kept = [path.read_bytes() for path in data_root.rglob("*") if path.is_file()]
    for content in [ran.stdout.encode(), ran.stderr.encode(), *kept]:
        assert b"sk-the-key" not in content


@pytest.mark.usefixtures("each_stage_has_its_own")
def test_variables_that_the_cohort_needs_are_missed_before_the_first_call(daydream, endpoints):
    assert daydream("plan", "c1").returncode == 0

    ran = daydream("run", "c1", **{**KEYS, "ESSAY_KEY": " ", "EVALUATION_KEY": ""})

    assert ran.returncode == 2
    assert "2 problems in the set-up of the models:" in ran.stderr
    for stage in ("essay", "evaluation"):
        row = f"the row of '{stage}s' in endpoints.csv names it, and it is not set"
        assert f"set {stage.upper()}_KEY: {row}" in ran.stderr
    assert "UNUSED" not in ran.stderr
    assert endpoints["draft"].bodies == []


def test_rows_with_one_id_share_the_load_of_its_models(daydream, data_root):
    with serving_chat() as one, serving_chat() as two:
        (data_root / "1_raw/endpoints.csv").write_text(
            f"id,base_url\nacme,{one.base_url}\nacme,{two.base_url}\n"
        )
        for endpoint in (one, two):
            endpoint.answer = Crowd(endpoint.answer)
        daydream("plan", "c1")

        assert daydream("run", "c1").returncode == 0

        assert len(one.bodies) + len(two.bodies) == 18
        assert min(len(one.bodies), len(two.bodies)) >= 6
        assert daydream("status", "c1").stderr == ""


def test_rows_that_are_up_take_the_load_of_one_that_is_down(daydream, data_root, chat_endpoint):
    (data_root / "1_raw/endpoints.csv").write_text(
        f"id,base_url\nacme,http://127.0.0.1:9/v1\nacme,{chat_endpoint.base_url}\n"
    )
    daydream("plan", "c1")

    ran = daydream("run", "c1")

    assert ran.returncode == 0, ran.stderr
    assert len(chat_endpoint.bodies) == 18


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:99999/v1", "its port is over 65535"),
        ("http://[::1", "an IPv6 address needs both brackets"),
        ("http://127.0.0.1:1/v1/chat/completions", "ends in /chat/completions"),
    ],
)
def test_a_url_that_cannot_work_is_a_problem_of_its_setting(daydream, data_root, url, words):
    daydream("plan", "c1")

    ran = daydream("run", "c1", OPENAI_BASE_URL=url)
    assert ran.returncode == 2
    assert words in ran.stderr
    assert "set OPENAI_BASE_URL and OPENAI_API_KEY" in ran.stderr

    (data_root / "1_raw/endpoints.csv").write_text(f"id,base_url\nacme,{url}\n")
    ran = daydream("run", "c1")
    assert ran.returncode == 2
    assert words in ran.stderr
    assert "endpoints.csv, line 2, column base_url: " in ran.stderr


@pytest.fixture
def many_drafts_of_two_models(data_root):
    """84 drafts, half of them by `big` and half by `small`, each copied and judged by `big`."""
    models = data_root / "1_raw/llm_models.csv"
    models.write_text("id,model,provider\nbig,big-1,acme\nsmall,small-1,acme\n")
    spec = data_root / "cohorts/c1/spec/config.yaml"
    text = spec.read_text().replace("draft_llm: [big]", "draft_llm: [big, small]")
    text = text.replace("[story, copied]", "[copied]").replace("{evaluation: 2}", "{draft: 14}")
    spec.write_text(text)


@pytest.mark.usefixtures("many_drafts_of_two_models")
def test_a_model_that_is_refused_for_good_is_set_aside_and_the_others_go_on(
    daydream, chat_endpoint
):
    refusal = {"error": {"message": "Your credit balance is too low"}}
    chat_endpoint.refused["small-1"] = 400, refusal
    daydream("plan", "c1")

    ran = daydream("run", "c1", "-j", "1")

    assert ran.returncode == 1
    status = json.loads(daydream("status", "c1", "--json").stdout)
    assert [status[stage]["done"] for stage in STAGES] == [42, 42, 42]
    refused = [line for line in ran.stderr.splitlines() if "credit balance" in line]
    assert len(refused) == 1
    assert refused[0].startswith("small-1 was set aside: 10 calls in a row failed: small-1 at http")
    assert "126 generations not done" in ran.stderr
    asked = [body["model"] for body in chat_endpoint.bodies]
    assert asked.count("big-1") == 84
    assert asked.count("small-1") <= 10 + 1  # one may be in flight when the tenth fails

    chat_endpoint.refused.clear()
    assert daydream("run", "c1").returncode == 0
    assert len(chat_endpoint.bodies) == len(asked) + 84


@pytest.mark.usefixtures("many_drafts_of_two_models")
def test_an_endpoint_that_stays_down_is_set_aside_after_its_patience_and_the_others_go_on(
    daydream, data_root, chat_endpoint
):
    models = data_root / "1_raw/llm_models.csv"
    models.write_text(models.read_text().replace("small-1,acme", "small-1,elsewhere"))
    (data_root / "1_raw/endpoints.csv").write_text(
        "id,base_url,patience_seconds\nelsewhere,http://127.0.0.1:9/v1,2\n"
    )
    daydream("plan", "c1")

    ran = daydream("run", "c1")

    assert ran.returncode == 1
    status = json.loads(daydream("status", "c1", "--json").stdout)
    assert [status[stage]["done"] for stage in STAGES] == [42, 42, 42]
    said = [line for line in ran.stderr.splitlines() if "127.0.0.1:9" in line]
    assert len(said) == 1
    assert said[0].startswith("small-1 was set aside: 10 calls in a row failed: small-1 was not")
    assert "check that the endpoint is up at that URL" in said[0]


@pytest.mark.parametrize(
    ("name", "value"), [("ALL_PROXY", "ftp://proxy"), ("SSL_CERT_FILE", "/nowhere.pem")]
)
def test_a_proxy_or_certificates_that_cannot_be_used_are_a_problem_of_the_set_up(
    daydream, chat_endpoint, name, value
):
    daydream("plan", "c1")

    ran = daydream("run", "c1", **{name: value})

    assert ran.returncode == 2
    assert f"- {name} is '{value}', which cannot be" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert chat_endpoint.bodies == []


def test_streamed_answers_of_a_run_are_stored_with_their_tokens(daydream, data_root):
    chat = ChatEndpoint(lambda prompt: "SCORE: 6" if prompt.startswith("Judge") else "Ants build.")

    def stream(handler):
        _, body = chat.respond(handler)
        text = body["choices"][0]["message"]["content"]
        parts = [{"choices": [{"delta": {"content": letter}}]} for letter in text]
        end = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
        handler.stream(*parts, end, {"choices": [], "usage": body["usage"]})

    with serving(Endpoint(stream)) as endpoint:
        (data_root / "1_raw/endpoints.csv").write_text(f"id,base_url\nacme,{endpoint.url}\n")
        daydream("plan", "c1")
        ran = daydream("run", "c1")

    assert ran.returncode == 0, ran.stderr
    assert all(body["stream"] for body in chat.bodies)
    drafts = [path.read_text() for path in data_root.glob("gens/draft/*/raw.txt")]
    assert drafts == ["Ants build."] * 3
    (metadata, *_) = data_root.glob("gens/draft/*/raw_metadata.json")
    kept = json.loads(metadata.read_text())
    assert (kept["usage"]["prompt_tokens"], kept["usage"]["completion_tokens"]) == (7, 5)
    assert kept["finish_reason"] == "stop"
    whole = json.loads(kept["response"])
    assert whole["choices"][0]["message"]["content"] == "Ants build."
    assert whole["usage"]["total_tokens"] == 12
