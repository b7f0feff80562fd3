"""Workers that share the limits of a run, in each kind of files."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from adapters.root_files.in_memory import InMemoryRootFiles
from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import CancellationToken, StoppedError
from daydreaming_dagster.domain.generation.ledger import Ledger, Limits, Share, Spending
from daydreaming_dagster.limits_bootstrap import open_ledger
from daydreaming_dagster.ports.language_model import Completion, ModelRequest, SamplingParameters

MODEL = ModelEntry("big", "big-1", "acme", prompt_price=0.0, completion_price=10.0)
REQUEST = ModelRequest("Why?", "big-1", "acme", SamplingParameters(max_tokens=1000))
ESTIMATE = 0.01
"""What the request may cost."""

ONE = Spending(1, ESTIMATE)


def ledger_in(files, limits, workers=4):
    ledger = Ledger(files, "ledgers/run/ledger.json", beat_seconds=0.05, lost_after_seconds=600)
    ledger.begin(limits, workers)
    return ledger


async def ask_until_stopped(ledger, at_once, tokens):
    """Ask as often as the limits allow, and return the budget and the reason of the end."""
    with ledger.share() as share:
        budget = Budget.of_share([MODEL], share)

        async def ask():
            while True:
                reserved = await budget.reserve(REQUEST, CancellationToken())
                await asyncio.sleep(0.001)
                budget.settle(REQUEST, reserved, Completion("So.", "stop", "big-1", 1.0, 1, tokens))

        asking = [asyncio.create_task(ask()) for _ in range(at_once)]
        ended = await asyncio.gather(*asking, return_exceptions=True)
    assert {type(error) for error in ended} == {StoppedError}
    return budget, {str(error) for error in ended}


def in_workers(ledger, count=4, at_once=2, tokens=1000):
    with ThreadPoolExecutor(count) as pool:
        runs = [
            pool.submit(asyncio.run, ask_until_stopped(ledger, at_once, tokens))
            for _ in range(count)
        ]
        return [run.result(timeout=60) for run in runs]


@pytest.mark.parametrize("most", [1, 3, 40])
def test_workers_make_as_many_calls_as_they_may_together(files, most):
    ended = in_workers(ledger_in(files, Limits(max_calls=most)))

    assert sum(budget.calls for budget, _ in ended) == most
    (reason,) = set.union(*(reasons for _, reasons in ended))
    assert f"the limit of {most} model call" in reason


def test_workers_spend_as_much_as_they_may_together(files):
    ended = in_workers(ledger_in(files, Limits(max_cost=3 * ESTIMATE)))

    assert sum(budget.calls for budget, _ in ended) == 3
    assert {"0.03 USD" in reason for _, (reason,) in ended} == {True}


def test_what_answers_cost_less_than_expected_is_spent_by_any_worker():
    limits = Limits(max_cost_total=1 + 3 * ESTIMATE, spent_before=1.0)

    ended = in_workers(ledger_in(InMemoryRootFiles(), limits), tokens=100)

    # After 21 answers of a tenth, a tenth of the estimate less than one call may cost is left.
    assert sum(budget.calls for budget, _ in ended) == 21
    assert {"for all runs of the cohort" in reason for _, (reason,) in ended} == {True}


def test_what_a_worker_holds_and_does_not_use_comes_to_the_others():
    files = InMemoryRootFiles()
    ledger = ledger_in(files, Limits(max_calls=10), workers=1)
    with ledger.share() as idle:
        assert idle.take(ONE) is None  # it has half of them now

        ((budget, _),) = in_workers_while(ledger, idle)

        assert budget.calls == 9


def in_workers_while(ledger, idle):
    """Let another worker ask, and spend what `idle` has taken once the other waits for it."""
    with ThreadPoolExecutor() as pool:
        other = pool.submit(in_workers, ledger, 1)
        while sum(account.allotted.calls for account in ledger.read()[1].accounts) < 10:
            pass
        idle.note(Spending(0, -ESTIMATE), ONE)
        return other.result(timeout=60)


def test_what_a_killed_worker_held_counts_as_spent_and_holds_up_nobody_for_ever():
    now = 0.0
    ledger = ledger_in(InMemoryRootFiles(), Limits(max_calls=10), workers=1)
    killed = Share(ledger, ledger.read()[1].limits)
    assert killed.take(ONE) is None
    share = Share(ledger, killed.limits, lambda: now)
    taken = 0
    while share.take(ONE) is None:
        taken += 1
    held = 10 - taken

    assert share.take(ONE) == Spending(0, 0.0)  # so the others wait
    now += 601
    gone = share.take(ONE)

    assert gone is not None
    assert gone.calls == held
    assert 1 <= held <= 5


def test_blocks_take_few_writes():
    files = InMemoryRootFiles()
    writes = 0

    class Counting(InMemoryRootFiles):
        def swap(self, name, before, after):
            nonlocal writes
            writes += 1
            return files.swap(name, before, after)

        def read(self, name):
            return files.read(name)

    ledger = Ledger(Counting(), "ledgers/run/ledger.json", beat_seconds=600)
    ledger.begin(Limits(max_calls=1200), 4)
    with ExitStack() as ended:
        shares = [ended.enter_context(ledger.share()) for _ in range(4)]
        taken = sum(share.take(ONE) is None for _ in range(300) for share in shares)

    assert taken == 1200
    assert writes < 100


def test_the_account_of_a_worker_that_ends_leaves_what_it_spent():
    ledger = ledger_in(InMemoryRootFiles(), Limits(max_calls=5))
    ledger.begin(Limits(max_calls=50), 4)  # as in a second attempt to split
    in_workers(ledger, 1)

    document = ledger.read()[1]

    assert not document.accounts
    assert document.ended.calls == 5


def test_after_the_end_of_a_run_no_worker_may_spend_anything(files):
    ledger = ledger_in(files, Limits(max_calls=5))
    with ledger.share() as share:
        ledger.remove()

        with pytest.raises(StoppedError, match="has ended"):
            share.take(ONE)

    with pytest.raises(StoppedError, match="has ended"), ledger.share():
        pytest.fail("a share of nothing")
    assert files.list_files("ledgers") == []


def test_the_processes_of_a_run_find_its_ledger_by_its_id(tmp_path):
    open_ledger(open_data_root(tmp_path), "run-1").begin(Limits(max_calls=2), 4)

    with open_ledger(open_data_root(tmp_path), "run-1").share() as share:
        assert share.limits == Limits(max_calls=2)
    with pytest.raises(StoppedError), open_ledger(open_data_root(tmp_path), "run-2").share():
        pytest.fail("a share of nothing")


@pytest.mark.parametrize("content", [b"{", b'{"limits": 3}'])
def test_a_malformed_document_is_reported(content):
    ledger = ledger_in(InMemoryRootFiles({"ledgers/run/ledger.json": content}), Limits())

    with pytest.raises(CatalogError, match=r"ledgers/run/ledger\.json"), ledger.share():
        pytest.fail("a share of nothing")


def test_questions_in_batches_count_like_others():
    ledger = ledger_in(InMemoryRootFiles(), Limits(max_calls=3))
    with ledger.share() as share:
        budget = Budget.of_share([MODEL], share)
        budget.resume_in_batch(ESTIMATE)
        assert budget.reserve_in_batch(REQUEST) == pytest.approx(ESTIMATE)
        with ledger.share() as other:
            assert other.take(ONE) is None

            assert budget.reserve_in_batch(REQUEST) is None
            other_budget = Budget.of_share([MODEL], other)
            with pytest.raises(StoppedError, match="the other processes of the run hold"):
                other_budget.reserve_in_batch(REQUEST)
