"""The documents beside texts, as typed records."""

import json

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daydreaming_dagster.domain.generation.records import (
    MainRecord,
    ParsedRecord,
    RawRecord,
    Usage,
    without_responses,
)
from daydreaming_dagster.domain.parsing.response import Score

RECORDS = (MainRecord, RawRecord, ParsedRecord)
KEYS = sorted({field.name for record in RECORDS for field in attrs.fields(record)})
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
DOCUMENTS = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), VALUES, max_size=6)


@pytest.mark.parametrize("record", RECORDS)
@settings(max_examples=50)
@given(document=DOCUMENTS)
def test_a_document_is_written_back_as_it_was_read(record, document):
    again = record.from_document(document).as_document()

    assert json.dumps(again) == json.dumps(document)


@settings(max_examples=50)
@given(document=DOCUMENTS)
def test_a_change_keeps_every_other_key(document):
    changed = attrs.evolve(RawRecord.from_document(document), finish_reason="stop").as_document()

    assert changed == {**document, "finish_reason": "stop"}
    assert [key for key in changed if key in document] == list(document)


def test_a_field_that_is_changed_to_none_is_left_out():
    record = RawRecord.from_document({"raw_sha256": "1", "replaced": [], "note": "mine"})

    assert attrs.evolve(record, replaced=None).as_document() == {"raw_sha256": "1", "note": "mine"}


@pytest.mark.parametrize(
    ("counted", "expected"),
    [(7, 7), (7.0, 7), (0, 0), (7.5, None), (-1, None), (True, None), ("7", None), (10**30, None)],
)
def test_a_count_is_a_whole_number_or_not_known(counted, expected):
    record = RawRecord.from_document({"usage": {"prompt_tokens": counted, "completion_tokens": 1}})

    assert record.usage == Usage(expected, 1)


@pytest.mark.parametrize("key", ["mode", "raw_sha256", "truncated", "duration_seconds", "usage"])
@pytest.mark.parametrize("wrong", [[], "text" * 2, 1.5, -1, {"a": 1}])
def test_a_field_of_another_type_is_not_known(key, wrong):
    value = getattr(RawRecord.from_document({key: wrong}), key)

    assert value is None or value == wrong or value == Usage()


def test_a_list_with_a_wrong_item_is_not_known_rather_than_shorter():
    record = MainRecord.from_document({"concept_ids": ["a", 5, "b"]})

    assert record.concept_ids is None
    assert record.malformed == {"concept_ids"}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"score": 7, "score_maximum": 10}, Score(7.0, 10.0)),
        ({"score": 7}, Score(7.0, 9.0)),
        ({"score": 7, "score_maximum": None}, Score(7.0, 9.0)),
        ({"score": 2, "score_maximum": 5, "score_minimum": 1}, Score(2.0, 5.0, 1.0)),
        ({"score": 2, "score_maximum": 5, "score_minimum": "1"}, None),
        ({"score": 2, "score_maximum": 5, "score_minimum": 5}, None),
        ({"score": 7, "score_maximum": "10"}, None),
        ({"score": 7, "score_maximum": True}, None),
        ({"score": 7, "score_maximum": 0}, None),
        ({"score": 7, "score_maximum": -9}, None),
        ({"score": True}, None),
        ({"score": "7"}, None),
        ({}, None),
    ],
)
def test_a_score_is_on_a_scale_or_not_known(document, expected):
    assert ParsedRecord.from_document(document).judged == expected


def test_people_are_shown_the_size_of_a_response_unless_it_is_all_that_there_is():
    size = "(7 characters, in raw_metadata.json)"
    unreadable = {"unreadable": "it holds no text", "response": '{"a":1}'}
    document = {"usage": None, "response": '{"a":1}', "replaced": [unreadable, {"text": "x"}, 7]}

    shown = without_responses({**document, "replaced": [document, *document["replaced"]]})

    again = {"usage": None, "response": size, "replaced": [unreadable, {"text": "x"}, 7]}
    assert shown == {**again, "replaced": [again, unreadable, {"text": "x"}, 7]}
    assert without_responses({"mode": "copy"}) == {"mode": "copy"}
