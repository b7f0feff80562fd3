"""The sampling parameters of a model at a stage, and the mistakes in them."""

import math
from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.domain.documents import Path, Problem
from daydreaming_dagster.domain.generation.tokens import answer_limit
from daydreaming_dagster.ports.language_model import SamplingParameters
from daydreaming_dagster.types import Stage

_SET_BY_PLAN: Final = ("messages", "model", "stream", "n")
"""Of a request, what the plan and the runner say: the question, whom it is put to, one answer."""

_LARGEST_INTEGER: Final = 2**63
"""Endpoints that parse JSON into 64-bit integers accept no larger numbers."""


def sampling_problems(sampling: Mapping[Stage, SamplingParameters]) -> Iterator[Problem]:
    """Yield the parameters that cannot be sent as written, or would replace the question."""
    for stage, parameters in sampling.items():
        path: Path = ("sampling", stage)
        yield from parameter_problems(parameters, path, f"sampling.{stage}.")


def parameter_problems(
    parameters: SamplingParameters, path: Path, beside: str = ""
) -> Iterator[Problem]:
    """Yield the same of the parameters at a place; `beside` is how their names begin."""
    own = attrs.asdict(parameters, recurse=False)
    extra_body = own.pop("extra_body")
    yield from _json_problems(own, path)
    if parameters.max_tokens is not None and parameters.max_tokens < 1:
        reason = f"expected at least 1, found {parameters.max_tokens}"
        yield Problem((*path, "max_tokens"), reason)
    yield from _json_problems(extra_body, (*path, "extra_body"))
    for key in extra_body:
        if key in _SET_BY_PLAN:
            yield Problem((*path, "extra_body", key), "it is set by the plan; leave it out")
        elif key in own:
            reason = f"write it beside extra_body: {beside}{key}"
            yield Problem((*path, "extra_body", key), reason)


def sampling_of(model: ModelEntry, chosen: SamplingParameters) -> SamplingParameters:
    """Return what a model is asked with: what was chosen for the stage, then its own defaults.

    The limit of an answer gets the name that the endpoint has for it.
    """
    default = model.sampling
    merged = {
        name: getattr(default, name) if value is None else value
        for name, value in attrs.asdict(chosen, recurse=False).items()
    }
    extra_body = {**default.extra_body, **chosen.extra_body}
    if chosen.max_tokens is None and answer_limit(chosen.as_document()) is not None:
        merged["max_tokens"] = None  # it is limited under the other name
    if model.max_tokens_name and merged["max_tokens"] is not None:
        extra_body = {model.max_tokens_name: merged["max_tokens"], **extra_body}
        merged["max_tokens"] = None
    return SamplingParameters(**{**merged, "extra_body": extra_body})


def _json_problems(value: object, path: Path, within: tuple[int, ...] = ()) -> Iterator[Problem]:
    """Yield the parts of a value from YAML that JSON cannot represent."""
    if id(value) in within:
        yield Problem(path, "it contains itself")
    elif isinstance(value, dict):
        for key, item in value.items():
            place = (*path, str(key))
            if not isinstance(key, str):
                yield Problem(place, f"expected a string as key, found {key!r:.60}")
            yield from _json_problems(item, place, (*within, id(value)))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _json_problems(item, (*path, i), (*within, id(value)))
    elif (reason := _why_no_json(value)) is not None:
        yield Problem(path, reason)


def _why_no_json(value: object) -> str | None:
    match value:
        case str():
            try:
                value.encode()
            except UnicodeEncodeError:
                return "it holds half of a surrogate pair, which cannot be sent"
        case int():
            if not -_LARGEST_INTEGER <= value < _LARGEST_INTEGER:
                return "expected a whole number of 64 bits"
        case float():
            if not math.isfinite(value):
                return f"expected a finite number, found {value}"
        case None:
            pass
        case _:
            found = f"the {type(value).__name__} {value!s:.60}"
            return f"expected what JSON has, found {found}; a string stands in quotes"
    return None
