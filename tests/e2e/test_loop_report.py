"""The report of a loop: its best ideas in full, and how its rounds went."""

import json
import re

import pytest

PRICES = "id,model,provider,prompt_price,completion_price\nbig,big-1,acme,1,2\n"


@pytest.fixture
def dreamt(daydream, loop):
    assert daydream("dream", "l").returncode == 0
    return loop


def page_of(daydream, loop):
    result = daydream("report", "l")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.strip() == str(loop / "reports/report.html")
    return (loop / "reports/report.html").read_text()


def decisions(loop):
    return {
        one["text_id"]: one
        for path in sorted(loop.glob("rounds/*/decided.json"))
        for one in json.loads(path.read_text())["decisions"]
    }


def test_it_opens_with_the_accepted_ideas_the_most_probable_first(daydream, data_root, dreamt):
    page = page_of(daydream, dreamt)

    accepted = [one for one in decisions(dreamt).values() if one["verdict"] == "accept"]
    shown = re.findall(r'class="mono">essay/(\w+)</span>', page)
    assert sorted(shown) == sorted(one["text_id"] for one in accepted)
    sure = [int(one) for one in re.findall(r"above the bar with a probability of (\d+)%", page)]
    assert sure == sorted(sure, reverse=True)
    assert sure
    text = (data_root / f"gens/essay/{shown[0]}/parsed.txt").read_text()
    assert text.split(": ")[1].split(". ")[0].strip() in page
    for one in accepted:
        why = f"above 0.5 with a probability of {one['worth']['probability']:.0%}"
        assert f"{why}, and the loop required 70%." in page
    assert f"{len(accepted)} ideas accepted of 12 texts in 3 rounds, the best first." in page
    assert page.index('id="ideas"') < page.index('id="measures"')


def test_each_idea_shows_what_it_grew_from_down_to_the_seeds(daydream, dreamt):
    page = page_of(daydream, dreamt)

    texts = {
        text["text_id"]: text["pair"]
        for path in sorted(dreamt.glob("rounds/*/written.json"))
        for text in json.loads(path.read_text())["texts"]
    }
    accepted = {one for one, last in decisions(dreamt).items() if last["verdict"] == "accept"}
    trees = re.findall(r'<ul class="family">(.*?)</ul>\s*<h3>Where', page, re.DOTALL)
    shown = re.findall(r'class="mono">essay/(\w+)</span>', page)

    def seeds(concept):
        pair = texts.get(concept)
        return {concept} if pair is None else seeds(pair[0]) | seeds(pair[1])

    grown = 0
    for text_id, tree in zip(shown, trees, strict=True):
        names = {name.lower() for name in re.findall(r'class="seed"><bdi>(\w+)', tree)}
        assert names == seeds(text_id)
        grown += bool(accepted & {*texts[text_id]})
    assert grown, "no accepted text grew from an accepted one"


def test_a_person_reads_why_nothing_was_accepted(daydream, loop, chat_endpoint):
    write = chat_endpoint.answer
    chat_endpoint.answer = lambda prompt: (
        write(prompt) if prompt.startswith("Judge") else "Always the same idea."
    )
    (loop / "spec.yaml").write_text(
        (loop / "spec.yaml").read_text().replace("bar: 0.5", "bar: 0.99")
    )
    assert "No round has begun yet." in page_of(daydream, loop)
    daydream("dream", "l", "--rounds", "1")

    page = page_of(daydream, loop)

    assert "Nothing was accepted yet of 4 texts in 1 round." in page
    assert "Near-duplicates, which no judge was paid to read: 3 texts." in page
    assert "Neither accepted nor rejected yet: 1 text." in page
    assert "too few scores" in page


def test_a_text_accepted_by_a_person_says_so_and_what_is_gone_is_named(daydream, data_root, dreamt):
    text_id = next(one for one, last in decisions(dreamt).items() if last["verdict"] != "accept")
    spec = (dreamt / "spec.yaml").read_text()
    (dreamt / "spec.yaml").write_text(spec.replace("rounds: 3", "rounds: 4"))
    (dreamt / "verdicts.csv").write_text(f"text_id,verdict\n{text_id},accept\n")
    daydream("dream", "l")
    (data_root / f"gens/essay/{text_id}/parsed.txt").unlink()

    page = page_of(daydream, dreamt)

    assert "A person accepted it in round 4." in page
    assert page.count("The text is missing.") == 1
    assert "It stopped: 4 rounds done" in page


def test_the_report_and_its_figures_go_where_they_are_asked_for(
    daydream, data_root, loop, tmp_path
):
    (data_root / "1_raw/llm_models.csv").write_text(PRICES)
    daydream("dream", "l", "--rounds", "2")

    result = daydream(
        "report", "l", "-o", str(tmp_path / "night.html"), "--figures", str(tmp_path / "f")
    )

    names = ("accepted", "per-dollar", "exhaustion", "novelty", "diversity", "drift")
    assert result.returncode == 0
    assert {path.name for path in (tmp_path / "f").iterdir()} == {
        f"{name}.{ending}" for name in names for ending in ("svg", "png")
    }
    assert (tmp_path / "night.html").exists()
    assert not (loop / "reports").exists()
