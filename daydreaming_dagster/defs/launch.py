"""Dagster runs in this process."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import attrs
import dagster as dg
import platformdirs
from dagster._core.instance.ref import InstanceRef
from dagster_shared.check import CheckError
from yaml import YAMLError

from daydreaming_dagster.application.dream_loop import DreamOptions
from daydreaming_dagster.application.run_cohort import RunOptions
from daydreaming_dagster.bootstrap import hold_lock
from daydreaming_dagster.defs.build import build_definitions
from daydreaming_dagster.defs.event_log import as_event_log_error, databases_open
from daydreaming_dagster.defs.home import LOCK, EventLogError, write_settings
from daydreaming_dagster.defs.killed_runs import owner_tags
from daydreaming_dagster.defs.loops import DREAM_ROUND
from daydreaming_dagster.defs.naming import local_name
from daydreaming_dagster.defs.partitions import add_partitions, cohorts_name, loops_name
from daydreaming_dagster.defs.resources import RunResources
from daydreaming_dagster.defs.settings_errors import in_a_line, unset_variables
from daydreaming_dagster.defs.termination_server import confirming_termination
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.domain.stages import Pipeline

_DATABASES: Final = ("schedules", "history")


def open_instance(home: Path) -> dg.DagsterInstance:
    """Return the Dagster instance in the folder `home`. Creates it if it does not exist.

    Raises:
        EventLogError: Dagster's databases cannot be created or opened, for instance because
            `dagster.yaml` is wrong or names a storage that is not installed.
        LocksUnsupportedError: The file system of the folder has no locks.
    """
    # Dagster's databases break if two processes set them up at once.
    with as_event_log_error(), _as_wrong_settings(), _opened_alone(home):
        write_settings(home)
        folder = str(home.absolute())
        ref = InstanceRef.from_dir(folder)
        default = InstanceRef.config_defaults(folder)["storage"]
        if ref.storage_data == default and not (home / _DATABASES[-1]).exists():
            _set_up(home)
        return dg.DagsterInstance.from_ref(ref)


@contextmanager
def _as_wrong_settings() -> Iterator[None]:
    """Raise what Dagster raises about its `dagster.yaml` as an `EventLogError` with advice."""
    try:
        yield
    except (dg.DagsterError, CheckError, YAMLError, ModuleNotFoundError) as error:
        reason, advice = in_a_line(str(error)), "correct dagster.yaml in DAGSTER_HOME"
        if unset_variables(str(error)):
            advice = "set what dagster.yaml in DAGSTER_HOME names"
        elif "'psycopg'" in reason:  # SQLAlchemy's choice for `postgresql://` since 2.1
            advice = "write postgresql+psycopg2:// for postgresql:// in dagster.yaml"
        elif "dagster_postgres" in reason:
            advice = (
                'install what stores in PostgreSQL: pip install "daydreaming-dagster[postgres]"'
            )
        raise EventLogError(reason, advice) from error


@contextmanager
def _opened_alone(home: Path) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    with hold_lock(home / LOCK):
        yield


def _set_up(home: Path) -> None:
    """Create Dagster's databases in a temporary folder, and move them here when complete.

    If a process is killed during the set-up, Dagster would take incomplete databases for complete.
    """
    partial = home / ".setup"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        shutil.copytree(_empty_databases(), partial)
    except OSError:  # the cache is not writable
        _create_databases(partial)
    for name in _DATABASES:
        if not (home / name).exists():
            (partial / name).replace(home / name)
    shutil.rmtree(partial)


def _empty_databases() -> Path:
    """Return the folder of this version's empty databases in the user's cache.

    Creating them takes as long as a few hundred calls. Copying them takes almost no time.

    Raises:
        OSError: The cache is not writable.
    """
    cache = platformdirs.user_cache_path("daydreaming_dagster")
    prepared = cache / f"dagster-{dg.__version__}"
    if not prepared.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=cache) as folder:
            created = Path(folder, "created")
            _create_databases(created)
            with suppress(OSError):  # another process was faster
                created.replace(prepared)
    return prepared


def _create_databases(folder: Path) -> None:
    write_settings(folder)
    dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder.absolute()))).dispose()


def materialize_cohort_run(  # noqa: PLR0913  what runs, where, and what it is called there
    instance: dg.DagsterInstance,
    used: RunResources,
    cohort_id: str,
    options: RunOptions,
    pipeline: Pipeline = SHIPPED,
    *,
    key_prefix: str = "",
) -> bool:
    """Materialize `cohort_run` in this process; return whether the whole cohort is done.

    `used.followed` may follow a run that another process makes.

    The instance records the outcome of each generation, and `used.listener` is told.
    `key_prefix` is the one of `build_definitions`. If the process is killed, the next run of the
    cohort that this starts closes the run in Dagster.

    Raises:
        DaydreamingError: The input is wrong, or another process runs the cohort. No model was
            called.
        EventLogError: Dagster's database failed during the run.
    """
    config = {**attrs.asdict(options), "force": list(options.force)}
    job = _Job("run_cohort", "cohort_run", cohorts_name(key_prefix), cohort_id, config)
    return _execute(instance, used, job, pipeline, key_prefix)


def materialize_dream_rounds(  # noqa: PLR0913  what runs, where, and what it is called there
    instance: dg.DagsterInstance,
    used: RunResources,
    loop_id: str,
    options: DreamOptions,
    pipeline: Pipeline = SHIPPED,
    *,
    key_prefix: str = "",
) -> bool:
    """Materialize `dream_round` in this process; return whether no round is left unfinished.

    `used.listener` is told what it came to. Otherwise like `materialize_cohort_run`.

    Raises:
        DaydreamingError: The input is wrong, or another process runs the loop.
        EventLogError: Dagster's database failed during the run.
    """
    config = attrs.asdict(options)
    job = _Job("dream", DREAM_ROUND, loops_name(key_prefix), loop_id, config)
    return _execute(instance, used, job, pipeline, key_prefix)


@attrs.frozen
class _Job:
    """A job with one partitioned asset, and what it materializes."""

    name: str
    asset: str
    partitions: str
    partition: str
    config: Mapping[str, object]


def _execute(
    instance: dg.DagsterInstance,
    used: RunResources,
    job: _Job,
    pipeline: Pipeline,
    key_prefix: str,
) -> bool:
    """Execute a job in this process, and return whether it succeeded."""
    definitions = build_definitions(used, pipeline, key_prefix=key_prefix)
    resolved = definitions.resolve_job_def(local_name(key_prefix, job.name))
    try:
        with (
            as_event_log_error(),
            databases_open(instance),
            confirming_termination() as tags,
        ):
            add_partitions(instance, job.partitions, [job.partition])
            resolved.execute_in_process(
                instance=instance,
                partition_key=job.partition,
                tags={**tags, **owner_tags(used.root.location)},
                run_config={
                    "ops": {local_name(key_prefix, job.asset): {"config": dict(job.config)}},
                    # The caller reports; Dagster's own log is in the instance.
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
            )
    except dg.Failure as failure:
        if failure.__cause__ is not None:
            raise failure.__cause__ from None
        return False
    except dg.DagsterExecutionInterruptedError:  # terminated in Dagster
        return False
    return True
