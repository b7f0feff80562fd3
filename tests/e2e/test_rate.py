"""`daydream rate`."""

import json
import re
from hashlib import sha256
from pathlib import Path

import pytest


@pytest.fixture
def done(daydream, chat_endpoint):
    daydream("plan", "c1")
    daydream("run", "c1")


def test_the_page_and_its_key_are_written_and_said(daydream, data_root, done):
    written = daydream("rate", "c1", "--seed", "3", "--ratings", "9")

    folder = data_root / "cohorts/c1/ratings"
    assert (written.returncode, written.stdout) == (0, f"{folder / written.stdout[-22:-1]}\n")
    assert "9 ratings, about 1 minute; seed 3\n" in written.stderr
    assert sorted(re.sub("-.*?[.]", ".", file.name) for file in folder.iterdir()) == [
        "sheet.html",
        "sheet.key.json",
    ]
    assert daydream("check").returncode == 0


def test_without_a_seed_each_sheet_is_another_one(daydream, data_root, done):
    assert daydream("rate", "c1").stdout != daydream("rate", "c1").stdout


def test_a_cohort_with_nothing_to_rate_says_so(daydream):
    daydream("plan", "c1")
    refused = daydream("rate", "c1")

    assert refused.returncode == 2
    assert refused.stderr == "error: cohort 'c1': no essay is done yet\n"


def test_what_a_person_sends_back_is_in_the_results_and_in_the_judges_passports(
    daydream, data_root, done
):
    page = Path(daydream("rate", "c1").stdout.strip())
    key = json.loads(page.with_suffix(".key.json").read_text("utf-8"))
    rows = [
        f"{key['sheet']},Ann,{text['token']},,{number + 2},,,"
        for number, text in enumerate(key["texts"])
    ]
    export = page.with_name("ann.csv")
    export.write_text(
        "\n".join(["sheet,rater,first,second,score,preferred,decision,reason", *rows])
    )

    shown = json.loads(daydream("results", "c1", "--json").stdout)
    assert [row["judge"] for row in shown["ratings"]] == ["human:Ann"] * 6
    assert "what people would give" in daydream("results", "c1").stdout
    passports = json.loads(daydream("judges", "c1", "--json").stdout)["judges"]
    assert [(one["judge"], one["kind"]) for one in passports] == [
        ("evaluation/judge/big", "model"),
        ("human:Ann", "human"),
    ]
    assert passports[0]["measures"]["ties"]["value"] == 1
    assert "share of pairs of texts that it gives the same score" in daydream("judges", "c1").stdout

    export.write_text(export.read_text().replace(",2,,,", ",20,,,"))
    for command in ("results", "judges"):
        refused = daydream(command, "c1")
        assert refused.returncode == 2
        assert "ann.csv, line 2: score is '20', not a whole number from 1 to 9" in refused.stderr


def test_judges_that_gave_nothing_say_so_and_those_that_cannot_be_equated_are_refused(
    daydream, data_root
):
    daydream("plan", "c1")

    assert "evaluation/judge/big: too few scores to say anything" in daydream("judges", "c1").stderr
    refused = daydream("judges", "c1", "--equate", "big", "judge")
    assert refused.returncode == 2
    assert "cannot be equated: both judges scored 0 texts; let them score at least 20" in (
        refused.stderr
    )


def test_a_new_judge_is_brought_to_the_scale_of_an_old_one(daydream, data_root, chat_endpoint):
    models = data_root / "1_raw/llm_models.csv"
    header = "id,model,provider,display_name,specialization,retires\n"
    models.write_text(f"{header}big,big-1,acme,Big,,2020-01-31\nnew,new-1,acme,New,,\n")
    spec = data_root / "cohorts/c1/spec/config.yaml"
    text = spec.read_text("utf-8").replace("evaluation_llm: [big]", "evaluation_llm: [big, new]")
    text = text.replace("replicates: {evaluation: 2}", "replicates: {draft: 4, evaluation: 1}")
    spec.write_text(text, "utf-8")
    answer = chat_endpoint.answer

    def judge(prompt):
        said = int(sha256(prompt.encode()).hexdigest(), 16) % 8
        return f"SCORE: {said}" if prompt.startswith("Judge") else answer(prompt)

    chat_endpoint.answer = judge
    for planned in (daydream("plan", "c1", "--dry-run"), daydream("plan", "c1")):
        assert "big was retired on 2020-01-31: it can no longer be asked" in planned.stderr
    daydream("run", "c1")

    equated = daydream("judges", "c1", "--equate", "big", "new")
    assert equated.stdout.startswith("old = 0.000 + 1.000 * new, both as shares of their scales;")
    assert "they correlate by 1.00 on 24 texts" in equated.stdout
    line = json.loads(daydream("judges", "c1", "--equate", "big", "new", "--json").stdout)
    assert line["slope"] == pytest.approx(1)
    assert "big was retired on 2020-01-31" in daydream("judges", "c1").stderr
    models.write_text(f"{header}big,big-1,acme,Big,,soon\n")
    assert "column retires: expected a date such as 2026-03-31, found 'soon'" in (
        daydream("judges", "c1").stderr
    )
