"""The page for people, and what comes back, on stores in memory."""

import json
from datetime import date
from hashlib import sha256
from itertools import chain

import attrs
import pytest
import yaml

from daydreaming_dagster.application.cohort_results import tabulate_cohort
from daydreaming_dagster.application.judge_passports import equate_judges, know_judges
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.application.rate_cohort import read_cohort_ratings, write_rating_sheet
from daydreaming_dagster.domain.errors import (
    CatalogError,
    CohortNotPlannedError,
    NothingToRateError,
)
from daydreaming_dagster.domain.people.ratings import CHANGED, COLUMNS
from daydreaming_dagster.domain.retirements import retirements
from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.domain.stages_document import make_pipeline
from daydreaming_dagster.domain.statistics.judgments import JudgmentsError


def answer(request):
    digest = sha256(request.prompt.encode()).hexdigest()
    return "SCORE: 6" if request.prompt.startswith("Judge") else f"Words, {digest}."


@pytest.fixture
def lab(lab):
    lab.answer = answer
    plan_cohort(lab.store, lab.cohorts, "c1")
    return lab


def ratings_of(lab):
    members = lab.cohorts.read_membership("c1")
    return read_cohort_ratings(lab.store, lab.cohorts, ["c1"], lab.cohorts.read_pipeline(), members)


def test_a_cohort_without_ratings_has_none(lab):
    lab.run()

    assert ratings_of(lab) == []


def test_the_page_is_blind_and_its_key_says_what_was_shown(lab):
    lab.run()
    written = write_rating_sheet(lab.store, lab.cohorts, "c1", seed=7, ratings=9)

    page = lab.cohorts.ratings[written.page.removeprefix("memory:")].decode()
    members = lab.cohorts.read_membership("c1")
    hidden = {"big", "acme", "story", "copied", "essay", *chain(*members.values())}
    shown = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert not {word for word in hidden if word in page}
    assert written.page.endswith(f"{shown['sheet']}.html")
    key = json.loads(lab.cohorts.ratings[written.key.removeprefix("memory:")])
    assert key["seed"] == 7
    assert {text["token"] for text in key["texts"]} == shown["texts"].keys()
    for text in key["texts"]:
        stored = lab.store.read_parsed(text["stage"], text["gen_id"])
        assert shown["texts"][text["token"]] == stored


def test_what_comes_back_is_read_and_is_stale_once_its_text_is_another(lab):
    lab.run()
    sheet = write_rating_sheet(lab.store, lab.cohorts, "c1", seed=7).sheet
    rows = [f"{sheet.sheet},Ann,{text.token},,5,,," for text in sheet.texts]
    data = "\n".join([",".join(COLUMNS), *rows]).encode()
    lab.cohorts.write_rating_files("c1", {"ann.csv": data})
    assert {rating.first for rating in ratings_of(lab)} == {text.ref for text in sheet.texts}
    assert not any(rating.stale for rating in ratings_of(lab))

    lab.answer = lambda request: "Another text."
    lab.run(force=frozenset(lab.cohorts.read_membership("c1")["essay"][:1]))

    assert [rating.stale for rating in ratings_of(lab)].count(CHANGED) == 1


def test_nothing_is_written_where_nothing_is_done(lab):
    with pytest.raises(CohortNotPlannedError):
        write_rating_sheet(lab.store, lab.cohorts, "c2", seed=1)
    with pytest.raises(NothingToRateError, match="cohort 'c1': no essay is done yet"):
        write_rating_sheet(lab.store, lab.cohorts, "c1", seed=1)
    assert lab.cohorts.ratings == {}


def rate(lab):
    """Let Ann score all that a sheet asks for, by the length of the text."""
    sheet = write_rating_sheet(lab.store, lab.cohorts, "c1", seed=7).sheet
    rows = [
        f"{sheet.sheet},Ann,{text.token},,{1 + number % 9},,,"
        for number, text in enumerate(sheet.texts)
    ]
    data = "\n".join([",".join(COLUMNS), *rows]).encode()
    lab.cohorts.write_rating_files("c1", {"ann.csv": data})


def test_results_have_people_as_judges_and_what_they_would_give(lab):
    lab.run()
    assert tabulate_cohort(lab.store, lab.cohorts, "c1").people == {}
    rate(lab)

    tabulated = tabulate_cohort(lab.store, lab.cohorts, "c1")
    ratings, corrected = tabulated.people["ratings"], tabulated.people["corrected"]
    assert set(ratings["judge_kind"]) == {"human"}
    assert ratings.height == 6
    assert set(corrected["factor"]) == {"all texts", "essay_template", "essay_llm"}
    assert {"c1/ratings.csv", "c1/corrected.csv"} <= lab.cohorts.reports.keys()


def test_judges_are_known_with_people_beside_them_and_models_that_retire_are_named(lab):
    lab.run()
    today = date(2026, 3, 1)
    models = lab.cohorts.catalog.models
    big = attrs.evolve(models["big"], retires=date(2026, 3, 31))
    lab.cohorts.catalog = attrs.evolve(lab.cohorts.catalog, models={**models, "big": big})
    known = know_judges(lab.store, lab.cohorts, "c1", today)
    assert [passport.judge for passport in known.passports] == ["evaluation/judge/big"]
    retires, unrated, no_canary = known.notes
    assert retires.startswith("big retires on 2026-03-31, in 30 days; if it judges, let its")
    assert unrated == "no person has rated a text yet: daydream rate c1"
    assert no_canary.endswith("daydream judges c1 --canaries 20")

    rate(lab)
    known = know_judges(lab.store, lab.cohorts, "c1", date(2027, 1, 1))
    assert [passport.kind for passport in known.passports] == ["model", "human"]
    retired = "big was retired on 2026-03-31: it can no longer be asked"
    assert known.notes == [retired, no_canary]
    assert [*retirements(models, ["big", "gone"], today)] == []
    assert [*retirements({"big": big}, ["big"], date(2025, 1, 1))] == []


def test_judges_are_equated_or_refused_by_name(lab):
    lab.run()

    with pytest.raises(CatalogError, match="'small' is none of the judges: evaluation/judge/big"):
        equate_judges(lab.store, lab.cohorts, "c1", "big", "small")
    with pytest.raises(JudgmentsError, match="cannot be equated: both judges scored 6 texts"):
        equate_judges(lab.store, lab.cohorts, "c1", "big", "judge/big")


@pytest.mark.parametrize(
    ("judge", "outcome"),
    [
        ("duel: {from: {first: essay, second: essay}, judges: pairs, within: cohort}", 6),
        ("title: {from: essay}", "no stage judges, so there is nothing to rate"),
    ],
)
def test_texts_that_are_only_compared_are_rated_and_those_that_nothing_judges_are_not(
    lab, judge, outcome
):
    lab.run()
    stages = "stages:\n  draft: {from: concepts}\n  essay: {from: draft}\n  " + judge
    pipeline = make_pipeline(yaml.safe_load(stages), "stages.yaml", Pipeline(()))
    members = lab.cohorts.read_membership("c1")
    lab.cohorts.catalog = attrs.evolve(lab.cohorts.catalog, pipeline=pipeline)
    lab.cohorts.write_membership("c1", {stage: members.get(stage, []) for stage in pipeline})

    if isinstance(outcome, str):
        with pytest.raises(NothingToRateError, match=outcome):
            write_rating_sheet(lab.store, lab.cohorts, "c1", seed=1)
    else:
        sheet = write_rating_sheet(lab.store, lab.cohorts, "c1", seed=1).sheet
        assert len(sheet.texts) == outcome
