"""What assets, jobs, sensors and schedules use of a data root, as one Dagster resource."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Self

import attrs
import dagster as dg
from pydantic import Field

from daydreaming_dagster.application.batch_lane import Batches
from daydreaming_dagster.application.dream_loop import DreamListener, NullDreamListener
from daydreaming_dagster.application.run_cohort import CohortRun, RestOfRun, RunOptions, run_cohort
from daydreaming_dagster.application.run_listener import RunListener
from daydreaming_dagster.batch_bootstrap import compose_batches
from daydreaming_dagster.bootstrap import DataRoot, compose_language_model, open_data_root
from daydreaming_dagster.defs.failures import as_failure
from daydreaming_dagster.defs.naming import local_name
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.embedding_bootstrap import compose_embedding_model
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.embedding_model import EmbeddingModel
from daydreaming_dagster.ports.language_model import LanguageModel


@attrs.define
class RunResources:
    """What a run uses of a data root.

    Catalogs are read and models composed when they are first asked for, because planning and
    sensors need neither. Each run has its own, so it sees the catalogs as they are when it starts.

    Attributes:
        root: The ports of the data root.
        concurrency: The limit of concurrent calls for models without a limit in the catalog; None
            adapts it to the endpoint.
        stop: Ends the run early.
        listener: Is told how the run goes on.
        followed: Follows a run of a cohort that another process makes, and returns what came of
            it; None if this process makes it.
        workers: How many processes divide the concurrent calls.
    """

    root: DataRoot
    concurrency: int | None = None
    stop: CancellationToken = attrs.field(factory=CancellationToken)
    listener: DreamListener = attrs.field(factory=NullDreamListener)
    followed: Callable[[RunListener], CohortRun] | None = None
    workers: int = 1
    _catalog: Catalog | None = attrs.field(default=None, kw_only=True, alias="catalog")
    _language_model: LanguageModel | None = attrs.field(
        default=None, kw_only=True, alias="language_model"
    )
    _embedding_model: EmbeddingModel | None = attrs.field(
        default=None, kw_only=True, alias="embedding_model"
    )
    _batches: Batches | None = attrs.field(default=None, kw_only=True, alias="batches")

    def shared_by(self, workers: int) -> Self:
        """Return what one of so many workers uses, whose calls at once are limited together."""
        return attrs.evolve(self, workers=workers)

    @cached_property
    def catalog(self) -> Catalog:
        """The catalogs of the data root.

        Raises:
            CatalogError: A catalog is missing or malformed; the message lists all problems.
        """
        return self._catalog or self.root.cohorts.read_catalog()

    @cached_property
    def language_model(self) -> LanguageModel:
        """The models: provider `local` in this process, others at their endpoints.

        Endpoints are the rows of `endpoints.csv`, and for other providers the one in the
        environment variables `OPENAI_BASE_URL` and `OPENAI_API_KEY`. Keys are read from the
        environment now. They are not configuration, because Dagster stores and shows that.

        Raises:
            CatalogError: A catalog is missing or malformed.
            SetupError: The folder for limits is not writable.
        """
        return self._language_model or compose_language_model(
            self.catalog, self.concurrency, self.root, workers=self.workers
        )

    @cached_property
    def embedding_model(self) -> EmbeddingModel:
        """What embeds texts with these models.

        Raises:
            CatalogError: A catalog is missing or malformed.
            SetupError: The folder for limits is not writable.
        """
        return self._embedding_model or compose_embedding_model(
            self.catalog, self.concurrency, self.root
        )

    @cached_property
    def batches(self) -> Batches | None:
        """What asks these models by batch, None if the data root cannot keep records of batches.

        Raises:
            CatalogError: A catalog is missing or malformed.
        """
        return self._batches or compose_batches(self.root, self.catalog)

    def run(
        self,
        cohort_id: str,
        options: RunOptions,
        listener: RunListener,
        rest: RestOfRun | None = None,
    ) -> CohortRun:
        """Make what a cohort lacks, or follow the process that does, and return what came of it.

        Raises:
            DaydreamingError: See `run_cohort`.
        """
        if self.followed is not None:
            return self.followed(listener)
        return run_cohort(
            self.root.store,
            self.root.cohorts,
            self.language_model,
            cohort_id,
            options,
            token=self.stop,
            listener=listener,
            catalog=self.catalog,
            batches=self.batches,
            rest=rest,
        )


class DataRootResource(dg.ConfigurableResource[RunResources]):
    """A data root; each run reads its catalogs again."""

    location: str = Field(description="The path or URL of the data root.")
    concurrency: int | None = Field(
        None,
        description="How many calls of a model run at once, if `llm_models.csv` has no limit for "
        "it. By default, the limit adapts to the endpoint.",
    )

    def create_resource(self, context: dg.InitResourceContext) -> RunResources:
        """Return what a run uses of the data root.

        Raises:
            dagster.Failure: Nothing opens data roots of this URL.
        """
        with as_failure(context, DaydreamingError):
            return RunResources(open_data_root(self.location, patient=True), self.concurrency)


def resource_key(key_prefix: str) -> str:
    """Return the key of the resource in the definitions of a data root."""
    return local_name(key_prefix, "data_root")


def resources_of(context: Any, key_prefix: str) -> RunResources:
    """Return the resource from the context of an asset, op, sensor or schedule that requires it."""
    used: RunResources = getattr(context.resources, resource_key(key_prefix))
    return used
