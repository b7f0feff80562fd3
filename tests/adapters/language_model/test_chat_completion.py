"""The forms in which endpoints send an answer."""

import json
import math

import pytest

from adapters.language_model.chat_completion import read_body, read_completion
from daydreaming_dagster.ports.language_model import ModelRequest

REQUEST = ModelRequest("Dream.", "big-1", "acme")


def read(body):
    text = body if isinstance(body, str) else json.dumps(body)
    return read_completion(read_body(text), text, REQUEST, str.upper)


def answering(content, **fields):
    return {"choices": [{"message": {"content": content, **fields}, "finish_reason": "stop"}]}


def counted(usage, content="Hm."):
    completion = read({**answering(content), "usage": usage})
    return completion.prompt_tokens, completion.completion_tokens


@pytest.mark.parametrize(
    ("content", "text", "reasoning"),
    [
        ("A dream.", "A dream.", ""),
        ([{"type": "text", "text": "A "}, {"type": "text", "text": "dream."}], "A dream.", ""),
        ([{"type": "output_text", "text": "A dream.", "annotations": []}], "A dream.", ""),
        (["A ", "dream."], "A dream.", ""),
        ({"type": "text", "text": "A dream."}, "A dream.", ""),
        ([{"type": "thinking", "thinking": "Hm."}, "A dream."], "A dream.", "Hm."),
        (
            [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, "A dream."],
            "A dream.",
            "Hm.",
        ),
        ([{"type": "reasoning", "text": "Hm."}, "A dream."], "A dream.", "Hm."),
    ],
)
def test_a_text_is_read_whole_or_in_parts_and_reasoning_apart_from_it(content, text, reasoning):
    completion = read(answering(content))

    assert (completion.text, completion.reasoning) == (text, reasoning)
    assert completion.unreadable == ""
    assert json.loads(completion.response) == answering(content)


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_beside_a_text_is_kept_and_not_part_of_it(key):
    completion = read(answering("A dream.", **{key: "Hm."}))

    assert (completion.text, completion.reasoning) == ("A dream.", "Hm.")
    assert completion.unreadable == ""


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (answering(None), "it holds no text"),
        (answering(""), "it holds no text"),
        (answering(" \n"), "it holds no text"),
        (answering([]), "it holds no text"),
        (answering(None, reasoning_content="Hm."), "it holds reasoning and no text"),
        (answering(None, refusal="No."), "the model refused: NO."),
        (answering(None, tool_calls=[{"id": "1"}]), "it holds no text"),
        (answering(None, audio={"data": "UklG"}), "it holds no text"),
        (answering(7), "its content is not a text"),
        (answering({"parts": [{"text": "A dream."}]}), "its content is not a text"),
        (answering([{"type": "image_url", "image_url": "x"}, "A"]), "its content is not a text"),
        (answering([[["A dream."]]]), "its content is not a text"),
        ({"choices": [{}]}, "it holds no text"),
        ({"choices": [None]}, "it holds no text"),
        ({"choices": ["A dream."]}, "it holds no text"),
        ({"choices": [{"message": "A dream."}]}, "it holds no text"),
        ({"choices": [{"text": "A dream."}]}, "it holds no text"),
    ],
)
def test_what_holds_no_text_is_an_answer_that_says_why_and_keeps_all(body, reason):
    completion = read(body)

    assert completion.unreadable == reason
    assert json.loads(completion.response) == body


@pytest.mark.parametrize(
    "body",
    [
        {**answering("Half a dr"), "error": {"code": 502, "message": "Gone."}},
        {"choices": [{"message": {"content": "Half a dr"}, "error": {"message": "Gone."}}]},
        {**answering("Half a dr"), "error": "Gone."},
        {**answering(None, reasoning="Hm."), "error": "Gone."},
        {**answering(None), "error": "Gone.", "usage": {"completion_tokens": 9}},
    ],
)
def test_an_error_beside_what_was_paid_for_makes_it_no_text_to_be_used(body):
    completion = read(body)

    assert completion.unreadable == "the endpoint reports an error: GONE."
    assert json.loads(completion.response) == body


@pytest.mark.parametrize(
    "body", [{}, {"choices": []}, {"choices": {}}, {**answering(None), "error": "Gone."}]
)
def test_a_body_without_anything_that_was_paid_for_is_no_completion(body):
    assert read(body) is None


def test_an_error_that_is_null_is_none():
    assert read({**answering("A dream."), "error": None}).unreadable == ""


@pytest.mark.parametrize(
    ("value", "reason"),
    [("stop", "stop"), (None, ""), (1, "1"), ({"type": "length", "length": 9}, "length")],
)
def test_a_finish_reason_is_kept_as_it_came(value, reason):
    body = {"choices": [{"message": {"content": "A dream."}, "finish_reason": value}]}

    assert read(body).finish_reason == reason


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 5}, (7, 5)),
        ({"input_tokens": 7, "output_tokens": 5}, (7, 5)),
        ({"prompt_tokens": 7.0, "completion_tokens": 4.5}, (7, 5)),
        ({"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}, (7, 5)),
        ({"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 612}, (7, 605)),
        ({"prompt_tokens": 7, "total_tokens": 12}, (7, 5)),
        ({"completion_tokens": 5, "total_tokens": 12}, (7, 5)),
        ({"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 3}, (7, 5)),
        (
            {
                "prompt_tokens": 7,
                "completion_tokens": 5,
                "completion_tokens_details": {"reasoning_tokens": 600},
            },
            (7, 605),
        ),
        (
            {
                "prompt_tokens": 7,
                "completion_tokens": 605,
                "completion_tokens_details": {"reasoning_tokens": 600},
            },
            (7, 605),
        ),
        ({"input_tokens": 7, "output_tokens": 5, "reasoning_tokens": 600}, (7, 605)),
        (
            {
                "input_tokens": 7,
                "output_tokens": 5,
                "output_tokens_details": {"reasoning_tokens": 600},
            },
            (7, 605),
        ),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, (None, None)),
        ({}, (None, None)),
        (None, (None, None)),
        ([7, 5], (None, None)),
    ],
)
def test_the_tokens_are_the_most_that_an_answer_implies(usage, tokens):
    assert counted(usage) == tokens


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}, (9, 4)),
        ({"input_tokens": 9, "input_tokens_details": {"cached_tokens": 4}}, (9, 4)),
        ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5}, (9, 4)),
        ({"prompt_tokens": 9, "cached_tokens": 4}, (9, 4)),
        ({"prompt_tokens": 9, "cached_content_token_count": 4}, (9, 4)),
        ({"prompt_tokens": 9, "cache_read_input_tokens": 4}, (9, 4)),
        ({"input_tokens": 2, "cache_read_input_tokens": 4}, (6, 4)),
        (
            {
                "input_tokens": 2,
                "cache_read_input_tokens": 4,
                "cache_creation_input_tokens": 3,
            },
            (9, 4),
        ),
        ({"prompt_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}, (6, 4)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 0}}, (9, 0)),
        ({"prompt_tokens": 9, "prompt_tokens_details": None}, (9, None)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": "4"}}, (9, None)),
    ],
)
def test_cached_tokens_are_read_in_each_spelling_and_are_part_of_the_prompt(usage, tokens):
    completion = read({**answering("Hm."), "usage": usage})

    assert (completion.prompt_tokens, completion.cached_tokens) == tokens


@pytest.mark.parametrize(
    "usage",
    [
        {"completion_tokens_details": {"reasoning_tokens": 6}},
        {"output_tokens_details": {"reasoning_tokens": 6}},
        {"reasoning_tokens": 6},
        {"thoughts_token_count": 6},
    ],
)
def test_reasoning_tokens_are_read_in_each_spelling(usage):
    completion = read({**answering("Hm."), "usage": {"completion_tokens": 9, **usage}})

    assert (completion.completion_tokens, completion.reasoning_tokens) == (9, 6)


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"cost": 0.25}, 0.25),
        ({"cost": 0}, 0.0),
        ({"cost": {"input_tokens_cost": 0.1, "total_cost": 0.25}}, 0.25),
        (
            {"cost": 0.25, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.5}},
            0.75,
        ),
        (
            {"cost": 0.25, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.5}},
            0.25,
        ),
        ({"cost": 0.25, "is_byok": True}, None),
        ({"cost": -1}, None),
        ({"cost": math.nan}, None),
        ({"cost": math.inf}, None),
        ({"cost": True}, None),
        ({"cost": "0.25"}, None),
        ({"cost": {}}, None),
        ({}, None),
    ],
)
def test_the_cost_is_what_the_provider_says_that_it_billed(usage, cost):
    assert read({**answering("Hm."), "usage": usage}).cost == cost


def test_the_endpoints_names_for_an_answer_are_kept():
    completion = read({**answering("Hm."), "id": "gen-7", "system_fingerprint": "fp_1"})

    assert (completion.response_id, completion.system_fingerprint) == ("gen-7", "fp_1")


@pytest.mark.parametrize(
    "count", [-1, True, "5", None, [5], math.nan, math.inf, 2**31, 10**400, 1e30]
)
def test_a_count_that_cannot_be_is_unknown(count):
    assert counted({"prompt_tokens": count, "completion_tokens": count}) == (None, None)
    assert counted({"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": count}) == (7, 5)


def test_an_answer_of_no_tokens_is_one_where_there_is_no_text():
    assert counted({"prompt_tokens": 7, "completion_tokens": 0}, content="") == (7, 0)


def test_a_number_too_long_to_be_read_loses_no_answer():
    digits = "9" * 10_000
    body = f'{{"choices": [{{"message": {{"content": "A dream."}}}}], "created": {digits}}}'

    assert read(body).text == "A dream."


def test_a_text_with_bare_control_characters_is_read():
    assert read('{"choices": [{"message": {"content": "A\ndream."}}]}').text == "A\ndream."
