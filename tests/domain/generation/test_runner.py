"""Whole stages, with a model whose answers are written down."""

import asyncio
import errno
import itertools
import threading
import time

import attrs
import pytest

from adapters import InMemoryGensStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import SOURCES, make_catalog, plan_copy, plan_draft, plan_essay, plan_evaluation
from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.domain.checks.integrity import IntegrityCheck
from daydreaming_dagster.domain.cohort.progress import stage_status
from daydreaming_dagster.domain.errors import (
    AnswerLostError,
    ResponseParseError,
    StaleAnswerError,
)
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import CancellationToken, StoppedError
from daydreaming_dagster.domain.generation.generated import Generated, read_generated
from daydreaming_dagster.domain.generation.runner import GenerationRunner
from daydreaming_dagster.domain.generation.stored import read_stored_generation
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.ports.errors import InvalidMetadataError, MissingArtifactError
from daydreaming_dagster.ports.language_model import (
    Completion,
    LanguageModelError,
    ModelRequest,
    SamplingParameters,
)

CATALOG = make_catalog(concepts="abc")


@pytest.fixture
def store():
    return InMemoryGensStore(templates=SOURCES)


@pytest.fixture
def runner(store):
    return GenerationRunner(store, ScriptedLanguageModel(lambda request: request.prompt), CATALOG)


async def run(runner, stage, gen_ids, steps=("prompt", "raw", "parsed"), in_flight=4):
    generated = runner.generate_many({stage: gen_ids}, steps, in_flight=in_flight)
    async with asyncio.timeout(60):  # where it waits for a claim that nobody releases
        return {item.gen_id: item async for item in generated}


async def test_a_generation_gets_all_its_artifacts(store, runner):
    plan_draft(store, "d1", "ab", parameters={"seed": 3})

    done = (await run(runner, "draft", ["d1"]))["d1"]

    assert done.error is None
    assert done.prompt == store.read_prompt("draft", "d1") == "A=a. B=b. "
    assert store.read_raw("draft", "d1") == "A=a. B=b. "
    assert store.read_parsed("draft", "d1") == "A=a. B=b. "
    (request,) = runner.model.requests
    assert request == ModelRequest("A=a. B=b. ", "big-1", "acme", SamplingParameters(seed=3))
    assert store.read_parsed_metadata("draft", "d1")["parser"] == "identity"


async def test_running_again_asks_nothing(store, runner):
    plan_draft(store, "d1", "ab", parameters={"seed": 3})
    await run(runner, "draft", ["d1"])

    again = (await run(runner, "draft", ["d1"]))["d1"]

    assert again.raw.reused
    assert len(runner.model.requests) == 1


async def test_an_edited_prompt_is_asked_again_on_request_and_the_paid_answer_kept(store, runner):
    plan_draft(store, "d1", "a")
    await run(runner, "draft", ["d1"])
    plan_draft(store, "d1", "b")

    await run(attrs.evolve(runner, replace_stale=True), "draft", ["d1"])

    assert store.read_raw("draft", "d1") == "B=b. "
    assert store.read_raw_metadata("draft", "d1")["replaced"][0]["text"] == "A=a. "


async def test_copying_asks_no_model(store, runner):
    store.write_parsed("draft", "d1", "the idea")
    plan_copy(store, "e1", "d1")

    done = (await run(runner, "essay", ["e1"]))["e1"]

    assert done.error is None
    assert store.read_parsed("essay", "e1") == "the idea"
    metadata = store.read_raw_metadata("essay", "e1")
    assert (metadata["mode"], metadata["finish_reason"]) == ("copy", "stop")
    assert (metadata["answered_by"], metadata["duration_seconds"]) == ("", 0.0)
    assert runner.model.requests == []


async def test_one_that_fails_does_so_alone(store):
    def answer(request):
        return LanguageModelError("no answer") if "B=" in request.prompt else request.prompt

    runner = GenerationRunner(store, ScriptedLanguageModel(answer), CATALOG)
    for gen_id, concept_id in (("d1", "a"), ("d2", "b"), ("d3", "c")):
        plan_draft(store, gen_id, concept_id)

    done = await run(runner, "draft", ["d1", "d2", "d3"])

    assert {gen_id: type(item.error) for gen_id, item in done.items()} == {
        "d1": type(None),
        "d2": LanguageModelError,
        "d3": type(None),
    }
    assert store.read_parsed("draft", "d3") == "C=c. "
    with pytest.raises(MissingArtifactError):
        store.read_raw("draft", "d2")


async def test_an_answer_that_does_not_parse_is_kept_and_not_bought_again(store):
    model = ScriptedLanguageModel(lambda _request: "No score from me")
    runner = GenerationRunner(store, model, CATALOG)
    store.write_parsed("essay", "e1", "an essay")
    plan_evaluation(store, "v1", "e1")

    for _ in range(2):
        done = (await run(runner, "evaluation", ["v1"]))["v1"]
        assert isinstance(done.error, ResponseParseError)
        assert done.raw.text == "No score from me"

    assert store.read_raw("evaluation", "v1") == "No score from me"
    assert len(model.requests) == 1


async def test_steps_are_done_one_by_one_too(store, runner):
    plan_draft(store, "d1", "a")
    for step in ("prompt", "raw", "parsed"):
        done = (await run(runner, "draft", ["d1"], [step]))["d1"]
        assert done.error is None
        assert getattr(done, step) is not None

    assert store.read_parsed("draft", "d1") == "A=a. "


@pytest.mark.parametrize(
    ("step", "artifact"), [("raw", "prompt"), ("parsed", "raw")], ids=["raw", "parsed"]
)
async def test_a_step_without_the_one_before_says_what_is_missing(store, runner, step, artifact):
    plan_draft(store, "d1", "a")

    error = (await run(runner, "draft", ["d1"], [step]))["d1"].error

    assert isinstance(error, MissingArtifactError)
    assert f"draft/d1 has no {artifact}" in str(error)


@pytest.mark.parametrize(
    ("concept_ids", "reason"),
    [
        ([], "concept_ids is missing"),
        (["a", "z"], "concept catalog lacks"),
        ([["a"]], "not a list of strings"),
    ],
)
async def test_a_draft_whose_concepts_are_not_known_fails(store, runner, concept_ids, reason):
    store.write_main_metadata(
        "draft",
        "d1",
        {"template_id": "links", "llm_model_id": "big", "concept_ids": concept_ids},
    )

    error = (await run(runner, "draft", ["d1"]))["d1"].error

    assert isinstance(error, InvalidMetadataError)
    assert reason in str(error)
    assert "draft/d1" in str(error)


async def test_no_more_are_under_way_than_asked_for(store):
    in_flight, most = 0, 0

    class CountingModel:
        async def complete(self, request):
            nonlocal in_flight, most
            in_flight += 1
            most = max(most, in_flight)
            await asyncio.sleep(0.05)  # the others are there meanwhile
            in_flight -= 1
            return await ScriptedLanguageModel(lambda _request: "x").complete(request)

        def stop(self, reason, model=None):
            pass

        async def aclose(self):
            pass

    gen_ids = [f"d{i}" for i in range(20)]
    for gen_id in gen_ids:
        plan_draft(store, gen_id, "a")

    done = await run(
        GenerationRunner(store, CountingModel(), CATALOG), "draft", gen_ids, in_flight=3
    )

    assert set(done) == set(gen_ids)
    assert most == 3


async def leaving(runner, gen_ids, leave, in_flight=3):
    """Leave a run that waits for its first answers, and return how many tasks it left."""

    before = asyncio.all_tasks()
    begun, script = asyncio.Semaphore(0), runner.model.script

    def answer(request):
        begun.release()
        return script(request)

    runner.model.script = answer
    generated = runner.generate_many({"draft": gen_ids}, in_flight=in_flight)
    waiting = asyncio.create_task(anext(generated))
    for _ in range(in_flight):
        await begun.acquire()
    await leave(waiting)
    await generated.aclose()
    return len(asyncio.all_tasks() - before)


async def cancel(waiting):
    waiting.cancel()
    await asyncio.wait([waiting])


async def cancel_twice(waiting):
    waiting.cancel()
    await asyncio.sleep(0.05)
    await cancel(waiting)


async def test_leaving_early_stores_what_is_under_way_and_begins_nothing(store):
    gen_ids = [f"d{number}" for number in range(10)]
    for gen_id in gen_ids:
        plan_draft(store, gen_id, "a")
    runner = GenerationRunner(store, ScriptedLanguageModel(judging, 0.05), CATALOG)

    assert (await leaving(runner, gen_ids, cancel)) == 0

    assert len(runner.model.requests) == 3
    stored = [gen_id for gen_id in gen_ids if read_generated(store, "draft", gen_id).parsed]
    assert stored == ["d0", "d1", "d2"]
    assert runner.stop.reason == "the consumer of its results ended"


async def test_closing_early_stores_what_is_under_way_and_begins_nothing(store):
    gen_ids = [f"d{number}" for number in range(10)]
    for gen_id in gen_ids:
        plan_draft(store, gen_id, "a")
    model = ScriptedLanguageModel(judging, 0.05)

    runner = GenerationRunner(store, model, CATALOG)
    generated = runner.generate_many({"draft": gen_ids}, in_flight=3)
    await anext(generated)
    await generated.aclose()

    stored = [gen_id for gen_id in gen_ids if read_generated(store, "draft", gen_id).parsed]
    assert len(stored) == len(model.requests) == 3


async def test_leaving_twice_cancels_what_is_under_way(store):
    model = ScriptedLanguageModel(judging, latency_seconds=60)
    plan_draft(store, "d1", "a")

    runner = GenerationRunner(store, model, CATALOG)
    assert (await leaving(runner, ["d1"], cancel_twice, in_flight=1)) == 0

    assert read_generated(store, "draft", "d1").raw is None
    store.claim("draft", "d1").release()


async def test_a_mistake_in_the_program_is_not_taken_for_a_failed_generation(store):
    runner = GenerationRunner(store, ScriptedLanguageModel(lambda _request: 1 / 0), CATALOG)
    plan_draft(store, "d1", "a")

    with pytest.raises(ZeroDivisionError):
        await run(runner, "draft", ["d1"])


# A whole cohort at once


@pytest.fixture
def chain(store):
    """Two drafts, their copied essays, and an evaluation of each essay."""
    for number, concept_id in enumerate("ab"):
        plan_draft(store, f"d{number}", concept_id)
        plan_copy(store, f"e{number}", f"d{number}")
        plan_evaluation(store, f"v{number}", f"e{number}")
    return {"draft": ["d0", "d1"], "essay": ["e0", "e1"], "evaluation": ["v0", "v1"]}


def judging(request):
    return "SCORE: 7" if request.prompt.startswith("Judge") else request.prompt


async def run_all(runner, generations):
    return [item async for item in runner.generate_many(generations)]


async def test_children_wait_for_their_own_parent_alone(store, chain):
    judged = asyncio.Event()

    class SlowDraft:
        """Answers the second draft only when the essay of the first was judged."""

        async def complete(self, request):
            if request.prompt.startswith("B="):
                await asyncio.wait_for(judged.wait(), timeout=60)
            if request.prompt.startswith("Judge: A="):
                judged.set()
            return await ScriptedLanguageModel(judging).complete(request)

        def stop(self, reason, model=None):
            pass

        async def aclose(self):
            pass

    done = await run_all(GenerationRunner(store, SlowDraft(), CATALOG), chain)

    assert {item.gen_id: item.error for item in done} == dict.fromkeys(
        itertools.chain(*chain.values())
    )


async def test_descendants_of_one_that_fails_are_not_begun(store, chain):
    def answer(request):
        return LanguageModelError("no") if "B=" in request.prompt else judging(request)

    model = ScriptedLanguageModel(answer)
    done = await run_all(GenerationRunner(store, model, CATALOG), chain)

    assert {item.gen_id for item in done} == {"d0", "e0", "v0", "d1"}
    assert not any("Judge: B=" in request.prompt for request in model.requests)


async def test_children_whose_parents_are_done_already_begin_at_once(store, chain):
    runner = GenerationRunner(store, ScriptedLanguageModel(judging), CATALOG)
    await run_all(runner, {"draft": chain["draft"], "essay": chain["essay"]})

    done = await run_all(runner, {"evaluation": chain["evaluation"]})

    assert {item.gen_id: item.error for item in done} == {"v0": None, "v1": None}


async def test_a_run_that_is_stopped_finishes_what_is_under_way_and_begins_nothing(store):
    runner = GenerationRunner(store, ScriptedLanguageModel(judging, 0.05), CATALOG)
    gen_ids = [f"d{number}" for number in range(10)]
    for gen_id in gen_ids:
        plan_draft(store, gen_id, "a")

    done = []
    async for item in runner.generate_many({"draft": gen_ids}, in_flight=3):
        done.append(item)
        runner.stop.stop("enough")

    assert [item.error for item in done] == [None] * 3
    assert len(runner.model.requests) == 3
    assert store.read_parsed("draft", "d2") == "A=a. "


async def test_a_budget_stops_the_run_and_what_was_not_asked_has_not_failed(store):
    gen_ids = [f"d{number}" for number in range(10)]
    for gen_id in gen_ids:
        plan_draft(store, gen_id, "a")
    runner = GenerationRunner(
        store, ScriptedLanguageModel(judging), CATALOG, budget=Budget(max_calls=4)
    )

    done = await run_all(runner, {"draft": gen_ids})

    assert [item.error for item in done] == [None] * 4
    assert len(runner.model.requests) == 4
    assert runner.stop.reason == "the limit of 4 model calls is reached"


async def test_an_endpoint_that_refuses_everything_is_not_asked_for_the_whole_cohort(store):
    gen_ids = [f"d{number}" for number in range(100)]
    for gen_id in gen_ids:
        plan_draft(store, gen_id, "a")
    refusal = LanguageModelError("no such key", 401, of_endpoint=True)
    model = ScriptedLanguageModel(lambda _request: refusal)
    runner = GenerationRunner(store, model, CATALOG)

    done = [item async for item in runner.generate_many({"draft": gen_ids}, in_flight=2)]

    assert len(model.requests) < 10 + 2
    assert {str(item.error) for item in done} == {"no such key"}
    reason = "big-1 was set aside: 10 calls in a row failed: no such key"
    assert runner.set_aside == {("acme", "big-1"): reason}


def words(number):
    """Return a number in letters: refusals that differ in digits alone are alike."""
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


@pytest.mark.parametrize(
    "error",
    [
        lambda number: LanguageModelError(f"no word {words(number)}", 400),
        lambda _number: LanguageModelError("cannot be sent"),
        lambda _number: ResponseParseError("p", "no score", ""),
    ],
    ids=["of the request", "not sent", "of the answer"],
)
async def test_errors_of_single_requests_set_no_model_aside(store, error):
    gen_ids = [f"d{number}" for number in range(30)]
    for gen_id in gen_ids:
        plan_draft(store, gen_id, "a")
    numbers = itertools.count()
    model = ScriptedLanguageModel(lambda _request: error(next(numbers)))
    runner = GenerationRunner(store, model, CATALOG)

    assert len(await run_all(runner, {"draft": gen_ids})) == 30
    assert (runner.stop.reason, runner.set_aside) == (None, {})


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "Your credit balance is too low, request req_01{}"),
        (403, "Key limit exceeded ({} of 5 USD)"),
    ],
)
async def test_the_same_refusal_ten_times_in_a_row_is_no_matter_of_the_prompt(store, status, words):
    gen_ids = [f"d{number}" for number in range(40)]
    for gen_id in gen_ids:
        plan_draft(store, gen_id, "a")
    numbers = itertools.count(1)

    def refuse(_request):
        number = next(numbers)
        return "x" if number == 9 else LanguageModelError(words.format(number), status)

    model = ScriptedLanguageModel(refuse)
    runner = GenerationRunner(store, model, CATALOG)

    done = [item async for item in runner.generate_many({"draft": gen_ids}, in_flight=1)]

    assert len(done) == len(model.requests) == 8 + 1 + 10
    assert words.format(19) in runner.set_aside["acme", "big-1"]


async def test_an_answer_in_between_shows_that_the_endpoint_is_there(store):
    gen_ids = [f"d{number}" for number in range(40)]
    for gen_id in gen_ids:
        plan_draft(store, gen_id, "a")
    answers = itertools.cycle([*[LanguageModelError("busy", 503, of_endpoint=True)] * 9, "x"])
    model = ScriptedLanguageModel(lambda _request: next(answers))
    runner = GenerationRunner(store, model, CATALOG)

    done = [item async for item in runner.generate_many({"draft": gen_ids}, in_flight=1)]

    assert len(done) == 40


@pytest.mark.parametrize(
    "broken", [ModelEntry("broken", "big-2", "acme"), ModelEntry("broken", "big-1", "other")]
)
async def test_answers_of_one_model_do_not_hide_that_another_is_refused_for_good(store, broken):
    gen_ids = [f"d{number}" for number in range(100)]
    for number, gen_id in enumerate(gen_ids):
        plan_draft(store, gen_id, "a", llm_model_id="broken" if number % 2 else "big")
    key = broken.provider, broken.model

    def answer(request):
        if (request.provider, request.model) == key:
            return LanguageModelError("no such model", 404, of_endpoint=True)
        return "x"

    model = ScriptedLanguageModel(answer)
    catalog = attrs.evolve(CATALOG, models={**CATALOG.models, "broken": broken})
    runner = GenerationRunner(store, model, catalog)

    done = [item async for item in runner.generate_many({"draft": gen_ids}, in_flight=2)]

    assert sum((request.provider, request.model) == key for request in model.requests) < 10 + 2
    assert len(done) == len(model.requests)
    assert sum(item.error is None for item in done) == 50
    reason = f"{broken.model} was set aside: 10 calls in a row failed: no such model"
    assert (runner.stop.reason, runner.set_aside) == (None, {key: reason})


async def test_what_a_model_that_was_set_aside_has_answered_goes_on(store):
    """Its drafts are left, and so are their descendants; answers that are there are parsed."""
    gen_ids = [f"d{number}" for number in range(20)]
    for gen_id in gen_ids:
        plan_draft(store, gen_id, "a")
    plan_essay(store, "e1", "d19")
    plan_draft(store, "d20", "a", llm_model_id="other")
    plan_copy(store, "e2", "d20")
    plan_draft(store, "d21", "a")
    catalog = attrs.evolve(
        CATALOG, models={**CATALOG.models, "other": ModelEntry("other", "o-1", "acme")}
    )
    await GenerationRunner(store, ScriptedLanguageModel(judging), catalog).generate(
        "draft", "d21", ["prompt", "raw"]
    )

    def answer(request):
        return "x" if request.model == "o-1" else LanguageModelError("no key", of_endpoint=True)

    model = ScriptedLanguageModel(answer)
    runner = GenerationRunner(store, model, catalog)
    members = {"draft": [*gen_ids, "d20", "d21"], "essay": ["e1", "e2"]}

    done = [item async for item in runner.generate_many(members, in_flight=1)]

    made = {item.gen_id for item in done if item.error is None}
    assert made == {"d20", "d21", "e2"}
    assert len(done) == 10 + 3
    with pytest.raises(MissingArtifactError):
        store.read_prompt("draft", "d19")


async def test_copies_do_not_show_that_the_endpoint_is_there(store):
    store.write_parsed("essay", "e1", "SCORE: 7")
    gen_ids = [f"v{number}" for number in range(60)]
    for number, gen_id in enumerate(gen_ids):
        document = {"template_id": "judge", "llm_model_id": "big", "parent_gen_id": "e1"}
        mode = "copy" if number % 2 else "llm"
        store.write_main_metadata("evaluation", gen_id, {**document, "mode": mode})
    refusal = LanguageModelError("no such key", 401, of_endpoint=True)
    model = ScriptedLanguageModel(lambda _request: refusal)
    runner = GenerationRunner(store, model, CATALOG)

    [item async for item in runner.generate_many({"evaluation": gen_ids}, in_flight=2)]

    assert len(model.requests) < 10 + 2


async def test_a_disk_that_takes_no_answers_ends_the_run_before_all_are_bought():
    class FullStore(InMemoryGensStore):
        def write_raw(self, stage, gen_id, text):
            raise OSError(errno.ENOSPC, "No space left on device")

    store = FullStore(templates=SOURCES)
    gen_ids = [f"d{number}" for number in range(100)]
    for gen_id in gen_ids:
        plan_draft(store, gen_id, "a")
    model = ScriptedLanguageModel(judging)
    runner = GenerationRunner(store, model, CATALOG)

    done = [item async for item in runner.generate_many({"draft": gen_ids}, in_flight=2)]

    assert len(model.requests) < 10 + 2
    assert {type(item.error) for item in done} == {AnswerLostError}
    assert "No space left on device" in runner.stop.reason


async def test_an_answer_that_has_come_is_stored_though_the_run_is_left():
    class SlowStore(InMemoryGensStore):
        def write_raw(self, stage, gen_id, text):
            time.sleep(0.01)
            super().write_raw(stage, gen_id, text)

    store = SlowStore(templates=SOURCES)
    gen_ids = [f"d{number}" for number in range(100)]
    for gen_id in gen_ids:
        plan_draft(store, gen_id, "a")
    model = ScriptedLanguageModel(judging)

    generated = GenerationRunner(store, model, CATALOG).generate_many({"draft": gen_ids})
    await anext(generated)
    await generated.aclose()

    stored = [gen_id for gen_id in gen_ids if read_generated(store, "draft", gen_id).raw]
    assert len(stored) == len(model.requests)


async def test_a_question_that_was_not_put_is_not_counted(store):
    class Stopping(ScriptedLanguageModel):
        async def complete(self, request):
            raise StoppedError("enough")

    plan_draft(store, "d1", "a")
    runner = GenerationRunner(store, Stopping(judging), CATALOG)

    assert (await run_all(runner, {"draft": ["d1"]})) == []
    assert runner.budget.calls == 0


# Two runs at once


async def test_two_runs_of_the_same_generations_ask_for_each_once(store):
    gen_ids = [f"d{number}" for number in range(5)]
    for gen_id in gen_ids:
        plan_draft(store, gen_id, "a")
    model = ScriptedLanguageModel(judging, latency_seconds=0.05)
    runners = [GenerationRunner(store, model, CATALOG) for _ in range(2)]

    async def collect(runner):
        return [item async for item in runner.generate_many({"draft": gen_ids}, in_flight=3)]

    done = await asyncio.gather(*map(collect, runners))

    assert len(model.requests) == 5
    assert [item.error for items in done for item in items] == [None] * 10
    reused = [[item.gen_id for item in items if item.raw.reused] for items in done]
    assert sorted([*reused[0], *reused[1]]) == gen_ids


async def test_one_that_another_run_makes_is_asked_for_when_that_run_fails(store):
    plan_draft(store, "d1", "a")
    answers = iter([LanguageModelError("tired"), "an answer"])
    model = ScriptedLanguageModel(lambda _request: next(answers), latency_seconds=0.05)

    runners = [GenerationRunner(store, model, CATALOG) for _ in range(2)]
    done = await asyncio.gather(*(runner.generate("draft", "d1") for runner in runners))

    failed, made = sorted(done, key=lambda each: each.error is None)  # either may be the first
    assert isinstance(failed.error, LanguageModelError)
    assert (made.error, made.raw.text) == (None, "an answer")


async def test_waiting_for_another_run_ends_with_the_run(store):
    plan_draft(store, "d1", "a")
    claim = store.claim("draft", "d1")
    runner = GenerationRunner(store, ScriptedLanguageModel(judging), CATALOG)

    waiting = asyncio.create_task(runner.generate("draft", "d1"))
    await asyncio.sleep(0.05)
    runner.stop.stop("enough")

    assert isinstance((await asyncio.wait_for(waiting, 60)).error, StoppedError)
    assert runner.model.requests == []
    claim.release()


@pytest.mark.parametrize(
    ("answer", "steps"),
    [
        (LanguageModelError("tired"), ("prompt", "raw", "parsed")),
        (LanguageModelError("tired"), ("raw",)),
        ("no score", ("prompt", "raw", "parsed")),
        ("SCORE: 7", ("prompt", "raw", "parsed")),
        ("SCORE: 7", ("raw",)),
    ],
)
async def test_no_claim_outlives_its_generation(store, answer, steps):
    store.write_parsed("essay", "e1", "an essay")
    store.write_prompt("evaluation", "v1", "Judge: an essay")
    document = {"template_id": "judge", "llm_model_id": "big", "parent_gen_id": "e1"}
    store.write_main_metadata("evaluation", "v1", document)
    runner = GenerationRunner(store, ScriptedLanguageModel(lambda _request: answer), CATALOG)

    for _ in range(2):  # the second time an answer is there
        await run(runner, "evaluation", ["v1"], steps)
        store.claim("evaluation", "v1").release()


async def test_what_neither_asks_nor_pays_claims_nothing(store, chain):
    runner = GenerationRunner(store, ScriptedLanguageModel(judging), CATALOG)
    await run_all(runner, chain)
    claims = [store.claim("essay", "e0"), store.claim("evaluation", "v0")]

    assert (await run(runner, "essay", ["e0"]))["e0"].error is None
    assert (await run(runner, "evaluation", ["v0"], ["parsed"]))["v0"].error is None
    for claim in claims:
        claim.release()


async def test_one_that_cannot_be_claimed_fails_alone():
    class FullStore(InMemoryGensStore):
        def claim(self, stage, gen_id):
            if gen_id == "d0":
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().claim(stage, gen_id)

    store = FullStore(templates=SOURCES)
    for gen_id in ("d0", "d1"):
        plan_draft(store, gen_id, "a")

    done = await run(
        GenerationRunner(store, ScriptedLanguageModel(judging), CATALOG), "draft", ["d0", "d1"]
    )

    assert isinstance(done["d0"].error, OSError)
    assert done["d1"].error is None


async def test_cancelling_while_a_generation_is_claimed_forgets_no_claim():
    claiming, cancelled = threading.Event(), threading.Event()

    class SlowStore(InMemoryGensStore):
        def claim(self, stage, gen_id):
            claiming.set()
            assert cancelled.wait(60)
            return super().claim(stage, gen_id)

    store = SlowStore(templates=SOURCES)
    plan_draft(store, "d1", "a")
    runner = GenerationRunner(store, ScriptedLanguageModel(judging), CATALOG)

    making = asyncio.create_task(runner.generate("draft", "d1"))
    assert await asyncio.to_thread(claiming.wait, 60)
    for _ in range(2):
        making.cancel()
        await asyncio.sleep(0.01)
    cancelled.set()
    await asyncio.wait([making])

    assert runner.model.requests == []
    store.claim("draft", "d1").release()


# What may have been billed

LOST = LanguageModelError("lost", retryable=True, may_be_billed=True)


def patient(model, **settings):
    return GenerationRunner(
        model=model, catalog=CATALOG, **{"second_call_seconds": 0.0, **settings}
    )


def lost_first(error):
    answers = iter([error, "second"])
    return ScriptedLanguageModel(lambda _request: next(answers))


async def test_an_answer_that_was_lost_is_asked_for_once_more_and_counted_twice(store):
    plan_draft(store, "d1", "a")
    runner = patient(lost_first(LOST), store=store)

    assert (await run(runner, "draft", ["d1"]))["d1"].raw.text == "second"

    assert runner.budget.calls == 2
    assert store.read_raw_metadata("draft", "d1")["failed_attempts"] == ["lost"]


async def test_an_answer_that_is_lost_twice_is_not_asked_for_again(store):
    plan_draft(store, "d1", "a")
    runner = patient(ScriptedLanguageModel(lambda _request: LOST), store=store)

    assert (await run(runner, "draft", ["d1"]))["d1"].error is LOST

    assert runner.budget.calls == len(runner.model.requests) == 2


@pytest.mark.parametrize("limit", [{"max_calls": 1}, {"max_cost": 0.02}])
async def test_an_answer_that_was_lost_is_not_asked_for_again_beyond_the_budget(store, limit):
    plan_draft(store, "d1", "a")
    priced = ModelEntry("big", "big-1", "acme", prompt_price=0.0, completion_price=10.0)
    budget = Budget.of([priced], **{"max_calls": None, "max_cost": None, **limit})
    model = ScriptedLanguageModel(lambda _request: LOST)

    assert (await run(patient(model, store=store, budget=budget), "draft", ["d1"])) == {}

    assert len(model.requests) == 1
    assert budget.cost == pytest.approx(0.015)


async def test_errors_before_an_answer_was_lost_are_kept_too(store):
    plan_draft(store, "d1", "a")
    lost = LanguageModelError(
        "lost", retryable=True, may_be_billed=True, failed_attempts=("busy", "busy again")
    )

    await run(patient(lost_first(lost), store=store), "draft", ["d1"])

    failed = store.read_raw_metadata("draft", "d1")["failed_attempts"]
    assert failed == ["busy", "busy again", "lost"]


@pytest.mark.parametrize(
    ("asked_to_wait", "second_call_seconds"), [(None, 0.6), (0.3, 0.0)], ids=["own", "asked"]
)
async def test_an_answer_that_was_lost_is_not_asked_for_again_at_once(
    store, asked_to_wait, second_call_seconds
):
    plan_draft(store, "d1", "a")
    lost = attrs.evolve(LOST, retry_after_seconds=asked_to_wait)
    runner = patient(lost_first(lost), store=store, second_call_seconds=second_call_seconds)
    started = time.monotonic()

    assert (await run(runner, "draft", ["d1"]))["d1"].raw.text == "second"

    assert time.monotonic() - started >= 0.3


async def test_an_endpoint_that_asks_for_too_long_is_not_waited_for(store):
    plan_draft(store, "d1", "a")
    lost = attrs.evolve(LOST, retry_after_seconds=3600.0)
    runner = patient(lost_first(lost), store=store)

    assert (await run(runner, "draft", ["d1"]))["d1"].error is lost


async def test_a_run_that_ends_asks_for_no_lost_answer_again(store):
    plan_draft(store, "d1", "a")
    stop = CancellationToken()

    def lose(_request):
        stop.stop("enough")
        return LOST

    runner = patient(ScriptedLanguageModel(lose), store=store, stop=stop)

    assert (await run(runner, "draft", ["d1"])) == {}
    assert runner.budget.calls == len(runner.model.requests) == 1


async def test_an_answer_without_a_text_is_not_asked_for_again(store):
    plan_draft(store, "d1", "a")
    empty = LanguageModelError("no text", may_be_billed=True)
    runner = GenerationRunner(store, ScriptedLanguageModel(lambda _request: empty), CATALOG)

    assert (await run(runner, "draft", ["d1"]))["d1"].error is empty

    assert len(runner.model.requests) == 1


# Stale answers


async def test_a_stale_answer_is_not_replaced_unasked(store):
    plan_draft(store, "d1", "a")
    model = ScriptedLanguageModel(judging)
    await run(GenerationRunner(store, model, CATALOG), "draft", ["d1"])
    plan_draft(store, "d1", "b")

    error = (await run(GenerationRunner(store, model, CATALOG), "draft", ["d1"]))["d1"].error

    assert isinstance(error, StaleAnswerError)
    assert "its concepts were edited" in str(error)
    assert len(model.requests) == 1
    assert store.read_prompt("draft", "d1") == "A=a. "


async def replacing(store, answer, steps=("prompt", "raw", "parsed")):
    """Answer a draft, edit its concepts, and replace what went stale with this answer."""
    plan_draft(store, "d1", "a")
    await run(GenerationRunner(store, ScriptedLanguageModel(judging), CATALOG), "draft", ["d1"])
    plan_draft(store, "d1", "b")
    model = ScriptedLanguageModel(lambda _request: answer)
    runner = GenerationRunner(store, model, CATALOG, replace_stale=True)
    return (await run(runner, "draft", ["d1"], steps))["d1"]


async def test_an_answer_that_could_not_be_replaced_keeps_its_own_prompt(store):
    done = await replacing(store, LanguageModelError("tired"))

    assert done.prompt is None
    assert store.read_prompt("draft", "d1") == "A=a. "
    assert read_generated(store, "draft", "d1").raw.text == "A=a. "
    assert IntegrityCheck(SHIPPED, {}).check(read_stored_generation(store, "draft", "d1")) == []


async def test_a_new_prompt_comes_with_the_answer_to_it(store):
    done = await replacing(store, "a new answer")

    assert done.prompt == store.read_prompt("draft", "d1") == "B=b. "
    assert store.read_raw("draft", "d1") == "a new answer"
    assert IntegrityCheck(SHIPPED, {}).check(read_stored_generation(store, "draft", "d1")) == []


async def test_a_prompt_that_a_crash_left_behind_its_answer_is_written_by_the_next_run():
    class CrashingStore(InMemoryGensStore):
        def write_prompt(self, stage, gen_id, text):
            if text == "B=b. " and model.requests:
                raise OSError(errno.EIO, "the device is gone")
            super().write_prompt(stage, gen_id, text)

    model = ScriptedLanguageModel(lambda _request: "a new answer")
    store = CrashingStore(templates=SOURCES)
    plan_draft(store, "d1", "a")
    await run(GenerationRunner(store, ScriptedLanguageModel(judging), CATALOG), "draft", ["d1"])
    plan_draft(store, "d1", "b")
    runner = GenerationRunner(store, model, CATALOG, replace_stale=True)
    assert isinstance((await run(runner, "draft", ["d1"]))["d1"].error, OSError)
    assert store.read_prompt("draft", "d1") == "A=a. "
    assert stage_status(store, SHIPPED["draft"], ["d1"]).todo == ("d1",)
    model.requests.clear()

    assert (await run(runner, "draft", ["d1"]))["d1"].error is None

    assert model.requests == []
    assert store.read_prompt("draft", "d1") == "B=b. "
    assert store.read_parsed("draft", "d1") == "a new answer"


async def test_a_first_prompt_can_be_read_before_its_answer_is_there(store):
    model = ScriptedLanguageModel(lambda _request: f"read: {store.read_prompt('draft', 'd1')}")
    plan_draft(store, "d1", "a")

    done = (await run(GenerationRunner(store, model, CATALOG), "draft", ["d1"]))["d1"]

    assert done.raw.text == "read: A=a. "


async def test_a_disk_that_takes_no_answers_ends_a_run_that_replaces_too():
    class FullStore(InMemoryGensStore):
        def write_raw(self, stage, gen_id, text):
            if text == "new":
                raise OSError(errno.ENOSPC, "No space left on device")
            super().write_raw(stage, gen_id, text)

    store = FullStore(templates=SOURCES)
    gen_ids = [f"d{number}" for number in range(100)]
    for gen_id in gen_ids:
        plan_draft(store, gen_id, "a")
    await run(GenerationRunner(store, ScriptedLanguageModel(judging), CATALOG), "draft", gen_ids)
    model = ScriptedLanguageModel(lambda _request: "new")
    again = [("draft", gen_id) for gen_id in gen_ids]

    await run(GenerationRunner(store, model, CATALOG, force=again), "draft", gen_ids, in_flight=2)

    assert len(model.requests) < 10 + 2


async def test_one_that_is_asked_again_keeps_the_answer_before(store):
    plan_draft(store, "d1", "a")
    answers = iter(["first", "second"])
    model = ScriptedLanguageModel(lambda _request: next(answers))
    await run(GenerationRunner(store, model, CATALOG), "draft", ["d1"])

    await run(GenerationRunner(store, model, CATALOG, force=[("draft", "d1")]), "draft", ["d1"])

    assert store.read_parsed("draft", "d1") == "second"
    assert store.read_raw_metadata("draft", "d1")["replaced"][0]["text"] == "first"


async def test_a_generation_is_read_as_it_is_stored(store, chain):
    await run_all(GenerationRunner(store, ScriptedLanguageModel(judging), CATALOG), chain)

    stored = read_generated(store, "evaluation", "v0")

    assert stored.prompt == "Judge: A=a. "
    assert stored.raw.text == "SCORE: 7"
    assert stored.parsed.score.value == 7
    assert read_generated(store, "draft", "unknown") == Generated("draft", "unknown")


def test_a_text_from_elsewhere_is_read_though_there_is_no_prompt(store):
    store.write_parsed("draft", "d1", "the idea")

    assert read_generated(store, "draft", "d1").parsed.text == "the idea"


async def test_an_answer_cut_off_before_it_began_is_kept_and_not_bought_again(store):
    completion = Completion("", "length", "big-1", 1.0, 10, 4000)
    model = ScriptedLanguageModel(lambda _request: completion)
    runner = GenerationRunner(store, model, CATALOG)
    plan_draft(store, "d1", "a")

    for _ in range(2):
        error = (await run(runner, "draft", ["d1"]))["d1"].error
        assert isinstance(error, ResponseParseError)
        assert "the answer was cut off" in str(error)

    assert len(model.requests) == 1
    assert store.read_raw_metadata("draft", "d1")["usage"]["completion_tokens"] == 4000


async def test_a_call_is_under_way_until_its_answer_is_stored():
    events = []

    class Watching(InMemoryGensStore):
        def write_raw(self, stage, gen_id, text):
            super().write_raw(stage, gen_id, text)
            events.append("stored")

    def answer(request):
        request.kept.callback(events.append, "free")
        return "an answer"

    store = Watching(templates=SOURCES)
    plan_draft(store, "d1", "a")

    await run(GenerationRunner(store, ScriptedLanguageModel(answer), CATALOG), "draft", ["d1"])

    assert events == ["stored", "free"]


async def test_a_call_that_failed_is_under_way_no_more(store):
    events = []

    def refuse(request):
        request.kept.callback(events.append, "free")
        return LanguageModelError("tired")

    plan_draft(store, "d1", "a")

    await run(GenerationRunner(store, ScriptedLanguageModel(refuse), CATALOG), "draft", ["d1"])

    assert events == ["free"]
