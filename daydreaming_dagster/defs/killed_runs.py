"""Closes runs in Dagster whose process was killed, which would be shown as started for ever."""

import json
import os
import socket
from collections.abc import Mapping
from typing import Final

import dagster as dg

# The tag names the socket that the process of a run answers on; see `confirming_termination`.
from dagster._core.storage.tags import GRPC_INFO_TAG

_ROOT_TAG: Final = "daydream/data_root"
_HOST_TAG: Final = "daydream/host"
_UNFINISHED: Final = (
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


def owner_tags(data_root: str) -> Mapping[str, str]:
    """Return the tags by which a later run on this data root finds a run of this machine."""
    return {_ROOT_TAG: data_root, _HOST_TAG: socket.gethostname()}


def close_killed_runs(context: dg.AssetExecutionContext) -> None:
    """Mark the killed runs of the context's cohort and data root as canceled.

    The caller holds the lock of the cohort, so no other run makes generations of it. One that waits
    for the lock, or has released it and is about to end, is alive: its process answers on the
    socket that its tags name. Runs of other machines, whose sockets cannot be seen, and those that
    Dagster launched, for which it has a monitor of its own, are left.
    """
    tags = {
        name: context.run.tags[name]
        for name in (_ROOT_TAG, _HOST_TAG, "dagster/partition")
        if name in context.run.tags
    }
    if _ROOT_TAG not in tags:
        return
    for run in context.instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED, tags=tags)):
        if run.run_id != context.run.run_id and _is_dead(run.tags):
            context.instance.report_run_canceled(
                run,
                message=(
                    "The process of this run was killed. What it stored is kept; "
                    f"run {context.run.run_id} goes on with the cohort."
                ),
            )


def _is_dead(tags: Mapping[str, str]) -> bool:
    """Return whether nothing answers on the socket of a run on this machine."""
    path = json.loads(tags.get(GRPC_INFO_TAG, "{}")).get("socket")
    if path is None or os.name == "nt":
        return False
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return True
        except OSError:  # it may be busy
            return False
    return False
