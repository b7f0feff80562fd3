"""What endpoints call the end of an answer."""

import pytest

from daydreaming_dagster.domain.generation.finish import meaning_of, was_cut_off, why_unreadable


@pytest.mark.parametrize(
    ("reasons", "meaning"),
    [
        (("stop", "STOP", "eos", "end_turn", "stop_sequence", "COMPLETE", "eos_token"), "complete"),
        (("", "FinishReason.STOP"), "complete"),
        (
            (
                "length",
                "max_tokens",
                "MAX_TOKENS",
                "model_length",
                "max_output_tokens",
                "maxTokens",
            ),
            "cut off",
        ),
        (("FINISH_REASON_MAX_TOKENS", "ERROR_LIMIT", "abort", "timeout", "incomplete"), "cut off"),
        (("content_filter", "SAFETY", "RECITATION", "content-filtered", "refusal"), "filtered"),
        (("error", "ERROR", "network_error", "insufficient_system_resource"), "failed"),
        (("tool_calls", "OTHER", "1", "!", "FINISH_REASON_UNSPECIFIED"), "unknown"),
    ],
)
def test_every_spelling_of_a_finish_reason_has_its_meaning(reasons, meaning):
    assert {meaning_of(reason) for reason in reasons} == {meaning}


def test_an_answer_was_cut_off_if_its_reason_or_its_record_says_so():
    assert was_cut_off("MAX_TOKENS")
    assert was_cut_off("stop", truncated=True)
    assert was_cut_off(None, truncated=True)
    assert not was_cut_off("stop", truncated=False)
    assert not was_cut_off(None)


def test_what_was_filtered_or_failed_gives_no_text_and_what_is_unknown_does():
    assert why_unreadable("content_filter", None) == (
        "a filter of the endpoint ended it (finish_reason 'content_filter')"
    )
    assert why_unreadable("error", None) == "an error ended it (finish_reason 'error')"
    assert why_unreadable("stop", "it holds no text") == "it holds no text"
    assert why_unreadable("length", None) is None
    assert why_unreadable("moonrise", None) is None
    assert why_unreadable(None, None) is None
