"""What is found wrong with generations."""

import pytest

from adapters import InMemoryGensStore
from daydreaming_dagster.domain.catalog import Catalog, ModelEntry, TemplateEntry
from daydreaming_dagster.domain.checks.integrity import IntegrityCheck, missing_members
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.generation.stored import read_stored_generation
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.types import STAGES

CATALOG = Catalog(
    concepts={},
    templates={
        ("draft", "links"): TemplateEntry("links"),
        ("essay", "story"): TemplateEntry("story"),
    },
    models={"big": ModelEntry("big", "big-1")},
)


@pytest.fixture
def store():
    """A draft and its essay, both complete."""
    store = InMemoryGensStore()
    store.write_main_metadata("draft", "d1", {"template_id": "links", "llm_model_id": "big"})
    store.write_main_metadata(
        "essay", "e1", {"template_id": "story", "llm_model_id": "big", "parent_gen_id": "d1"}
    )
    for stage, gen_id in (("draft", "d1"), ("essay", "e1")):
        store.write_prompt(stage, gen_id, "why?")
        store.write_raw_metadata(
            stage, gen_id, {"prompt_sha256": sha256("why?"), "raw_sha256": sha256("because ")}
        )
        store.write_raw(stage, gen_id, "because ")
        store.write_parsed_metadata(
            stage, gen_id, {"raw_sha256": sha256("because "), "parsed_sha256": sha256("because")}
        )
        store.write_parsed(stage, gen_id, "because")
    return store


def findings(store, catalog=CATALOG):
    known = {stage: set(store.list_generations(stage)) for stage in STAGES}
    check = IntegrityCheck(SHIPPED, known, catalog)
    return [
        finding
        for stage in STAGES
        for gen_id in sorted(known[stage])
        for finding in check.check(read_stored_generation(store, stage, gen_id))
    ]


def kinds(store, catalog=CATALOG):
    return [f"{finding.subject}: {finding.kind}" for finding in findings(store, catalog)]


def test_nothing_is_wrong_with_what_is_complete(store):
    assert kinds(store) == []


def test_what_is_only_planned_is_not_wrong(store):
    store.write_main_metadata("draft", "d2", {"template_id": "links", "llm_model_id": "big"})

    assert kinds(store) == []


def test_a_changed_text_is_found_with_what_was_made_of_it(store):
    store.write_raw("draft", "d1", "because!")

    assert kinds(store) == ["draft/d1: wrong text", "draft/d1: stale text"]


def test_a_changed_parsed_text_is_found(store):
    store.write_parsed("draft", "d1", "be cause")

    assert kinds(store) == ["draft/d1: wrong text"]


def test_a_newer_prompt_is_found(store):
    store.write_prompt("draft", "d1", "why not?")

    assert kinds(store) == ["draft/d1: stale answer"]


@pytest.mark.parametrize(
    ("write", "kind", "named"),
    [
        ("raw", "wrong text", ["raw.txt", "raw_metadata.json"]),
        ("raw", "stale text", ["parsed.txt", "raw.txt"]),
        ("parsed", "wrong text", ["parsed.txt", "parsed_metadata.json"]),
        ("prompt", "stale answer", ["raw.txt", "prompt.txt"]),
    ],
)
def test_the_files_that_contradict_each_other_are_named(store, write, kind, named):
    getattr(store, f"write_{write}")("draft", "d1", "other")

    (message,) = [finding.message for finding in findings(store) if finding.kind == kind]
    assert all(name in message for name in named)


@pytest.mark.parametrize("artifact", ["raw", "parsed_metadata"])
def test_what_cannot_be_read_is_found_and_nothing_is_concluded_from_it(store, artifact):
    store._generations["draft", "d1"][artifact] = b"\xff"  # noqa: SLF001  a back door

    (finding,) = findings(store)

    assert (finding.kind, finding.subject) == ("unreadable", "draft/d1")
    assert f"malformed {artifact} in memory:/gens/draft/d1/" in finding.message


def test_a_parent_that_is_not_there_is_found(store):
    store.delete_generation("draft", "d1")

    assert kinds(store) == ["essay/e1: no parent"]


def test_a_child_that_names_no_parent_is_found(store):
    store.write_main_metadata("essay", "e1", {"template_id": "story", "llm_model_id": "big"})

    assert kinds(store) == ["essay/e1: no parent"]


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"template_id": "other", "llm_model_id": "big"}, "unknown template"),
        ({"template_id": "links", "llm_model_id": "other"}, "unknown model"),
        ({"template_id": "links", "llm_model_id": "big", "mode": "copy"}, "bad metadata"),
        ({"template_id": "links", "llm_model_id": "big", "format_version": 9}, "bad metadata"),
        ({"template_id": "links", "llm_model_id": 1}, "bad metadata"),
    ],
)
def test_metadata_that_cannot_be_is_found(store, document, kind):
    store.write_main_metadata("draft", "d1", document)

    (finding,) = findings(store)

    assert (finding.kind, finding.subject) == (kind, "draft/d1")
    assert ("draft/d1" if kind == "bad metadata" else "'other'") in finding.message


def test_without_a_catalog_nothing_is_looked_up_in_it(store):
    store.write_main_metadata("draft", "d1", {"template_id": "other"})

    assert kinds(store, catalog=None) == []


def test_a_generation_without_metadata_is_found(store):
    store.write_prompt("draft", "d2", "?")

    assert kinds(store) == ["draft/d2: no metadata"]


@pytest.mark.parametrize(
    ("write", "kind"),
    [
        (lambda store: store.write_raw("draft", "d2", "x"), "no metadata"),
        (lambda store: store.write_raw_metadata("draft", "d2", {}), "no text"),
        (lambda store: store.write_parsed("draft", "d2", "x"), "no metadata"),
        (lambda store: store.write_parsed_metadata("draft", "d2", {}), "no text"),
    ],
)
def test_a_text_and_its_metadata_belong_together(store, write, kind):
    store.write_main_metadata("draft", "d2", {"template_id": "links", "llm_model_id": "big"})
    write(store)

    assert kinds(store) == [f"draft/d2: {kind}"]


def test_metadata_that_vouches_for_nothing_is_found(store):
    store.write_raw_metadata("draft", "d1", {"prompt_sha256": sha256("why?")})

    assert kinds(store) == ["draft/d1: no digest"]


def test_what_a_cohort_lists_has_to_be_there():
    known = {"draft": {"d1"}, "essay": set(), "evaluation": set()}
    lists = {"c1": {"draft": ["d1", "d2"]}, "c2": {"draft": ["d1"], "essay": ["e1"]}}

    findings = list(missing_members(known, lists))

    assert [(finding.kind, finding.subject) for finding in findings] == [
        ("not there", "draft/d2"),
        ("not there", "essay/e1"),
    ]
    assert "cohort c1 lists it" in findings[0].message


@pytest.mark.parametrize(
    ("characters", "tokens", "cut"),
    [
        (40_000, 4_096, True),
        (40_000, 5_000, False),
        (40_000, 10_000, False),
        (7_999, 7, False),
        (40_000, 0, False),
        (40_000, None, False),
    ],
)
def test_a_prompt_of_which_an_endpoint_counted_a_small_part_is_found(
    store, characters, tokens, cut
):
    prompt = "w" * characters
    store.write_prompt("draft", "d1", prompt)
    raw = {"prompt_sha256": sha256(prompt), "raw_sha256": sha256("because ")}
    store.write_raw_metadata("draft", "d1", {**raw, "usage": {"prompt_tokens": tokens}})

    assert kinds(store) == (["draft/d1: cut prompt"] if cut else [])


def test_the_count_of_another_prompt_does_not_say_that_this_one_was_cut(store):
    store.write_prompt("draft", "d1", "w" * 40_000)
    raw = {"prompt_sha256": sha256("why?"), "raw_sha256": sha256("because ")}
    store.write_raw_metadata("draft", "d1", {**raw, "usage": {"prompt_tokens": 3}})

    assert kinds(store) == ["draft/d1: stale answer"]
