"""The domain's errors as Dagster shows them."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.errors import (
    CohortNotPlannedError,
    NoCatalogsError,
    StaleAnswerError,
    UnknownCohortError,
    UnusableAnswerError,
)
from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.types import Stage


@contextmanager
def as_failure(
    context: dg.AssetExecutionContext | dg.InitResourceContext | None, *errors: type[Exception]
) -> Iterator[None]:
    """Convert these errors of the block to a `dagster.Failure` with their message, not retried.

    Dagster repeats neither the step nor the run of the context, if there is one.
    """
    try:
        yield
    except errors as error:
        if context is not None:
            forbid_retries(context)
        raise dg.Failure(explained(error), allow_retries=False) from error


def explained(error: Exception | None) -> str:
    """Return an error's message, and how to fix it in Dagster if that is known."""
    match error:
        case CohortNotPlannedError() if not isinstance(error, UnknownCohortError):
            return f"{error}; materialize cohort_membership first"
        case NoCatalogsError():
            return f"{error}\nDAYDREAM_DATA_ROOT names the data root, for each worker, too"
        case StaleAnswerError():
            return f"{error}; to replace it, run again with `stale: true` in the launchpad"
        case UnusableAnswerError():
            return f"{error}; to ask for another, run the cohort again with its gen_id in `force`"
        case _:
            return str(error)


def check_pipeline(loaded: Pipeline, catalog: Catalog) -> None:
    """Check that the data root still has the stages that Dagster has loaded.

    Raises:
        dagster.Failure: It has others.
    """
    if loaded != catalog.pipeline:
        raise dg.Failure(
            "1_raw/stages.yaml is not what it was when Dagster loaded the stages; reload the code "
            "location (Deployment, Reload), and run again",
            allow_retries=False,
        )


def generation_failure(stage: Stage, gen_id: str, error: Exception) -> dg.Failure:
    """Return the failure of one generation."""
    return dg.Failure(
        f"{stage}/{gen_id}: {explained(error)}",
        metadata={"stage": stage, "gen_id": gen_id, "error": type(error).__name__},
        allow_retries=False,
    )


def forbid_retries(context: dg.AssetExecutionContext | dg.InitResourceContext) -> None:
    """Let Dagster not repeat the run, whatever `run_retries` in `dagster.yaml` says.

    A retry would begin with a new limit of calls and cost, or with the same mistake.
    """
    if context.instance is not None and context.run is not None:  # a resource may have no run
        context.instance.add_run_tags(context.run.run_id, {"dagster/max_retries": "0"})
