"""Runs that were stopped for longer than the lease of a claim while they paid for an answer."""

import attrs
import pytest

from adapters import InMemoryGensStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import SOURCES, make_catalog, plan_draft
from daydreaming_dagster.domain.generation import runner as runner_module
from daydreaming_dagster.domain.generation.runner import GenerationRunner

pytestmark = pytest.mark.anyio
REF = ("draft", "d1")


@attrs.define
class LosableClaim:
    claim: object
    lost: bool = False

    def held(self):
        return not self.lost

    def release(self):
        if not self.lost:
            self.claim.release()


@attrs.frozen(eq=False)
class LeasedStore(InMemoryGensStore):
    given: list = attrs.field(factory=list)

    def claim(self, stage, gen_id):
        claim = super().claim(stage, gen_id)
        if claim is not None:
            claim = LosableClaim(claim)
            self.given.append(claim)
        return claim

    def lose_claims(self):
        for claim in self.given:
            claim.release()
            claim.lost = True


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(runner_module, "STORE_SECONDS", 0.01)


@pytest.fixture
def store():
    store = LeasedStore(templates=SOURCES)
    plan_draft(store, "d1", "a")
    return store


def runner_of(store, answer, **options):
    return GenerationRunner(store, ScriptedLanguageModel(answer), make_catalog(), **options)


async def lose_while_asked(store, meanwhile, **options):
    """Return a draft made by a run that loses its claim while the model answers."""

    def answer(prompt):
        store.lose_claims()
        meanwhile()
        return "the late answer"

    return await runner_of(store, answer, **options).generate(*REF)


def kept_texts(store):
    return [kept["text"] for kept in store.read_raw_metadata(*REF).get("replaced", [])]


async def test_if_nobody_took_it_the_answer_is_stored(store):
    made = await lose_while_asked(store, lambda: None)

    assert made.error is None
    assert store.read_raw(*REF) == "the late answer"
    assert store.read_parsed(*REF) == "the late answer"
    assert store.claim(*REF) is not None


@pytest.mark.parametrize("force", [False, True])
async def test_both_paid_answers_are_kept_if_another_run_stored_one(store, force):
    others = LeasedStore(templates=SOURCES)
    plan_draft(others, "d1", "a")
    await runner_of(others, lambda _prompt: "the other's answer").generate(*REF)

    def store_the_others():
        store.write_raw_metadata(*REF, others.read_raw_metadata(*REF))
        store.write_raw(*REF, others.read_raw(*REF))

    made = await lose_while_asked(store, store_the_others, force=[REF] if force else [])

    texts = ["the late answer", "the other's answer"]
    present, kept = texts if force else texts[::-1]
    assert made.error is None
    assert made.raw.text == store.read_raw(*REF) == store.read_parsed(*REF) == present
    assert kept_texts(store) == [kept]


async def test_the_answer_waits_while_another_run_makes_the_generation(store):
    taken, refusals = [], []

    def take():
        taken.append(store.claim(*REF))

    made_store_claim = type(store).claim

    def claim(self, stage, gen_id):
        given = made_store_claim(self, stage, gen_id)
        if given is None:
            refusals.append(gen_id)
            if len(refusals) == 3:
                taken[0].release()
        return given

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(store), "claim", claim)
        made = await lose_while_asked(store, take)

    assert len(refusals) == 3
    assert made.error is None
    assert store.read_raw(*REF) == "the late answer"


async def test_an_answer_to_another_question_is_replaced_and_kept(store):
    def store_anothers():
        store.write_raw_metadata(*REF, {"mode": "llm", "model": "another"})
        store.write_raw(*REF, "to another question")

    made = await lose_while_asked(store, store_anothers)

    assert made.raw.text == store.read_raw(*REF) == "the late answer"
    assert kept_texts(store) == ["to another question"]
