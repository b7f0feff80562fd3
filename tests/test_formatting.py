"""Nouns in sentences."""

import pytest

from daydreaming_dagster.formatting import counted, one, plural


@pytest.mark.parametrize(
    ("noun", "singular", "several"),
    [
        ("draft", "a draft", "drafts"),
        ("essay", "an essay", "essays"),
        ("evaluation", "an evaluation", "evaluations"),
        ("summary", "a summary", "summaries"),
        ("pitch", "a pitch", "pitches"),
    ],
)
def test_a_stage_is_named_as_a_noun_of_english(noun, singular, several):
    assert (one(noun), plural(noun), counted(1, noun)) == (singular, several, f"1 {noun}")
