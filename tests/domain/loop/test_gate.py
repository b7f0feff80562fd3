"""What is held back before a judge is paid, and how like is like."""

import itertools
import random

import pytest

from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.loop.gate import COPY, KnownText, Threshold, calibrate, hold_back
from daydreaming_dagster.domain.loop.similarity import (
    Neighbour,
    effective_number,
    jaccard,
    nearest,
    shingles,
)

WORDS = [
    f"{a}{b}{c}" for a, b, c in itertools.product(["ka", "mo", "ti"], ["lu", "re"], ["nas", "p"])
]


def say(rng, *topics, words=60):
    """A text in a small language, with words of its topics."""
    return " ".join(
        rng.choice([*WORDS, *(f"{topic}{end}" for topic in topics for end in "aeio")])
        for _ in range(words)
    )


def texts_on(count, seed=1):
    """Texts on pairs of concepts, each concept in one text."""
    rng = random.Random(seed)
    topics = ["".join(rng.choices("abcdefghij", k=6)) for _ in range(2 * count)]
    pairs = zip(topics[::2], topics[1::2], strict=True)
    return [
        KnownText(f"t{seed}-{i}", say(rng, *pair), frozenset(pair)) for i, pair in enumerate(pairs)
    ]


def known(text_id, text, *concept_ids):
    return KnownText(text_id, text, frozenset(concept_ids))


LOOSE = Threshold(0.5, 0.01, 100)


def test_shingles_ignore_case_width_and_white_space():
    assert shingles("Ants\n  build") == shingles("ants \uff22\uff35\uff29\uff2c\uff24") == {
        "ants ", "nts b", "ts bu", "s bui", " buil", "build",
    }  # fmt: skip
    assert shingles("ant") == {"ant"}
    assert jaccard(shingles(""), shingles("")) == 1.0


def test_the_nearest_neighbour_is_that_of_comparing_with_each():
    rng = random.Random(2)
    texts = {f"t{i}": say(rng) for i in range(5)}
    others = {f"o{i}": say(rng) for i in range(30)}

    found = nearest(texts, others.items())

    assert found == {
        text_id: max(
            (Neighbour(other_id, jaccard(shingles(text), shingles(other)))
             for other_id, other in others.items()),
            key=lambda neighbour: neighbour.similarity,
        )
        for text_id, text in texts.items()
    }  # fmt: skip


def test_a_text_is_not_its_own_neighbour():
    texts = {"a": "ants build", "b": "bees dance"}

    assert nearest(texts, texts.items()) == {}


def test_a_near_duplicate_is_held_back_with_its_neighbour():
    text = "Ants leave traces, and the traces tell other ants what to build next."
    changed = text.replace("next", "then")

    (held,) = hold_back(
        [known("new", changed, "c"), known("other", "Bees dance.", "c")],
        [known("far", "Cod swim.", "x"), known("old", text, "y")],
        LOOSE,
    )

    assert (held.text_id, held.digest) == ("new", sha256(changed))
    assert held.neighbour == Neighbour("old", jaccard(shingles(text), shingles(changed)))
    assert held.threshold == 0.5


def test_of_equal_texts_in_a_round_the_first_passes():
    text = "Ants leave traces that tell other ants what to build."
    new = [known(text_id, text, "c") for text_id in ("first", "second", "third")]

    held = hold_back(new, [], LOOSE)

    assert [(each.text_id, each.neighbour) for each in held] == [
        ("second", Neighbour("first", 1.0)),
        ("third", Neighbour("first", 1.0)),
    ]


def test_a_text_may_repeat_much_of_its_own_concepts_but_not_copy_them():
    description = "Ants leave traces, and the traces tell other ants what to build next."
    quoting = f"{description} Bees do the same with dances, each of which names a place."
    memory = [known("ant", description, "ant")]

    assert hold_back([known("new", quoting, "ant", "bee")], memory, Threshold(0.2, 0.01, 9)) == []
    assert hold_back([known("new", quoting, "cod", "bee")], memory, Threshold(0.2, 0.01, 9)) != []
    (copied,) = hold_back(
        [known("new", description, "ant", "bee")], memory, Threshold(0.2, 0.01, 9)
    )
    assert (copied.neighbour, copied.threshold) == (Neighbour("ant", 1.0), COPY)


def test_the_threshold_holds_back_the_stated_share_of_unrelated_texts():
    threshold = calibrate(texts_on(200), 0.05)
    others = {text.text_id: text.text for text in texts_on(400, seed=2)}

    found = nearest(others, ((text.text_id, text.text) for text in texts_on(200)))
    held = sum(neighbour.similarity > threshold.similarity for neighbour in found.values())

    assert threshold.false_positives == 0.05
    assert threshold.calibrated_on == 200
    assert 0 < threshold.similarity < COPY
    # 20 of 400 are expected. The quantile of 200 texts and the 400 texts vary by a third each.
    assert 4 <= held <= 44


def test_texts_on_the_same_concepts_do_not_calibrate():
    texts = [known(f"t{i}", f"ants build {i}", "ant") for i in range(300)]

    assert calibrate(texts, 0.05) == Threshold(COPY, None, 0)


def test_too_few_texts_calibrate_nothing():
    assert calibrate(texts_on(18), 0.05) == Threshold(COPY, None, 18)
    assert calibrate(texts_on(19), 0.05).false_positives == 0.05


def test_a_model_that_always_says_the_same_does_not_raise_the_threshold_above_a_copy():
    texts = [known(f"t{i}", "I am a helpful assistant.", f"c{i}") for i in range(50)]

    assert calibrate(texts, 0.05) == Threshold(COPY, 0.05, 50)


@pytest.mark.parametrize(
    ("texts", "worth"),
    [
        ([], 0.0),
        (["ants build"], 1.0),
        (["ants build"] * 4, 1.0),
        (["ants build", "bees dance", "cod swim far"], 3.0),
        (["ants build", "ants build", "bees dance", "bees dance"], 2.0),
    ],
)
def test_the_effective_number_counts_different_texts(texts, worth):
    assert effective_number(texts) == pytest.approx(worth)
