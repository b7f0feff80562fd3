"""The schedule that completes cohorts at night."""


# No `from __future__ import annotations` here: Dagster reads the annotations.

from collections.abc import Iterator
from typing import Any, Final

import dagster as dg

from daydreaming_dagster.application.cohort_status import look
from daydreaming_dagster.bootstrap import DataRoot
from daydreaming_dagster.defs.failures import as_failure
from daydreaming_dagster.defs.naming import local_name
from daydreaming_dagster.defs.partitions import add_partitions, cohorts_name, partitions_in_runs
from daydreaming_dagster.defs.resources import resource_key, resources_of
from daydreaming_dagster.errors import DaydreamingError

NIGHTLY: Final = "0 2 * * *"


def build_completing(
    key_prefix: str = "", max_cost_per_night: float | None = None
) -> dg.ScheduleDefinition:
    """Return the schedule that runs cohorts that lack answers."""
    job_name = local_name(key_prefix, "run_cohort")
    limit = "" if max_cost_per_night is None else f", for at most {max_cost_per_night:g} USD each"

    @dg.schedule(
        name=local_name(key_prefix, "completing"),
        job_name=job_name,
        cron_schedule=NIGHTLY,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        required_resource_keys={resource_key(key_prefix)},
        description=(
            "Switch it on to complete cohorts at night: each planned cohort that lacks an answer, "
            f"and that no run makes, is run{limit}. Rounds of loops are left to `dreaming`."
        ),
    )
    def completing(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        """Request a run of each planned cohort that lacks answers."""
        with as_failure(None, DaydreamingError):
            lacking = [*_lacking(resources_of(context, key_prefix).root)]
        busy = partitions_in_runs(context.instance, job_name)
        todo = [cohort_id for cohort_id in lacking if cohort_id not in busy]
        if not todo:
            return dg.SkipReason("each planned cohort has all answers, or a run makes it")
        add_partitions(context.instance, cohorts_name(key_prefix), todo)
        config: dict[str, Any] = {}
        if max_cost_per_night is not None:
            op = {"config": {"max_cost": max_cost_per_night}}
            config = {"ops": {local_name(key_prefix, "cohort_run"): op}}
        return [dg.RunRequest(partition_key=cohort_id, run_config=config) for cohort_id in todo]

    return completing


def _lacking(root: DataRoot) -> Iterator[str]:
    """Yield the planned cohorts that lack answers, but no round of a loop.

    An answer that cannot be parsed does not count: another run would not change it.
    """
    loops = root.loops
    journals = [] if loops is None else map(loops.read_journal, loops.list_loops())
    rounds = {each.chosen.cohort_id for journal in journals for each in journal.rounds}
    catalog = root.cohorts.read_catalog()
    for cohort_id in root.cohorts.list_planned_cohorts():
        if cohort_id not in rounds:
            stages = look(root.store, root.cohorts, cohort_id, catalog).stages.values()
            if any(stage.missing for stage in stages):
                yield cohort_id
