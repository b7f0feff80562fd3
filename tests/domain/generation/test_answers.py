"""The second and third step of a stage: what is asked, kept and reused."""

import attrs
import pytest

from adapters import InMemoryGensStore
from daydreaming_dagster.domain.catalog import Catalog, ModelEntry, TemplateEntry
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.errors import CatalogError, ResponseParseError, UnusableAnswerError
from daydreaming_dagster.domain.generation.answers import (
    read_answer,
    read_parsed,
    store_answer,
    store_parsed,
)
from daydreaming_dagster.domain.generation.metadata import Parent, resolve_generation_metadata
from daydreaming_dagster.domain.generation.recipe import Recipe, make_recipe, why_stale
from daydreaming_dagster.domain.generation.records import RawRecord
from daydreaming_dagster.domain.generation.state import RawAnswer, read_state
from daydreaming_dagster.domain.parsing.registry import find_parser
from daydreaming_dagster.domain.parsing.response import ParsedResponse
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.ports.errors import InvalidMetadataError, MissingArtifactError
from daydreaming_dagster.ports.language_model import Completion, SamplingParameters

IDENTITY = find_parser("identity")
SCORE = find_parser("in_last_line")
DRAFT = Parent("draft", GenerationRef("draft", "d0"))
CRITIQUE = Parent("critique", GenerationRef("critique", "c0"))
USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 20,
    "cached_tokens": None,
    "reasoning_tokens": None,
    "cost": None,
}
RECIPE = Recipe(
    "draft",
    "links",
    "llm",
    IDENTITY,
    "a template",
    "big-1",
    "acme",
    SamplingParameters(temperature=0.5, seed=3),
)
CATALOG = Catalog(
    concepts={},
    templates={
        ("draft", "links"): TemplateEntry("links"),
        ("essay", "story"): TemplateEntry("story", parser="identity"),
        ("evaluation", "judge"): TemplateEntry("judge"),
    },
    models={"big": ModelEntry("big", "big-1", "acme")},
)


@pytest.fixture
def store():
    return InMemoryGensStore(templates={("draft", "links"): "a template"})


def recipe_of(store, catalog, stage, gen_id):
    metadata = resolve_generation_metadata(store, stage, gen_id)
    return make_recipe(store, catalog, stage, gen_id, metadata)


def answered(text):
    return RawAnswer(text, RawRecord(), reused=False)


def completion(text, finish_reason="stop"):
    return Completion(text, finish_reason, "big-1-0613", 1.5, 10, 20)


def test_the_recipe_is_what_metadata_and_catalog_say(store):
    store.write_main_metadata(
        "draft",
        "d1",
        {
            "template_id": "links",
            "llm_model_id": "big",
            "parameters": {"temperature": 0.5, "seed": 3},
        },
    )

    assert recipe_of(store, CATALOG, "draft", "d1") == RECIPE


def test_an_evaluations_parser_reads_the_score_where_the_template_names_none(store):
    store.write_main_metadata(
        "evaluation", "v1", {"template_id": "judge", "llm_model_id": "big", "parent_gen_id": "e"}
    )

    assert recipe_of(store, CATALOG, "evaluation", "v1").reader.parser == "in_last_line"


def test_copying_needs_no_model(store):
    store.write_main_metadata(
        "essay", "e1", {"template_id": "story", "mode": "copy", "parent_gen_id": "d1"}
    )

    assert recipe_of(store, CATALOG, "essay", "e1") == Recipe("essay", "story", "copy", IDENTITY)


@pytest.mark.parametrize(
    ("document", "error", "message"),
    [
        ({"template_id": "other"}, InvalidMetadataError, r"lacks 'other' for draft/d1"),
        (
            {"template_id": "links", "llm_model_id": "huge"},
            InvalidMetadataError,
            r"lacks 'huge' for draft/d1",
        ),
        (
            {"template_id": "links", "llm_model_id": "big", "parameters": {"temprature": 1}},
            CatalogError,
            r"draft/d1.*\n.*temprature",
        ),
    ],
)
def test_what_the_catalog_lacks_is_named(store, document, error, message):
    store.write_main_metadata("draft", "d1", document)

    with pytest.raises(error, match=message):
        recipe_of(store, CATALOG, "draft", "d1")


def test_an_answer_is_stored_with_everything_that_it_cost(store):
    answer = store_answer(store, "d1", RECIPE, "why?", completion("because"))

    assert store.read_raw("draft", "d1") == answer.text == "because"
    assert answer.reused is False
    assert store.read_raw_metadata("draft", "d1") == {
        "mode": "llm",
        "model": "big-1",
        "provider": "acme",
        "parameters": {"temperature": 0.5, "seed": 3},
        "prompt_sha256": sha256("why?"),
        "template_sha256": sha256("a template"),
        "answered_by": "big-1-0613",
        "finish_reason": "stop",
        "truncated": False,
        "usage": USAGE,
        "duration_seconds": 1.5,
        "failed_attempts": [],
        "raw_sha256": sha256("because"),
    }


@pytest.mark.parametrize("finish_reason", ["length", "MAX_TOKENS", "model_length"])
def test_a_cut_off_answer_is_marked_however_the_endpoint_says_it(store, finish_reason):
    store_answer(store, "d1", RECIPE, "why?", completion("beca", finish_reason))

    assert store.read_raw_metadata("draft", "d1")["truncated"] is True


def test_reasoning_is_kept_beside_the_text(store):
    said = attrs.evolve(completion("because"), reasoning="Hm \ud83d.")

    store_answer(store, "d1", RECIPE, "why?", said)

    assert store.read_raw("draft", "d1") == "because"
    metadata = store.read_raw_metadata("draft", "d1")
    assert metadata["reasoning"] == "Hm \N{REPLACEMENT CHARACTER}."
    assert "unreadable" not in metadata


def test_an_answer_that_could_not_be_read_is_kept_as_it_came_and_gives_no_text(store):
    said = attrs.evolve(completion(""), unreadable="it holds no text", response='{"choices": [7]}')

    answer = store_answer(store, "d1", RECIPE, "why?", said)

    assert store.read_raw_metadata("draft", "d1")["response"] == '{"choices": [7]}'
    assert read_state(store, SHIPPED["draft"], "d1").answer == attrs.evolve(answer, reused=True)
    with pytest.raises(UnusableAnswerError, match="could not be read: it holds no text"):
        store_parsed(store, "draft", "d1", IDENTITY, answer)


@pytest.mark.parametrize("finish_reason", ["content_filter", "SAFETY", "error"])
def test_an_answer_that_a_filter_or_an_error_ended_is_kept_and_not_scored(store, finish_reason):
    answer = store_answer(store, "v1", RECIPE, "why?", completion("SCORE: 7", finish_reason))

    with pytest.raises(ResponseParseError, match=f"could not be read: .*'{finish_reason}'"):
        store_parsed(store, "evaluation", "v1", SCORE, answer)

    assert store.read_raw("draft", "v1") == "SCORE: 7"


@pytest.mark.parametrize("finish_reason", ["", "eos", "moonrise"])
def test_an_answer_that_ended_otherwise_is_scored(store, finish_reason):
    answer = store_answer(store, "v1", RECIPE, "why?", completion("SCORE: 7", finish_reason))

    assert store_parsed(store, "evaluation", "v1", SCORE, answer).score.value == 7


def test_lone_surrogates_of_a_model_become_replacement_characters(store):
    text = "a\ud800b\udc00 \N{GRINNING FACE}"

    answer = store_answer(store, "d1", RECIPE, "?", completion(text))

    assert answer.text == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER} \N{GRINNING FACE}"
    assert read_state(store, SHIPPED["draft"], "d1").answer is not None


def test_lone_surrogates_beside_an_answer_do_not_lose_it(store):
    said = attrs.evolve(
        completion("a dream"),
        model="big\ud800",
        finish_reason="stop\ud800",
        failed_attempts=("busy \ud83d",),
    )

    store_answer(store, "d1", RECIPE, "?", said)

    metadata = store.read_raw_metadata("draft", "d1")
    assert metadata["failed_attempts"] == ["busy \N{REPLACEMENT CHARACTER}"]
    assert metadata["answered_by"] == "big\N{REPLACEMENT CHARACTER}"
    assert read_state(store, SHIPPED["draft"], "d1").answer is not None


class DyingStore(InMemoryGensStore):
    """A store whose process ends when it comes to a text."""

    def _store(self, stage, gen_id, artifact, data):
        if artifact in ("raw", "parsed"):
            raise KeyboardInterrupt
        super()._store(stage, gen_id, artifact, data)


def test_what_vouches_for_a_text_is_written_before_it():
    """So that a text without it can only be one from elsewhere."""
    store = DyingStore()

    with pytest.raises(KeyboardInterrupt):
        store_answer(store, "d1", RECIPE, "why?", completion("because"))
    with pytest.raises(KeyboardInterrupt):
        store_parsed(store, "draft", "d1", IDENTITY, answered("because"))

    assert store.read_raw_metadata("draft", "d1")["raw_sha256"] == sha256("because")
    assert store.read_parsed_metadata("draft", "d1")["parsed_sha256"] == sha256("because")


def test_the_same_question_finds_its_answer(store):
    store_answer(store, "d1", RECIPE, "why?", completion("because"))

    found = read_state(store, SHIPPED["draft"], "d1").answer

    assert found is not None
    assert (found.text, found.reused) == ("because", True)


@pytest.mark.parametrize(
    ("changes", "prompt", "reason"),
    [
        ({}, "why not?", "its concepts were edited"),
        ({"template": "another"}, "why not?", "draft template 'links' was edited"),
        ({"parents": (DRAFT,)}, "why not?", "the text of its draft changed"),
        ({"parents": (DRAFT, CRITIQUE)}, "why not?", "changed (draft or critique)"),
        ({"model": "big-2"}, "why?", "its model was 'big-1' and is 'big-2' now"),
        ({"provider": "other"}, "why?", "its provider was 'acme' and is 'other' now"),
        ({"parameters": SamplingParameters(seed=4)}, "why?", "its parameters was"),
        ({"mode": "copy"}, "why?", "its mode was 'llm' and is 'copy' now"),
    ],
)
def test_an_answer_to_another_question_is_stale_and_says_why(store, changes, prompt, reason):
    answer = store_answer(store, "d1", RECIPE, "why?", completion("because"))

    assert reason in why_stale(answer.record, attrs.evolve(RECIPE, **changes), prompt)


@pytest.mark.parametrize("changes", [{}, {"reader": SCORE}, {"template": "another"}])
def test_the_same_question_is_not_stale(store, changes):
    answer = store_answer(store, "d1", RECIPE, "why?", completion("because"))

    assert why_stale(answer.record, attrs.evolve(RECIPE, **changes), "why?") is None


@pytest.mark.parametrize(
    "recorded",
    [
        {},
        {"mode": None, "model": 5, "parameters": "none", "prompt_sha256": True},
        {"model": "big-1", "prompt_sha256": sha256("why?")},
    ],
)
def test_only_what_is_recorded_of_a_question_can_make_an_answer_stale(recorded):
    assert why_stale(RawRecord.from_document(recorded), RECIPE, "why?") is None


def test_the_stored_prompt_stands_in_for_a_question_that_was_not_recorded(store):
    store.write_raw("draft", "d1", "because")
    store.write_prompt("draft", "d1", "why?")

    asked = read_state(store, SHIPPED["draft"], "d1").question

    assert why_stale(asked, RECIPE, "why?") is None
    assert why_stale(asked, RECIPE, "why not?") == "its concepts were edited"


def test_what_the_provider_says_of_an_answer_is_stored(store):
    answer = attrs.evolve(
        completion("1"),
        cached_tokens=4,
        reasoning_tokens=6,
        cost=0.25,
        response_id="r-1",
        system_fingerprint="fp_1",
    )

    store_answer(store, "d1", RECIPE, "one", answer)

    stored = store.read_raw_metadata("draft", "d1")
    assert stored["usage"] == {**USAGE, "cached_tokens": 4, "reasoning_tokens": 6, "cost": 0.25}
    assert (stored["response_id"], stored["system_fingerprint"]) == ("r-1", "fp_1")


def test_replaced_answers_are_kept_with_what_they_cost(store):
    for prompt, text in (("one", "1"), ("two", "2"), ("three", "3")):
        store_answer(store, "d1", RECIPE, prompt, completion(text))

    assert store.read_raw("draft", "d1") == "3"
    replaced = store.read_raw_metadata("draft", "d1")["replaced"]
    assert [answer["text"] for answer in replaced] == ["1", "2"]
    assert replaced[0]["prompt_sha256"] == sha256("one")
    assert replaced[1]["usage"] == USAGE
    assert all("replaced" not in answer for answer in replaced)


def test_an_answer_that_a_crash_left_half_replaced_is_kept_once(store):
    store_answer(store, "d1", RECIPE, "one", completion("1"))
    store_answer(store, "d1", RECIPE, "two", completion("2"))
    store.write_raw("draft", "d1", "1")  # the second text never came

    store_answer(store, "d1", RECIPE, "two", completion("2b"))

    replaced = store.read_raw_metadata("draft", "d1")["replaced"]
    assert [answer["text"] for answer in replaced] == ["1"]


def test_what_else_was_written_under_replaced_is_kept_too(store):
    store.write_raw_metadata("draft", "d1", {"replaced": "a note by hand"})
    store.write_raw("draft", "d1", "1")

    store_answer(store, "d1", RECIPE, "two", completion("2"))

    replaced = store.read_raw_metadata("draft", "d1")["replaced"]
    assert replaced == ["a note by hand", {"raw_sha256": sha256("1"), "text": "1"}]


def test_a_text_that_was_edited_by_hand_is_kept_without_what_another_cost(store):
    store_answer(store, "d1", RECIPE, "one", completion("1"))
    store.write_raw("draft", "d1", "edited")

    store_answer(store, "d1", RECIPE, "two", completion("2"))

    assert store.read_raw_metadata("draft", "d1")["replaced"] == [
        {"raw_sha256": sha256("edited"), "text": "edited"}
    ]


def test_a_text_that_nothing_vouches_for_is_kept_as_well(store):
    store.write_raw("draft", "d1", "from elsewhere")

    store_answer(store, "d1", RECIPE, "one", completion("1"))

    assert store.read_raw_metadata("draft", "d1")["replaced"] == [
        {"raw_sha256": sha256("from elsewhere"), "text": "from elsewhere"}
    ]


def test_a_score_is_stored_with_its_text(store):
    parsed = store_parsed(store, "evaluation", "v1", SCORE, answered("Good.\nSCORE: 7/10"))

    assert store.read_parsed("evaluation", "v1") == parsed.text == "7/10"
    assert store.read_parsed_metadata("evaluation", "v1") == {
        "parser": "in_last_line",
        "raw_sha256": sha256("Good.\nSCORE: 7/10"),
        "parsed_sha256": sha256("7/10"),
        "score": 7.0,
        "score_maximum": 10.0,
        "settings": {"minimum_lines": 0},
    }


def test_a_score_is_read_back_on_the_scale_that_it_was_given_on(store):
    judge = attrs.evolve(SCORE, score_minimum=1.0, score_maximum=5.0)

    parsed = store_parsed(store, "evaluation", "v1", judge, answered("SCORE: 2"))

    assert read_parsed(store, "evaluation", "v1").score == parsed.score
    assert parsed.score.normalised == 0.25


def test_what_does_not_parse_is_quoted_and_writes_nothing(store):
    with pytest.raises(ResponseParseError, match=r"the answer ends: 'I like it\.'"):
        store_parsed(store, "evaluation", "v1", SCORE, answered("I like it."))

    with pytest.raises(MissingArtifactError):
        store.read_parsed_metadata("evaluation", "v1")
    with pytest.raises(MissingArtifactError):
        store.read_parsed("evaluation", "v1")


def test_a_cut_off_answer_is_kept_and_gives_no_text(store):
    answer = store_answer(store, "d1", RECIPE, "why?", completion("beca", "length"))

    with pytest.raises(ResponseParseError, match="cut off"):
        store_parsed(store, "draft", "d1", IDENTITY, answer)

    assert store.read_raw("draft", "d1") == "beca"
    with pytest.raises(MissingArtifactError):
        store.read_parsed("draft", "d1")


def test_a_text_from_elsewhere_can_be_read_without_its_metadata(store):
    store.write_raw("draft", "d1", "from elsewhere")

    answer = read_answer(store, "draft", "d1")

    assert (answer.text, answer.reused) == ("from elsewhere", True)

    store.write_parsed("draft", "d1", "parsed elsewhere")

    assert read_parsed(store, "draft", "d1") == ParsedResponse("parsed elsewhere")


def test_an_unknown_parser_is_named(store):
    catalog = Catalog({}, {("draft", "t"): TemplateEntry("t", parser="tea_leaves")}, {})
    store.write_main_metadata("draft", "d1", {"template_id": "t"})

    with pytest.raises(CatalogError, match="unknown parser 'tea_leaves'"):
        recipe_of(store, catalog, "draft", "d1")
