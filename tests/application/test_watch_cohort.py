"""The report of a cohort is drawn again when something has changed, and only then."""

from http import HTTPStatus

import pytest

from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.application.watch_cohort import WatchedCohort
from daydreaming_dagster.cli.watch import Served


@pytest.fixture
def watched(lab):
    plan_cohort(lab.store, lab.cohorts, "c1")
    return WatchedCohort(lab.store, lab.cohorts, "c1")


def test_a_page_is_drawn_once_for_each_state(lab, watched):
    planned = watched.page()
    assert watched.page() is planned

    lab.run()
    done = watched.page()

    assert "cannot be told apart" in done
    assert watched.page() is done
    assert watched.progress() == (2, "3 of 3 drafts, 6 of 6 essays, 12 of 12 evaluations done")


def test_an_answer_in_the_place_of_another_is_a_change(lab, watched):
    lab.run()
    version, said = watched.progress()
    essay = lab.cohorts.read_membership("c1")["essay"][0]

    lab.run(force=[essay])

    assert watched.progress() == (version + 1, said)
    assert watched.progress() == (version + 1, said)


def test_data_that_cannot_be_read_now_is_said_and_the_server_goes_on(lab):
    served = Served(WatchedCohort(lab.store, lab.cohorts, "c1"), "secret", "127.0.0.1:1")

    status, _, body = served.answer("127.0.0.1:1", "/secret/progress")

    assert status == HTTPStatus.SERVICE_UNAVAILABLE
    assert b"not planned" in body
