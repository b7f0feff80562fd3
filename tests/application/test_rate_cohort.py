"""The page for people, and what comes back, on stores in memory."""

import json
from hashlib import sha256
from itertools import chain

import pytest

from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.application.rate_cohort import read_cohort_ratings, write_rating_sheet
from daydreaming_dagster.domain.errors import CohortNotPlannedError, NothingToRateError
from daydreaming_dagster.domain.people.ratings import CHANGED, COLUMNS


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
    return read_cohort_ratings(lab.store, lab.cohorts, "c1", lab.cohorts.read_pipeline(), members)


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
