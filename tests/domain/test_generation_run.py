"""Whole stages, with a model whose answers are written down."""

import asyncio

import pytest

from adapters import InMemoryGensStore
from adapters.scripted_language_model import ScriptedLanguageModel
from daydreaming_dagster.data_layer.errors import InvalidMetadataError, MissingArtifactError
from daydreaming_dagster.domain.catalog import Catalog, ConceptEntry, ModelEntry, TemplateEntry
from daydreaming_dagster.domain.errors import ResponseParseError
from daydreaming_dagster.domain.generation_run import GenerationRunner
from daydreaming_dagster.domain.language_model import LanguageModelError

CATALOG = Catalog(
    concepts={name: ConceptEntry(name, name.upper(), {"sentence": f"{name}."}) for name in "abc"},
    templates={
        ("draft", "links"): TemplateEntry("links"),
        ("essay", "copied"): TemplateEntry("copied", generator="copy"),
        ("evaluation", "judge"): TemplateEntry("judge"),
    },
    models={"big": ModelEntry("big", "big-1")},
)
TEMPLATES = {
    ("draft", "links"): "{% for c in concepts %}{{ c.name }}={{ c.content }} {% endfor %}",
    ("evaluation", "judge"): "Judge: {{ response }}",
}


@pytest.fixture
def store():
    return InMemoryGensStore(templates=TEMPLATES)


@pytest.fixture
def runner(store):
    return GenerationRunner(store, ScriptedLanguageModel(lambda request: request.prompt), CATALOG)


def plan_draft(store, gen_id, *concept_ids):
    store.write_main_metadata(
        "draft",
        gen_id,
        {
            "template_id": "links",
            "llm_model_id": "big",
            "combo_id": f"{'+'.join(concept_ids)}@sentence",
            "concept_ids": list(concept_ids),
            "description_level": "sentence",
        },
    )


def run(runner, stage, gen_ids, steps=("prompt", "raw", "parsed"), under_way=4):
    async def collect():
        generated = runner.generate_many({stage: gen_ids}, steps, under_way=under_way)
        return {item.gen_id: item async for item in generated}

    return asyncio.run(collect())


def test_a_generation_gets_all_its_artifacts(store, runner):
    plan_draft(store, "d1", "a", "b")

    done = run(runner, "draft", ["d1"])["d1"]

    assert done.error is None
    assert done.prompt == store.read_prompt("draft", "d1") == "A=a. B=b. "
    assert store.read_raw("draft", "d1") == "A=a. B=b. "
    assert store.read_parsed("draft", "d1") == "A=a. B=b. "
    assert store.read_raw_metadata("draft", "d1")["model"] == "big-1"
    assert store.read_parsed_metadata("draft", "d1")["parser"] == "identity"


def test_running_again_asks_nothing(store, runner):
    plan_draft(store, "d1", "a", "b")
    run(runner, "draft", ["d1"])

    again = run(runner, "draft", ["d1"])["d1"]

    assert again.raw.reused
    assert len(runner.model.requests) == 1


def test_an_edited_prompt_is_asked_again_and_the_paid_answer_kept(store, runner):
    plan_draft(store, "d1", "a")
    run(runner, "draft", ["d1"])
    plan_draft(store, "d1", "b")

    run(runner, "draft", ["d1"])

    assert store.read_raw("draft", "d1") == "B=b. "
    assert store.read_raw_metadata("draft", "d1")["replaced"][0]["text"] == "A=a. "


def test_copying_asks_no_model(store, runner):
    store.write_parsed("draft", "d1", "the idea")
    store.write_main_metadata(
        "essay", "e1", {"template_id": "copied", "mode": "copy", "parent_gen_id": "d1"}
    )

    done = run(runner, "essay", ["e1"])["e1"]

    assert done.error is None
    assert store.read_parsed("essay", "e1") == "the idea"
    assert store.read_raw_metadata("essay", "e1")["mode"] == "copy"
    assert runner.model.requests == []


def test_one_that_fails_does_so_alone(store):
    def answer(request):
        return LanguageModelError("no answer") if "B=" in request.prompt else request.prompt

    runner = GenerationRunner(store, ScriptedLanguageModel(answer), CATALOG)
    for gen_id, concept_id in (("d1", "a"), ("d2", "b"), ("d3", "c")):
        plan_draft(store, gen_id, concept_id)

    done = run(runner, "draft", ["d1", "d2", "d3"])

    assert {gen_id: type(item.error) for gen_id, item in done.items()} == {
        "d1": type(None),
        "d2": LanguageModelError,
        "d3": type(None),
    }
    assert store.read_parsed("draft", "d3") == "C=c. "
    with pytest.raises(MissingArtifactError):
        store.read_raw("draft", "d2")


def test_an_answer_that_does_not_parse_is_kept_and_not_bought_again(store):
    model = ScriptedLanguageModel(lambda _request: "No score from me")
    runner = GenerationRunner(store, model, CATALOG)
    store.write_parsed("essay", "e1", "an essay")
    store.write_main_metadata(
        "evaluation",
        "v1",
        {"template_id": "judge", "llm_model_id": "big", "parent_gen_id": "e1"},
    )

    for _ in range(2):
        done = run(runner, "evaluation", ["v1"])["v1"]
        assert isinstance(done.error, ResponseParseError)
        assert done.raw.text == "No score from me"

    assert store.read_raw("evaluation", "v1") == "No score from me"
    assert len(model.requests) == 1


def test_steps_are_done_one_by_one_too(store, runner):
    plan_draft(store, "d1", "a")
    for step in ("prompt", "raw", "parsed"):
        done = run(runner, "draft", ["d1"], [step])["d1"]
        assert done.error is None
        assert getattr(done, step) is not None

    assert store.read_parsed("draft", "d1") == "A=a. "


@pytest.mark.parametrize(
    ("step", "artifact"), [("raw", "prompt"), ("parsed", "raw")], ids=["raw", "parsed"]
)
def test_a_step_without_the_one_before_says_what_is_missing(store, runner, step, artifact):
    plan_draft(store, "d1", "a")

    error = run(runner, "draft", ["d1"], [step])["d1"].error

    assert isinstance(error, MissingArtifactError)
    assert f"draft/d1 has no {artifact}" in str(error)


@pytest.mark.parametrize(
    ("concept_ids", "reason"),
    [([], "concept_ids is missing"), (["a", "z"], "concept catalog lacks"), ([["a"]], "lacks")],
)
def test_a_draft_whose_concepts_are_not_known_fails(store, runner, concept_ids, reason):
    store.write_main_metadata(
        "draft",
        "d1",
        {"template_id": "links", "llm_model_id": "big", "concept_ids": concept_ids},
    )

    error = run(runner, "draft", ["d1"])["d1"].error

    assert isinstance(error, InvalidMetadataError)
    assert reason in str(error)


def test_no_more_are_under_way_than_asked_for(store):
    under_way, most = 0, 0

    class CountingModel:
        async def complete(self, request):
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.005)
            under_way -= 1
            return await ScriptedLanguageModel(lambda _request: "x").complete(request)

        def stop(self, reason):
            pass

        async def aclose(self):
            pass

    gen_ids = [f"d{i}" for i in range(20)]
    for gen_id in gen_ids:
        plan_draft(store, gen_id, "a")

    done = run(GenerationRunner(store, CountingModel(), CATALOG), "draft", gen_ids, under_way=3)

    assert set(done) == set(gen_ids)
    assert most == 3


def test_leaving_early_cancels_what_is_under_way(store):
    model = ScriptedLanguageModel(lambda request: request.prompt, latency_seconds=60)
    runner = GenerationRunner(store, model, CATALOG)
    plan_draft(store, "d1", "a")

    async def leave():
        generated = runner.generate_many({"draft": ["d1"]}, under_way=1)
        waiting = asyncio.create_task(anext(generated))
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.wait([waiting])
        await generated.aclose()
        return len(asyncio.all_tasks())

    assert asyncio.run(leave()) == 1  # this one


def test_a_mistake_in_the_program_is_not_taken_for_a_failed_generation(store):
    runner = GenerationRunner(store, ScriptedLanguageModel(lambda _request: 1 / 0), CATALOG)
    plan_draft(store, "d1", "a")

    with pytest.raises(ZeroDivisionError):
        run(runner, "draft", ["d1"])
