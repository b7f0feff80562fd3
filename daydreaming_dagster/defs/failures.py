"""The domain's errors as Dagster shows them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import dagster as dg

from daydreaming_dagster.domain.generation.generated import Outcome
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.types import Stage

_QUOTED: Final = 10


@contextmanager
def as_failure(*errors: type[Exception]) -> Iterator[None]:
    """Raise these errors of the block as a `dagster.Failure` with their message, once only."""
    try:
        yield
    except errors as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def generation_failure(stage: Stage, gen_id: str, error: Exception) -> dg.Failure:
    """Return the failure of one generation."""
    return dg.Failure(
        f"{stage}/{gen_id}: {error}",
        metadata={"stage": stage, "gen_id": gen_id, "error": type(error).__name__},
        allow_retries=False,
    )


def run_failure(outcome: Outcome, reason: str | None) -> dg.Failure:
    """Return the failure of a run in which generations failed or were left, all in its table.

    `reason` says why the run was stopped early, if it was.
    """
    failed = outcome.failed
    quoted = "".join(f"\n  {item.stage}/{item.gen_id}: {item.error}" for item in failed[:_QUOTED])
    more = "\n  …" if len(failed) > _QUOTED else ""
    records = [
        dg.TableRecord(
            {
                "stage": item.stage,
                "gen_id": item.gen_id,
                "error": type(item.error).__name__,
                "reason": str(item.error),
            }
        )
        for item in failed
    ]
    stopped = f"stopped: {reason}; " if reason else ""
    return dg.Failure(
        f"{stopped}{counted(len(failed), 'generation')} failed, {outcome.left} not begun, "
        f"{outcome.made} done and kept; a new run takes up what is missing{quoted}{more}",
        metadata={"failures": dg.MetadataValue.table(records)} if records else {},
        # Dagster would repeat the whole step.
        allow_retries=False,
    )
