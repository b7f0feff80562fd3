"""A template that cannot be used leaves it open which answers are stale, and that is said."""

import pytest

from daydreaming_dagster.application.check_data_root import check_data_root
from daydreaming_dagster.application.cohort_status import look, unusable_templates
from daydreaming_dagster.application.plan_cohort import plan_cohort


@pytest.fixture
def done(make_lab):
    lab = make_lab()
    lab.cohorts.specs["c2"] = lab.cohorts.specs["c1"]
    for cohort_id in ("c1", "c2"):
        plan_cohort(lab.store, lab.cohorts, cohort_id)
    lab.run()
    return lab


def problems(lab):
    return unusable_templates(lab.store, lab.cohorts, "c1", lab.cohorts.catalog)


def findings(lab):
    return check_data_root(lab.store, lab.cohorts, None).findings


@pytest.mark.parametrize("source", [None, "Tell of {{ draft_block", "Tell of {{ no_such }}"])
def test_it_is_named_once_with_the_cohorts_that_use_it(done, source):
    assert problems(done) == findings(done) == []
    if source is None:
        del done.store.templates["essay", "story"]
    else:
        done.store.templates["essay", "story"] = source

    (finding,) = findings(done)
    (problem,) = problems(done)

    assert (finding.kind, finding.subject) == ("unusable template", "cohort c1, c2")
    assert finding.message == problem
    assert "story" in problem
    stale = look(done.store, done.cohorts, "c1", done.cohorts.catalog).stale
    assert not any(stale.values()), "nothing tells"


def test_a_cohort_without_a_specification_uses_none(done):
    del done.cohorts.specs["c1"], done.cohorts.specs["c2"]
    del done.store.templates["essay", "story"]

    assert problems(done) == []


def test_templates_that_are_as_they_were_planned_are_told_from_others(done):
    manifest = done.cohorts.read_manifest("c1")
    planned = {"draft/links", "essay/story", "evaluation/judge"}
    assert manifest.unchanged_templates(done.store) == planned

    done.store.templates["essay", "story"] = "Sing of {{ draft_block }}"
    del done.store.templates["draft", "links"]

    assert manifest.unchanged_templates(done.store) == {"evaluation/judge"}
