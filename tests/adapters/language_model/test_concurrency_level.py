"""How a level of concurrency is found."""

import pytest

from adapters.language_model.concurrency_level import ConcurrencyLevel


def answer_rounds(level, rounds, seconds=1.0, *, limited=True):
    for _ in range(rounds):
        for _ in range(level.limit):
            level.begin()
            level.answered(seconds, limited=limited)


def test_it_begins_low_and_doubles_with_each_round():
    level = ConcurrencyLevel()
    seen = [level.limit]
    for _ in range(3):
        answer_rounds(level, 1)
        seen.append(level.limit)

    assert seen == [4, 8, 16, 32]


def test_it_has_an_upper_bound():
    level = ConcurrencyLevel()

    answer_rounds(level, 20)

    assert level.limit == 256


def test_it_does_not_grow_while_no_call_has_to_wait():
    level = ConcurrencyLevel()

    answer_rounds(level, 5, limited=False)

    assert level.limit == 4


def test_a_refusal_halves_it_and_from_then_on_it_grows_by_about_one_a_round():
    level = ConcurrencyLevel()
    answer_rounds(level, 3)

    level.refused(level.begin())
    assert level.limit == 16
    answer_rounds(level, 2)

    assert level.limit == 17


def test_refusals_of_calls_that_began_together_halve_it_once():
    level = ConcurrencyLevel()
    answer_rounds(level, 3)
    calls = [level.begin() for _ in range(10)]

    for call in calls:
        level.refused(call)
    assert level.limit == 16

    level.refused(level.begin())
    assert level.limit == 8


def test_it_stays_at_one_at_least():
    level = ConcurrencyLevel()

    for _ in range(10):
        level.refused(level.begin())

    assert level.limit == 1


def test_a_round_that_takes_twice_as_long_takes_a_quarter_off():
    level = ConcurrencyLevel()
    answer_rounds(level, 3)
    assert level.limit == 32

    for _ in range(32):
        level.begin()
        level.answered(2.5, limited=False)

    assert level.limit == 24


def test_slow_answers_alone_do_not_take_it_below_where_it_began():
    level = ConcurrencyLevel()
    answer_rounds(level, 1)

    for seconds in (3.0, 9.0, 27.0, 81.0, 243.0):
        answer_rounds(level, 1, seconds, limited=False)

    assert level.limit == 4


def test_it_gets_used_to_answers_that_take_longer():
    level = ConcurrencyLevel()
    answer_rounds(level, 3)
    answer_rounds(level, 60, 1.9, limited=False)
    before = level.limit

    answer_rounds(level, 3, 3.0, limited=False)

    assert level.limit == before == 32


def test_answers_that_take_longer_bit_by_bit_are_noticed():
    level = ConcurrencyLevel()
    answer_rounds(level, 3)

    for seconds in (1.5, 2.5):
        answer_rounds(level, 1, seconds, limited=False)

    assert level.limit == 24


@pytest.mark.parametrize("seconds", [1.0, 1.9])
def test_answers_that_are_a_little_slower_do_not_count(seconds):
    level = ConcurrencyLevel()
    answer_rounds(level, 2)

    answer_rounds(level, 1, seconds)

    assert level.limit == 32
