"""Limits that processes of a machine keep together, with real processes."""

import signal
import struct
import subprocess
import sys
import time

import pytest
from filelock import FileLock

from adapters.language_model.file_limits import FileRateLimiter, FileSemaphore
from calls import PATIENCE


@pytest.fixture
def passing(monkeypatch):
    """Return a function by which time passes, and by nothing else."""
    now = 1e9

    def passing(seconds):
        nonlocal now
        now += seconds

    monkeypatch.setattr(time, "time", lambda: now)
    return passing


def test_the_first_is_taken_at_once_and_the_next_when_its_time_has_come(tmp_path, passing):
    rate = FileRateLimiter(tmp_path / "requests", per_minute=600)

    assert rate.take(1) == 0.0
    assert rate.take(1) == pytest.approx(0.1)

    passing(0.09)
    assert rate.take(1) == pytest.approx(0.01)
    passing(0.02)
    assert rate.take(1) == 0.0


@pytest.mark.usefixtures("passing")
def test_more_at_once_takes_more_time(tmp_path):
    rate = FileRateLimiter(tmp_path / "tokens", per_minute=60_000)

    rate.take(5000)

    assert rate.take(1) == pytest.approx(5.0)


@pytest.mark.usefixtures("passing")
def test_what_turns_out_to_be_used_is_charged_and_what_is_not_given_back(tmp_path):
    rate = FileRateLimiter(tmp_path / "tokens", per_minute=60_000)
    rate.take(5000)

    rate.charge(2000)
    assert rate.take(1) == pytest.approx(7.0)

    rate.charge(-7000)
    assert rate.take(1) == 0.0


def test_waiting_takes_nothing(tmp_path):
    rate = FileRateLimiter(tmp_path / "requests", per_minute=1)
    rate.take(1)

    waits = [rate.take(1) for _ in range(10)]

    assert max(waits) <= 60.0


@pytest.mark.parametrize("content", [b"", b"torn", struct.pack("<dd", float("nan"), 0.0)])
def test_a_file_that_holds_no_time_counts_as_none(tmp_path, content):
    (tmp_path / "requests").write_bytes(content)

    assert FileRateLimiter(tmp_path / "requests", per_minute=1).take(1) == 0.0


def test_a_clock_that_was_put_back_holds_up_nobody(tmp_path, passing):
    rate = FileRateLimiter(tmp_path / "requests", per_minute=60)
    rate.take(1)

    passing(-3600)
    assert rate.take(1) == pytest.approx(1.0)
    passing(1.1)
    assert rate.take(1) == 0.0


def test_processes_keep_a_rate_together(tmp_path):
    program = """if True:
        import sys, time
        from pathlib import Path
        from adapters.language_model.file_limits import FileRateLimiter
        rate, taken, end = FileRateLimiter(Path(sys.argv[1]), 1200), 0, time.time() + 1.5
        while time.time() < end:
            if rate.take(1) == 0.0:
                taken += 1
        print(taken)
    """
    started = time.time()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "requests")],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    taken = [int(process.communicate(timeout=PATIENCE)[0]) for process in processes]

    assert sum(taken) > 4
    assert sum(taken) <= 20 * (time.time() - started) + 1


def test_there_are_no_more_slots_than_said(tmp_path):
    slots = FileSemaphore(tmp_path, 2)
    first, second = slots.take(), slots.take()

    assert isinstance(first, FileLock)
    assert isinstance(second, FileLock)
    assert slots.take() is None
    assert FileSemaphore(tmp_path, 2).take() is None

    first.release()
    third = slots.take()
    assert third is not None
    second.release()
    third.release()


def test_a_process_that_is_killed_frees_its_slot(tmp_path):
    program = """if True:
        import sys, time
        from pathlib import Path
        from adapters.language_model.file_limits import FileSemaphore
        slot = FileSemaphore(Path(sys.argv[1]), 1).take()
        print("held", flush=True)
        time.sleep(600)
    """
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        assert FileSemaphore(tmp_path, 1).take() is None

        process.send_signal(signal.SIGKILL)
        process.wait()

    slot = FileSemaphore(tmp_path, 1).take()
    assert slot is not None
    slot.release()
