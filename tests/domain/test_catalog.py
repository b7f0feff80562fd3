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


@pytest.mark.parametrize(("cached_price", "cost"), [(0.5, 1.5), (0.0, 1.0), (None, 3.0)])
def test_tokens_from_a_cache_have_their_own_price_if_there_is_one(cached_price, cost):
    model = ModelEntry("big", "big-1", "", 2.0, 5.0, cached_prompt_price=cached_price)

    assert model.cost(1_500_000, 0, 1_000_000) == pytest.approx(cost)


def test_no_more_tokens_are_cached_than_the_prompt_has():
    assert ModelEntry("big", "big-1", "", 2.0, 5.0, cached_prompt_price=1.0).cost(5, 0, 9) == 5e-6
