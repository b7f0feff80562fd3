"""Answers that are probably not what they count as."""

import pytest

from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.generation.doubts import (
    answer_key,
    doubts_about,
    is_another_model,
    repeated_answers,
)
from daydreaming_dagster.domain.generation.records import RawRecord, Usage

LONG = "Ants build what nobody planned. " * 10


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4", "gpt-4-0613"),
        ("gpt-4", "gpt-4-1106-preview"),
        ("openai/gpt-4o", "gpt-4o-2024-08-06"),
        ("anthropic/claude-3.5-sonnet", "claude-3-5-sonnet-20241022"),
        ("claude-sonnet-4-5", "anthropic/claude-sonnet-4.5"),
        ("gemini-2.5-flash", "models/gemini-2.5-flash-001"),
        ("gemini-2.5-flash", "gemini-2.5-flash-preview-05-20"),
        ("deepseek/deepseek-r1:free", "deepseek/deepseek-r1"),
        ("mistral-large-latest", "mistral-large-2411"),
        ("command-r", "command-r-08-2024"),
        ("llama3.2", "llama3.2:latest"),
        ("Qwen/Qwen3-8B", "qwen3-8b"),
        ("SmolLM2-135M-Instruct", "/cache/llm/SmolLM2-135M-Instruct.Q4_1.gguf"),
        ("big-1", ""),
        ("", "big-1"),
        ("big-1", "big-1"),
    ],
)
def test_a_path_before_a_name_and_a_version_behind_it_make_no_other_model(asked, answered):
    assert not is_another_model(asked, answered)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4o", "gpt-4o-mini"),
        ("gpt-4o", "gpt-4o-mini-2024-07-18"),
        ("gpt-4", "gpt-4.1"),
        ("gpt-4o-2024-08-06", "gpt-4o-2024-11-20"),
        ("claude-opus-4", "claude-opus-4-1"),
        ("llama3.2:1b", "llama3.2:3b"),
        ("meta-llama/llama-3-70b", "meta-llama/llama-3-8b"),
        ("deepseek-r1", "deepseek-r1-distill-qwen-32b"),
        ("my-deployment", "gpt-4o-2024-08-06"),
    ],
)
def test_another_name_is_another_model(asked, answered):
    assert is_another_model(asked, answered)
    assert is_another_model(answered, asked)


def record(text=LONG, response_id=None, **fields):
    return RawRecord(mode="llm", raw_sha256=sha256(text), response_id=response_id, **fields)


def test_an_answer_of_another_model_to_a_part_of_the_prompt_is_doubtful_for_both_reasons():
    prompt = "word " * 2_000
    cut = Usage(prompt_tokens=500)
    of = {"model": "gpt-4o", "prompt_sha256": sha256(prompt), "usage": cut}

    doubts = list(doubts_about(record(answered_by="gpt-4o-mini", **of), prompt))

    assert doubts == [
        "'gpt-4o' was asked, and 'gpt-4o-mini' answered",
        "the endpoint counted far fewer tokens than its prompt has, and probably cut it",
    ]
    assert list(doubts_about(record(answered_by="gpt-4o", **of), None)) == []
    assert list(doubts_about(record(model="gpt-4o", answered_by="gpt-4o-0806"), "why?")) == []


def refs_of_repeated(*answers):
    keys = {f"d{i}": answer_key(*one) for i, one in enumerate(answers)}
    return [ref.gen_id for ref, _ in repeated_answers({"draft": keys})]


def test_equal_long_answers_are_one_answer_whatever_their_ids():
    first, second = record(response_id="gen-1a2b3c"), record(response_id="gen-4d5e6f")

    assert refs_of_repeated((first, LONG), (second, LONG), (record(LONG + "!"), LONG + "!")) == [
        "d1"
    ]


def test_equal_short_answers_are_one_answer_if_their_responses_have_the_same_id():
    score = "SCORE: 6"
    same = record(score, "chatcmpl-9f8e7d6c"), score
    other = record(score, "chatcmpl-0a1b2c3d"), score

    assert refs_of_repeated(same, other, same) == ["d2"]
    assert refs_of_repeated((record(score), score), (record(score), score)) == []


def test_responses_with_one_long_id_are_one_answer_whatever_was_done_to_the_text():
    response_id = "chatcmpl-9f8e7d6c5b4a39281706"
    one, other = record("SCORE: 6", response_id), record("SCORE: 6.", response_id)
    elsewhere = record("SCORE: 6.", response_id, provider="other")

    assert refs_of_repeated((one, "SCORE: 6"), (other, "SCORE: 6."), (elsewhere, "SCORE: 6.")) == [
        "d1"
    ]


def test_ids_that_an_endpoint_uses_again_by_chance_prove_nothing():
    score = "SCORE: 6"

    for response_id in ("chatcmpl-417", "chatcmpl-A1"):
        assert refs_of_repeated(*[(record(score, response_id), score)] * 2) == []
    longer = record("SCORE: 7", "chatcmpl-9f8e7d6c")
    assert refs_of_repeated((record(score, "chatcmpl-9f8e7d6c"), score), (longer, "SCORE: 7")) == []


def test_copies_are_no_answers():
    copy = RawRecord(mode="copy", raw_sha256=sha256(LONG))

    assert refs_of_repeated((copy, LONG), (copy, LONG)) == []
