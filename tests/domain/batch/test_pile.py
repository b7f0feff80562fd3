"""When collected questions are submitted."""

import pytest

from daydreaming_dagster.domain.batch.pile import Pile
from daydreaming_dagster.domain.batch.submission import AskedLater
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.ports.batch_model import BatchTerms
from daydreaming_dagster.ports.language_model import LanguageModelError, ModelRequest

BUSY = LanguageModelError("busy", 503, retryable=True)


def question(number, size=10):
    ref = GenerationRef("draft", f"d{number}")
    return AskedLater(ref, f"q{number}", ModelRequest("Hi", "m"), line=b"x" * size)


def pile_of(count, size=10):
    pile = Pile()
    for number in range(count):
        pile.add(question(number, size))
    return pile


def terms(requests=10, size=1_000, poll_seconds=60.0):
    return BatchTerms("https://e.example/v1", requests, size, poll_seconds)


@pytest.mark.parametrize(
    ("limits", "taken"), [({"requests": 2}, 2), ({"size": 25}, 2), ({"requests": 3}, 3)]
)
def test_a_full_batch_is_due_at_once_and_no_larger_than_the_endpoint_takes(limits, taken):
    pile = pile_of(3)
    assert pile.is_due(terms(**limits), may_grow=True)
    assert len(pile.take(terms(**limits))) == taken
    assert not pile.is_due(terms(**limits), may_grow=False)


def test_what_was_gathered_is_due_when_nothing_is_added_any_more():
    assert not pile_of(3).is_due(terms(), may_grow=False)
    assert pile_of(3).is_due(terms(poll_seconds=0.0), may_grow=False)
    assert not pile_of(3).is_due(terms(poll_seconds=0.0), may_grow=True)
    assert not Pile().is_due(terms(poll_seconds=0.0), may_grow=False)


def test_refused_questions_come_first_in_another_attempt_later():
    pile = pile_of(3)
    refused = pile.take(terms(requests=2))
    assert pile.keep(refused, BUSY, 600.0)
    assert [each.custom_id for each in pile.questions] == ["q0", "q1", "q2"]
    assert not pile.is_due(terms(requests=2, poll_seconds=0.0), may_grow=False)


def test_questions_that_are_refused_for_too_long_are_not_kept():
    assert not Pile().keep([question(1)], BUSY, 0.0)
