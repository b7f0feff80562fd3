"""What is said of judges whose habits are known."""

from itertools import pairwise

import numpy as np
import pytest

from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.domain.people.corrected import ALL, correct_judges
from daydreaming_dagster.domain.people.passport import (
    MEASURES,
    JudgedTexts,
    Passport,
    make_passports,
    say_who_agrees,
)
from daydreaming_dagster.domain.people.ratings import CHANGED, Rating
from daydreaming_dagster.domain.people.tables import make_corrected_table, make_rating_table
from daydreaming_dagster.domain.results.evaluations import (
    Evaluation,
    GenerationOutcome,
    Lineage,
    Member,
)
from daydreaming_dagster.domain.results.verdicts import Duel
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.domain.statistics.measures import Measure

TEXTS = [GenerationRef("essay", f"e{number:02}") for number in range(80)]
TEMPLATE = {ref: "long" if number % 2 else "short" for number, ref in enumerate(TEXTS)}
WRITER = {ref: "kind" if number % 4 < 2 else "strict" for number, ref in enumerate(TEXTS)}
WORDS = {ref: 100 + 37 * number % 400 for number, ref in enumerate(TEXTS)}
RNG = np.random.default_rng(5)
TRUTH = dict(zip(TEXTS, RNG.uniform(2, 7, len(TEXTS)), strict=True))


def evaluation(judge, ref, score, replicate=1, stale=""):
    copied = ref is TEXTS[0]
    lineage = {
        "draft": Member("d", "links", WRITER[ref], 1, ""),
        "essay": Member(ref.gen_id, TEMPLATE[ref], "" if copied else WRITER[ref], 1, ""),
        "evaluation": Member(f"v-{judge}-{ref.gen_id}", "judge", judge, replicate, ""),
    }
    given = None if score is None else Score(float(score), 10.0)
    state = "not answered" if score is None else "scored"
    outcome = GenerationOutcome(state, given)
    return Evaluation("", "", lineage, "evaluation", ref, outcome, stale)


def evaluations():
    """Judges: one is kind to its own texts, one gives 2 less, one likes long texts and no other."""
    for ref in TEXTS:
        for replicate in (1, 2):
            kind = TRUTH[ref] + (1.5 if WRITER[ref] == "kind" else 0) + RNG.normal(0, 0.3)
            yield evaluation("kind", ref, kind, replicate)
            yield evaluation("strict", ref, round(TRUTH[ref] - 2), replicate)
        yield evaluation("wordy", ref, WORDS[ref] / 50 + RNG.normal(0, 0.3))
    yield evaluation("kind", TEXTS[3], 0, 3, stale="the template changed")
    yield evaluation("kind", TEXTS[4], None, 3)


def ratings(count=40):
    for number, ref in enumerate(TEXTS[:count]):
        yield Rating(f"a, line {number}", "Ann", ref, score=Score(TRUTH[ref], 9, 1))
    yield Rating("b, line 1", "Bob", TEXTS[0], score=Score(9, 9, 1), stale=CHANGED)
    for first, second in zip(TEXTS[:20], TEXTS[20:40], strict=True):
        better = "first" if TRUTH[first] > TRUTH[second] else "second"
        yield Rating("a", "Ann", first, second, preferred=better)
    yield Rating("a", "Ann", TEXTS[0], TEXTS[1], preferred="tie")
    yield Rating("a", "Ann", TEXTS[0], decision="accept", reason="new")


def duels():
    for number, (first, second) in enumerate(pairwise(TEXTS)):
        for pair in ((first, second), (second, first)):
            wins = 0.5 if number % 10 == 0 else float(number % 3 > 0 or pair[0] == first)
            lineage = Lineage("", "", {})
            member = Member("u", "better", "wordy", 1, "")
            outcome = GenerationOutcome("done")
            yield Duel("duel", member, *pair, outcome, wins, (lineage, lineage))


@pytest.fixture(scope="module")
def passports():
    texts = JudgedTexts([*evaluations()], [*duels()], [*ratings()], WORDS)
    return {passport.judge: passport for passport in make_passports(texts)}


def between(measure, low, high):
    assert measure.low is not None
    assert measure.low <= measure.value <= measure.high
    assert low < measure.value < high
    return True


def test_each_judge_has_each_measure_and_people_are_judges_too(passports):
    assert list(passports) == [
        "duel/better/wordy",
        "evaluation/judge/kind",
        "evaluation/judge/strict",
        "evaluation/judge/wordy",
        "human:Ann",
    ]
    assert [passport.kind for passport in passports.values()] == ["model"] * 4 + ["human"]
    assert all([*passport.measures] == [*MEASURES] for passport in passports.values())


def test_a_judge_that_says_what_people_say_agrees_with_them(passports):
    strict, wordy = (passports[f"evaluation/judge/{name}"].measures for name in ("strict", "wordy"))

    assert between(strict["people"], 0.9, 1)
    assert between(strict["people_pairs"], 0.8, 1.01)
    assert wordy["people"].low < 0.4
    assert strict["people"].n == 40
    assert strict["people_pairs"].n <= 20


def test_strictness_ties_and_test_retest_are_found(passports):
    kind, strict = (passports[f"evaluation/judge/{name}"].measures for name in ("kind", "strict"))

    assert strict["strictness"].low > 0
    assert kind["strictness"].high < 0
    assert between(strict["ties"], 0.1, 0.3)
    assert kind["ties"].value == 0
    assert 0.99 < strict["retest"].value < 1, "it agreed each time, which is not for ever"
    assert strict["retest"].low < strict["retest"].value
    assert between(kind["retest"], 0.8, 1)
    assert passports["evaluation/judge/wordy"].measures["retest"].value is None


def test_preferences_for_length_and_for_its_own_texts_are_found_where_they_are(passports):
    kind, strict, wordy = (
        passports[f"evaluation/judge/{name}"].measures for name in ("kind", "strict", "wordy")
    )

    assert between(kind["own_model"], 0.05, 0.3)
    assert kind["own_model"].low > 0
    assert strict["own_model"].low < 0 < strict["own_model"].high
    assert wordy["own_model"].value is None
    assert wordy["length"].low > 0.5
    assert wordy["length_beyond_people"].low > 0.3
    assert strict["length_beyond_people"].low < 0 < strict["length_beyond_people"].high


def test_duels_show_ties_and_the_preference_for_what_is_shown_first(passports):
    wordy = passports["duel/better/wordy"].measures

    assert between(wordy["duel_ties"], 0.05, 0.2)
    assert wordy["first_odds"].low > 1
    assert wordy["strictness"].value is None


def test_what_is_stale_or_missing_counts_for_nothing():
    alone = JudgedTexts([evaluation("big", TEXTS[0], 3, stale="old")], [], [], WORDS)
    (passport,) = make_passports(alone)

    assert {measure.value for measure in passport.measures.values()} == {None}


def test_judges_are_corrected_by_people_for_each_factor_with_levels():
    rows, notes = correct_judges([*evaluations()], [*ratings(60)])
    found = {(row.factor, row.level): row for row in rows}

    assert notes == []
    assert {factor for factor, _ in found} == {ALL, "draft_llm", "essay_template", "essay_llm"}
    for level in ("long", "short"):
        truth = np.mean([(TRUTH[ref] - 1) / 8 for ref in TEXTS if TEMPLATE[ref] == level])
        row = found["essay_template", level]
        assert row.low < truth < row.high
        assert (row.texts, row.rated) == (40, 30)
    assert make_corrected_table(rows).height == len(rows)


def test_without_people_nothing_is_corrected_and_with_too_few_it_is_said():
    assert correct_judges([*evaluations()], []) == ([], [])
    rows, notes = correct_judges([*evaluations()], [*ratings(2)])
    assert rows == []
    assert notes[0] == (
        "all texts: people scored 2 texts of 1 group, too few to correct the judges by them; have"
        " more texts scored"
    )


def test_people_who_are_strict_and_people_who_are_not_are_brought_to_one_scale():
    both = [
        Rating("x", rater, ref, score=Score(TRUTH[ref] + shift, 12, 0))
        for rater, shift in (("Ann", 0.0), ("Bob", 3.0))
        for ref in TEXTS[:30]
    ]
    (row, *_), _ = correct_judges([*evaluations()], both)

    assert row.estimate == pytest.approx((np.mean([*TRUTH.values()]) + 1.5) / 12, abs=0.05)


def test_each_rating_is_a_row_of_a_judge_of_kind_human():
    table = make_rating_table([*ratings(1)])

    assert set(table["judge"]) == {"human:Ann", "human:Bob"}
    assert set(table["judge_kind"]) == {"human"}
    assert table["decision"].drop_nulls().to_list() == ["accept"]


def test_a_sentence_says_who_agrees_with_people_if_anybody_does(passports):
    said = say_who_agrees(passports.values())
    assert said.startswith("evaluation/judge/strict agrees most with people: its scores correlate")
    without = [one for name, one in passports.items() if name.endswith("/wordy")]
    assert say_who_agrees(without) == (
        "No judge certainly agrees with people: the best one's interval contains 0."
    )
    exact = Passport("j", "model", "m", {"people": Measure(1.0, None, None, 4)})
    assert say_who_agrees([exact]) == (
        "No judge certainly agrees with people: j does on all of 4 texts, but so few do not show"
        " how sure that is."
    )
    assert say_who_agrees([passports["human:Ann"]]) is None


def test_people_are_not_compared_with_their_own_pairs(passports):
    assert passports["human:Ann"].measures["people_pairs"].n == 0
