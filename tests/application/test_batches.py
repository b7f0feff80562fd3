"""Running a cohort by batch, with everything in memory."""

import asyncio
import math
from functools import partial

import attrs
import pytest

from adapters import InMemoryGensStore
from adapters.batch_store.in_memory import InMemoryBatchStore
from answering_later import ScriptedBatches
from builders import Killed, MortalStore, judge_or_echo
from daydreaming_dagster.application.batch_lane import Batches
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.application.run_listener import NullRunListener
from daydreaming_dagster.domain.batch.lane import BatchLane
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.generation.records import RawRecord
from daydreaming_dagster.ports.batch_model import BatchState
from daydreaming_dagster.ports.language_model import LanguageModelError, ModelRequest


def answer(prompt):
    return judge_or_echo(ModelRequest(prompt, "big-1"))


@attrs.define
class Listener(NullRunListener):
    """Keeps what is said of batches."""

    notices: list = attrs.field(factory=list)
    waits: list = attrs.field(factory=list)

    def remark(self, notice):
        self.notices.append(notice)

    def waiting(self, waits):
        self.waits += waits


@pytest.fixture
def later(lab):
    """The model that answers later; the cohort is planned."""
    model = ScriptedBatches(answer)
    lab.batches = Batches(InMemoryBatchStore(), model, arrives_within_seconds=0.0)
    plan_cohort(lab.store, lab.cohorts, "c1")
    return model


def texts(lab):
    members = lab.cohorts.read_membership("c1")
    return {
        (stage, gen_id): lab.store.read_parsed(stage, gen_id)
        for stage, gen_ids in members.items()
        for gen_id in gen_ids
    }


def test_each_stage_is_one_batch_and_the_texts_are_those_of_calls(lab, later, make_lab):
    run = lab.run(batch=True)

    assert run.complete
    assert not lab.asked
    assert [len(batch["questions"]) for batch in later.batches.values()] == [3, 9, 6]
    assert lab.batches.store.read_batches() == {}
    called = make_lab()
    plan_cohort(called.store, called.cohorts, "c1")
    called.run()
    assert texts(lab) == texts(called)
    assert sorted(later.asked) == sorted(called.asked)


def test_answers_tell_their_batch_and_cost_less(lab, later):
    models = lab.cohorts.catalog.models
    discounted = attrs.evolve(models["big"], batch_discount=0.5)
    lab.cohorts.catalog = attrs.evolve(lab.cohorts.catalog, models={"big": discounted})

    run = lab.run(batch=True)

    # 18 answers with 7 tokens at 1 USD and 5 at 2 USD per million, for half the price
    assert run.budget.cost == pytest.approx(18 * 17e-6 / 2)
    gen_id = lab.cohorts.read_membership("c1")["draft"][0]
    record = RawRecord.from_document(lab.store.read_raw_metadata("draft", gen_id))
    assert record.batch_id == "batch-0"
    assert record.duration_seconds == 60.0
    again = lab.run(batch=True, force=[gen_id], max_cost_total=1.0)
    assert again.budget.spent_before == pytest.approx(18 * 17e-6 / 2)


def test_a_run_without_batches_leaves_alone_what_waits_and_says_where(lab, later):
    later.looks = 10**9
    stop_at_first_look(lab, later)
    assert len(later.batches) == 1

    listener = Listener()
    called = lab.run(listener=listener)

    assert not lab.asked
    assert called.outcome.left == 21
    assert not called.outcome.failed
    assert called.stopped == "3 generations left until a batch ends"
    (notice,) = listener.notices
    assert notice.startswith(
        "3 generations wait in batch batch-0 of big-1 at https://batches.example/v1 since 20"
    )
    later.looks = 1
    later.batches["batch-0"]["looks"] = 1
    assert lab.run(batch=True).complete
    assert len(later.asked) == len(set(later.asked)) + 6  # two judges are asked the same


def stop_at_first_look(lab, later, **options):
    token = CancellationToken()
    later.after = lambda method: token.stop("test") if method == "submit" else None
    run = lab.run(batch=True, token=token, **options)
    later.after = lambda _method: None
    return run


def test_a_run_that_is_stopped_leaves_its_batches_running(lab, later):
    listener = Listener()
    run = stop_at_first_look(lab, later, listener=listener)

    assert run.stopped == "test"
    assert run.budget.calls == 0
    (record,) = lab.batches.store.read_batches().values()
    assert record["batch_id"] == "batch-0"
    assert record["cohort_id"] == "c1"
    assert listener.notices[0].startswith("3 generations wait in batch batch-0 of big-1")


def test_cancelled_batches_give_what_was_answered_and_the_rest_is_left(lab, later):
    later.looks = 10**9
    stop_at_first_look(lab, later)
    first = later.asked[0]
    later.answer = lambda prompt: answer(prompt) if prompt == first else None

    run = lab.run(cancel_batches=True)

    assert later.calls.count("cancel") == 1
    assert (run.outcome.made, run.outcome.left) == (1, 2)
    assert lab.batches.store.read_batches() == {}
    later.answer, later.looks = answer, 1
    assert lab.run(batch=True).complete
    assert later.asked.count(first) == 1


def test_a_batch_that_is_gone_can_be_given_up(lab, later):
    later.looks = 10**9
    stop_at_first_look(lab, later)
    later.batches.clear()

    listener = Listener()
    waiting = lab.run(batch=True, listener=listener)
    assert waiting.outcome.left == 21
    assert "cannot be looked at: no batch batch-0" in listener.notices[0]

    lab.run(cancel_batches=True, listener=(cancelled := Listener()))
    assert "is gone: no batch batch-0" in cancelled.notices[0]
    later.looks = 1
    assert lab.run(batch=True).complete


@pytest.mark.parametrize("status", ["expired", "cancelled", "failed"])
def test_what_a_batch_leaves_without_an_answer_is_put_into_another_one(lab, later, status):
    later.states[0] = BatchState("", status)
    unanswered = []

    def answer_others(prompt):
        if not unanswered:
            unanswered.append(prompt)
        return None if prompt == unanswered[0] and len(later.batches) == 1 else answer(prompt)

    later.answer = answer_others
    run = lab.run(batch=True)

    assert run.complete
    assert run.budget.calls == 18
    assert len(later.asked) == 19
    assert later.asked.count(unanswered[0]) == 2


def test_a_question_that_comes_back_three_times_fails_its_generation(lab, later):
    later.answer = lambda _prompt: None
    later.states = {number: BatchState("", "expired") for number in range(9)}

    run = lab.run(batch=True)

    assert len(run.outcome.failed) == 3
    assert str(run.outcome.failed[0].error) == (
        "big-1 at https://batches.example/v1 was not asked: its batch batch-2 is expired"
    )
    assert run.budget.calls == 3
    assert run.budget.cost == 0.0


def test_a_completed_batch_without_an_answer_may_be_billed_and_is_not_repeated(lab, later):
    first = []

    def answer_others(prompt):
        first.append(prompt)
        return None if prompt == first[0] else answer(prompt)

    later.answer = answer_others
    run = lab.run(batch=True)

    (failed,) = run.outcome.failed
    assert "no answer in the output of the batch batch-0" in str(failed.error)
    assert run.budget.cost_of_lost > 0
    assert later.asked.count(first[0]) == 1


def test_errors_of_single_questions_fail_them_or_put_them_again(lab, later):
    prompts = []

    def refuse(prompt):
        if prompt not in prompts:
            prompts.append(prompt)
        if prompt == prompts[0]:
            return LanguageModelError("refused with status 400", 400)
        if len(prompts) > 1 and prompt == prompts[1] and len(later.batches) == 1:
            return LanguageModelError("refused with status 500", 500, retryable=True)
        return answer(prompt)

    later.answer = refuse
    run = lab.run(batch=True)

    (failed,) = run.outcome.failed
    assert str(failed.error) == "refused with status 400"
    assert later.asked.count(prompts[1]) == 2
    assert run.outcome.made == 14  # without a draft, its two essays and their four evaluations


def test_lines_that_an_endpoint_refuses_fail_and_the_others_are_put_again(lab, later):
    later.states[0] = BatchState("", "failed", problem="bad", refused={1: "line 2 is bad"})
    later.answer = lambda prompt: None if len(later.batches) == 1 else answer(prompt)

    run = lab.run(batch=True)

    (failed,) = run.outcome.failed
    assert str(failed.error) == "big-1 at https://batches.example/v1: line 2 is bad"
    assert [len(batch["questions"]) for batch in later.batches.values()] == [3, 2, 6, 4]


def test_batches_keep_the_limits_of_size_and_wait_when_there_are_too_many(lab, later):
    later.requests = 2
    later.states[0] = BatchState("", "failed", problem="too many tokens", too_many=True)
    later.answer = lambda prompt: None if len(later.batches) < 3 else answer(prompt)
    later.states[1] = BatchState("", "failed", problem="too many tokens", too_many=True)

    assert lab.run(batch=True).complete
    assert {len(batch["questions"]) for batch in later.batches.values()} == {1, 2}


def test_a_question_that_is_larger_than_a_batch_fails(lab, later):
    later.size = 100
    run = lab.run(batch=True)
    assert "and a batch may have 100; shorten the prompt" in str(run.outcome.failed[0].error)
    assert not later.batches


def test_a_limit_of_calls_holds_for_what_waits_and_for_the_run_that_comes_back(lab, later):
    later.looks = 10**9
    later.requests = 2
    stop_at_first_look(lab, later, max_calls=4)
    assert len(later.asked) == 2

    later.batches["batch-0"]["looks"] = later.looks = 1
    run = lab.run(batch=True, max_calls=4)

    assert run.stopped == "the limit of 4 model calls is reached"
    assert len(later.asked) == 4
    assert run.budget.calls == 4


def test_a_run_does_not_wait_for_room_that_nothing_will_make(lab, later):
    later.looks = 10**9
    stop_at_first_look(lab, later, max_calls=2)
    later.batches.clear()

    run = lab.run(batch=True, max_calls=2)

    assert run.stopped == "3 generations left until a batch ends"
    assert not later.batches


def test_a_limit_of_cost_holds_for_what_waits(lab, later):
    # 1,500 tokens are expected of the first answers, at 2 USD per million.
    later.looks = 10**9
    stop_at_first_look(lab, later, max_cost=0.007)
    assert len(later.asked) == 2


def test_an_answer_to_an_earlier_question_is_kept_and_counted_and_the_new_one_is_asked(lab, later):
    later.looks = 10**9
    stop_at_first_look(lab, later)
    lab.store.templates["draft", "links"] += "Be brief."
    later.looks = 1
    later.batches["batch-0"]["looks"] = 1

    listener = Listener()
    run = lab.run(batch=True, listener=listener)

    assert run.complete
    assert run.budget.calls == 21
    drafts = [prompt for prompt in later.asked if prompt.startswith("Link")]
    assert [prompt.endswith("Be brief.") for prompt in drafts] == [False] * 3 + [True] * 3
    for gen_id in lab.cohorts.read_membership("c1")["draft"]:
        assert lab.store.read_raw("draft", gen_id).endswith("Be brief.")
    ((name, record),) = lab.batches.store.read_batches().items()
    said = "3 paid answers (0.000051 USD) not used, because they answer earlier questions; "
    assert listener.notices == [f"{said}kept in batches/{name}.json"]
    assert [answer["text"][:9] for answer in record["unused"]] == ["Re: Link "] * 3
    assert record["questions"] == []
    again = lab.run(batch=True, max_cost_total=1.0)
    assert again.budget.spent_before == pytest.approx(21 * 17e-6)


def test_answers_that_replace_others_are_taken_by_a_run_that_replaces_none(lab, later):
    assert lab.run(batch=True).complete
    draft = lab.cohorts.read_membership("c1")["draft"][0]
    later.looks = 10**9
    stop_at_first_look(lab, later, force=[draft])

    later.batches["batch-3"]["looks"] = 1
    run = lab.run(batch=True, listener=(listener := Listener()))

    assert run.outcome.made == 1
    assert not listener.notices
    record = lab.store.read_raw_metadata("draft", draft)
    assert record["batch_id"] == "batch-3"
    assert [replaced["batch_id"] for replaced in record["replaced"]] == ["batch-0"]
    assert lab.batches.store.read_batches() == {}


def test_an_answer_that_arrives_while_its_generation_is_put_off_is_taken(lab, later):
    """The run looks at batches between the end of a generation and what follows of it."""
    later.looks = 10**9
    stop_at_first_look(lab, later)
    later.looks = later.batches["batch-0"]["looks"] = 3
    noted = BatchLane.note_done

    async def wait(lane, done):
        await asyncio.sleep(0.05)
        await noted(lane, done)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BatchLane, "note_done", wait)
        assert lab.run(batch=True).complete

    assert len(later.asked) == 18


def test_an_answer_whose_generation_is_no_longer_planned_is_kept(lab, later):
    later.looks = 10**9
    stop_at_first_look(lab, later)
    later.looks = 1
    later.batches["batch-0"]["looks"] = 1
    members = lab.cohorts.read_membership("c1")
    dropped = members["draft"][0]
    lab.cohorts.write_membership("c1", {**members, "draft": members["draft"][1:]})

    lab.run(batch=True, listener=(listener := Listener()))

    assert "their generations are no longer to be made" in listener.notices[0]
    ((_, record),) = lab.batches.store.read_batches().items()
    assert [answer["gen_id"] for answer in record["unused"]] == [dropped]


def test_an_endpoint_without_batches_is_called(lab, later):
    later.fail = lambda method: LanguageModelError("not found", 404) if method == "upload" else None
    listener = Listener()

    run = lab.run(batch=True, listener=listener)

    assert run.complete
    assert len(lab.asked) == 18
    assert listener.notices == ["big-1 is called instead of asked by batch: not found"]


def test_models_without_batches_are_called_and_a_model_may_always_or_never_wait(lab, later):
    later.without = (("acme", "big-1"),)
    assert lab.run(batch=True).complete
    assert not later.batches

    later.without = ()
    big = lab.cohorts.catalog.models["big"]
    force = [lab.cohorts.read_membership("c1")["draft"][0]]
    for column, submitted in [(False, 0), (True, 1)]:
        model = {"big": attrs.evolve(big, batch=column)}
        lab.cohorts.catalog = attrs.evolve(lab.cohorts.catalog, models=model)
        lab.run(batch=not column, force=force)
        assert len(later.batches) == submitted


@pytest.mark.parametrize(
    "error",
    [LanguageModelError("refused", 401), LanguageModelError("bad", 400, of_endpoint=True)],
)
def test_a_batch_that_is_refused_fails_its_generations(lab, later, error):
    later.fail = lambda method: error if method == "submit" else None
    run = lab.run(batch=True)
    assert {str(failed.error) for failed in run.outcome.failed} == {str(error)}
    assert lab.batches.store.read_batches() == {}


def test_a_submission_whose_answer_is_lost_is_found_by_its_name(lab, later):
    lost = LanguageModelError("lost", retryable=True, may_be_billed=True)
    later.fail = lambda method: (
        lost if method == "submit" and later.calls.count("submit") == 1 else None
    )
    assert lab.run(batch=True).complete
    assert [len(batch["questions"]) for batch in later.batches.values()] == [3, 9, 6]
    assert later.calls.count("find") == 1


def test_another_cohort_leaves_alone_what_waits_in_a_batch(lab, later):
    later.looks = 10**9
    stop_at_first_look(lab, later)
    lab.cohorts.specs["c2"] = lab.cohorts.specs["c1"]
    plan_cohort(lab.store, lab.cohorts, "c2")

    for options in ({}, {"batch": True}):
        run = lab.run("c2", **options)
        assert run.outcome.left == 21
    assert not lab.asked
    assert len(later.batches) == 1


def test_what_somebody_else_asks_at_the_moment_is_not_put_into_a_batch(lab, later):
    draft = lab.cohorts.read_membership("c1")["draft"][0]
    real = lab.batches.store.write_batch
    claims = []

    def claim_before(name, document):
        if not claims:
            claims.append(lab.store.claim("draft", draft))
        real(name, document)

    lab.batches = attrs.evolve(lab.batches, store=(store := StoreThatTells(claim_before)))
    real = store.inner.write_batch
    token = CancellationToken()
    later.after = lambda method: token.stop("test") if method == "submit" else None
    lab.run(batch=True, token=token)

    assert [len(batch["questions"]) for batch in later.batches.values()] == [2]
    claims[0].release()


@attrs.define
class StoreThatTells:
    """Calls `tell` instead of writing."""

    tell: object
    inner: InMemoryBatchStore = attrs.field(factory=InMemoryBatchStore)

    def write_batch(self, name, document):
        self.tell(name, document)

    def delete_batch(self, name):
        self.tell(name, None)

    def __getattr__(self, name):
        return getattr(self.inner, name)


@attrs.define
class Mortal:
    """Kills the process before or after one of the calls that change something."""

    left: float = math.inf

    def __call__(self, *_what):
        self.left -= 1
        if self.left < 0:
            raise Killed


def really_change(store, name, document):
    if document is None:
        store.inner.delete_batch(name)
    else:
        store.inner.write_batch(name, document)


def mortal_lab(make_lab, mortal):
    lab = make_lab(InMemoryGensStore)
    later = ScriptedBatches(answer)
    lab.batches = Batches(InMemoryBatchStore(), later, arrives_within_seconds=0.0)
    plan_cohort(lab.store, lab.cohorts, "c1")

    def fail(_method):
        mortal()

    def change(name, document):
        mortal()
        really_change(store, name, document)
        mortal()

    store = StoreThatTells(change)
    later.fail, later.after = fail, mortal
    lab.batches = attrs.evolve(lab.batches, store=store)
    return lab, later, store


def test_a_run_that_is_killed_anywhere_submits_nothing_twice(make_lab):
    lab, later, _ = mortal_lab(make_lab, unkilled := Mortal(10**6))
    assert lab.run(batch=True).complete
    expected, calls = texts(lab), 10**6 - unkilled.left
    assert calls > 40

    for at in range(int(calls)):
        lab, later, store = mortal_lab(make_lab, Mortal(at))
        with pytest.raises(Killed):
            lab.run(batch=True)
        later.fail, later.after = (lambda _method: None), (lambda _method: None)
        store.tell = partial(really_change, store)
        run = lab.run(batch=True)
        assert run.complete
        asked = [
            each["custom_id"] for batch in later.batches.values() for each in batch["questions"]
        ]
        assert len(asked) == len(set(asked)) == 18, f"killed at {at}"
        assert texts(lab) == expected
        assert store.inner.read_batches() == {}


def test_a_run_whose_answers_are_stored_half_when_it_is_killed_pays_nothing_twice(make_lab):
    for writes in range(25, 42):
        lab = make_lab(MortalStore)
        later = ScriptedBatches(answer)
        lab.batches = Batches(InMemoryBatchStore(), later, arrives_within_seconds=0.0)
        plan_cohort(lab.store, lab.cohorts, "c1")
        lab.store.left[0] = writes
        with pytest.raises(Killed):
            lab.run(batch=True)
        lab.store.left[0] = math.inf
        run = lab.run(batch=True, listener=(listener := Listener()))
        assert run.complete
        assert len(later.asked) == 18
        assert not listener.notices
        assert lab.batches.store.read_batches() == {}


def test_batches_need_a_data_root_that_keeps_their_records(lab, later):
    lab.batches = None
    with pytest.raises(CatalogError, match="it cannot keep records of batches"):
        lab.run(batch=True)


def test_a_malformed_record_ends_the_run_before_anything_is_asked(lab, later):
    lab.batches.store.write_batch("b", {"format_version": 1, "quetsions": []})
    with pytest.raises(CatalogError, match=r"batches/b\.json"):
        lab.run(batch=True)
    assert not later.batches


@pytest.mark.parametrize("method", ["upload", "look"])
def test_an_endpoint_that_does_not_answer_is_waited_for(lab, later, method):
    token = CancellationToken()
    down = LanguageModelError("down", 503, retryable=True)
    later.fail = lambda called: down if called == method else None

    class Patient(Listener):
        def waiting(self, waits):
            super().waiting(waits)
            if waits:
                token.stop("seen")

    run = lab.run(batch=True, token=token, listener=(listener := Patient()))

    expected = "no batch is taken" if method == "upload" else "0 of 3 questions answered"
    assert listener.waits[0].reason.startswith(expected)
    assert not run.outcome.failed
    assert len(lab.batches.store.read_batches()) == (method == "look")


def test_waits_say_how_many_are_answered(lab, later):
    later.looks = 10**9
    token = CancellationToken()

    class Patient(Listener):
        def waiting(self, waits):
            super().waiting(waits)
            if waits:
                token.stop("seen")

    lab.run(batch=True, token=token, listener=(listener := Patient()))

    assert listener.waits[0].model == "big-1"
    assert listener.waits[0].reason.startswith("0 of 3 questions answered in 1 batch since 20")
