"""The ports as Dagster resources, with the adapters for production."""

from pathlib import Path

import dagster as dg

from daydreaming_dagster.application.batch_lane import Batches
from daydreaming_dagster.application.dream_loop import NullDreamListener
from daydreaming_dagster.application.run_cohort import run_cohort
from daydreaming_dagster.batch_bootstrap import compose_batches
from daydreaming_dagster.bootstrap import (
    absolute_location,
    compose_language_model,
    open_data_root,
)
from daydreaming_dagster.defs.failures import as_failure
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.ports.language_model import LanguageModel


class GensStoreResource(dg.ConfigurableResource[GensStoreWithTemplates]):
    """The store of generations in a data root."""

    data_root: str

    def create_resource(self, context: dg.InitResourceContext) -> GensStoreWithTemplates:
        """Return the store.

        Raises:
            dagster.Failure: Nothing opens data roots of this URL.
        """
        with as_failure(context, DaydreamingError):
            return open_data_root(self.data_root).store


class CohortStoreResource(dg.ConfigurableResource[CohortStore]):
    """The catalogs, cohorts and reports in a data root."""

    data_root: str

    def create_resource(self, context: dg.InitResourceContext) -> CohortStore:
        """Return the store.

        Raises:
            dagster.Failure: Nothing opens data roots of this URL.
        """
        with as_failure(context, DaydreamingError):
            return open_data_root(self.data_root).cohorts


class CatalogResource(dg.ConfigurableResource[Catalog]):
    """The catalogs of a data root; each run reads them again."""

    data_root: str

    def create_resource(self, context: dg.InitResourceContext) -> Catalog:
        """Return the catalogs as they are now.

        Raises:
            dagster.Failure: A catalog is missing or malformed; the message lists all problems.
        """
        with as_failure(context, DaydreamingError):
            return open_data_root(self.data_root).cohorts.read_catalog()


class LanguageModelResource(dg.ConfigurableResource[LanguageModel]):
    """The models: provider `local` in this process, others at their OpenAI-compatible endpoints.

    Endpoints are the rows of `endpoints.csv`, and for other providers the one in the environment
    variables `OPENAI_BASE_URL` and `OPENAI_API_KEY`. Keys are read from the environment when a run
    starts. They are not configuration, because Dagster stores and shows that. `concurrency` limits
    concurrent calls for models without a limit in the catalog; if None, the limit adapts to the
    endpoint.
    """

    data_root: str
    concurrency: int | None = None

    def create_resource(self, context: dg.InitResourceContext) -> LanguageModel:
        """Return the adapters behind one port.

        Raises:
            dagster.Failure: The folder for limits is not writable, or a catalog is wrong.
        """
        with as_failure(context, DaydreamingError):
            catalog = open_data_root(self.data_root).cohorts.read_catalog()
            return compose_language_model(catalog, self.concurrency)


class BatchesResource(dg.ConfigurableResource[Batches | None]):
    """What asks models by batch, at the endpoints of `LanguageModelResource`."""

    data_root: str

    def create_resource(self, context: dg.InitResourceContext) -> Batches | None:
        """Return it, or None if the data root cannot keep records of batches.

        Raises:
            dagster.Failure: A catalog is wrong.
        """
        with as_failure(context, DaydreamingError):
            root = open_data_root(self.data_root)
            return compose_batches(root, root.cohorts.read_catalog())


@dg.resource(description="Ends a run early; each run gets a new one.")
def cancellation_token(_context: dg.InitResourceContext) -> CancellationToken:
    """Return a token that is not cancelled."""
    return CancellationToken()


def production_resources(data_root: str | Path) -> dict[str, object]:
    """Return the resources for a data root and the endpoint in the environment."""
    location = absolute_location(data_root)
    return {
        "data_root": location,
        "gens_store": GensStoreResource(data_root=location),
        "cohort_store": CohortStoreResource(data_root=location),
        "catalog": CatalogResource(data_root=location),
        "language_model": LanguageModelResource(data_root=location),
        "batches": BatchesResource(data_root=location),
        "stop": cancellation_token,
        "listener": NullDreamListener(),
        "runner": run_cohort,
    }
