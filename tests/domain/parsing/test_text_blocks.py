import pytest

from daydreaming_dagster.domain.errors import ResponseParseError
from daydreaming_dagster.domain.parsing.registry import find_parser
from daydreaming_dagster.domain.parsing.response import ParsedResponse

IDEA = "<essay-idea stage='{}'>\n{}\n</essay-idea>"
PROSE = (
    "Models write <think> before they speak, and </think> after it.\n"
    "An <essay> is not a </essay>, nor `<thinking>` a thought.\n"
    "Nor are [THINK] and <|channel|>analysis<|message|> more than marks.\n"
    "The tag is written like this:\n"
    "<essay> at the head, and no more.\n"
    "<think>\nfor example\n</think>\n"
    "So it ends."
)
REASONING = [
    "<think>\nplan: <essay> first\n</think>\n",
    "<think></think>\n\n",
    "<thinking>plan</thinking>",
    "\ufeff\n<THINK>plan</THINK>\n",
    "<think>I may use <think> here.</think>\n",
    "<think>plan\n</think>\n</think>\n",
    "<think>one</think>\n<think>two</think>\n",
    "<reasoning>plan</reasoning>\n",
    "<thought>plan</thought>\n",
    "[THINK]plan[/THINK]",
    "<|channel|>analysis<|message|>plan<|end|><|start|>assistant<|channel|>final<|message|>",
    "<|channel|>analysis<|message|>plan<|start|>assistant<|channel|>final<|message|>",
]


@pytest.mark.parametrize("parser", ["identity", "essay_block_lenient"])
def test_a_text_may_speak_of_tags(parser):
    assert find_parser(parser)(PROSE).text == PROSE


@pytest.mark.parametrize("parser", ["identity", "essay_block_lenient"])
@pytest.mark.parametrize("reasoning", REASONING)
def test_the_reasoning_that_an_answer_begins_with_is_not_its_text(parser, reasoning):
    assert find_parser(parser)(reasoning + "Text.").text == "Text."


@pytest.mark.parametrize("reasoning", REASONING)
def test_blocks_are_not_looked_for_in_reasoning(reasoning):
    assert find_parser("essay_block")(f"{reasoning}<essay>\nText.\n</essay>").text == "Text."


@pytest.mark.parametrize("reasoning", ["", "<think>\nI may use <think>.\n</think>\n"])
def test_an_essay_in_a_block_may_speak_of_tags(reasoning):
    answer = f"{reasoning}Here it is.\n<essay>\n{PROSE}\n</essay>\nDone."

    assert find_parser("essay_block")(answer).text == PROSE


def test_a_text_may_speak_of_tags_after_its_reasoning():
    assert find_parser("identity")(f"<think>\nplan\n</think>\n{PROSE}").text == PROSE


def test_a_final_message_of_harmony_ends_where_its_mark_is():
    answer = "<|channel|>analysis<|message|>a<|end|><|channel|>final<|message|>Text.<|return|>"

    assert find_parser("identity")(answer).text == "Text."


@pytest.mark.parametrize(
    ("parser", "response", "text"),
    [
        ("identity", " as it\r\n is ", " as it\r\n is "),
        ("identity", "", ""),
        ("essay_block", "Plan.\n<essay>\nText.\n</essay>\nDone.", "Text."),
        ("essay_block", "<ESSAY title='x'>Text.</Essay>", "Text."),
        ("essay_block", "Plan.\n<essay>\nText goes on", "Text goes on"),
        ("essay_block", "Plan.\n<essay>Text goes on", "Text goes on"),
        ("essay_block", "<essay>first</essay><essay>second</essay>", "second"),
        ("essay_block", "<essay>whole</essay> I wrote an <essay> as asked", "whole"),
        ("essay_block", "<essay>\nno </essay> here, no </essay>.\n</essay>",
         "no </essay> here, no </essay>."),
        ("essay_block", "<essay>a < b and <em>c</em></essay>", "a < b and <em>c</em>"),
        ("essay_block", "<essay>an <essay-idea>x</essay-idea></essay>",
         "an <essay-idea>x</essay-idea>"),
        ("essay_block", "<essay>\nA\n</essay>\n\nOr shorter:\n<essay>B</essay>", "B"),
        ("essay_block", "I plan <essay>.\n</think>\n<essay>\nText.\n</essay>", "Text."),
        ("essay_block_lenient", "<think>no</think><essay>Text.</essay> bye", "Text."),
        ("essay_block_lenient", "Plan.\n<essay>\nText goes on", "Text goes on"),
        ("essay_block_lenient", "Text.", "Text."),
        ("essay_block_lenient", "no</thinking>Text.", "no</thinking>Text."),
        ("essay_block_lenient", "Text.<thinking>and on", "Text.<thinking>and on"),
        ("essay_block_lenient", "An <essay>.", "An <essay>."),
        ("essay_idea_last", IDEA.format(1, "one") + IDEA.format(2, "two"), "two"),
        ("essay_idea_last", IDEA.format(10, "ten") + IDEA.format(9, "nine"), "ten"),
        ("essay_idea_last", IDEA.format(2, "two") + IDEA.format(2, "again"), "again"),
        ("essay_idea_last", "<essay-idea>a</essay-idea> <essay-idea>b</essay-idea>", "b"),
        ("essay_idea_last", IDEA.format(1, "one") + "<essay-idea>none</essay-idea>", "one"),
        ("essay_idea_last", '<essay-idea stage="3" x>three</essay-idea>', "three"),
        ("essay_idea_last", IDEA.format(2, "two") + "an <essay-idea> is", "two"),
        ("essay_idea_last", "<think>" + IDEA.format(3, "no") + "</think>" + IDEA.format(2, "two"),
         "two"),
    ],
)  # fmt: skip
def test_the_text_between_tags_is_taken(parser, response, text):
    assert find_parser(parser)(response) == ParsedResponse(text)


@pytest.mark.parametrize(
    ("parser", "response", "reason"),
    [
        ("identity", "<think>and on and on", "the answer is all reasoning: its 'think' is not"),
        ("identity", "<think>no</think> \n", "nothing follows the reasoning"),
        ("identity", "plan\n</think>\nText.", "a line ends with '</think>', which nothing opens"),
        ("identity", "It ends.</think>\n\nText.", "a line ends with '</think>', which nothing"),
        ("identity", "<think>a</think> b</think> Text.", "not clear which '</think>' ends"),
        ("identity", "<think>\n<think>\na\n</think>\nb\n</think>\nText.", "not clear which"),
        ("essay_block", "Text.", "there is no <essay> block"),
        ("essay_block", "An <essay>a</essay>.", "there is no <essay> block that begins a line"),
        ("essay_block", "<essay-idea>x</essay-idea>", "there is no <essay> block"),
        ("essay_block", "<essay> \n</essay>", "the essay is blank"),
        ("essay_block", "<essay>\na\n<essay>\nb\n</essay>", "is not closed before the next"),
        ("essay_block", "<essay>a</essay> b</essay> c", "not clear which </essay> ends the block"),
        ("essay_block", "<essay>\nplan\n</essay>\n</think>\nText.", "after the <essay> block"),
        ("essay_block_lenient", "<thinking>no</thinking> \n", "nothing follows the reasoning"),
        ("essay_block_lenient", " \n", "the essay is blank"),
        ("essay_idea_last", "Text.", "there is no <essay-idea> block"),
        ("essay_idea_last", "<essay-idea> </essay-idea>", "the essay-idea is blank"),
        ("essay_idea_last", IDEA.format(1, "one") + "<essay-idea stage='2'>tw",
         "<essay-idea> block 2 is not closed"),
    ],
)  # fmt: skip
def test_a_text_that_is_not_there_is_refused(parser, response, reason):
    with pytest.raises(ResponseParseError, match=reason):
        find_parser(parser)(response)
