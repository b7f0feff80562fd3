"""A gateway that answers from its cache, and with another model: every command says so."""

import base64
import json
import re
import zlib

import pytest

from endpoint import Endpoint, serving


@pytest.fixture
def gateway(data_root):
    """Serve an endpoint that answers equal questions once, and essays by another model."""
    cache: dict[str, dict] = {}

    def answer(handler):
        prompt = handler.body["messages"][-1]["content"]
        if prompt not in cache:
            text = "Fair.\nSCORE: 6" if prompt.startswith("Judge") else f"Re: {prompt}"
            cache[prompt] = {
                "id": f"gen-{len(cache):024x}",
                "model": "tiny-2" if prompt.startswith("Tell") else "acme/big-1-2026-11-01",
                "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 7, "completion_tokens": 5},
            }
        handler.reply(200, cache[prompt])

    with serving(Endpoint(answer)) as endpoint:
        (data_root / "1_raw/endpoints.csv").write_text(
            f"id,base_url,stream\nacme,{endpoint.url},no\n"
        )
        yield endpoint


def test_answers_of_a_cache_and_of_another_model_are_flagged_wherever_they_count(
    daydream, data_root, gateway
):
    daydream("plan", "c1")
    assert daydream("run", "c1").returncode == 0
    another = "doubtful: 3 essays: 'big-1' was asked, and 'tiny-2' answered (e_"
    one_answer = "doubtful: 6 evaluations: its answer is that of evaluation/v_"

    for command in (("status", "c1"), ("status", "c1"), ("results", "c1")):
        said = daydream(*command).stderr.splitlines()
        doubts = [line for line in said if line.startswith("doubtful")]
        assert len(doubts) == 2
        assert doubts[0].startswith(another)
        assert doubts[1].startswith(one_answer)
    status = json.loads(daydream("status", "c1", "--json").stdout)
    results = json.loads(daydream("results", "c1", "--json").stdout)
    assert {stage: len(status[stage]["doubtful"]) for stage in status} == {
        "draft": 0,
        "essay": 3,
        "evaluation": 6,
    }
    assert results["doubtful"] == {
        stage: status[stage]["doubtful"] for stage in ("essay", "evaluation")
    }
    check = json.loads(daydream("check", "--json").stdout)
    assert {finding["kind"] for finding in check["findings"]} == {"same answer"}
    assert len(check["findings"]) == 6

    daydream("report", "c1")
    page = (data_root / "cohorts/c1/reports/report.html").read_text("utf-8")
    assert "<h3>Doubtful: 9</h3>" in page
    assert "&#39;big-1&#39; was asked, and &#39;tiny-2&#39; answered" in page


def test_the_report_shows_the_turns_of_a_prompt(daydream, data_root, chat_endpoint):
    template = data_root / "1_raw/templates/draft/links.txt"
    turns = "{% system %}Be brief.{% endsystem %}{% user %}SOURCE{% enduser %}"
    template.write_text(turns.replace("SOURCE", template.read_text()))
    daydream("plan", "c1")
    daydream("run", "c1")

    daydream("report", "c1")

    page = (data_root / "cohorts/c1/reports/report.html").read_text("utf-8")
    packed = re.findall(r'id="chunk-\d+">"([^"]+)"', page)
    texts = b"".join(zlib.decompress(base64.b64decode(chunk)) for chunk in packed)
    assert texts.count(rb"=====[ system ]=====\nBe brief.\n=====[ user ]=====\nLink ") == 3
    roles = [[turn["role"] for turn in body["messages"]] for body in chat_endpoint.bodies]
    assert roles.count(["system", "user"]) == 3
