"""What is checked of generations when a run ends."""

import pytest

from adapters import InMemoryGensStore
from daydreaming_dagster.domain.checks.quality import CHECKS, check_generations, checks_of
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.shipped_stages import SHIPPED


@pytest.fixture
def store():
    """A draft, its essay and the essay's evaluation, all in order."""
    store = InMemoryGensStore()
    parents = {"draft": None, "essay": "d1", "evaluation": "e1"}
    for stage, gen_id in (("draft", "d1"), ("essay", "e1"), ("evaluation", "v1")):
        store.write_main_metadata(
            stage, gen_id, {"parent_gen_id": parents[stage], "template_id": "t"}
        )
        store.write_prompt(stage, gen_id, "prompt")
        store.write_raw_metadata(
            stage, gen_id, {"raw_sha256": sha256("raw"), "prompt_sha256": sha256("prompt")}
        )
        store.write_raw(stage, gen_id, "raw")
        parsed = {"raw_sha256": sha256("raw"), "parsed_sha256": sha256("7")}
        score = {"score": 7, "score_maximum": 10} if stage == "evaluation" else {}
        store.write_parsed_metadata(stage, gen_id, {**parsed, **score})
        store.write_parsed(stage, gen_id, "7")
    return store


def failing(store, **generations):
    failed = {}
    for stage, gen_ids in generations.items():
        found = check_generations(store, SHIPPED, stage, gen_ids)
        assert set(found) == set(CHECKS)
        for check, items in found.items():
            if items:
                failed.setdefault(check, []).extend(item.subject for item in items)
    return failed


def test_what_is_in_order_passes(store):
    assert failing(store, draft=["d1"], essay=["e1"], evaluation=["v1"]) == {}


def test_a_generation_that_was_not_made_has_no_parsed_text(store):
    store.write_main_metadata("essay", "e2", {"parent_gen_id": "d1"})

    assert failing(store, essay=["e1", "e2"]) == {"parsed_present": ["essay/e2"]}


def test_a_text_that_was_changed_does_not_match(store):
    store.write_parsed("essay", "e1", "8")

    assert failing(store, essay=["e1"]) == {
        "hashes_match": ["essay/e1"],
        "parsed_present": ["essay/e1"],
    }


def test_an_answer_that_was_replaced_and_does_not_parse_fails_both(store):
    store.write_raw_metadata(
        "essay", "e1", {"raw_sha256": sha256("new"), "prompt_sha256": sha256("prompt")}
    )
    store.write_raw("essay", "e1", "new")

    assert failing(store, essay=["e1"]) == {
        "parsed_present": ["essay/e1"],
        "hashes_match": ["essay/e1"],
    }


def test_a_parent_that_is_gone_is_missed(store):
    store.delete_generation("draft", "d1")

    assert failing(store, essay=["e1"]) == {"parent_present": ["essay/e1"]}


def test_an_answer_that_was_cut_off_is_named(store):
    document = store.read_raw_metadata("draft", "d1")
    store.write_raw_metadata("draft", "d1", {**document, "truncated": True})

    assert failing(store, draft=["d1"]) == {"not_truncated": ["draft/d1"]}


@pytest.mark.parametrize(
    ("finish_reason", "failed"),
    [
        ("MAX_TOKENS", "not_truncated"),
        ("content_filter", "parsed_present"),
        ("error", "parsed_present"),
        ("moonrise", "known_finish"),
    ],
)
def test_an_answer_that_did_not_end_by_itself_is_named(store, finish_reason, failed):
    """Though versions before took it for whole and parsed it."""
    document = store.read_raw_metadata("draft", "d1")
    store.write_raw_metadata("draft", "d1", {**document, "finish_reason": finish_reason})

    assert failing(store, draft=["d1"]) == {failed: ["draft/d1"]}


@pytest.mark.parametrize(("score", "wrong"), [(0, False), (10, False), (11, True), (-1, True)])
def test_a_score_lies_on_its_scale(store, score, wrong):
    document = store.read_parsed_metadata("evaluation", "v1")
    store.write_parsed_metadata("evaluation", "v1", {**document, "score": score})

    expected = {"score_in_range": ["evaluation/v1"]} if wrong else {}
    assert failing(store, evaluation=["v1"]) == expected


def test_each_stage_has_the_checks_that_apply_to_it():
    assert checks_of(SHIPPED["draft"]) == (
        "parsed_present",
        "hashes_match",
        "not_truncated",
        "known_finish",
    )
    assert "parent_present" in checks_of(SHIPPED["essay"])
    assert set(checks_of(SHIPPED["evaluation"])) == set(CHECKS)
