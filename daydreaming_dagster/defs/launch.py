"""Runs of Dagster in this process."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import dagster as dg

from daydreaming_dagster.defs.build import build_stage_definitions, job_name
from daydreaming_dagster.defs.partitions import PARTITIONS
from daydreaming_dagster.domain.stage_run import DEFAULT_CONCURRENCY
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.types import Stage

_RANGE_START: Final = "dagster/asset_partition_range_start"
_RANGE_END: Final = "dagster/asset_partition_range_end"

_DAGSTER_YAML: Final = """\
telemetry: {enabled: false}
nux: {enabled: false}
"""


class SetupError(DaydreamingError):
    """What a run needs cannot be made; the message says why."""


def open_instance(home: Path) -> dg.DagsterInstance:
    """Return the Dagster instance in the folder `home`, made where it is not there yet."""
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        settings.write_text(_DAGSTER_YAML, "utf-8")
    return dg.DagsterInstance.from_config(str(home.absolute()))


def register_partitions(
    instance: dg.DagsterInstance, members: Mapping[Stage, Sequence[str]]
) -> None:
    """Make generations known to Dagster, in the order given, unless they are."""
    for stage, gen_ids in members.items():
        name = partitions_name(stage)
        known = set(instance.get_dynamic_partitions(name))
        added = [gen_id for gen_id in gen_ids if gen_id not in known]
        if added:
            instance.add_dynamic_partitions(name, added)


def run_stage(
    instance: dg.DagsterInstance,
    resources: Mapping[str, object],
    stage: Stage,
    gen_ids: Sequence[str],
    *,
    concurrency: int = DEFAULT_CONCURRENCY,
) -> bool:
    """Generate these partitions in as few runs as their ranges allow.

    Return whether all generations succeeded. Their outcomes are in the instance and, one by
    one, told to the resource `listener`.

    Raises:
        SetupError: The catalogs or the endpoint's settings are wrong; no run was started.
    """
    job = build_stage_definitions(resources).resolve_job_def(job_name(stage))
    config: dict[str, Any] = {
        "ops": {f"{stage}_generations": {"config": {"concurrency": concurrency}}},
        # The caller reports; Dagster's own log is in the instance.
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }
    succeeded = True
    for start, end in _ranges(instance.get_dynamic_partitions(partitions_name(stage)), gen_ids):
        try:
            job.execute_in_process(
                run_config=config,
                instance=instance,
                tags={_RANGE_START: start, _RANGE_END: end},
            )
        except dg.Failure:  # some generations failed; the next range has its own
            succeeded = False
        except dg.DagsterResourceFunctionError as error:
            if isinstance(error.__cause__, dg.Failure):
                raise SetupError(str(error.__cause__.description)) from error
            raise
    return succeeded


def partitions_name(stage: Stage) -> str:
    """Return the name of a stage's partitions definition."""
    return PARTITIONS[stage].name or ""


def _ranges(keys: Sequence[str], wanted: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the first and last key of each run of consecutive wanted keys."""
    members = set(wanted)
    for is_wanted, group in groupby(keys, members.__contains__):
        if is_wanted:
            consecutive = list(group)
            yield consecutive[0], consecutive[-1]
