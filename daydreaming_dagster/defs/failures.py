"""The domain's errors as Dagster shows them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import dagster as dg

from daydreaming_dagster.domain.stage_run import Generated
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


def stage_failure(stage: Stage, failed: Sequence[Generated], total: int) -> dg.Failure:
    """Return the failure of a run in which some generations failed; all are in its table."""
    quoted = "".join(f"\n  {item.gen_id}: {item.error}" for item in failed[:_QUOTED])
    more = "\n  …" if len(failed) > _QUOTED else ""
    records = [
        dg.TableRecord(
            {"gen_id": item.gen_id, "error": type(item.error).__name__, "reason": str(item.error)}
        )
        for item in failed
    ]
    return dg.Failure(
        f"{len(failed)} of {total} {stage} generations failed, the others are done:{quoted}{more}",
        metadata={"stage": stage, "failures": dg.MetadataValue.table(records)},
        # Dagster would repeat the whole step; a new run takes up what is missing.
        allow_retries=False,
    )
