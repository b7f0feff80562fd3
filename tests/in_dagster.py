"""A data root as the resource of Dagster's definitions, with a scripted model or other parts."""

import os

import dagster as dg

from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.defs.build import build_definitions
from daydreaming_dagster.defs.resources import RunResources


def resource(data_root, **parts):
    """Return the resource of a data root, which gives these parts to each run."""
    return dg.ResourceDefinition(lambda _: RunResources(open_data_root(data_root), **parts))


def run_cohort_job():
    """Return the job that runs cohorts of the data root in the environment, in any process."""
    # Dagster keeps the job, so the data root is opened when a step needs it.
    opened = dg.ResourceDefinition(
        lambda _: RunResources(open_data_root(os.environ["DAYDREAM_DATA_ROOT"]))
    )
    return build_definitions(opened).resolve_job_def("run_cohort")
