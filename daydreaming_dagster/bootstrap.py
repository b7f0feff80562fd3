"""Opens a data root: composes the adapters that production uses."""

import os
from collections.abc import Iterable
from typing import Final

import platformdirs

from adapters.language_model.limiting import LimitingLanguageModel, prepare_limits
from adapters.language_model.local import LocalLanguageModel
from adapters.language_model.openai import OpenAILanguageModel
from adapters.language_model.retrying import RetryingLanguageModel
from adapters.language_model.routing import RoutingLanguageModel
from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.language_model import LanguageModel

API_KEY_VARIABLE: Final = "OPENAI_API_KEY"
BASE_URL_VARIABLE: Final = "OPENAI_BASE_URL"


class SetupError(DaydreamingError):
    """What a run needs cannot be made of the environment; the message says why."""


def compose_language_model(
    models: Iterable[ModelEntry], base_url: str, concurrency: int | None
) -> LanguageModel:
    """Return the adapters that ask these models: one retry layer, and below it their limits.

    Raises:
        SetupError: The endpoint's URL or key cannot be used, or the folder of the limits.
    """
    try:
        endpoint = OpenAILanguageModel(
            base_url or None, os.environ.get(API_KEY_VARIABLE), api_key_variable=API_KEY_VARIABLE
        )
    except ValueError as error:
        raise SetupError(f"{error}; set {BASE_URL_VARIABLE} and {API_KEY_VARIABLE}") from error
    folder = platformdirs.user_state_path("daydreaming_dagster") / "limits"
    limits = {(model.provider, model.model): model.limits for model in models}
    try:
        prepare_limits(limits, folder)
    except OSError as error:
        raise SetupError(
            f"the limits in llm_models.csv cannot be kept in {folder} ({error}); let it be a "
            "folder that you can write to, or set XDG_STATE_HOME to one, or take the limits out"
        ) from error
    return RoutingLanguageModel(
        # The local model answers one call after the other; the second waits in its server.
        routes={"local": LimitingLanguageModel(LocalLanguageModel(), limits, folder, 2)},
        default=RetryingLanguageModel(LimitingLanguageModel(endpoint, limits, folder, concurrency)),
    )
