"""Opens the endpoints that serve models, with the keys in the environment."""

import os
from typing import TYPE_CHECKING, Final

from daydreaming_dagster.domain.endpoints import EndpointEntry
from daydreaming_dagster.ports.language_model import LanguageModel

if TYPE_CHECKING:
    from adapters.language_model.openai import OpenAILanguageModel

API_KEY_VARIABLE: Final = "OPENAI_API_KEY"
BASE_URL_VARIABLE: Final = "OPENAI_BASE_URL"

_HEADER_VARIABLES: Final = {
    "OpenAI-Organization": "OPENAI_ORG_ID",
    "OpenAI-Project": "OPENAI_PROJECT_ID",
}
"""Whom OpenAI bills, and the variables of its own clients. They are not for other endpoints."""


def open_default_endpoint(*, embeds: bool = False) -> LanguageModel:
    """Return the endpoint of the environment, which serves providers without a row."""
    from adapters.language_model.unusable import UnusableLanguageModel

    try:
        return _endpoint_class(embeds=embeds)(
            os.environ.get(BASE_URL_VARIABLE),
            os.environ.get(API_KEY_VARIABLE),
            api_key_variable=API_KEY_VARIABLE,
            url_setting=BASE_URL_VARIABLE,
            headers={
                name: value
                for name, variable in _HEADER_VARIABLES.items()
                if (value := os.environ.get(variable, "").strip())
            },
        )
    except ValueError as error:
        return UnusableLanguageModel(f"{error}; set {BASE_URL_VARIABLE} and {API_KEY_VARIABLE}")


def open_endpoint(entry: EndpointEntry, *, embeds: bool = False) -> LanguageModel:
    """Return the endpoint of a row of `endpoints.csv`."""
    from adapters.language_model.unusable import UnusableLanguageModel

    of = f"of {entry.id!r} in endpoints.csv"
    values = {name: os.environ.get(name, "").strip() for name in entry.variables}
    if missing := [name for name, value in values.items() if not value]:
        names = ", ".join(missing)
        return UnusableLanguageModel(f"set {names}: the row {of} names it, and it is not set")
    try:
        return _endpoint_class(embeds=embeds)(
            entry.base_url,
            values.get(entry.api_key_variable),
            api_key_variable=entry.api_key_variable or f"that the row {of} names",
            url_setting=f"the column base_url {of}",
            headers={name: values[variable] for name, variable in entry.header_variables.items()},
            timeout_seconds=entry.timeout_seconds,
            stream=entry.stream and not embeds,
            first_token_timeout_seconds=entry.first_token_timeout_seconds,
        )
    except ValueError as error:
        return UnusableLanguageModel(f"{error}; it comes from the row {of}")


def _endpoint_class(*, embeds: bool) -> "type[OpenAILanguageModel]":
    if embeds:
        from adapters.language_model.openai_embeddings import OpenAIEmbeddings

        return OpenAIEmbeddings
    from adapters.language_model.openai import OpenAILanguageModel

    return OpenAILanguageModel
