"""Many events in Dagster's event log at once, which costs a fraction of one after the other."""
# ruff: noqa: SLF001  what a row is made of, only Dagster's private methods know

import logging
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import dagster as dg

# Dagster has no public way to report events of a run together, nor that one partition of an
# asset failed in a run.
from dagster._core.events import (
    AssetMaterializationPlannedData,
    AssetObservationData,
    EventSpecificData,
    StepMaterializationData,
)
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqlEventLogStorageTable, SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from sqlalchemy import select

AssetEvent = dg.AssetMaterialization | dg.AssetObservation | AssetMaterializationPlannedData


def planned_materialization(asset: dg.AssetKey, partition: str) -> AssetEvent:
    """Return an event by which the UI shows the partition as failed, when the run did fail."""
    return AssetMaterializationPlannedData(asset, partition=partition)


@contextmanager
def databases_open(instance: dg.DagsterInstance, *run_ids: str) -> Iterator[None]:
    """Keep open what Dagster writes events to on SQLite: its index, and the databases of runs.

    Dagster connects anew for each event. When the last connection to a database ends, SQLite
    moves its write-ahead log into it and waits for the device, longer than the event takes. With
    one that stays, it does so once in a while (https://www.sqlite.org/wal.html, section 2.2).
    """
    storage = instance.event_log_storage
    with ExitStack() as connections:
        if isinstance(storage, SqliteEventLogStorage):
            for shard in (INDEX_SHARD_NAME, *run_ids):
                with suppress(sqlite3.OperationalError):  # what only saves time ends no run
                    connections.enter_context(_connected(Path(storage.path_for_shard(shard))))
        yield


@contextmanager
def _connected(database: Path) -> Iterator[None]:
    """Keep open a database that is there.

    Raises:
        sqlite3.OperationalError: It is not there, or cannot be opened.
    """
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True)) as connection:
        # It is the first statement that opens the file.
        connection.execute("PRAGMA schema_version").fetchall()
        yield


def record_events(context: dg.AssetExecutionContext, events: Sequence[AssetEvent]) -> None:
    """Record events of this run in one step, as `context.log_event` does one by one.

    On SQLite, as Dagster sets it up by itself, that is a transaction per database instead of
    several connections per event. Other storages get the batch and do what they do with it.
    """
    if not events:
        return
    entries = [_entry(context, event) for event in events]
    storage = context.instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):
        _store(storage, entries)
    else:
        storage.store_event_batch(entries)


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


def _store(storage: SqliteEventLogStorage, entries: Sequence[EventLogEntry]) -> None:
    """Write what the storage writes for each entry: a row with the run, and one with the assets.

    An asset's own row tells of its last event alone.
    """
    table = SqlEventLogStorageTable
    rows = [storage._event_to_row(entry) for entry in entries]
    with storage.run_connection(entries[0].run_id) as connection:
        connection.execute(table.insert(), rows)
    with storage.index_transaction() as connection:
        connection.execute(table.insert(), rows)
        # SQLite lets nobody else write meanwhile. RETURNING would take a statement for each row.
        newest = select(table.c.id).order_by(table.c.id.desc()).limit(len(rows))
        ids = connection.execute(newest).scalars().all()[::-1]
        storage._store_asset_event_tags(connection, entries, ids)
        last: dict[object, tuple[int, EventLogEntry]] = {}
        for event_id, entry in zip(ids, entries, strict=True):
            event = entry.get_dagster_event()
            last[event.asset_key, event.event_type] = event_id, entry
        for event_id, entry in sorted(last.values(), key=lambda pair: pair[0]):
            storage._store_asset_event(connection, entry, event_id)
