"""`daydream settle`, and the list of refused answers that `daydream results` prints."""

import json

import pytest

REFUSED = "It is \x1b[31mgood.\nSCORE: 7\nSCORE: 3"


@pytest.fixture
def refused(daydream, chat_endpoint):
    """All evaluations of a cohort, each with an answer that is refused."""
    answer = chat_endpoint.answer
    chat_endpoint.answer = lambda prompt: REFUSED if prompt.startswith("Judge") else answer(prompt)
    daydream("plan", "c1")
    daydream("run", "c1")
    return [answer["gen_id"] for answer in results(daydream)["refused"]]


def results(daydream):
    return json.loads(daydream("results", "c1", "--json").stdout)


def test_a_refused_answer_is_listed_settled_and_taken_back(daydream, refused):
    gen_id = refused[0]
    listed = daydream("results", "c1")
    line = next(line for line in listed.stderr.splitlines() if line.startswith(gen_id))
    assert "two scores" in line
    assert line.endswith("ends: It is \N{REPLACEMENT CHARACTER}[31mgood. SCORE: 7 SCORE: 3")
    assert "daydream settle GEN_ID SCORE" in listed.stderr
    assert "by hand" not in listed.stdout

    settled = daydream("settle", gen_id, "70", "--maximum", "100", "--note", "3 is a slip")

    assert (settled.returncode, settled.stdout) == (0, f"{gen_id}: 70/100, by hand\n")
    after = daydream("results", "c1")
    assert gen_id not in after.stderr
    assert "by hand" in after.stdout
    shown = results(daydream)
    assert [row["scored_by"] for row in shown["evaluations"]].count("hand") == 1
    assert len(shown["refused"]) == 11
    stored = json.loads(daydream("show", "evaluation", gen_id, "--json").stdout)
    metadata = next(one["parsed_metadata"] for one in stored if one["gen_id"] == gen_id)
    assert (metadata["scored_by"], metadata["note"]) == ("hand", "3 is a slip")
    assert daydream("check").returncode == 0

    undone = daydream("settle", gen_id, "--undo")

    assert undone.stdout == f"{gen_id}: taken back; the parser reads no score\n"
    assert gen_id in daydream("results", "c1").stderr


def test_a_long_list_is_cut_and_says_how_many_are_left(daydream, refused, monkeypatch):
    monkeypatch.setattr("daydreaming_dagster.cli.results._SHOWN_REFUSED", 5)

    listed = daydream("results", "c1").stderr

    assert [gen_id for gen_id in refused if gen_id in listed] == refused[:5]
    assert "7 more refused answers; --json lists all" in listed


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("e_x",), "either a SCORE, or --undo"),
        (("e_x", "5", "--undo"), "either a SCORE, or --undo"),
        (("e_x", "--undo", "--note", "n"), "either a SCORE, or --undo"),
        (("e_x", "five"), "is not a valid float"),
        (("e_x", "5"), "e_x: there is no such generation"),
    ],
)
def test_wrong_input_exits_with_2(daydream, arguments, reason):
    result = daydream("settle", *arguments)

    assert result.returncode == 2
    assert reason in result.stderr
