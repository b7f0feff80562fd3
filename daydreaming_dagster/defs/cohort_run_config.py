"""What a run of a cohort in Dagster is asked for."""

# No `from __future__ import annotations` here: Dagster reads the annotations.

from typing import Final

import dagster as dg
from pydantic import Field

from daydreaming_dagster.application.run_cohort import RunOptions

MOST_WORKERS: Final = 100


class CohortRunConfig(dg.Config):
    """What a run of a cohort generates besides what is missing, and what it may spend."""

    stale: bool = Field(False, description="Replace stale answers. Replaced ones are kept.")
    force: list[str] = Field(
        default_factory=list, description="The gen_ids to generate again in any case."
    )
    max_calls: int | None = Field(
        None, description="Make at most this many model calls. No limit by default."
    )
    max_cost: float | None = Field(
        None, description="Spend at most this much in this run, in USD. No limit by default."
    )
    max_cost_total: float | None = Field(
        None,
        description="Spend at most this much in all runs of the cohort together, in USD, also in "
        "those that resume or repeat one. No limit by default.",
    )
    batch: bool = Field(
        False,
        description="Ask by batch where the endpoint can, which is cheaper and takes up to a day.",
    )
    cancel_batches: bool = Field(
        False,
        description="Cancel the cohort's batches, keep what was answered, and ask nothing.",
    )
    until: str | None = Field(
        None,
        description="A stop rule, such as `top 3 settled`: more scores, or duels chosen by doubt, "
        "are asked until it is certain. Scores need a limit, too.",
    )
    workers: int = Field(
        1,
        ge=1,
        le=MOST_WORKERS,
        description="Divide the generations among so many steps. With an executor that runs steps "
        "in processes of their own or on several machines, they are made at the same time.",
    )

    @property
    def options(self) -> RunOptions:
        """What the run was asked for, however many workers make it."""
        return RunOptions(**self.model_dump(exclude={"workers"}))

    @property
    def limits_this_run(self) -> bool:
        """Whether it has a limit that a run which repeats it would count anew."""
        return self.max_calls is not None or self.max_cost is not None
