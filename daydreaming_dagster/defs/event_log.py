"""Records events in Dagster's event log in batches, which is far cheaper than one by one."""
# ruff: noqa: SLF001  only Dagster's private methods know what a row contains

import logging
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

import dagster as dg

# Dagster has no public way to report several events of a run together, or to report that one
# partition of an asset failed in a run.
from dagster._core.events import (
    AssetMaterializationPlannedData,
    AssetObservationData,
    EventSpecificData,
    StepMaterializationData,
)
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import (
    AssetKeyTable,
    EventLogStorage,
    SqlEventLogStorage,
    SqlEventLogStorageTable,
    SqliteEventLogStorage,
)
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from daydreaming_dagster.defs.home import EventLogError
from daydreaming_dagster.errors import DaydreamingError

if TYPE_CHECKING:
    from dagster_postgres import PostgresEventLogStorage

AssetEvent = dg.AssetMaterialization | dg.AssetObservation | AssetMaterializationPlannedData


def database_errors() -> tuple[type[Exception], ...]:
    """Return what Dagster's storages raise if a database fails, as when its disk is full."""
    if "dagster_postgres" not in sys.modules:
        return SQLAlchemyError, sqlite3.Error, OSError
    from dagster_postgres.utils import DagsterPostgresException

    return SQLAlchemyError, sqlite3.Error, OSError, DagsterPostgresException


@contextmanager
def as_event_log_error() -> Iterator[None]:
    """Raise an error of Dagster's database in the block as an `EventLogError`."""
    try:
        yield
    except DaydreamingError:
        raise
    except database_errors() as error:
        # dagster-postgres says how often it tried, and keeps the reason as the cause.
        said = error.__cause__ if isinstance(error.__cause__, SQLAlchemyError) else error
        raise EventLogError(str(said).partition("\n")[0]) from error


def planned_materialization(asset: dg.AssetKey, partition: str) -> AssetEvent:
    """Return an event that makes the UI show the partition as failed, if the run fails."""
    return AssetMaterializationPlannedData(asset, partition=partition)


@contextmanager
def databases_open(instance: dg.DagsterInstance, *run_ids: str) -> Iterator[None]:
    """Keep a connection open to each SQLite database of events: the index and those of the runs.

    Dagster opens a connection for each event. When the last connection to a database closes, SQLite
    moves its write-ahead log into the database and waits for the device, which takes longer than
    the event. With a connection that stays open, this happens only now and then
    (https://www.sqlite.org/wal.html, section 2.2).
    """
    storage = instance.event_log_storage
    with ExitStack() as connections:
        if isinstance(storage, SqliteEventLogStorage):
            for shard in (INDEX_SHARD_NAME, *run_ids):
                with suppress(sqlite3.OperationalError):  # it only saves time
                    connections.enter_context(_connected(Path(storage.path_for_shard(shard))))
        yield


@contextmanager
def _connected(database: Path) -> Iterator[None]:
    """Keep a connection open to an existing database.

    Raises:
        sqlite3.OperationalError: The database does not exist or cannot be opened.
    """
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True)) as connection:
        # SQLite opens the file at the first statement.
        connection.execute("PRAGMA schema_version").fetchall()
        yield


def record_events(context: dg.AssetExecutionContext, events: Sequence[AssetEvent]) -> None:
    """Record events of this run in one batch; `context.log_event` records one at a time.

    A batch takes one transaction per database instead of several connections per event, in SQLite,
    which is Dagster's default, and in PostgreSQL. Other storages get a batch per asset and type of
    event through their own method, which may update an asset's own row for the last event only.
    """
    if not events:
        return
    entries = [_entry(context, event) for event in events]
    storage = context.instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):
        _store_in_sqlite(storage, entries)
    elif _is_postgresql(storage):
        _store_in_postgresql(storage, entries)
    else:
        batches: dict[object, list[EventLogEntry]] = {}
        for entry in entries:
            batches.setdefault(_asset_and_type(entry), []).append(entry)
        for batch in batches.values():
            storage.store_event_batch(batch)


def _is_postgresql(storage: EventLogStorage) -> "TypeGuard[PostgresEventLogStorage]":
    if "dagster_postgres" not in sys.modules:  # it is slow to import, and often not installed
        return False
    from dagster_postgres import PostgresEventLogStorage

    return isinstance(storage, PostgresEventLogStorage)


def _asset_and_type(entry: EventLogEntry) -> object:
    event = entry.get_dagster_event()
    return event.asset_key, event.event_type


def _entry(context: dg.AssetExecutionContext, asset_event: AssetEvent) -> EventLogEntry:
    data: EventSpecificData
    match asset_event:
        case dg.AssetMaterialization():
            kind = dg.DagsterEventType.ASSET_MATERIALIZATION
            message = f"Materialized value {asset_event.label}."
            data = StepMaterializationData(asset_event)
        case dg.AssetObservation():
            kind, message = dg.DagsterEventType.ASSET_OBSERVATION, "Observed."
            data = AssetObservationData(asset_event)
        case AssetMaterializationPlannedData():
            kind, message = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED, "Planned."
            data = asset_event
    run = context.run
    step_key = context.get_step_execution_context().step.key
    return EventLogEntry(  # type: ignore[no-untyped-call]  # Dagster left its types out
        error_info=None,
        level=logging.DEBUG,
        user_message="",
        run_id=run.run_id,
        timestamp=time.time(),
        step_key=step_key,
        job_name=run.job_name,
        dagster_event=dg.DagsterEvent(
            kind.value, run.job_name, step_key=step_key, event_specific_data=data, message=message
        ),
    )


def _store_in_sqlite(storage: SqliteEventLogStorage, entries: Sequence[EventLogEntry]) -> None:
    """Write the rows that the storage writes for each entry, with the run and in the asset index.

    An asset's own row describes only its last event.
    """
    table = SqlEventLogStorageTable
    rows = [storage._event_to_row(entry) for entry in entries]
    with storage.run_connection(entries[0].run_id) as connection:
        connection.execute(table.insert(), rows)
    with storage.index_transaction() as connection:
        connection.execute(table.insert(), rows)
        # SQLite lets no one else write meanwhile. RETURNING would need one statement per row.
        newest = select(table.c.id).order_by(table.c.id.desc()).limit(len(rows))
        ids = connection.execute(newest).scalars().all()[::-1]
        _describe_assets(storage, connection, entries, ids)


def _store_in_postgresql(
    storage: "PostgresEventLogStorage", entries: Sequence[EventLogEntry]
) -> None:
    """Write the rows that the storage writes for each entry.

    The rows of the assets are locked before the events get their ids, all in one order. So a writer
    cannot replace a later event in an asset's row by its own earlier one, no two writers wait for
    each other, and a reader that goes on from the last id that it saw misses no event of an asset.
    """
    table, assets = SqlEventLogStorageTable, AssetKeyTable
    rows = [storage._event_to_row(entry) for entry in entries]
    keys = sorted({row["asset_key"] for row in rows})
    with storage.index_transaction() as connection:
        for key in keys:
            row = insert(assets).values(asset_key=key)
            # This locks the row if it exists.
            locked = row.on_conflict_do_update(index_elements=["asset_key"], set_=row.excluded)
            connection.execute(locked)
        written = table.insert().returning(table.c.id, sort_by_parameter_order=True)
        ids = connection.execute(written, rows).scalars().all()
        _describe_assets(storage, connection, entries, ids)


def _describe_assets(
    storage: SqlEventLogStorage,
    connection: Connection,
    entries: Sequence[EventLogEntry],
    ids: Sequence[int],
) -> None:
    """Write the tags of the events, and describe in each asset's row its last event of a type."""
    storage._store_asset_event_tags(connection, entries, ids)
    last = {_asset_and_type(entry): (at, entry) for at, entry in zip(ids, entries, strict=True)}
    for event_id, entry in sorted(last.values(), key=lambda pair: pair[0]):
        storage._store_asset_event(connection, entry, event_id)
