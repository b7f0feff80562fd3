"""How a cohort may ask its models."""

import pytest
import yaml

from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.domain.cohort.sampling import sampling_of, sampling_problems
from daydreaming_dagster.domain.cohort.spec import make_cohort_spec, spec_problems
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.ports.language_model import SamplingParameters


def problems(draft):
    spec = make_cohort_spec(yaml.safe_load(f"sampling: {{draft: {draft}}}"), lambda *_: [])
    assert spec.problems == ()
    return [str(problem) for problem in spec_problems(spec, SHIPPED)]


@pytest.mark.parametrize(
    "draft",
    [
        "{temperature: 0.5, top_p: 1, max_tokens: 1, seed: 0}",
        "{seed: 9223372036854775807}",
        "{extra_body: {grammar: 'root ::= [0-9]', top_k: 1, stop: null, a: [true, 0.5, {b: c}]}}",
        "{extra_body: {max_completion_tokens: 9, a: &a [1], b: [*a, *a]}}",
        "{extra_body: {nested: {messages: [], model: x}}}",
    ],
)
def test_what_json_can_say_and_the_plan_does_not_is_sent(draft):
    assert problems(draft) == []


@pytest.mark.parametrize("key", ["messages", "model", "stream", "n"])
def test_what_the_plan_sets_is_refused(key):
    assert problems(f"{{extra_body: {{{key}: 2}}}}") == [
        f"sampling.draft.extra_body.{key}: it is set by the plan; leave it out"
    ]


@pytest.mark.parametrize("key", ["temperature", "top_p", "max_tokens", "seed"])
def test_what_has_a_place_of_its_own_is_refused_elsewhere(key):
    assert problems(f"{{extra_body: {{{key}: 2}}}}") == [
        f"sampling.draft.extra_body.{key}: write it beside extra_body: sampling.draft.{key}"
    ]


@pytest.mark.parametrize(
    ("draft", "expected"),
    [
        (
            "{extra_body: {a: [2026-01-31]}}",
            "sampling.draft.extra_body.a[0]: expected what JSON has, found the date 2026-01-31",
        ),
        (
            "{extra_body: {a: !!binary YQ==}}",
            "sampling.draft.extra_body.a: expected what JSON has, found the bytes b'a'",
        ),
        (
            "{extra_body: {logit_bias: {50256: -100}}}",
            "sampling.draft.extra_body.logit_bias.50256: expected a string as key, found 50256",
        ),
        (
            "{extra_body: {null: 1}}",
            "sampling.draft.extra_body.None: expected a string as key, found None",
        ),
        (
            "{extra_body: {a: .inf}}",
            "sampling.draft.extra_body.a: expected a finite number, found inf",
        ),
        (
            "{extra_body: {a: -.inf}}",
            "sampling.draft.extra_body.a: expected a finite number, found -inf",
        ),
        (
            "{extra_body: {a: .nan}}",
            "sampling.draft.extra_body.a: expected a finite number, found nan",
        ),
        (
            "{extra_body: {a: 0x8000000000000000}}",
            "sampling.draft.extra_body.a: expected a whole number of 64 bits",
        ),
        ("{extra_body: &a {b: [*a]}}", "sampling.draft.extra_body.b[0]: it contains itself"),
        ("{temperature: .inf}", "sampling.draft.temperature: expected a finite number, found inf"),
        ("{top_p: .nan}", "sampling.draft.top_p: expected a finite number, found nan"),
        ("{max_tokens: 0}", "sampling.draft.max_tokens: expected at least 1, found 0"),
        (
            "{seed: 9223372036854775808}",
            "sampling.draft.seed: expected a whole number of 64 bits",
        ),
    ],
)
def test_what_cannot_be_sent_is_a_problem_with_its_place(draft, expected):
    assert [problem.partition(";")[0] for problem in problems(draft)] == [expected]


def test_half_of_a_surrogate_pair_is_a_problem_with_its_place():
    sampling = {"draft": SamplingParameters(extra_body={"a": "\ud800"})}

    assert [str(problem) for problem in sampling_problems(sampling)] == [
        "sampling.draft.extra_body.a: it holds half of a surrogate pair, which cannot be sent"
    ]


COMPLETION = "max_completion_tokens"


@pytest.mark.parametrize(
    ("name", "default", "chosen", "expected"),
    [
        (
            "",
            SamplingParameters(0.5, seed=1),
            SamplingParameters(0.0),
            SamplingParameters(0.0, seed=1),
        ),
        ("", SamplingParameters(), SamplingParameters(), SamplingParameters()),
        (
            "",
            SamplingParameters(extra_body={"top_k": 1, "reasoning_effort": "low"}),
            SamplingParameters(extra_body={"reasoning_effort": "high"}),
            SamplingParameters(extra_body={"top_k": 1, "reasoning_effort": "high"}),
        ),
        (
            COMPLETION,
            SamplingParameters(max_tokens=50),
            SamplingParameters(),
            SamplingParameters(extra_body={COMPLETION: 50}),
        ),
        (
            COMPLETION,
            SamplingParameters(max_tokens=50),
            SamplingParameters(max_tokens=9),
            SamplingParameters(extra_body={COMPLETION: 9}),
        ),
        (
            "",
            SamplingParameters(max_tokens=50),
            SamplingParameters(extra_body={COMPLETION: 9}),
            SamplingParameters(extra_body={COMPLETION: 9}),
        ),
    ],
)
def test_what_a_cohort_chose_comes_before_a_models_own(name, default, chosen, expected):
    model = ModelEntry("big", "big-1", sampling=default, max_tokens_name=name)

    assert sampling_of(model, chosen) == expected
