"""Runs whose store takes no writes for a while, or for good."""

import attrs
import pytest

from adapters import InMemoryGensStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import SOURCES, judge_or_echo, make_catalog, plan_draft
from daydreaming_dagster.domain.errors import AnswerLostError
from daydreaming_dagster.domain.generation import runner as runner_module
from daydreaming_dagster.domain.generation import storing
from daydreaming_dagster.domain.generation.runner import GenerationRunner
from daydreaming_dagster.ports.errors import StorageUnavailableError, StorageUnreachableError

pytestmark = pytest.mark.anyio
DRAFTS = [f"d{number}" for number in range(20)]
FULL = StorageUnavailableError("/data", "No space left on device")


@attrs.define
class Disk:
    """Refuses so many raw texts, and has room for so many answers in flight."""

    refusals: int = 0
    room: int = 100
    error: Exception = FULL


@attrs.frozen(eq=False)
class FullStore(InMemoryGensStore):
    disk: Disk = attrs.field(factory=Disk)

    def write_raw(self, stage, gen_id, text):
        if self.disk.refusals:
            self.disk.refusals -= 1
            raise self.disk.error
        super().write_raw(stage, gen_id, text)

    def most_in_flight(self):
        return 3

    def check_space(self, answers):
        if answers > self.disk.room:
            raise FULL


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(runner_module, "STORE_SECONDS", 0.01)


@pytest.fixture
def store():
    store = FullStore(templates=SOURCES)
    for gen_id in DRAFTS:
        plan_draft(store, gen_id, "a")
    return store


@pytest.fixture
def model():
    return ScriptedLanguageModel(judge_or_echo, latency_seconds=0.01)


async def run(store, model):
    runner = GenerationRunner(store, model, make_catalog())
    done = [item async for item in runner.generate_many({"draft": DRAFTS})]
    return runner, {item.gen_id: item for item in done}


async def test_answers_wait_in_memory_until_they_can_be_stored(store, model):
    store.disk.refusals = 4

    runner, done = await run(store, model)

    assert [item.error for item in done.values()] == [None] * len(model.requests)
    assert "No space left on device" in str(runner.stop.reason)
    assert 0 < len(model.requests) <= 3


async def test_answers_that_never_can_be_stored_are_named(store, model):
    store.disk.refusals = 1000

    _, done = await run(store, model)

    assert {type(item.error) for item in done.values()} == {AnswerLostError}
    assert 0 < len(done) == len(model.requests) <= 3
    assert all("No space left on device" in str(item.error) for item in done.values())


async def test_a_storage_on_the_network_is_waited_for_longer_than_a_full_disk(store, model):
    store.disk.refusals, store.disk.error = 30, StorageUnreachableError("s3://lab", "denied")
    _, done = await run(store, model)
    assert [item.error for item in done.values()] == [None] * len(model.requests)


async def test_a_storage_on_the_network_is_not_waited_for_without_end(store, model, monkeypatch):
    monkeypatch.setattr(storing, "UNREACHABLE_SECONDS", 0.1)
    store.disk.refusals, store.disk.error = 1000, StorageUnreachableError("s3://lab", "denied")
    _, done = await run(store, model)
    assert {type(item.error) for item in done.values()} == {AnswerLostError}


async def test_an_answer_that_its_own_folder_does_not_take_fails_alone(store, model):
    store.disk.refusals, store.disk.error = 3, PermissionError(13, "Permission denied")
    runner = GenerationRunner(store, model, make_catalog())
    [done] = [item async for item in runner.generate_many({"draft": DRAFTS[:1]})]

    assert isinstance(done.error, AnswerLostError)
    assert runner.stop.reason is None


async def test_a_run_begins_with_room_for_all_its_answers_in_flight(store, model):
    store.disk.room = 2

    with pytest.raises(StorageUnavailableError):
        await run(store, model)

    assert model.requests == []


async def test_a_run_ends_when_too_little_room_is_left(store, model):
    def fill(request):
        store.disk.room = 0
        return judge_or_echo(request)

    runner, done = await run(store, ScriptedLanguageModel(fill, latency_seconds=0.01))

    assert "No space left on device" in str(runner.stop.reason)
    answered = [gen_id for gen_id, item in done.items() if item.error is None]
    assert 0 < len(answered) <= 3
