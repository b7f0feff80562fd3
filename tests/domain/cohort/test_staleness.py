"""What a run of a cohort has to make, and what went stale."""

import json
from collections import Counter

import attrs
import pytest

from adapters import InMemoryGensStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import generate, make_catalog, plan_draft, plan_essay, plan_evaluation
from daydreaming_dagster.domain.catalog import ConceptEntry, ModelEntry, TemplateEntry
from daydreaming_dagster.domain.cohort.index import INDEX_VERSION, CohortIndex
from daydreaming_dagster.domain.cohort.progress import generations_to_make, stage_status
from daydreaming_dagster.domain.cohort.staleness import look_at_cohort
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.runner import GenerationRunner
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.ports.errors import StorageUnreachableError

CATALOG = make_catalog(ModelEntry("big", "big-1"), ModelEntry("small", "small-1"))
TEMPLATES = {
    ("draft", "links"): "{{ concepts[0].content }}",
    ("essay", "story"): "Tell: {{ draft_block }}",
    ("evaluation", "judge"): "Judge: {{ response }}",
}
NOTHING_SEEN = CohortIndex()
MEMBERS = {"draft": ["da", "db"], "essay": ["ea", "eb"], "evaluation": ["va", "vb"]}


@attrs.frozen(eq=False)
class NotingStore(InMemoryGensStore):
    """Notes which generations are read, and each read."""

    noted: set = attrs.field(factory=set, init=False)
    reads: Counter = attrs.field(factory=Counter, init=False)

    def _load(self, stage, gen_id, artifact):
        self.noted.add(gen_id)
        self.reads[gen_id, artifact] += 1
        return super()._load(stage, gen_id, artifact)


@pytest.fixture
def store():
    """Two chains, of the concepts a and b; the judge of the second is another model."""
    store = NotingStore(templates=dict(TEMPLATES))
    for name, judge in ("a", "big"), ("b", "small"):
        plan_draft(store, f"d{name}", name)
        plan_essay(store, f"e{name}", f"d{name}")
        plan_evaluation(store, f"v{name}", f"e{name}", llm_model_id=judge)
    return store


def answer(request):
    return "SCORE: 7" if request.prompt.startswith("Judge") else request.prompt


def make(store, generations=MEMBERS, answer=answer, catalog=CATALOG, **settings):
    runner = GenerationRunner(store, ScriptedLanguageModel(answer), catalog, **settings)
    generate(runner, generations)
    return runner.model.requests


def look(store, index=NOTHING_SEEN, catalog=CATALOG):
    return look_at_cohort(store, catalog, MEMBERS, index)


def rows(index):
    """Return what an index says of each generation."""
    return {stage: {row.gen_id: row for row in index.rows(stage)} for stage in index.pages}


def with_templates(store, **edited):
    """Return the store with edited templates, named by their stage."""
    templates = {key: edited.get(key[0], source) for key, source in TEMPLATES.items()}
    other = InMemoryGensStore(templates=templates)
    for stage in MEMBERS:
        for gen_id in store.list_generations(stage):
            for artifact in ("prompt", "raw", "parsed"):
                for name in (artifact, f"{artifact if artifact != 'prompt' else 'main'}_metadata"):
                    read, write = getattr(store, f"read_{name}"), getattr(other, f"write_{name}")
                    write(stage, gen_id, read(stage, gen_id))
    return other


def test_nothing_is_stale_where_nothing_changed(store):
    assert look(store).stale == {"draft": {}, "essay": {}, "evaluation": {}}
    make(store)

    assert look(store).stale == {"draft": {}, "essay": {}, "evaluation": {}}


def test_an_edited_template_makes_its_generations_and_their_descendants_stale(store):
    make(store)
    edited = with_templates(store, essay="Sing: {{ draft_block }}")

    assert look(edited).stale == {
        "draft": {},
        "essay": dict.fromkeys(("ea", "eb"), "essay template 'story' was edited"),
        "evaluation": {"va": "its essay ea is stale", "vb": "its essay eb is stale"},
    }


def test_an_edit_that_changes_no_prompt_makes_nothing_stale(store):
    make(store)
    edited = with_templates(store, essay="{# sing #}Tell: {{ draft_block }}")

    assert not any(look(edited).stale.values())


def test_an_edited_concept_makes_its_chain_stale(store):
    make(store)
    concepts = {**CATALOG.concepts, "b": ConceptEntry("b", "B", {"sentence": "bees."})}

    stale = look(store, catalog=attrs.evolve(CATALOG, concepts=concepts)).stale

    assert stale["draft"] == {"db": "its concepts were edited"}
    assert list(stale["essay"]) == ["eb"]
    assert list(stale["evaluation"]) == ["vb"]


def test_another_model_behind_an_id_makes_what_it_answered_stale(store):
    make(store)
    models = {**CATALOG.models, "small": ModelEntry("small", "small-2")}

    stale = look(store, catalog=attrs.evolve(CATALOG, models=models)).stale

    assert stale["evaluation"] == {"vb": "its model was 'small-1' and is 'small-2' now"}
    assert not stale["draft"]


def test_an_answer_that_was_replaced_makes_its_children_stale(store):
    make(store)
    make(store, {"draft": ["da"]}, lambda _request: "other", force=[("draft", "da")])

    stale = look(store).stale

    assert stale["essay"] == {"ea": "the text of its draft changed"}
    assert stale["evaluation"] == {"va": "its essay ea is stale"}


def test_replacing_what_is_stale_leaves_nothing_stale_and_keeps_what_was_paid_for(store):
    make(store)
    edited = with_templates(store, draft="New: {{ concepts[0].content }}")
    stale = look(edited).stale

    todo = generations_to_make(MEMBERS, look(edited).stages, stale)
    requests = make(edited, todo, replace_stale=True)

    assert todo == MEMBERS
    assert len(requests) == 6
    assert not any(look(edited).stale.values())
    assert edited.read_raw_metadata("draft", "da")["replaced"][0]["text"] == "a."


def test_what_is_done_is_not_made_again(store):
    assert generations_to_make(MEMBERS, look(store).stages) == MEMBERS
    make(store)

    todo = generations_to_make(MEMBERS, look(store).stages)
    assert todo == {"draft": [], "essay": [], "evaluation": []}


def test_generations_can_be_asked_for_again_by_name(store):
    make(store)

    assert generations_to_make(MEMBERS, look(store).stages, force=["eb", "va"]) == {
        "draft": [],
        "essay": ["eb"],
        "evaluation": ["va"],
    }


def test_a_name_that_the_cohort_does_not_have_is_refused(store):
    with pytest.raises(CatalogError, match="'zz' is not in the cohort"):
        generations_to_make(MEMBERS, look(store).stages, force=["ea", "zz"])


def test_a_new_answer_that_does_not_parse_is_not_done_though_the_old_text_is_there(store):
    make(store)
    make(store, {"evaluation": ["va"]}, lambda _request: "?", force=[("evaluation", "va")])

    status = stage_status(store, SHIPPED["evaluation"], MEMBERS["evaluation"])

    assert (status.done, status.unparsed, status.missing) == (1, ("va",), ())
    assert store.read_parsed("evaluation", "va") == "7"


def test_a_text_from_elsewhere_is_done_and_never_stale(store):
    store.write_parsed("draft", "da", "from elsewhere")

    assert stage_status(store, SHIPPED["draft"], ["da"]).done == 1
    assert look(store).stale["draft"] == {}


def test_what_cannot_be_made_any_more_is_not_stale(store):
    make(store)
    templates = {key: entry for key, entry in CATALOG.templates.items() if key[0] != "essay"}

    stale = look(store, catalog=attrs.evolve(CATALOG, templates=templates)).stale

    assert stale["essay"] == {}


@attrs.frozen(eq=False)
class UnreachableTexts(InMemoryGensStore):
    """Fails to return the texts of parents, as a network does."""

    def read_parsed(self, stage, gen_id):
        if stage == "draft":
            raise StorageUnreachableError("s3://lab", "no route")
        return super().read_parsed(stage, gen_id)


def test_a_failing_network_fails_the_look_and_makes_nothing_fresh(store):
    make(store)
    failing = UnreachableTexts(templates=store.templates)
    failing._generations.update(store._generations)  # noqa: SLF001  a back door

    with pytest.raises(StorageUnreachableError, match="no route"):
        look_at_cohort(failing, CATALOG, {"essay": ["ea"]}, NOTHING_SEEN)


@pytest.fixture
def index(store):
    """What was seen when all was made."""
    make(store)
    index = look(store).index
    store.noted.clear()
    return index


def test_what_did_not_change_is_not_read_again(store, index):
    state = look(store, index)

    assert store.noted == set()
    assert [of_stage.done for of_stage in state.stages.values()] == [2, 2, 2]
    assert not any(state.stale.values())
    assert state.index == index


def test_a_finish_reason_whose_meaning_is_unknown_stays_so_without_being_read(store, index):
    raw = store.read_raw_metadata("essay", "ea")
    store.write_raw_metadata("essay", "ea", {**raw, "finish_reason": "moonrise"})
    changed = look(store, index)
    store.noted.clear()

    again = look(store, changed.index)

    for state in (changed, again):
        assert state.unknown_finish == {
            "draft": {},
            "essay": {"ea": "moonrise"},
            "evaluation": {},
        }
    assert store.noted == set()


@pytest.mark.parametrize(("catalog", "reads"), [(CATALOG, 40), (None, 18)])
def test_what_changed_is_read_once(store, index, catalog, reads):
    store.reads.clear()

    look(store, catalog=catalog)

    assert store.reads.total() == reads
    # A text is read once more for the prompt of each child.
    assert {key for key, times in store.reads.items() if times > 1} <= {
        (parent, "parsed") for parent in ("da", "db", "ea", "eb")
    }


@pytest.mark.parametrize("catalog", [CATALOG, None])
def test_of_many_generations_those_that_are_missing_are_read_alone(store, index, catalog):
    for name in ("raw", "raw_metadata", "parsed", "parsed_metadata"):
        store._generations["evaluation", "vb"].pop(name)  # noqa: SLF001  as a person deletes files
    store.write_prompt("evaluation", "vb", "")

    state = look(store, index, catalog)

    assert state.stages["evaluation"].missing == ("vb",)
    assert store.noted == {"vb"}


def without_parsed(store):
    store.delete_generation("essay", "ea")


def with_another_answer(store):
    raw = store.read_raw_metadata("essay", "ea")
    store.write_raw_metadata("essay", "ea", {**raw, "raw_sha256": "another"})


def with_another_text_and_no_parsed_one(store):
    document = store.read_main_metadata("essay", "ea")
    store.delete_generation("essay", "ea")
    store.write_main_metadata("essay", "ea", document)
    store.write_raw("essay", "ea", "another")


@pytest.mark.parametrize(
    "change", [without_parsed, with_another_answer, with_another_text_and_no_parsed_one]
)
def test_what_changed_is_read_again_and_is_not_done(store, index, change):
    change(store)

    state = look(store, index)

    assert state.stages["essay"].todo == ("ea",)
    assert (state.stages["draft"].done, state.stages["evaluation"].done) == (2, 2)
    assert "ea" not in rows(state.index)["essay"]


def test_a_child_of_what_changed_is_looked_at_again_for_staleness(store, index):
    store.write_parsed_metadata("essay", "ea", {})
    store.write_parsed("essay", "ea", "a text from elsewhere")

    state = look(store, index)

    assert state.stale == {
        "draft": {},
        "essay": {},
        "evaluation": {"va": "the text of its essay changed"},
    }
    assert store.noted == {"da", "ea", "va"}  # the draft for the essay's prompt


def test_a_grandchild_of_what_changed_is_looked_at_again_too(store, index):
    store.write_parsed("draft", "da", "another text")

    state = look(store, index)

    assert state.stale["evaluation"] == {"va": "its essay ea is stale"}
    assert store.noted == {"da", "ea", "va"}


def test_what_is_stale_stays_so_without_being_read(store, index):
    store.write_parsed_metadata("draft", "da", {})
    store.write_parsed("draft", "da", "a text from elsewhere")
    before = look(store, index)
    store.noted.clear()

    after = look(store, before.index)

    assert after.stale == before.stale
    assert any(after.stale.values())
    assert store.noted == set()


def test_what_is_found_anew_is_in_planned_order_and_leaves_the_index_before_as_it_was(store, index):
    store.write_parsed("draft", "db", "another text")
    before = look(store, index)
    as_lines = list(before.index.as_lines())
    store.write_parsed("draft", "da", "another text")

    after = look(store, before.index)

    assert list(before.stale["essay"]) == ["eb"]
    assert list(after.stale["essay"]) == ["ea", "eb"]
    assert rows(after.index) == rows(look(store).index)
    assert list(before.index.as_lines()) == as_lines


def edited_template(store):
    store.templates["essay", "story"] = "Sing: {{ draft_block }}"
    return CATALOG


def edited_concept(_store):
    concepts = {**CATALOG.concepts, "b": ConceptEntry("b", "B", {"sentence": "Bees."})}
    return attrs.evolve(CATALOG, concepts=concepts)


def edited_model(_store):
    models = {**CATALOG.models, "small": ModelEntry("small", "small-2")}
    return attrs.evolve(CATALOG, models=models)


@pytest.mark.parametrize("edit", [edited_template, edited_concept, edited_model])
def test_an_edit_is_seen_though_no_generation_changed(store, index, edit):
    catalog = edit(store)

    state = look(store, index, catalog)

    assert any(state.stale.values())
    assert state == look(store, NOTHING_SEEN, catalog)


def test_an_edit_of_a_row_is_seen_too(store, index):
    stale = look(store, index, edited_template(store))
    row = TemplateEntry("story", parser="unknown")
    catalog = attrs.evolve(CATALOG, templates={**CATALOG.templates, ("essay", "story"): row})

    assert look(store, stale.index, catalog).stale == look(store, catalog=catalog).stale
    assert look(store, catalog=catalog).stale != stale.stale


def test_a_price_is_no_reason_to_read_anything(store, index):
    models = {name: attrs.evolve(model, prompt_price=1.0) for name, model in CATALOG.models.items()}

    assert look(store, index, attrs.evolve(CATALOG, models=models)).index == index
    assert store.noted == set()


def test_an_index_without_staleness_tells_what_is_done_alone(store, index):
    store.write_parsed("draft", "da", "another text")
    without = look(store, index, None)

    assert not any(without.stale.values())
    assert look(store, without.index).stale == look(store).stale


def test_a_change_during_a_look_is_seen_by_the_next_one(store):
    make(store)

    class ChangedMeanwhile(NotingStore):
        def _load(self, stage, gen_id, artifact):
            loaded = super()._load(stage, gen_id, artifact)
            if (gen_id, artifact) == ("vb", "raw"):  # the last that is read of it
                self.write_raw_metadata(stage, gen_id, {"raw_sha256": "another"})
            return loaded

    changing = ChangedMeanwhile(templates=store.templates)
    changing._generations.update(store._generations)  # noqa: SLF001  the same store, but for that
    changing._version_of.update(store._version_of)  # noqa: SLF001
    state = look(changing)

    assert state.stages["evaluation"].todo == ()
    assert look(changing, state.index).stages["evaluation"].todo == ("vb",)


def test_a_generation_without_a_version_is_in_no_index(store, index):
    class Untold(NotingStore):
        def _versions(self, _stage):
            return {}

    untold = Untold(templates=store.templates)
    untold._generations.update(store._generations)  # noqa: SLF001  the same store, but for that

    state = look(untold, index)

    assert untold.noted == {gen_id for gen_ids in MEMBERS.values() for gen_id in gen_ids}
    assert [of_stage.done for of_stage in state.stages.values()] == [2, 2, 2]
    assert not any(rows(state.index).values())


def test_an_index_is_as_it_was_written(index):
    assert CohortIndex.from_lines(list(index.as_lines())) == index


HEADER = {"version": INDEX_VERSION, "inputs": "0", "pages": {"draft": 1}}


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [b""],
        [b"[" * 100_000],
        [b"[]", b"[]"],
        [json.dumps({**HEADER, "version": INDEX_VERSION + 1}).encode(), b"[]"],
        [json.dumps({**HEADER, "version": "1"}).encode(), b"[]"],
        [json.dumps({**HEADER, "pages": {"draft": "1"}}).encode(), b"[]"],
        [json.dumps({**HEADER, "unknown": 1}).encode(), b"[]"],
        [json.dumps(HEADER).encode()],
        [json.dumps(HEADER).encode(), b"[]", b"[]"],
    ],
)
def test_what_is_no_index_of_today_counts_as_an_empty_one(lines):
    assert CohortIndex.from_lines(lines) == NOTHING_SEEN


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b"null",
        b"{}",
        b'[["da", "1"]]',
        b'[["da", 1, "", "", "", "", ""]]',
        b'[["da", "1", null, "", "", "", ""]]',
    ],
)
def test_a_damaged_page_tells_nothing(store, index, page):
    damaged = CohortIndex(index.inputs, {**index.pages, "draft": [page]})

    state = look(store, damaged)

    assert list(damaged.rows("draft")) == []
    assert state.stages == look(store).stages
    assert rows(state.index) == rows(index)


def test_of_several_pages_those_that_changed_are_written_again(store, index, monkeypatch):
    monkeypatch.setattr("daydreaming_dagster.domain.cohort.index.PAGE_ROWS", 1)
    paged = look(store, index).index
    store.write_parsed_metadata("draft", "da", {})
    store.write_parsed("draft", "da", "a text from elsewhere")

    after = look(store, paged)

    assert [len(pages) for pages in paged.pages.values()] == [2, 2, 2]
    assert [pages[0] for pages in after.index.pages.values()] == [
        pages[1] for pages in paged.pages.values()
    ]
    assert rows(after.index) == rows(look(store).index)
    assert list(look(store, after.index).stale["essay"]) == ["ea"]


def test_a_member_that_left_the_cohort_leaves_the_index(store, index):
    members = {stage: gen_ids[1:] for stage, gen_ids in MEMBERS.items()}

    state = look_at_cohort(store, CATALOG, members, index)

    assert {stage: list(found) for stage, found in rows(state.index).items()} == members
    assert store.noted == set()
