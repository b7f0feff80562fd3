"""`daydream dream`: rounds with a real endpoint, kills, limits, and what a person writes."""

import json
import shutil
import signal

import pytest

from calls import PATIENCE, hold, slow, wait_for_calls, wait_for_line
from dreaming import LOOP, answer

CALLS = 3 * 4 * 3
"""Three rounds of four pairs: a draft and two evaluations each."""


def journal(folder):
    """The texts of all entries by round and kind."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.glob("rounds/*/*.json"))
    }


def researchers_files(data_root):
    return {path: path.read_bytes() for path in data_root.glob("1_raw/**/*") if path.is_file()}


def test_a_loop_dreams_until_a_rule_stops_it(daydream, data_root, loop, chat_endpoint):
    before = researchers_files(data_root)

    result = daydream("dream", "l")

    assert (result.returncode, result.stderr.count("Traceback")) == (0, 0)
    lines = result.stdout.splitlines()
    assert lines[0] == "round 1: 4 pairs of 6 concepts (4 by exploration)"
    assert lines[-1] == "3 rounds finished; 3 rounds done, as many as the specification allows"
    decisions = [
        decision
        for path in sorted(loop.glob("rounds/*/decided.json"))
        for decision in json.loads(path.read_text())["decisions"]
    ]
    for decision in decisions:
        worth = decision["worth"]
        said = (
            f"{decision['verdict']} {decision['text_id']}: probability; {worth['mean']:.2f} ± "
            f"{worth['deviation']:.2f} of 2 scores, P(>0.5) = {worth['probability']:.2f}; "
            f"certainty 0.7; sha256 {decision['digest'][:12]}"
        )
        assert any(line.endswith(said) for line in lines)
    accepted = [each["text_id"] for each in decisions if each["verdict"] == "accept"]
    assert accepted
    assert {path.stem for path in loop.glob("concepts/*/*.txt")} == set(accepted)
    assert len(chat_endpoint.bodies) == CALLS
    assert researchers_files(data_root) == before

    assert daydream("dream", "l").stdout.startswith("0 rounds finished; 3 rounds done")
    assert daydream("run", "l-0003").returncode == 0
    assert daydream("check").returncode == 0
    assert len(chat_endpoint.bodies) == CALLS


def test_an_accepted_text_leads_back_to_its_seeds(daydream, loop):
    daydream("dream", "l")

    pairs = [
        choice["pair"]
        for path in sorted(loop.glob("rounds/*/chosen.json"))
        for choice in json.loads(path.read_text())["choices"]
    ]
    accepted = {path.stem for path in loop.glob("concepts/*/*.txt")}
    parents = {name for pair in pairs for name in pair}
    assert parents & accepted
    for text_id in parents & accepted:
        assert daydream("show", "essay", text_id).returncode == 0


@pytest.mark.parametrize("kills", [(1, 2), (5, 3), (14, 9), (27, 4, 3)])
def test_a_loop_that_was_killed_comes_to_the_same(start, daydream, loop, chat_endpoint, kills):
    """SIGKILL after so many calls, and the same command again, several times."""
    data_root = loop.parents[1]
    unkilled = shutil.copytree(data_root, data_root.parent / "unkilled")
    daydream("dream", "l", DAYDREAM_DATA_ROOT=str(unkilled))
    assert len(chat_endpoint.bodies) == CALLS
    slow(chat_endpoint, 0.02, "")

    for calls in kills:
        last = len(chat_endpoint.bodies) + calls
        killed = hold(chat_endpoint, after=last)
        process = start("dream", "l", "-j", "4")
        wait_for_calls(chat_endpoint, last)
        process.kill()
        process.communicate(timeout=PATIENCE)
        killed.set()
    assert daydream("dream", "l").returncode == 0

    assert len(journal(loop)) == 9
    assert journal(loop) == journal(unkilled / "loops/l")
    generations = [
        {path.relative_to(root) for path in root.glob("gens/*/*")} for root in (data_root, unkilled)
    ]
    assert generations[0] - generations[1] == set()
    # Each kill loses the answers in flight, at most four.
    assert len(chat_endpoint.bodies) <= 2 * CALLS + 4 * len(kills)


def test_a_signal_keeps_the_answers_in_flight(start, daydream, loop, chat_endpoint):
    answered = hold(chat_endpoint)
    process = start("dream", "l", "-j", "2")
    wait_for_calls(chat_endpoint, 2)

    process.send_signal(signal.SIGTERM)
    wait_for_line(process, "interrupted: waiting for the answers in flight")
    answered.set()
    out, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 1
    assert "0 rounds finished; interrupted by SIGTERM" in out
    assert "a round is not finished; the same command goes on with it" in err
    assert daydream("dream", "l").returncode == 0
    assert len(chat_endpoint.bodies) == CALLS


def test_so_many_rounds_and_no_more(daydream, loop):
    assert (
        "1 round finished; as many as asked for" in daydream("dream", "l", "--rounds", "1").stdout
    )
    assert {path.name for path in loop.glob("rounds/*")} == {"0001"}


def test_a_limit_of_cost_needs_prices(daydream, loop, chat_endpoint):
    result = daydream("dream", "l", "--max-cost", "1")

    assert result.returncode == 2
    assert "a limit of cost needs a price for big" in result.stderr
    assert chat_endpoint.bodies == []


def test_all_mistakes_of_a_specification_are_reported(daydream, loop, chat_endpoint):
    (loop / "spec.yaml").write_text(LOOP.replace("pairs: 4", "pairs: 0\nsampler: best"))

    result = daydream("dream", "l")

    assert result.returncode == 2
    assert "2 problems in loop l:" in result.stderr
    assert "pairs: expected 1 to 100,000, found 0" in result.stderr
    assert "sampler: there is no sampler 'best'" in result.stderr
    assert daydream("dream", "other").returncode == 2
    assert chat_endpoint.bodies == []


def test_a_persons_verdict_is_taken_in_the_next_round(daydream, loop):
    daydream("dream", "l", "--rounds", "1")
    end = json.loads((loop / "rounds/0001/decided.json").read_text())
    text_id = next(each["text_id"] for each in end["decisions"] if each["verdict"] != "accept")
    (loop / "verdicts.csv").write_text(f"text_id,verdict\n{text_id},accept\n")

    result = daydream("dream", "l", "--rounds", "1")

    assert f"round 2: accept {text_id}: person" in result.stdout
    assert (loop / f"concepts/descriptions-sentence/{text_id}.txt").exists()


def test_near_duplicates_are_found_by_embeddings_which_are_stored_and_paid_once(
    daydream, data_root, loop, chat_endpoint
):
    models = data_root / "1_raw/llm_models.csv"
    header, *rows = models.read_text().splitlines()
    priced = f"{header},prompt_price"
    of_models = "".join(f"{row},\n" for row in rows)
    columns = ["1.5" if name == "prompt_price" else "" for name in priced.split(",")]
    columns[priced.split(",").index("id")] = "small"
    columns[priced.split(",").index("model")] = "small-1"
    models.write_text(f"{priced}\n{of_models}{','.join(columns)}\n")
    (loop / "spec.yaml").write_text(f"gate: {{embedding: small}}\n{LOOP}")

    broken = daydream("dream", "l", "--rounds", "1")
    assert (broken.returncode, "small-1" in broken.stdout) == (1, True)
    assert "refused with status 404" in broken.stdout
    chat_endpoint.embed = lambda text: [float(ord(letter)) for letter in text[:20]]
    asked = len(chat_endpoint.bodies)
    result = daydream("dream", "l", "--rounds", "1")

    assert result.returncode == 0
    assert "round 1: embedded by small, 0.000042 USD" in result.stdout
    embedded = [body["input"] for body in chat_endpoint.bodies[asked:] if "input" in body]
    assert len(embedded) == len({*embedded}) == 4
    assert len([*loop.glob("embeddings/*/*.json")]) == 4


def test_two_commands_do_not_run_the_same_loop(start, daydream, loop, chat_endpoint):
    answered = hold(chat_endpoint)
    start("dream", "l")
    wait_for_calls(chat_endpoint, 1)

    result = daydream("dream", "l")
    answered.set()

    assert result.returncode == 2
    assert "another process runs the loop 'l'; wait until it ends" in result.stderr


def test_a_dry_run_within_a_round_counts_what_that_round_asks(daydream, loop):
    spec = loop / "spec.yaml"
    spec.write_text(f"gate: {{embedding: big}}\n{LOOP}")
    assert daydream("dream", "l").returncode == 1, "nothing embeds, so the round is not finished"
    before = daydream("dream", "l", "--dry-run").stdout

    spec.write_text(spec.read_text().replace("evaluation: 2", "evaluation: 9"))

    assert daydream("dream", "l", "--dry-run").stdout == before


def test_a_mistake_in_what_a_round_makes_is_one_of_the_loop(daydream, loop, chat_endpoint):
    (loop / "spec.yaml").write_text(LOOP.replace("[judge]", "[judges]"))

    for options in ((), ("--dry-run",)):
        result = daydream("dream", "l", *options)
        assert result.returncode == 2
        assert "1 problem in `cohort` of loop l:" in result.stderr
        assert "judges" in result.stderr
    assert chat_endpoint.bodies == []


def test_an_endpoint_that_refuses_everything_uses_up_no_pairs(daydream, loop, chat_endpoint):
    chat_endpoint.answer = lambda _prompt: (401, "who are you?")

    refused = daydream("dream", "l")

    assert refused.returncode == 1
    assert "0 rounds finished; no text of the round was made; mend what" in refused.stdout
    assert len(chat_endpoint.bodies) == 4
    chat_endpoint.answer = answer
    assert daydream("dream", "l").returncode == 0
    assert len(chat_endpoint.bodies) == 4 + CALLS
