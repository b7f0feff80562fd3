"""What a run of a cohort has to make, and what went stale."""

import asyncio

import attrs
import pytest

from adapters import InMemoryGensStore
from adapters.scripted_language_model import ScriptedLanguageModel
from daydreaming_dagster.domain.catalog import Catalog, ConceptEntry, ModelEntry, TemplateEntry
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.freshness import find_stale, generations_to_make
from daydreaming_dagster.domain.generation_run import GenerationRunner
from daydreaming_dagster.domain.results import stage_status

CATALOG = Catalog(
    concepts={name: ConceptEntry(name, name.upper(), {"sentence": f"{name}."}) for name in "ab"},
    templates={
        ("draft", "links"): TemplateEntry("links"),
        ("essay", "story"): TemplateEntry("story"),
        ("evaluation", "judge"): TemplateEntry("judge"),
    },
    models={"big": ModelEntry("big", "big-1"), "small": ModelEntry("small", "small-1")},
)
TEMPLATES = {
    ("draft", "links"): "{{ concepts[0].content }}",
    ("essay", "story"): "Tell: {{ draft_block }}",
    ("evaluation", "judge"): "Judge: {{ response }}",
}
MEMBERS = {"draft": ["da", "db"], "essay": ["ea", "eb"], "evaluation": ["va", "vb"]}


@pytest.fixture
def store():
    """Two chains, of the concepts a and b; the judge of the second is another model."""
    store = InMemoryGensStore(templates=TEMPLATES)
    for name in "ab":
        judge = "big" if name == "a" else "small"
        documents = {
            "draft": {
                "template_id": "links",
                "llm_model_id": "big",
                "combo_id": f"{name}@sentence",
                "concept_ids": [name],
                "description_level": "sentence",
            },
            "essay": {
                "template_id": "story",
                "llm_model_id": "big",
                "parent_gen_id": f"d{name}",
            },
            "evaluation": {
                "template_id": "judge",
                "llm_model_id": judge,
                "parent_gen_id": f"e{name}",
            },
        }
        for stage, document in documents.items():
            prefix = {"draft": "d", "essay": "e", "evaluation": "v"}[stage]
            store.write_main_metadata(stage, f"{prefix}{name}", document)
    return store


def answer(request):
    return "SCORE: 7" if request.prompt.startswith("Judge") else request.prompt


def make(store, generations=MEMBERS, answer=answer, catalog=CATALOG, **settings):
    runner = GenerationRunner(store, ScriptedLanguageModel(answer), catalog, **settings)

    async def collect():
        return [item async for item in runner.generate_many(generations)]

    asyncio.run(collect())
    return runner.model.requests


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
    assert find_stale(store, CATALOG, MEMBERS) == {"draft": {}, "essay": {}, "evaluation": {}}
    make(store)

    assert find_stale(store, CATALOG, MEMBERS) == {"draft": {}, "essay": {}, "evaluation": {}}


def test_an_edited_template_makes_its_generations_and_their_descendants_stale(store):
    make(store)
    edited = with_templates(store, essay="Sing: {{ draft_block }}")

    assert find_stale(edited, CATALOG, MEMBERS) == {
        "draft": {},
        "essay": dict.fromkeys(("ea", "eb"), "essay template 'story' was edited"),
        "evaluation": {"va": "its essay ea is stale", "vb": "its essay eb is stale"},
    }


def test_an_edit_that_changes_no_prompt_makes_nothing_stale(store):
    make(store)
    edited = with_templates(store, essay="{# sing #}Tell: {{ draft_block }}")

    assert not any(find_stale(edited, CATALOG, MEMBERS).values())


def test_an_edited_concept_makes_its_chain_stale(store):
    make(store)
    concepts = {**CATALOG.concepts, "b": ConceptEntry("b", "B", {"sentence": "bees."})}

    stale = find_stale(store, attrs.evolve(CATALOG, concepts=concepts), MEMBERS)

    assert stale["draft"] == {"db": "its concepts were edited"}
    assert list(stale["essay"]) == ["eb"]
    assert list(stale["evaluation"]) == ["vb"]


def test_another_model_behind_an_id_makes_what_it_answered_stale(store):
    make(store)
    models = {**CATALOG.models, "small": ModelEntry("small", "small-2")}

    stale = find_stale(store, attrs.evolve(CATALOG, models=models), MEMBERS)

    assert stale["evaluation"] == {"vb": "its model was 'small-1' and is 'small-2' now"}
    assert not stale["draft"]


def test_an_answer_that_was_replaced_makes_its_children_stale(store):
    make(store)
    make(store, {"draft": ["da"]}, lambda _request: "other", again=[("draft", "da")])

    stale = find_stale(store, CATALOG, MEMBERS)

    assert stale["essay"] == {"ea": "the text of its draft changed"}
    assert stale["evaluation"] == {"va": "its essay ea is stale"}


def test_replacing_what_is_stale_leaves_nothing_stale_and_keeps_what_was_paid_for(store):
    make(store)
    edited = with_templates(store, draft="New: {{ concepts[0].content }}")
    stale = find_stale(edited, CATALOG, MEMBERS)

    todo = generations_to_make(edited, MEMBERS, stale)
    requests = make(edited, todo, replace_stale=True)

    assert todo == MEMBERS
    assert len(requests) == 6
    assert not any(find_stale(edited, CATALOG, MEMBERS).values())
    assert edited.read_raw_metadata("draft", "da")["replaced"][0]["text"] == "a."


def test_what_is_done_is_not_made_again(store):
    assert generations_to_make(store, MEMBERS) == MEMBERS
    make(store)

    assert generations_to_make(store, MEMBERS) == {"draft": [], "essay": [], "evaluation": []}


def test_generations_can_be_asked_for_again_by_name(store):
    make(store)

    assert generations_to_make(store, MEMBERS, again=["eb", "va"]) == {
        "draft": [],
        "essay": ["eb"],
        "evaluation": ["va"],
    }


def test_a_name_that_the_cohort_does_not_have_is_refused(store):
    with pytest.raises(CatalogError, match="'zz' is not in the cohort"):
        generations_to_make(store, MEMBERS, again=["ea", "zz"])


def test_a_new_answer_that_does_not_parse_is_not_done_though_the_old_text_is_there(store):
    make(store)
    make(store, {"evaluation": ["va"]}, lambda _request: "?", again=[("evaluation", "va")])

    status = stage_status(store, "evaluation", MEMBERS["evaluation"])

    assert (status.done, status.unparsed, status.missing) == (1, ("va",), ())
    assert store.read_parsed("evaluation", "va") == "7"


def test_a_text_from_elsewhere_is_done_and_never_stale(store):
    store.write_parsed("draft", "da", "from elsewhere")

    assert stage_status(store, "draft", ["da"]).done == 1
    assert find_stale(store, CATALOG, MEMBERS)["draft"] == {}


def test_what_cannot_be_made_any_more_is_not_stale(store):
    make(store)
    templates = {key: entry for key, entry in CATALOG.templates.items() if key[0] != "essay"}

    stale = find_stale(store, attrs.evolve(CATALOG, templates=templates), MEMBERS)

    assert stale["essay"] == {}
