"""What catalogs offer, and what stands in for what they lack."""

import pytest

from daydreaming_dagster.domain.catalog import (
    Concept,
    ConceptEntry,
    ModelEntry,
    combine_concepts,
)


@pytest.mark.parametrize(
    ("levels", "asked", "used"),
    [
        (["sentence", "paragraph", "article"], "article", "article"),
        (["sentence", "paragraph", "article"], "sentence", "sentence"),
        (["sentence", "paragraph"], "article", "paragraph"),
        (["sentence", "article"], "paragraph", "sentence"),
        (["article"], "sentence", None),
        ([], "paragraph", None),
    ],
)
def test_a_missing_level_falls_back_to_paragraph_then_sentence_then_the_name(levels, asked, used):
    concept = ConceptEntry("ant", "Ant", {level: f"as {level}" for level in levels})

    assert concept.level_for(asked) == used
    assert concept.at(asked) == Concept("Ant", "Ant" if used is None else f"as {used}")


def test_a_combination_keeps_its_order_and_says_its_level():
    ant, bee = ConceptEntry("ant", "Ant"), ConceptEntry("bee", "Bee")

    combined = combine_concepts([bee, ant], "article")

    assert combined.combo_id == "bee+ant@article"
    assert combined.contents == (Concept("Bee", "Bee"), Concept("Ant", "Ant"))


@pytest.mark.parametrize(
    ("prices", "tokens", "cost"),
    [
        ((3.0, 15.0), (2_000_000, 100_000), 7.5),
        ((0.0, 0.0), (5, 5), 0.0),
        ((3.0, None), (5, 5), None),
        ((None, 3.0), (5, 5), None),
        ((3.0, 15.0), (None, 5), None),
        ((3.0, 15.0), (5, None), None),
    ],
)
def test_a_cost_is_known_where_tokens_and_prices_are(prices, tokens, cost):
    assert ModelEntry("big", "big-1", "acme", *prices).cost(*tokens) == cost
