"""When a model that takes no calls is called again, with a clock that the test moves."""

import pytest

from adapters.language_model.pause import Pause


@pytest.fixture
def pause(clock):
    return Pause(600.0, clock=clock, jitter=lambda: 1.0)


def probe(pause, clock, call, seconds=0.0):
    """Send a call as soon as the pause allows it, let it be refused, and return the next pause."""
    clock.now += max(0.0, pause.seconds)
    pause.begin(call)
    pause.refused(call, seconds)
    pause.ended(call)
    return pause.seconds


def test_nothing_waits_before_the_first_refusal(pause):
    pause.begin(1)

    assert pause.seconds <= 0
    assert (pause.probing, pause.hopeless) == (False, False)


def test_pauses_double_up_to_half_a_minute(pause, clock):
    assert [probe(pause, clock, call) for call in range(1, 10)] == [1, 2, 4, 8, 16, 30, 30, 30, 30]


def test_calls_that_were_sent_before_the_pause_do_not_lengthen_it(pause):
    for call in (1, 2, 3):
        pause.begin(call)
    for call in (2, 1, 3):
        pause.refused(call, 0.0)

    assert pause.seconds == 1


def test_the_endpoint_is_waited_for_as_long_as_it_asks(pause, clock):
    assert probe(pause, clock, 1, 90) == 90
    assert probe(pause, clock, 2, 0.5) == 2


def test_after_a_pause_the_others_wait_for_the_probe(pause, clock):
    probe(pause, clock, 1)
    clock.now += 1

    pause.begin(2)
    assert pause.probing
    pause.answered()
    assert not pause.probing

    assert probe(pause, clock, 3) == 1  # it grows anew


def test_a_probe_without_an_outcome_lets_another_call_probe(pause, clock):
    probe(pause, clock, 1)
    clock.now += 1
    pause.begin(2)
    pause.ended(2)
    assert not pause.probing

    pause.begin(3)

    assert pause.probing


def test_the_last_probe_is_at_the_end_of_the_patience(pause, clock):
    began, calls = clock.now, 0
    while not pause.hopeless:
        calls += 1
        probe(pause, clock, calls)

    assert clock.now - began == 600
    assert calls < 30


def test_an_endpoint_that_asks_for_more_than_the_patience_is_not_waited_for(pause, clock):
    probe(pause, clock, 1, 601)
    assert pause.hopeless

    clock.now += 601  # a process that lives on may try again
    assert not pause.hopeless


def test_no_patience_means_one_refusal(clock):
    pause = Pause(0.0, clock=clock)
    probe(pause, clock, 1)

    assert pause.hopeless


def test_the_processes_of_a_machine_do_not_probe_together():
    for _ in range(20):
        pause = Pause(600.0)
        pause.begin(1)
        pause.refused(1, 0.0)
        assert 0.7 < pause.seconds <= 1


def test_one_call_probes_after_a_pause_for_which_another_process_was_asked(pause, clock):
    assert pause.heard(20)
    assert pause.seconds == 20

    clock.now += 20
    pause.begin(1)

    assert pause.probing


def test_hearing_of_ones_own_pause_is_no_news(pause, clock):
    probe(pause, clock, 1, 20)

    assert not pause.heard(20.1)
    assert pause.heard(40)
    assert (pause.seconds, pause.hopeless) == (40, False)
