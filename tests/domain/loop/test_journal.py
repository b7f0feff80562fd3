"""What a journal says, and what follows from it."""

import json

import attrs
import pytest

from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.loop.decisions import Decision
from daydreaming_dagster.domain.loop.gate import HeldBack, Threshold
from daydreaming_dagster.domain.loop.journal import (
    ChoosePairs,
    Chosen,
    Decided,
    Journal,
    JudgeTexts,
    Round,
    Stop,
    WriteTexts,
    Written,
    WrittenText,
    entry_document,
    entry_name,
    make_journal,
    next_step,
)
from daydreaming_dagster.domain.loop.measures import Richness, RoundMeasures, StopRules
from daydreaming_dagster.domain.loop.sampler import Choice, Trial
from daydreaming_dagster.domain.loop.similarity import Neighbour
from daydreaming_dagster.domain.loop.worth import Worth

PAIRS = [("ant", "bee"), ("ant", "cod"), ("bee", "cod")]
CHOSEN = Chosen("l-1", "0/1", 3, tuple(Choice(pair, "uniform") for pair in PAIRS))
WRITTEN = Written(
    (
        WrittenText("essay", "e1", PAIRS[0], "digest 1"),
        WrittenText("essay", "e2", PAIRS[1], "digest 2"),
        WrittenText("essay", "e3", PAIRS[0], "digest 3"),
    ),
    Threshold(0.4, 0.01, 150),
    (HeldBack("e3", "digest 3", Neighbour("e1", 0.9), 0.4),),
)


def decision(text_id, verdict, worth=None):
    return Decision(text_id, f"digest of {text_id}", verdict, "probability", worth, 0.7, 0.8)


DECIDED = Decided(
    {"e1": (0.9, 0.8), "e2": ()},
    (decision("e1", "accept", Worth(0.9, 0.8, 0.1, 2)), decision("e2", "defer")),
    RoundMeasures(1, 0.25, 0.5, Richness(3, 2, 2.5, 0.3), 2.5, None),
)
ONE = Round(1, CHOSEN, WRITTEN, DECIDED)
SECOND = Round(
    2,
    Chosen("l-2", "0/2", 4, (Choice(("ant", "e1"), "exploration"),)),
    Written((WrittenText("essay", "e4", ("ant", "e1"), "digest 4"),), Threshold(0.4, 0.01, 9), ()),
    attrs.evolve(
        DECIDED,
        scores={"e4": (0.5,)},
        decisions=(decision("e2", "accept"), decision("e4", "reject"), decision("e1", "reject")),
    ),
)


def documents(entry):
    """An entry as it comes back from a file."""
    return json.loads(json.dumps(entry_document(entry)))


def test_entries_come_back_from_json():
    rounds = [
        {entry_name(entry): documents(entry) for entry in (each.chosen, each.written, each.decided)}
        for each in (ONE, SECOND)
    ]

    assert make_journal(rounds, "here") == Journal((ONE, SECOND))
    assert make_journal([{"chosen": documents(CHOSEN)}], "here") == Journal((Round(1, CHOSEN),))
    assert make_journal([{}], "here") == make_journal([], "here") == Journal()


@pytest.mark.parametrize(
    ("journal", "step"),
    [
        (Journal(), ChoosePairs(1)),
        (Journal((Round(1, CHOSEN),)), WriteTexts(Round(1, CHOSEN))),
        (
            Journal((Round(1, CHOSEN, WRITTEN),)),
            JudgeTexts(Round(1, CHOSEN, WRITTEN), WRITTEN),
        ),
        (Journal((ONE,)), ChoosePairs(2)),
        (Journal((ONE, Round(2, CHOSEN))), WriteTexts(Round(2, CHOSEN))),
    ],
)
def test_the_next_step_follows_from_the_last_entry(journal, step):
    assert next_step(StopRules(rounds=5), journal, "abcd") == step


def test_a_loop_stops_after_a_round_and_not_within_it():
    rules = StopRules(rounds=1)

    assert next_step(rules, Journal((Round(1, CHOSEN),)), "abcd") == WriteTexts(Round(1, CHOSEN))
    assert next_step(rules, Journal((ONE,)), "abcd") == Stop(
        "1 round done, as many as the specification allows"
    )


def test_a_loop_stops_when_every_pair_of_its_concepts_was_tried():
    rejected = attrs.evolve(DECIDED, decisions=(decision("e1", "reject"),))
    journal = Journal((attrs.evolve(ONE, decided=rejected),))

    assert next_step(StopRules(), journal, {*PAIRS[0]}) == Stop(
        "every pair of its concepts was tried"
    )
    assert next_step(StopRules(), journal, {*PAIRS[0], "new"}) == ChoosePairs(2)
    assert next_step(StopRules(), Journal((ONE,)), {*PAIRS[0]}) == ChoosePairs(2), "e1 is new"


def test_trials_have_the_scores_of_all_texts_of_a_pair():
    assert Journal((ONE,)).trials() == [
        Trial(PAIRS[0], (0.9, 0.8)),
        Trial(PAIRS[1], ()),
        Trial(PAIRS[2], ()),
    ]


def test_the_last_decision_counts():
    assert Journal((ONE,)).accepted() == ["e1"]
    assert Journal((ONE, SECOND)).accepted() == ["e2"]
    assert list(Journal((ONE, SECOND)).decisions()) == ["e1", "e2", "e4"]


def test_a_near_duplicate_expresses_the_idea_of_the_first_text():
    held = (
        HeldBack("e5", "d", Neighbour("e3", 0.9), 0.4),
        HeldBack("e6", "d", Neighbour("ant", 0.9), 0.8),
    )
    texts = tuple(WrittenText("essay", text_id, PAIRS[2], "d") for text_id in ("e5", "e6", "e7"))
    second = Round(2, CHOSEN, Written(texts, Threshold(0.4, None, 0), held))

    assert Journal((ONE, second)).ideas() == {
        "e1": "e1",
        "e2": "e2",
        "e3": "e1",
        "e5": "e1",
        "e6": "ant",
        "e7": "e7",
    }


@pytest.mark.parametrize(
    ("rounds", "problem"),
    [
        ([{"written": documents(WRITTEN)}], "round 1, chosen: missing, but a later entry is there"),
        (
            [{"chosen": documents(CHOSEN)}, {"chosen": documents(CHOSEN)}],
            "round 1, written: missing, but a later entry is there",
        ),
        ([{"chosen": {"version": 2}}], "round 1, chosen: expected version 1, found 2"),
        ([{"chosen": []}], "round 1, chosen: expected version 1, found None"),
        (
            [{"chosen": {**documents(CHOSEN), "concepts": "many"}}],
            "round 1, chosen: invalid value for type, expected int @ $.concepts",
        ),
        (
            [{"chosen": {**documents(CHOSEN), "more": 1}}],
            "round 1, chosen: extra fields found (more) @ $",
        ),
    ],
)
def test_a_broken_journal_is_not_read(rounds, problem):
    with pytest.raises(CatalogError) as caught:
        make_journal(rounds, "loops/l/rounds")

    assert problem in caught.value.problems
    assert caught.value.location == "loops/l/rounds"
