"""What the main metadata of a generation means."""

import pytest

from adapters import InMemoryGensStore
from daydreaming_dagster.data_layer import GenerationMetadata, resolve_generation_metadata
from daydreaming_dagster.domain.generation.metadata import ancestry
from daydreaming_dagster.ports.errors import InvalidMetadataError, MissingArtifactError


@pytest.fixture
def store():
    return InMemoryGensStore()


def test_everything_left_out_has_a_default(store):
    store.write_main_metadata("draft", "d1", {})

    assert resolve_generation_metadata(store, "draft", "d1") == GenerationMetadata(
        template_id="",
        parent_stage=None,
        parent_gen_id=None,
        mode="llm",
        combo_id="",
        cohort_id=None,
    )


@pytest.mark.parametrize(("stage", "parent"), [("essay", "draft"), ("evaluation", "essay")])
def test_the_parents_stage_follows_from_the_stage(store, stage, parent):
    store.write_main_metadata(stage, "x1", {"parent_gen_id": "p1", "template_id": "t"})

    metadata = resolve_generation_metadata(store, stage, "x1")

    assert (metadata.parent_stage, metadata.parent_gen_id) == (parent, "p1")
    assert metadata.template_id == "t"


@pytest.mark.parametrize("stage", ["essay", "evaluation"])
@pytest.mark.parametrize("parent_gen_id", [{}, {"parent_gen_id": None}, {"parent_gen_id": ""}])
def test_without_a_parent_there_is_no_parent_stage(store, stage, parent_gen_id):
    store.write_main_metadata(stage, "x1", parent_gen_id)

    assert resolve_generation_metadata(store, stage, "x1").parent_stage is None


@pytest.mark.parametrize("given", ["copy", "COPY", " Copy "])
def test_the_mode_is_lower_cased(store, given):
    store.write_main_metadata("essay", "e1", {"mode": given, "parent_gen_id": "d1"})

    assert resolve_generation_metadata(store, "essay", "e1").mode == "copy"


@pytest.mark.parametrize("given", [None, ""])
def test_an_empty_mode_means_llm(store, given):
    store.write_main_metadata("essay", "e1", {"mode": given})

    assert resolve_generation_metadata(store, "essay", "e1").mode == "llm"


def test_an_unknown_mode_is_refused(store):
    store.write_main_metadata("essay", "e1", {"mode": "telepathy"})

    with pytest.raises(InvalidMetadataError, match=r"unknown mode 'telepathy'.*essay/e1"):
        resolve_generation_metadata(store, "essay", "e1")


@pytest.mark.parametrize(
    ("stage", "document"),
    [
        ("essay", {"mode": "copy"}),
        ("evaluation", {"mode": "copy", "parent_gen_id": ""}),
        ("draft", {"mode": "copy", "parent_gen_id": "d0"}),  # a draft has no parent stage
    ],
)
def test_copying_needs_a_parent(store, stage, document):
    store.write_main_metadata(stage, "x1", document)

    with pytest.raises(ValueError, match=f"^copy mode requires parent metadata for {stage}/x1$"):
        resolve_generation_metadata(store, stage, "x1")


@pytest.mark.parametrize("key", ["cohort_id", "origin_cohort_id"])
def test_the_cohort_is_read_under_its_old_name_too(store, key):
    store.write_main_metadata("draft", "d1", {key: "c1"})

    assert resolve_generation_metadata(store, "draft", "d1").cohort_id == "c1"


def test_the_cohorts_new_name_comes_first(store):
    store.write_main_metadata("draft", "d1", {"cohort_id": "new", "origin_cohort_id": "old"})

    assert resolve_generation_metadata(store, "draft", "d1").cohort_id == "new"


@pytest.mark.parametrize(
    "key", ["template_id", "parent_gen_id", "mode", "combo_id", "cohort_id", "origin_cohort_id"]
)
@pytest.mark.parametrize("value", [1, ["a"], {"a": 1}, True])
def test_a_field_of_another_type_is_refused(store, key, value):
    store.write_main_metadata("essay", "e1", {key: value})

    with pytest.raises(InvalidMetadataError, match=rf"{key} must be a string.*essay/e1"):
        resolve_generation_metadata(store, "essay", "e1")


@pytest.mark.parametrize("version", [3, "1", None])
def test_another_format_version_is_refused(store, version):
    store.write_main_metadata("draft", "d1", {"format_version": version})

    with pytest.raises(InvalidMetadataError, match=r"format.*draft/d1"):
        resolve_generation_metadata(store, "draft", "d1")


def test_a_generation_without_metadata_is_missing(store):
    store.write_prompt("draft", "d1", "a prompt alone")

    with pytest.raises(MissingArtifactError, match="draft/d1 has no main_metadata"):
        resolve_generation_metadata(store, "draft", "d1")


def test_the_ancestry_goes_up_to_the_draft(store):
    store.write_main_metadata("essay", "e1", {"parent_gen_id": "d1"})
    store.write_main_metadata("evaluation", "v1", {"parent_gen_id": "e1"})

    assert list(ancestry(store, "evaluation", "v1")) == [
        ("evaluation", "v1"),
        ("essay", "e1"),
        ("draft", "d1"),
    ]


@pytest.mark.parametrize("document", [{}, {"parent_gen_id": "../d1"}, {"mode": 3}])
def test_the_ancestry_ends_where_the_metadata_does(store, document):
    store.write_main_metadata("essay", "e1", document)

    assert list(ancestry(store, "essay", "e1")) == [("essay", "e1")]


PARENTS = [
    {"role": "essay", "stage": "essay", "gen_id": "e1"},
    {"role": "critique", "stage": "critique", "gen_id": "c1"},
]


def test_several_parents_are_named_with_their_roles():
    store = InMemoryGensStore()
    store.write_main_metadata("revision", "r1", {"parents": PARENTS})

    metadata = resolve_generation_metadata(store, "revision", "r1")

    assert metadata.parent is None
    assert metadata.parents == (("essay", ("essay", "e1")), ("critique", ("critique", "c1")))


def test_an_only_parent_may_be_of_any_stage():
    store = InMemoryGensStore()
    of_revision = [{"role": "parent", "stage": "revision", "gen_id": "r1"}]
    document = {"parent_gen_id": "r1", "parents": of_revision}
    store.write_main_metadata("evaluation", "v1", document)

    assert resolve_generation_metadata(store, "evaluation", "v1").parent == ("revision", "r1")


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"parents": "e1"}, "parents must be a list"),
        ({"parents": [{"role": 1}]}, "parents must be a list"),
        ({"parents": [{"role": "a", "id": "e1"}]}, "parents must be a list"),
        ({"parent_gen_id": "e2", "parents": PARENTS[:1]}, "parent_gen_id names 'e2', and parents"),
        ({"parent_gen_id": "e1", "parents": PARENTS}, "parent_gen_id names 'e1', and parents"),
        ({"mode": "copy", "parents": PARENTS}, "copy mode requires parent metadata"),
    ],
)
def test_parents_that_contradict_or_are_malformed_are_refused(document, reason):
    store = InMemoryGensStore()
    store.write_main_metadata("revision", "r1", document)

    with pytest.raises(InvalidMetadataError, match=reason):
        resolve_generation_metadata(store, "revision", "r1")


def test_a_shared_ancestor_is_named_once_after_all_that_is_made_from_it():
    store = InMemoryGensStore()
    store.write_main_metadata("essay", "e1", {"parent_gen_id": "d1"})
    to_essay = [{"role": "essay", "stage": "essay", "gen_id": "e1"}]
    store.write_main_metadata("critique", "c1", {"parent_gen_id": "e1", "parents": to_essay})
    store.write_main_metadata("revision", "r1", {"parents": PARENTS})

    found = ancestry(store, "revision", "r1")

    assert found[0] == ("revision", "r1")
    assert sorted(found[1:]) == [("critique", "c1"), ("draft", "d1"), ("essay", "e1")]
    assert found.index(("critique", "c1")) < found.index(("essay", "e1"))


def test_what_is_its_own_ancestor_by_a_mistake_does_not_hang():
    store = InMemoryGensStore()
    to_itself = [{"role": "parent", "stage": "essay", "gen_id": "e1"}]
    store.write_main_metadata("essay", "e1", {"parent_gen_id": "e1", "parents": to_itself})

    assert ancestry(store, "essay", "e1") == [("essay", "e1")]
