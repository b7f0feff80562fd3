"""A pipeline of one's own, from the examples to the report, without touching the package."""

import csv
import hashlib
import json
import signal
import subprocess
import sys
import threading
from collections import Counter

import dagster as dg
import pytest

from adapters import FilesystemGensStore
from calls import PATIENCE
from command import DAYDREAM
from daydreaming_dagster.defs.launch import open_instance
from endpoint import serving_chat

FILES = {
    "1_raw/stages.yaml": """\
stages:
  draft:      {from: concepts}
  essay:      {from: draft, variables: [draft_block, links_block]}
  critique:   {from: essay}
  revision:   {from: {essay: essay, critique: critique}}
  summary:    {from: {essays: {all: essay, of: combo}}}
  evaluation: {from: [essay, revision], variables: [response]}
""",
    "1_raw/critique_templates.csv": "template_id,parser,generator\nweakest,,llm\n",
    "1_raw/revision_templates.csv": "template_id,parser,generator\nmend,,llm\n",
    "1_raw/summary_templates.csv": "template_id,parser,generator\nshort,,llm\n",
    "1_raw/templates/critique/weakest.txt": "What is weak in this?\n{{ essay }}\n",
    "1_raw/templates/revision/mend.txt": "Mend it.\n{{ essay }}\nA critic says:\n{{ critique }}\n",
    "1_raw/templates/summary/short.txt": (
        "Summarise.\n{% for essay in essays %}- {{ essay }}\n{% endfor %}"
    ),
    "cohorts/deep/spec/config.yaml": """\
axes:
  concepts: [stigmergy, immune-memory, kintsugi]
  k: 2
  draft_template: [common-ground]
  draft_llm: [gpt-4-1-mini]
  essay_template: [to-a-friend]
  essay_llm: [gpt-4-1-mini]
  critique_template: [weakest]
  critique_llm: [gpt-4-1-mini]
  revision_template: [mend]
  revision_llm: [gpt-4-1-mini]
  summary_template: [short]
  summary_llm: [gpt-4-1-mini]
  evaluation_template: [originality, clarity]
  evaluation_llm: [gpt-4-1-mini]
""",
}
PLANNED = {
    "draft": 3,
    "essay": 3,
    "critique": 3,
    "revision": 3,
    "summary": 3,
    "evaluation": 3 * 2 + 3 * 2,
}


@pytest.fixture
def data_root(tmp_path):
    """A copy of the examples with critique, revision and summary."""
    root = tmp_path / "lab"
    subprocess.run([*DAYDREAM, "init", str(root)], check=True, capture_output=True)
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def answering(chat_endpoint):
    """An endpoint that gives each question a text of its own, and whose judges judge."""

    def answer(prompt):
        if "SCORE" in prompt:
            return f"Sound.\nSCORE: {len(prompt) % 10}"
        return f"A thought.\n\n{hashlib.sha256(prompt.encode()).hexdigest()}"

    chat_endpoint.answer = answer
    return chat_endpoint


def states(daydream):
    return json.loads(daydream("status", "deep", "--json").stdout)


def members(data_root, stage):
    rows = table(data_root / "cohorts/deep/membership.csv")
    return [row["gen_id"] for row in rows if row["stage"] == stage]


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_stages_of_ones_own_plan_run_resume_go_stale_and_rank(daydream, answering, data_root):
    planned = daydream("plan", "deep")
    assert planned.returncode == 0, planned.stderr
    assert "3 drafts, 3 essays, 3 critiques, 3 revisions, 3 summaries, 12 evaluations" in (
        planned.stdout
    )

    assert daydream("run", "deep", "--max-calls", "9").returncode == 1
    assert daydream("run", "deep").returncode == 0
    assert len(answering.bodies) == sum(PLANNED.values())
    assert {stage: state["done"] for stage, state in states(daydream).items()} == PLANNED
    store = FilesystemGensStore(data_root)
    (revision, *_) = members(data_root, "revision")
    essay, critique = store.read_main_metadata("revision", revision)["parents"]
    prompt = store.read_prompt("revision", revision)
    assert store.read_parsed("essay", essay["gen_id"]) in prompt
    assert store.read_parsed("critique", critique["gen_id"]) in prompt

    # An edit makes stale what depends on it, and nothing else.
    (data_root / "1_raw/templates/critique/weakest.txt").write_text("Why is it wrong?\n{{ essay }}")
    stale = {stage: len(state["stale"]) for stage, state in states(daydream).items()}
    assert stale == {**dict.fromkeys(PLANNED, 0), "critique": 3, "revision": 3, "evaluation": 6}
    answering.bodies.clear()
    assert daydream("run", "deep", "--stale").returncode == 0
    assert len(answering.bodies) == 3 + 3 + 6
    assert not any(state["stale"] for state in states(daydream).values())

    # A new essay of each combination is a new member of what is summarised.
    spec = data_root / "cohorts/deep/spec/config.yaml"
    spec.write_text(spec.read_text().replace("[to-a-friend]", "[to-a-friend, sceptic]"))
    summaries = members(data_root, "summary")
    assert daydream("plan", "deep").returncode == 0
    assert members(data_root, "summary") == summaries
    assert daydream("run", "deep").returncode == 0
    assert set(states(daydream)["summary"]["stale"]) == set(summaries)
    answering.bodies.clear()
    assert daydream("run", "deep", "--stale").returncode == 0
    assert len(answering.bodies) == len(summaries)
    for summary in summaries:
        texts = [
            store.read_parsed(parent["stage"], parent["gen_id"])
            for parent in store.read_main_metadata("summary", summary)["parents"]
        ]
        assert len(texts) == 2
        assert all(f"- {text}" in store.read_prompt("summary", summary) for text in texts)
    assert daydream("check").returncode == 0, daydream("check").stdout


def test_results_rank_all_that_is_judged(daydream, answering, data_root):
    daydream("plan", "deep")
    daydream("run", "deep")
    assert len(answering.bodies) == sum(PLANNED.values())

    results = daydream("results", "deep")

    assert results.returncode == 0, results.stderr
    assert "texts by score" in results.stdout
    reports = data_root / "cohorts/deep/reports"
    ranking = table(reports / "texts.csv")
    assert Counter(row["text_stage"] for row in ranking) == {"essay": 3, "revision": 3}
    assert all(row["critique_llm"] for row in ranking if row["text_stage"] == "revision")
    rows = table(reports / "evaluations.csv")
    assert len(rows) == PLANNED["evaluation"]
    assert "summary" not in rows[0], "nobody judges a summary"
    by_stage = table(reports / "templates.csv")
    assert {row["stage"] for row in by_stage} == {*PLANNED} - {"summary"}
    assert daydream("report", "deep").returncode == 0

    (revision, *_) = members(data_root, "revision")
    shown = daydream("show", "revision", revision).stdout
    tree, _, texts = shown.partition("draft/")
    assert tree.startswith(f"revision/{revision}")
    assert texts.count("(see above)") == 1, "the essay is the critique's parent, too"
    assert texts.count("/parsed.txt") == 4
    stages = [
        item["stage"]
        for item in json.loads(daydream("show", "revision", revision, "--json").stdout)
    ]
    assert stages == ["draft", "essay", "critique", "revision"]


def test_a_killed_run_asks_nothing_twice_that_it_stored(daydream, start, answering, data_root):
    daydream("plan", "deep")
    asked = threading.Semaphore(0)
    plain = answering.answer

    def counting(prompt):
        asked.release()
        return plain(prompt)

    answering.answer = counting
    run = start("run", "deep")
    for _ in range(8):
        assert asked.acquire(timeout=PATIENCE)
    run.send_signal(signal.SIGKILL)
    run.wait()
    kept = len([*(data_root / "gens").glob("*/*/raw.txt")])

    # The first endpoint may read what the killed process has sent at any time.
    with serving_chat() as other:
        other.answer = plain
        assert daydream("run", "deep", OPENAI_BASE_URL=other.base_url).returncode == 0

    assert len(other.bodies) == sum(PLANNED.values()) - kept
    assert daydream("check").returncode == 0


def test_dagster_shows_the_stages_of_its_data_root(environment, data_root):
    listed = subprocess.run(
        [sys.executable, "-m", "dagster", "asset", "list", "-m", "daydreaming_dagster.definitions"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert listed.returncode == 0, listed.stderr
    names = set(listed.stdout.split())
    assert {f"{stage}_{step}" for stage in PLANNED for step in ("prompt", "raw", "parsed")} <= names


def test_a_wrong_stages_file_is_told_before_anything_is_done(daydream, data_root):
    (data_root / "1_raw/stages.yaml").write_text("stages: {draft: {from: concept}}")

    for command in (("plan", "demo"), ("check",), ("show", "draft", "d1")):
        result = daydream(*command)
        assert result.returncode in (1, 2)
        assert "stages.draft.from: there is no stage 'concept'" in result.stderr + result.stdout


def test_duels_are_chosen_by_doubt_in_one_command_and_rank_the_essays(
    daydream, answering, data_root
):
    stages = data_root / "1_raw/stages.yaml"
    stages.write_text(
        stages.read_text() + "  contest: {from: {one: essay, other: essay}, judges: pairs}\n"
    )
    (data_root / "1_raw/contest_templates.csv").write_text("template_id,parser,generator\nw,,llm\n")
    (data_root / "1_raw/templates/contest").mkdir()
    (data_root / "1_raw/templates/contest/w.txt").write_text("WINNER?\n{{ one }}\n{{ other }}\n")
    spec = data_root / "cohorts/deep/spec/config.yaml"
    spec.write_text(
        f"{spec.read_text()}  contest_template: [w]\n  contest_llm: [gpt-4-1-mini]\n"
        "duels: {contest: {choose: by doubt, calls: 5, top: 2}}\n"
    )
    plain = answering.answer
    answering.answer = lambda prompt: (
        "WINNER: second" if prompt.startswith("WINNER") else plain(prompt)
    )
    daydream("plan", "deep")

    run = daydream("run", "deep")

    assert run.returncode == 0, run.stderr
    asked = [body for body in answering.bodies if "WINNER" in json.dumps(body)]
    duels = members(data_root, "contest")
    assert len(asked) == len(duels) == 5
    with open_instance(data_root / "dagster_home") as instance:
        assert len(instance.get_runs()) == 1, "texts and duels are made by one run"
        assert instance.get_materialized_partitions(dg.AssetKey("contest_parsed")) == {*duels}
    results = daydream("results", "deep")
    assert "Judges prefer what is shown second" in results.stdout
    assert len(table(data_root / "cohorts/deep/reports/duels.csv")) == 5


def test_more_scores_are_asked_until_the_best_is_settled_and_it_is_said(
    daydream, answering, data_root
):
    plain, best = answering.answer, set()

    def answer(prompt):
        if "SCORE" not in prompt:
            return plain(prompt)
        text = max(prompt.split(), key=len)  # its digest
        best.update([text] if not best else [])
        return f"SCORE: {7 if text in best else 3}"

    answering.answer = answer
    daydream("plan", "deep")
    refused = daydream("run", "deep", "--until", "top 1 settled")
    assert refused.returncode == 2
    assert "limit the calls or the cost of the run, too" in refused.stderr
    assert not answering.bodies

    run = daydream("run", "deep", "--until", "top 1 settled", "--max-calls", "300")

    assert run.returncode == 0, run.stderr
    assert "top 1 settled: yes, with 95 % however often one looks." in run.stdout
    evaluations = members(data_root, "evaluation")
    assert PLANNED["evaluation"] < len(evaluations) < 200
    assert len(answering.bodies) == sum(PLANNED.values()) - PLANNED["evaluation"] + len(evaluations)
    with open_instance(data_root / "dagster_home") as instance:
        assert len(instance.get_runs()) == 1
        done = instance.get_materialized_partitions(dg.AssetKey("evaluation_parsed"))
    assert done == {*evaluations}
    daydream("plan", "deep")
    assert {*members(data_root, "evaluation")} == {*evaluations}
    assert "0 new" in daydream("plan", "deep").stdout
    assert states(daydream)["evaluation"]["done"] == len(evaluations)
    # A stage that the data root gains is no edit of a specification that does not use it.
    with (data_root / "1_raw/stages.yaml").open("a") as file:
        file.write("  contest: {from: {one: essay, other: essay}, judges: pairs}\n")
    (data_root / "1_raw/contest_templates.csv").write_text("template_id,parser,generator\n")
    again = daydream("run", "deep", "--until", "top 2 settled", "--max-calls", "3")
    assert "stopped: the limit of 3 model calls is reached" in again.stderr
