"""A cohort that several workers make, in memory: each in a thread, or one after the other."""

import threading
from contextlib import contextmanager

import attrs
import pytest

from adapters import InMemoryGensStore
from adapters.cohort_store.in_memory import InMemoryCohortStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import axes_of, catalog_of, contest_pipeline, judge_or_echo
from daydreaming_dagster.application import run_parts
from daydreaming_dagster.application.cohort_status import look
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.application.run_cohort import RunOptions
from daydreaming_dagster.application.run_listener import NullRunListener
from daydreaming_dagster.application.run_parts import PartWorker
from daydreaming_dagster.domain.cohort.parts import Part, divide
from daydreaming_dagster.domain.cohort.spec import make_cohort_spec
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.generation.metadata import known_parents
from daydreaming_dagster.ports.language_model import LanguageModelError


@attrs.define
class Records:
    """What workers keep of parts, in memory."""

    runs: dict = attrs.field(factory=dict)

    def finished(self):
        return set(self.runs)

    def finish(self, part, run):
        assert part not in self.runs, "two workers finished one part"
        self.runs[part] = run


class Listener(NullRunListener):
    def __init__(self):
        self.begun = []
        self.awaited = []

    def begin_part(self, part, todo):
        self.begun.append(part)

    def await_parts(self, parts):
        self.awaited.append(list(parts))


@attrs.define
class Workshop:
    """The workers of one run."""

    lab: object
    workers: int
    records: Records = attrs.field(factory=Records)
    asked: list = attrs.field(factory=list)
    answer: object = judge_or_echo

    def worker(self, token=None, **options):
        def counting(request):
            self.asked.append(request.prompt)
            return self.answer(request)

        @contextmanager
        def budget():
            yield Budget()

        return PartWorker(
            self.lab.store,
            self.lab.cohorts,
            ScriptedLanguageModel(counting, latency_seconds=0.01),
            self.lab.cohorts.catalog,
            "c1",
            RunOptions(**options),
            self.workers,
            self.records,
            budget,
            token or CancellationToken(),
            Listener(),
        )

    @property
    def done(self):
        states = look(self.lab.store, self.lab.cohorts, "c1", self.lab.cohorts.catalog).stages
        return {stage: status.done for stage, status in states.items()}


@pytest.fixture(autouse=True)
def no_waits(monkeypatch):
    monkeypatch.setattr(run_parts, "PART_SECONDS", 0.01)


@attrs.define
class Lab:
    store: object
    cohorts: object


@pytest.fixture
def shop(lab):
    plan_cohort(lab.store, lab.cohorts, "c1")
    return Workshop(lab, 3)


def run_all(shop):
    """Run all workers, each in a thread."""
    threads = [
        threading.Thread(target=shop.worker().run, args=(first,)) for first in range(shop.workers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_workers_make_everything_once(shop):
    run_all(shop)

    assert shop.done == {"draft": 3, "essay": 6, "evaluation": 12}
    assert len(shop.asked) == 18
    assert shop.records.finished() == {Part(0, number) for number in range(3)}


def test_a_worker_alone_makes_the_parts_of_all(shop):
    worker = shop.worker()
    worker.run(2)

    assert [part.number for part in worker.listener.begun] == [2, 0, 1]
    assert shop.done == {"draft": 3, "essay": 6, "evaluation": 12}
    assert sum(run.outcome.made for run in shop.records.runs.values()) == 21


def test_a_chain_is_one_part_and_parts_are_the_same_in_every_process(shop):
    members = shop.lab.cohorts.read_membership("c1")
    division = divide(shop.lab.store, members, 3)

    assert division == divide(shop.lab.store, members, 3)
    assert division.levels == 1
    for ref, part in division.parts.items():
        for parent in known_parents(shop.lab.store, ref):
            assert division.parts[parent] == part


@pytest.fixture
def contests():
    """Workers of a cohort in which essays of different workers are compared: 3 * 2 contests."""
    pipeline, names = contest_pipeline(), "abc"
    catalog = catalog_of(names, pipeline, "m")
    sources = {
        "draft": "write {{ concepts[0].name }}",
        "essay": "write {{ draft_block }}",
        "evaluation": "Judge {{ response }}",
        "contest": "compare {{ one }} {{ other }}",
    }
    axes = {**axes_of(pipeline), "combo": [[name] for name in names]}
    spec = make_cohort_spec({"axes": axes}, None, pipeline)
    store = InMemoryGensStore(templates={(stage, "t"): text for stage, text in sources.items()})
    lab = Lab(store, InMemoryCohortStore(catalog, {"c1": spec}))
    plan_cohort(lab.store, lab.cohorts, "c1")
    return Workshop(lab, 4, answer=prefer_one_or_judge)


def prefer_one_or_judge(request):
    return "VERDICT: A" if "compare" in request.prompt else judge_or_echo(request)


def test_what_needs_texts_of_several_workers_is_made_when_they_are_there(contests):
    members = contests.lab.cohorts.read_membership("c1")
    division = divide(contests.lab.store, members, 4)
    assert division.levels == 2
    assert any(division.foreign_parents.values())

    run_all(contests)

    assert contests.done == {stage: len(gen_ids) for stage, gen_ids in members.items()}
    assert len(contests.asked) == sum(contests.done.values())


def test_what_needs_a_text_that_failed_elsewhere_is_not_started(contests):
    def answer(request):
        if request.prompt == "write a":
            return LanguageModelError("tired")
        return prefer_one_or_judge(request)

    contests.answer = answer
    run_all(contests)

    assert contests.done == {"draft": 2, "essay": 2, "evaluation": 2, "contest": 2}
    failed = [error for run in contests.records.runs.values() for error in run.outcome.failed]
    assert [one.stage for one in failed] == ["draft"]


def test_a_part_that_another_holds_is_waited_for_and_taken_over_when_that_one_dies(shop):
    worker = shop.worker()
    with shop.lab.cohorts.hold_part("c1", 1):
        thread = threading.Thread(target=worker.run, args=(0,))
        thread.start()
        while {part.number for part in shop.records.finished()} != {0, 2}:
            pass
        assert Part(0, 1) not in worker.listener.begun
    thread.join()

    assert shop.done == {"draft": 3, "essay": 6, "evaluation": 12}
    assert worker.listener.awaited == [[Part(0, 1)]]
    assert worker.listener.begun[-1] == Part(0, 1)


def test_what_one_worker_failed_to_make_no_other_asks_for_again(shop):
    def answer(request):
        if "Ant" in request.prompt and "Bee" in request.prompt:
            return LanguageModelError("tired")
        return judge_or_echo(request)

    shop.answer = answer
    for first in range(3):
        shop.worker().run(first)

    assert shop.done == {"draft": 2, "essay": 4, "evaluation": 8}
    assert sum("Ant" in asked and "Bee" in asked for asked in shop.asked) == 1


def test_a_stopped_worker_begins_no_part(shop):
    token = CancellationToken()
    token.stop("enough")
    worker = shop.worker(token)

    worker.run()

    assert not worker.listener.begun
    assert not shop.asked
