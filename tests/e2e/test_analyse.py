"""`daydream analyse`."""

import json

import pytest

SCORES = """\
item,judge,score,template
a,kind,7,x
b,kind,6,x
c,kind,9,y
d,kind,8,y
a,strict,3,x
b,strict,2,x
c,strict,5,y
d,strict,,y
"""
DUEL_ROWS = "a,b,1,j\nb,a,0,j\nb,c,0.5,j\nc,a,,j\n"
DUELS = "first,second,first_wins,judge\n" + DUEL_ROWS * 5


@pytest.fixture
def table(tmp_path):
    def write(text):
        path = tmp_path / "table.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def test_scores_are_analysed_with_the_judges_taken_out(daydream, table):
    result = daydream("analyse", "scores", table(SCORES), "--json")

    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert [item["item"] for item in found["items"]] == ["c", "d", "a", "b"]
    assert found["items"][0].keys() >= {
        "estimate",
        "low",
        "high",
        "rank_low",
        "rank_high",
        "p_best",
    }
    kind, strict = found["judges"]
    assert (kind["judge"], kind["mean"], strict["mean"]) == ("kind", 7.5, pytest.approx(10 / 3))
    assert kind["severity"] - strict["severity"] == pytest.approx(4, abs=0.05)
    assert {(effect["group"], effect["level"]) for effect in found["effects"]} == {
        ("template", "x"),
        ("template", "y"),
    }
    assert found["missing"] == 1


def test_duels_are_analysed_with_the_position_taken_out(daydream, table):
    result = daydream("analyse", "duels", table(DUELS), "--json")

    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["items"][0]["item"] == "a"
    assert found["items"][0].keys() >= {
        "strength",
        "low",
        "high",
        "rank_low",
        "rank_high",
        "p_best",
    }
    assert found["first_odds"]["low"] < found["first_odds"]["value"] < found["first_odds"]["high"]
    (judge,) = found["judges"]
    assert (judge["duels"], judge["ties"], judge["unreadable"]) == (15, 5, 5)


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [
        ("scores", SCORES, "No item is certainly better than another: 4 cannot be told apart."),
        (
            "scores",
            "item,judge,score\na,k,1\na,k,2\nb,k,3\nb,k,2\nc,k,9\nc,k,8\n",
            "c is the best of 3 items: no other comes as far with 95 % confidence.",
        ),
        (
            "duels",
            DUELS[: -3 * len(DUEL_ROWS)],
            "The first 2 of 3 items cannot be told apart: any of them may be the best.",
        ),
    ],
)
def test_a_sentence_comes_before_the_tables(daydream, table, kind, text, sentence):
    result = daydream("analyse", kind, table(text))

    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(sentence)
    assert "rank_low" in result.stdout


def test_scores_of_the_same_items_can_be_added_to_duels(daydream, table, tmp_path):
    scores = tmp_path / "scores.csv"
    scores.write_text(SCORES)

    result = daydream("analyse", "duels", table(DUELS), "--scores", str(scores), "--json")

    assert json.loads(result.stdout)["score_slope"].keys() == {"value", "low", "high"}


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ("scores", "", "the file is empty"),
        ("scores", "item,judge\n", "lacks score"),
        ("duels", "first,second,first_wins\na,b,2\n", "first_wins is '2'"),
        ("scores", b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_wrong_table_is_an_error_of_input(daydream, table, kind, text, reason):
    result = daydream("analyse", kind, table(text))

    assert result.returncode == 2
    assert reason in result.stderr


def test_errors_can_be_clustered_by_what_items_share(daydream, table):
    text = SCORES.replace("template\n", "template,draft\n")
    rows = [text.splitlines()[0], *(f"{row},{row[0] in 'ab'}" for row in SCORES.splitlines()[1:])]

    result = daydream("analyse", "scores", table("\n".join(rows)), "--cluster", "draft", "--json")

    effects = json.loads(result.stdout)["effects"]
    assert {effect["group"] for effect in effects} <= {"template"}
