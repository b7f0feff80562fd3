"""Texts that say the same in other words are found by their embeddings, and how near is near."""

import itertools
import random

import pytest

from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.loop.embeddings import (
    EmbeddedText,
    StoredEmbedding,
    calibrate_embeddings,
    embedding_document,
    hold_back_by_embedding,
    make_embedding,
)
from daydreaming_dagster.ports.embedding_model import Embedding
from daydreaming_dagster.ports.language_model import Completion

ENTRY = ModelEntry("small", "small-1", "acme", prompt_price=2.0, completion_price=0.0)
TOPICS = [f"c{number}" for number in range(30)]
DIMENSIONS = 40


def stored(vector, digest="0a"):
    answer = Completion("", "stop", "small-1-2026", 0.1, prompt_tokens=10, completion_tokens=0)
    return StoredEmbedding.of(Embedding(tuple(vector), answer), digest, ENTRY, 2)


def gaussian(seed, spread=1.0):
    rng = random.Random(seed)
    return [rng.gauss(0.0, spread) for _ in range(DIMENSIONS)]


def text(pair, idea, spread=1.0):
    """A text whose vector is what its concepts have in common with others, and its own idea."""
    parts = [*map(gaussian, pair), gaussian(f"idea {idea}", spread)]
    vector = [sum(numbers) for numbers in zip(*parts, strict=True)]
    return EmbeddedText(f"{'+'.join(pair)}/{idea}", "0a", frozenset(pair), stored(vector).vector)


KNOWN = [
    text(pair, number)
    for number, pair in enumerate(random.Random(0).sample([*itertools.combinations(TOPICS, 2)], 99))
]


def test_texts_on_the_same_concept_are_compared_with_what_such_texts_have_in_common():
    none, one, both = calibrate_embeddings(KNOWN, 0.05)

    assert (none.calibrated_on, one.calibrated_on) == (99, 99)
    assert none.similarity < one.similarity < 1
    # No two texts are made of the same pair.
    assert (both.similarity, both.calibrated_on) == (None, 0)


def test_hardly_any_text_on_new_ideas_is_held_back():
    tried = {each.concept_ids for each in KNOWN}
    pairs = [each for each in itertools.combinations(TOPICS, 2) if frozenset(each) not in tried]
    new = [text(pair, f"new {number}") for number, pair in enumerate(pairs[:200])]

    held = hold_back_by_embedding(new, KNOWN, calibrate_embeddings(KNOWN, 0.05))

    # 5 % for other texts of the same concept, and as many for texts of others.
    assert 0 < len(held) < 0.2 * len(new)


def test_an_idea_that_is_told_again_is_held_back_for_the_text_that_told_it_first():
    thresholds = calibrate_embeddings(KNOWN, 0.05)
    first = text(("x1", "x2"), "idea", spread=3.0)
    again = text(("x3", "x4"), "idea", spread=3.0)
    other = text(("x5", "x6"), "another", spread=3.0)

    among_new = hold_back_by_embedding([first, again, other], KNOWN, thresholds)
    (of_known,) = hold_back_by_embedding([again, other], [*KNOWN, first], thresholds)

    assert among_new == [of_known]
    assert (of_known.text_id, of_known.neighbour.text_id) == (again.text_id, first.text_id)
    assert of_known.by == "embedding"
    assert of_known.neighbour.similarity > of_known.threshold == thresholds[0].similarity


def test_a_text_is_not_held_back_for_the_accepted_text_that_it_was_made_of():
    origin = text(("x1", "x2"), "idea", spread=3.0)
    grown = EmbeddedText("grown", "0b", frozenset([origin.text_id, "x9"]), origin.vector)

    thresholds = calibrate_embeddings(KNOWN, 0.05)
    assert hold_back_by_embedding([grown], [*KNOWN, origin], thresholds) == []


def test_too_few_texts_hold_nothing_back():
    thresholds = calibrate_embeddings(KNOWN[:5], 0.01)
    assert [each.similarity for each in thresholds] == [None] * 3
    assert hold_back_by_embedding(KNOWN[:1], KNOWN[:1], thresholds) == []
    assert (calibrate_embeddings([], 0.01), hold_back_by_embedding([], KNOWN, ())) == ((), [])


def test_vectors_of_different_lengths_are_not_compared():
    other = EmbeddedText("e", "0b", frozenset(["x", "y"]), stored([1.0, 2.0]).vector)
    with pytest.raises(CatalogError, match="different lengths"):
        calibrate_embeddings([*KNOWN, other], 0.01)


def test_a_vector_is_stored_in_single_precision_with_what_it_cost():
    embedding = stored([0.25, -1.5])
    document = embedding_document(embedding)

    assert make_embedding(document, "here") == embedding
    assert document["vector"] == "AACAPgAAwL8="
    assert embedding.cost_at(ENTRY) == 10 * 2.0 / 1_000_000


@pytest.mark.parametrize(
    "change",
    [{"vector": "?"}, {"vector": ""}, {"vector": "AADAfw=="}, {"version": 2}, {"more": 1}],
)
def test_a_malformed_vector_is_named(change):
    document = {**embedding_document(stored([0.5])), **change}
    with pytest.raises(CatalogError, match="it is not an embedding"):
        make_embedding(document, "here")
