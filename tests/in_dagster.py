"""A data root as the resource of Dagster's definitions, with a scripted model or other parts."""

import dagster as dg

from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.defs.resources import RunResources


def resource(data_root, **parts):
    """Return the resource of a data root, which gives these parts to each run."""
    return dg.ResourceDefinition(lambda _: RunResources(open_data_root(data_root), **parts))
