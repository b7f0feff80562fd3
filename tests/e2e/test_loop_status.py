"""What `status`, `tail` and `show` say of a loop as a whole."""

import json

import pytest

from calls import PATIENCE, wait_for_calls


@pytest.fixture
def dreamt(daydream, loop):
    assert daydream("dream", "l", "--rounds", "2").returncode == 0
    return loop


def rows(text):
    lines = [line for line in text.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def test_a_loop_that_did_nothing_says_what_it_does_next(daydream, loop):
    result = daydream("status", "l")

    assert result.returncode == 0
    assert rows(result.stdout) == []
    assert "loop l: 0 rounds done, 0 accepted of 0 texts, 0 held back, 0.00 USD" in result.stdout
    assert "next is round 1: daydream dream l" in result.stdout


def test_a_refused_specification_is_said_in_the_place_of_what_is_next(daydream, loop):
    (loop / "spec.yaml").write_text("pairs: 0\n")

    result = daydream("status", "l")

    assert "cannot go on: " in result.stdout
    assert "pairs: expected 1 to" in " ".join(result.stdout.split())
    assert "next is" not in result.stdout


def test_what_people_decide_after_the_end_is_named_with_what_to_do(daydream, dreamt):
    end = json.loads((dreamt / "rounds/0002/decided.json").read_text())
    text_id, verdict = next((each["text_id"], each["verdict"]) for each in end["decisions"])
    other = "reject" if verdict == "accept" else "accept"
    (dreamt / "verdicts.csv").write_text(f"text_id,verdict\n{text_id},{other}\n")

    assert "the next decisions follow them" in daydream("status", "l").stdout
    spec = dreamt / "spec.yaml"
    spec.write_text(spec.read_text().replace("rounds: 3", "rounds: 2"))
    stopped = " ".join(daydream("status", "l").stdout.split())

    assert f"people decided otherwise about 1 text: {text_id}" in stopped
    assert "change the rule that stopped it" in stopped
    assert json.loads(daydream("status", "l", "--json").stdout)["unfollowed"] == [text_id]


def test_the_rounds_and_what_came_of_them(daydream, dreamt):
    ends = [
        json.loads((dreamt / f"rounds/000{number}/decided.json").read_text()) for number in (1, 2)
    ]
    verdicts = [[each["verdict"] for each in end["decisions"]] for end in ends]

    result = daydream("status", "l")
    document = json.loads(daydream("status", "l", "--json").stdout)

    assert rows(result.stdout) == [
        [
            str(number),
            "4",
            "0",
            str(of_round.count("accept")),
            str(of_round.count("defer")),
            str(of_round.count("reject")),
            "-",
            "0",
        ]
        for number, of_round in enumerate(verdicts, start=1)
    ]
    assert "next is round 3: daydream dream l" in result.stdout
    assert [each["cohort"] for each in document["rounds"]] == ["l-0001", "l-0002"]
    assert {path.stem for path in dreamt.glob("concepts/*/*.txt")} == {*document["accepted"]}
    assert (document["stopped"], document["cost"], document["stale_from"]) == (None, None, None)


def test_a_loop_whose_pairs_were_all_tried_has_stopped(daydream, loop):
    spec = loop / "spec.yaml"
    spec.write_text(f"concepts: [ant, fox]\n{spec.read_text()}")

    dreamt = daydream("dream", "l").stdout

    assert "defer" in dreamt
    assert "unknown; too few scores to say how sure; certainty" in dreamt
    assert dreamt.splitlines()[-2].endswith(
        "1 idea so far, of 100 more texts at least 0 would be new ideas"
    )
    reason = "every pair of its concepts was tried"
    assert dreamt.endswith(f"1 round finished; {reason}\n")
    assert f"stopped: {reason}" in daydream("status", "l").stdout
    assert f"stopped: {reason}" in daydream("tail", "l").stdout
    assert daydream("dream", "l", "--dry-run").stdout == f"no further round: {reason}\n"
    assert daydream("report", "l").returncode == 0
    assert reason in (loop / "reports/report.html").read_text()


def test_what_stopped_a_loop(daydream, dreamt):
    daydream("dream", "l")

    said = "3 rounds done, as many as the specification allows"
    assert f"stopped: {said}" in daydream("status", "l").stdout
    assert json.loads(daydream("status", "l", "--json").stdout)["stopped"] == said


def test_an_unfinished_round_says_how_far_it_is(start, daydream, loop, chat_endpoint):
    write = chat_endpoint.answer
    chat_endpoint.answer = lambda prompt: write(prompt) if len(chat_endpoint.bodies) < 7 else ""
    process = start("dream", "l", "-j", "1")
    wait_for_calls(chat_endpoint, 6)
    process.kill()
    process.communicate(timeout=PATIENCE)

    said = daydream("status", "l").stdout

    assert "round 1 judges: 4 of 4 drafts, 4 of 4 essays" in said or "round 1 writes" in said
    assert "0 rounds done" in said


def test_texts_that_were_held_back_are_listed(daydream, loop, chat_endpoint):
    write = chat_endpoint.answer
    chat_endpoint.answer = lambda prompt: (
        write(prompt) if prompt.startswith("Judge") else "Always the same idea."
    )
    daydream("dream", "l", "--rounds", "1")

    said = daydream("status", "l").stdout

    assert said.count("round 1: held back e_") == 3
    assert "1.00 like e_" in said


def test_an_edited_template_makes_rounds_stale_and_nothing_is_asked(
    daydream, data_root, dreamt, chat_endpoint
):
    asked = len(chat_endpoint.bodies)
    with (data_root / "1_raw/templates/evaluation/judge.txt").open("a") as template:
        template.write("\nThink first.")

    result = daydream("status", "l")

    assert [row[-1] for row in rows(result.stdout)] == ["8", "8"]
    assert "stale from round 1 on: 16 answers; `daydream status l-0001` says why" in " ".join(
        result.stderr.split()
    )
    assert json.loads(daydream("status", "l", "--json").stdout)["stale_from"] == 1
    daydream("dream", "l")
    assert len(chat_endpoint.bodies) == asked + 12, "the third round only"


def test_a_list_of_what_there_is_contains_loops(daydream, data_root, loop):
    assert daydream("status").stdout.split() == ["c1", "l"]
    assert json.loads(daydream("status", "--json").stdout) == ["c1", "l"]

    (data_root / "cohorts/c1").rename(data_root / "cohorts/l")
    result = daydream("status", "l")

    assert result.returncode == 2
    assert "'l' is a loop and a cohort" in result.stderr


def test_tail_follows_a_loop_until_it_stops(start, daydream, loop):
    following = start("tail", "l", "--interval", "0.1")
    daydream("dream", "l")
    out, err = following.communicate(timeout=PATIENCE)

    assert (following.returncode, err) == (0, "")
    assert out.startswith("loop l: ")
    assert out.rstrip().endswith("stopped: 3 rounds done, as many as the specification allows")
    once = daydream("tail", "l", "--json").stdout
    assert [*json.loads(once)] == ["next"]


def test_show_draws_the_family_of_a_text_down_to_the_seeds(daydream, dreamt):
    accepted = {path.stem for path in dreamt.glob("concepts/*/*.txt")}
    daydream("dream", "l")
    written = [
        text
        for path in sorted(dreamt.glob("rounds/*/written.json"))
        for text in json.loads(path.read_text())["texts"]
    ]
    pairs = {text["text_id"]: text["pair"] for text in written}
    child = next(text for text, pair in pairs.items() if accepted & {*pair})
    parent = next(concept for concept in pairs[child] if concept in accepted)

    tree = daydream("show", "essay", child).stdout.split("metadata.json")[0]

    assert tree.startswith(f"essay/{child}\n└── draft/")
    assert f"─ essay/{parent}\n" in tree
    for seed in {*pairs[child], *pairs[parent]} - accepted:
        assert f"─ {seed}\n" in tree
    alone = next(text for text, pair in pairs.items() if not accepted & {*pair})
    assert not daydream("show", "essay", alone).stdout.startswith("essay/")


def test_what_a_round_may_cost_is_said_before(daydream, data_root, loop, chat_endpoint):
    (data_root / "1_raw/llm_models.csv").write_text(
        "id,model,provider,prompt_price,completion_price\nbig,big-1,acme,1,2\n"
    )

    said = daydream("dream", "l", "--dry-run")

    assert said.stdout.startswith("the next round: 12 model calls to make, about ")
    assert said.stdout.rstrip().endswith(" USD")
    assert chat_endpoint.bodies == []
    assert not (loop / "rounds").exists()
    daydream("dream", "l", "--rounds", "1")
    loop.joinpath("rounds/0001/decided.json").unlink()
    assert daydream("dream", "l", "--dry-run").stdout == "the next round: no model call to make\n"
    daydream("dream", "l")
    assert "no further round: 3 rounds done" in daydream("dream", "l", "--dry-run").stdout
