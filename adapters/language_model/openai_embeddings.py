"""Embeddings of OpenAI-compatible endpoints, as answers of a `LanguageModel`."""

import json
import math
from collections.abc import Mapping
from typing import ClassVar

import attrs

from adapters.language_model.chat_completion import first_text, read_usage
from adapters.language_model.openai import OpenAILanguageModel
from daydreaming_dagster.ports.language_model import Completion, ModelRequest


@attrs.define
class OpenAIEmbeddings(OpenAILanguageModel):
    """Answers each request with the vector of its text, a list of numbers as JSON.

    It sends one text per request, so that each vector is stored as soon as it arrives.
    """

    path: ClassVar[str] = "/embeddings"
    answers: ClassVar[str] = "embedding"

    def body_of(self, request: ModelRequest, *, streamed: bool) -> dict[str, object]:  # noqa: ARG002  vectors come whole
        return {
            **request.parameters.extra_body,
            "model": request.model,
            "input": request.prompt,
            "encoding_format": "float",
        }

    def read(
        self,
        body: Mapping[str, object],
        text: str,  # noqa: ARG002  vectors are not kept as they came
        request: ModelRequest,
    ) -> Completion | None:
        match body.get("data"):
            case [{"embedding": [_, *_] as vector}, *_] if all(map(_is_number, vector)):
                usage = read_usage(body)
                return Completion(
                    json.dumps(vector),
                    "stop",
                    first_text(body, ("model",)) or request.model,
                    0.0,
                    prompt_tokens=usage.prompt_tokens,
                    completion_tokens=0,
                    cost=usage.cost,
                )
        return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
