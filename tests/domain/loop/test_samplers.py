"""What samplers choose: untried pairs alone, the same in every process, and what pays."""

import itertools
import random
import subprocess
import sys
from collections import Counter

import attrs
import pytest

from daydreaming_dagster.domain.errors import SamplerError
from daydreaming_dagster.domain.loop.pairs import best_pairs, make_pair, random_pairs
from daydreaming_dagster.domain.loop.registry import SAMPLERS
from daydreaming_dagster.domain.loop.sampler import (
    EXPLORATION,
    ExploringSampler,
    Trial,
    UniformSampler,
)

CONCEPTS = [f"c{number:02}" for number in range(40)]
GOOD = frozenset(CONCEPTS[7:13])


def judge(pair, rng):
    """Whole numbers of 0 to 9, mostly noise, and higher where a concept is good."""
    return min(9, max(0, round(3 + 1.5 * len(GOOD & set(pair)) + rng.gauss(0, 1.5)))) / 9


def explored(sampler, rounds, per_round=20):
    """The trials of a loop with this sampler."""
    rng, trials = random.Random(1), []
    for number in range(rounds):
        chosen = sampler.choose(CONCEPTS, trials, per_round, f"seed/{number}")
        trials += [Trial(choice.pair, (judge(choice.pair, rng),)) for choice in chosen]
    return trials


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_loop_tries_every_pair_once_and_then_none(name):
    concepts = CONCEPTS[:8]
    sampler, trials = ExploringSampler(name, SAMPLERS[name], 0.1), []
    while chosen := sampler.choose(concepts, trials, 5, str(len(trials))):
        trials += [Trial(choice.pair, (len(trials) % 7 / 7,)) for choice in chosen]

    assert sorted(trial.pair for trial in trials) == sorted(itertools.combinations(concepts, 2))


@pytest.mark.parametrize("name", SAMPLERS)
def test_another_process_chooses_the_same(name):
    program = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from daydreaming_dagster.domain.loop.registry import SAMPLERS\n"
        "from daydreaming_dagster.domain.loop.sampler import Trial\n"
        "concepts = [f'c{number:02}' for number in range(40)]\n"
        "trials = [Trial((a, b), (i % 5 / 4, i % 3 / 2)) for i, (a, b) in"
        " enumerate(zip(concepts, concepts[1:]))]\n"
        f"print(SAMPLERS[{name!r}].choose(concepts, trials, 30, 'seed'))\n"
    )

    def run(hash_seed):
        return subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
        ).stdout

    assert run("1") == run("2") != b"[]\n"


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("concepts", [[], ["a"]])
def test_fewer_than_two_concepts_make_no_pair(name, concepts):
    assert ExploringSampler(name, SAMPLERS[name], 0.1).choose(concepts, [], 5, "seed") == []


def test_uniform_choices_are_uniform():
    concepts = CONCEPTS[:5]
    drawn = Counter(
        pair
        for seed in range(2_000)
        for pair in UniformSampler().choose(concepts, [Trial(("c00", "c01"))], 3, str(seed))
    )

    assert len(drawn) == 9
    # 6,000 draws of 9 pairs: 667 of each, with a standard deviation of at most 24.
    assert all(abs(count - 667) < 100 for count in drawn.values())


def test_coverage_uses_each_concept_equally_often():
    trials = []
    for number in range(10):
        chosen = SAMPLERS["coverage"].choose(CONCEPTS, trials, 20, str(number))
        trials += [Trial(pair) for pair in chosen]

    uses = Counter(itertools.chain.from_iterable(trial.pair for trial in trials))
    assert set(uses.values()) <= {9, 10, 11}
    assert len(uses) == len(CONCEPTS)


def test_learning_finds_good_pairs_where_uniform_choice_does_not():
    def found(name):
        trials = explored(ExploringSampler(name, SAMPLERS[name], 0.1), 10)
        return sum(set(trial.pair) <= GOOD for trial in trials)

    # 15 of 780 pairs are good, and 200 are tried.
    assert found("thompson") >= 12
    assert found("uniform") <= 8


def test_a_share_of_choices_is_random_whatever_was_learned():
    trials = explored(ExploringSampler("thompson", SAMPLERS["thompson"], 0.1), 3)

    chosen = ExploringSampler("thompson", SAMPLERS["thompson"], 0.15).choose(
        CONCEPTS, trials, 11, "seed"
    )

    assert Counter(choice.reason for choice in chosen) == {"thompson": 9, EXPLORATION: 2}


def test_scores_that_do_not_differ_teach_nothing():
    trials = [Trial(pair, (0.5,)) for pair in itertools.pairwise(CONCEPTS)]

    assert SAMPLERS["thompson"].choose(CONCEPTS, trials, 5, "seed") == []
    chosen = ExploringSampler("thompson", SAMPLERS["thompson"], 0.1).choose(
        CONCEPTS, trials, 5, "seed"
    )
    assert [choice.reason for choice in chosen] == [EXPLORATION] * 5


def test_many_judgements_of_a_text_count_for_more_than_one():
    pairs = list(itertools.combinations(CONCEPTS[:20], 2))
    rng = random.Random(3)
    noise = {pair: [rng.gauss(0.5, 0.15) for _ in range(8)] for pair in pairs}

    def good_first(judgements):
        trials = [
            Trial(
                pair,
                tuple(score + 0.05 * len(GOOD & set(pair)) for score in noise[pair][:judgements]),
            )
            for pair in pairs
        ]
        chosen = SAMPLERS["thompson"].choose(CONCEPTS, trials, 60, "seed")
        return sum(len(GOOD & set(pair)) for pair in chosen)

    assert good_first(8) > good_first(1)


@attrs.frozen
class Fixed:
    """A sampler of another package, which may break the rules."""

    pairs: tuple

    def choose(self, concept_ids, trials, count, seed):
        return list(self.pairs)


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ([("c01", "c02")], "c01+c02 is not an untried pair"),
        ([("c04", "c03")], "c04+c03 is not an untried pair"),
        ([("c03", "c03")], "c03+c03 is not an untried pair"),
        ([("c03", "x")], "c03+x is not an untried pair"),
        ([("c03", "c04"), ("c03", "c04")], "c03+c04 is not an untried pair"),
        ([("c03", "c04"), ("c03", "c05"), ("c03", "c06")], "chose 3 pairs instead of 2"),
    ],
)
def test_a_sampler_that_breaks_the_rules_is_named(pairs, reason):
    sampler = ExploringSampler("other", Fixed(tuple(pairs)), 0.1)

    with pytest.raises(SamplerError, match="sampler other") as caught:
        sampler.choose(CONCEPTS, [Trial(("c01", "c02"))], 3, "seed")

    assert reason in str(caught.value)


def test_a_sampler_that_fails_is_named():
    # A number has no pairs, so it fails as any mistake of a package does.
    sampler = ExploringSampler("other", Fixed(7), 0.1)

    with pytest.raises(SamplerError, match="sampler other: failed with TypeError"):
        sampler.choose(CONCEPTS, [], 3, "seed")


def test_pairs_come_best_first():
    rng = random.Random(5)
    values = {concept_id: rng.random() for concept_id in CONCEPTS}

    pairs = list(best_pairs(values))

    assert sorted(pairs) == sorted(itertools.combinations(CONCEPTS, 2))
    sums = [values[one] + values[other] for one, other in pairs]
    assert sums == sorted(sums, reverse=True)


def test_random_pairs_need_no_list_of_all_pairs():
    concepts = [str(number) for number in range(1_000_000)]

    pairs = list(itertools.islice(random_pairs(concepts, set(), random.Random(1)), 1_000))

    assert len(set(pairs)) == 1_000
    assert all(pair == make_pair(*pair) for pair in pairs)
