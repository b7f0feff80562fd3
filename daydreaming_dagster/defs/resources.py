"""The ports as Dagster resources, each made of the adapter that production uses."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import dagster as dg

from adapters.experiment_files import read_catalog
from adapters.filesystem_gens_store import FilesystemGensStore
from adapters.local_language_model import LocalLanguageModel
from adapters.openai_language_model import OpenAILanguageModel
from adapters.retrying_language_model import RetryingLanguageModel
from adapters.routing_language_model import RoutingLanguageModel
from daydreaming_dagster.data_layer.gens_store import GensStore
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.defs.failures import as_failure
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.language_model import LanguageModel
from daydreaming_dagster.domain.stage_run import Generated
from daydreaming_dagster.errors import DaydreamingError

API_KEY_VARIABLE: Final = "OPENAI_API_KEY"
BASE_URL_VARIABLE: Final = "OPENAI_BASE_URL"

Listener = Callable[[Generated], None]
"""Told of each generation as soon as it is done, in the thread of the run."""


class GensStoreResource(dg.ConfigurableResource[GensStore]):
    """The store of generations in a data root."""

    data_root: str

    def create_resource(self, context: dg.InitResourceContext) -> GensStore:
        """Return the filesystem adapter."""
        return FilesystemGensStore.from_root(self.data_root)


class CatalogResource(dg.ConfigurableResource[Catalog]):
    """The catalogs of a data root, read anew by each run."""

    data_root: str

    def create_resource(self, context: dg.InitResourceContext) -> Catalog:
        """Return what the catalogs say now.

        Raises:
            dagster.Failure: They are missing or malformed; the message lists all problems.
        """
        with as_failure(DaydreamingError):
            return read_catalog(Paths.from_str(self.data_root))


class LanguageModelResource(dg.ConfigurableResource[LanguageModel]):
    """The models: provider `local` in this process, all others at one OpenAI-compatible endpoint.

    `base_url` is empty for OpenAI's own. The key is read from the environment variable
    `OPENAI_API_KEY` when a run starts, and shown nowhere.
    """

    base_url: str = ""

    def create_resource(self, context: dg.InitResourceContext) -> LanguageModel:
        """Return the adapters behind one port.

        Raises:
            dagster.Failure: The endpoint's URL or key cannot be used.
        """
        with as_failure(ValueError):
            endpoint = OpenAILanguageModel(
                self.base_url or None,
                os.environ.get(API_KEY_VARIABLE),
                api_key_variable=API_KEY_VARIABLE,
            )
        return RoutingLanguageModel(
            routes={"local": LocalLanguageModel()}, default=RetryingLanguageModel(endpoint)
        )


def production_resources(data_root: Path) -> dict[str, object]:
    """Return the resources for a data root and the endpoint that the environment names."""
    return {
        "gens_store": GensStoreResource(data_root=str(data_root)),
        "catalog": CatalogResource(data_root=str(data_root)),
        "language_model": LanguageModelResource(base_url=os.environ.get(BASE_URL_VARIABLE, "")),
        "listener": _ignore,
        "data_root": str(data_root),
    }


def _ignore(_generated: Generated) -> None:
    """Listen to nothing: Dagster's own events say it all."""
