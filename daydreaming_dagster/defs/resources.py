"""The ports as Dagster resources, each made of the adapter that production uses."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import dagster as dg
import platformdirs

from adapters.experiment_files import read_catalog, read_models
from adapters.filesystem_gens_store import FilesystemGensStore
from adapters.limiting_language_model import LimitingLanguageModel, prepare_limits
from adapters.local_language_model import LocalLanguageModel
from adapters.openai_language_model import OpenAILanguageModel
from adapters.retrying_language_model import RetryingLanguageModel
from adapters.routing_language_model import RoutingLanguageModel
from daydreaming_dagster.data_layer.gens_store import GensStore
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.defs.failures import as_failure
from daydreaming_dagster.domain.budget import Budget
from daydreaming_dagster.domain.catalog import Catalog, ModelEntry
from daydreaming_dagster.domain.generation_run import Generated
from daydreaming_dagster.domain.language_model import LanguageModel
from daydreaming_dagster.domain.plan_estimate import PlanEstimate
from daydreaming_dagster.domain.stopping import StopSwitch
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.types import Stage

API_KEY_VARIABLE: Final = "OPENAI_API_KEY"
BASE_URL_VARIABLE: Final = "OPENAI_BASE_URL"


class SetupError(DaydreamingError):
    """What a run needs cannot be made of the environment; the message says why."""


class Listener(Protocol):
    """Told how a run goes on, in the thread of the run."""

    def begin(
        self, todo: Mapping[Stage, Sequence[str]], estimate: PlanEstimate, stale: int
    ) -> None:
        """Hear what the run of a cohort has to make, before the first call.

        `stale` counts the answers that are stale, and that it leaves as they are.
        """

    def note(self, generated: Generated, budget: Budget) -> None:
        """Hear of a generation as soon as it is done, and what was spent so far."""


class NoListener:
    """Listens to nothing: Dagster's own events say it all."""

    def begin(
        self, todo: Mapping[Stage, Sequence[str]], estimate: PlanEstimate, stale: int
    ) -> None: ...

    def note(self, generated: Generated, budget: Budget) -> None: ...


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
    `OPENAI_API_KEY` when a run starts, and shown nowhere. `concurrency` is how many calls at
    once a model gets whose row in the catalog does not say it; None finds it.
    """

    data_root: str
    base_url: str = ""
    concurrency: int | None = None

    def create_resource(self, context: dg.InitResourceContext) -> LanguageModel:
        """Return the adapters behind one port.

        Raises:
            dagster.Failure: The endpoint's URL or key cannot be used, the folder of the limits
                cannot, or the catalog of models is wrong.
        """
        with as_failure(DaydreamingError):
            models = read_models(Paths.from_str(self.data_root))
            return compose_language_model(models.values(), self.base_url, self.concurrency)


@dg.resource(description="What ends a run early; a new one for each run.")
def stop_switch(_context: dg.InitResourceContext) -> StopSwitch:
    """Return a switch that lets the run go on."""
    return StopSwitch()


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


def production_resources(data_root: Path) -> dict[str, object]:
    """Return the resources for a data root and the endpoint that the environment names."""
    return {
        "gens_store": GensStoreResource(data_root=str(data_root)),
        "catalog": CatalogResource(data_root=str(data_root)),
        "language_model": LanguageModelResource(
            data_root=str(data_root), base_url=os.environ.get(BASE_URL_VARIABLE, "")
        ),
        "stop": stop_switch,
        "listener": NoListener(),
        "data_root": str(data_root),
    }
