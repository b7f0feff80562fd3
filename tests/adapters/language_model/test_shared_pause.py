"""What processes tell each other of an endpoint that takes no calls, with clocks of the test."""

import pytest

from adapters.language_model.shared_pause import SharedPause
from adapters.root_files.in_memory import InMemoryRootFiles
from daydreaming_dagster.ports.errors import StorageUnavailableError

NAME = "limits/model/pause.json"


@pytest.fixture
def files():
    return InMemoryRootFiles()


@pytest.fixture
def process(files, clock):
    """Return a process whose wall clock is wrong by so many seconds."""

    def start(wrong=0.0):
        return SharedPause(files, NAME, 1.0, lambda: 1e9 + clock.now + wrong, clock)

    return start


def test_a_process_learns_within_a_second_that_another_one_was_refused(process, clock):
    first, second = process(), process()
    assert second.seconds() <= 0

    first.extend(20)
    clock.now += 1

    assert (first.seconds(), second.seconds()) == (20 - 1, 20 - 1)
    clock.now += 19
    assert (first.seconds(), second.seconds()) == (0, 0)


def test_the_file_is_not_read_for_each_call(process, clock, files):
    first, second = process(), process()
    second.seconds()
    first.extend(20)

    assert not second.due
    assert second.seconds() <= 0
    clock.now += 1
    assert second.due


def test_a_shorter_pause_does_not_end_a_longer_one(process, clock):
    first, second, third = process(), process(), process()
    first.extend(20)

    second.extend(5)
    clock.now += 1

    assert (first.seconds(), second.seconds(), third.seconds()) == (19, 19, 19)


def test_a_longer_pause_takes_the_place_of_a_shorter_one(process, clock):
    first, second = process(), process()
    first.extend(5)

    second.extend(20)
    clock.now += 1

    assert (first.seconds(), second.seconds()) == (19, 19)


@pytest.mark.parametrize(("wrong", "waits"), [(-3600, 20), (5, 15), (3600, -3580)])
def test_nobody_waits_longer_than_was_asked_whatever_the_clocks_say(process, clock, wrong, waits):
    first, other = process(), process(wrong)
    first.extend(20)

    assert other.seconds() == pytest.approx(waits)
    clock.now += 20
    assert other.seconds() <= 0


def test_a_pause_of_hours_is_shared_for_a_minute(process):
    first, second = process(), process()

    first.extend(3 * 3600)

    assert (first.seconds(), second.seconds()) == (60, 60)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"until": "soon", "written": 1}'])
def test_a_file_that_cannot_be_read_says_nothing(process, files, data):
    files.write(NAME, data)

    assert process().seconds() <= 0


class FullFiles(InMemoryRootFiles):
    """A storage that takes nothing."""

    def write(self, name, data):
        raise StorageUnavailableError("/lab", "no space left")


def test_a_process_pauses_alone_if_nothing_can_be_stored(clock):
    first, second = (SharedPause(FullFiles(), NAME, 1.0, clock, clock) for _ in range(2))

    first.extend(20)

    assert first.seconds() == 20
    assert second.seconds() <= 0
