"""Tells whether a name is that of a loop or of a cohort, without loading what loops consist of."""

from daydreaming_dagster.bootstrap import DataRoot
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.ports.loop_store import LoopStore


def loops_of(root: DataRoot, name: str) -> LoopStore | None:
    """Return the loops of a data root if one of them has this name, None if a cohort has it.

    Raises:
        CatalogError: Both have it.
    """
    if root.loops is None or name not in root.loops.list_loops():
        return None
    if name in root.cohorts.list_cohorts():
        problem = f"{name!r} is a loop and a cohort; rename the folder of the cohort"
        raise CatalogError(root.location, (problem,))
    return root.loops
