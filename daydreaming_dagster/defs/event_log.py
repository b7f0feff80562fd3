"""Dagster's event log on SQLite at a third of its cost."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Self

import sqlalchemy
import sqlalchemy.event
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData

# The index and the runs under way; each takes three file descriptors.
_KEPT: Final = 8


class ConnectedSqliteEventLogStorage(SqliteEventLogStorage):
    """Dagster's own event log on SQLite, but for connections that stay open.

    Dagster connects four times for each event, with an engine of its own each time: all SQL is
    compiled anew, and SQLite empties its journal into the database whenever the last connection
    is closed. Files, tables and rows are the same, so that any process can read and write them
    with Dagster's own class.

    It does not wait for the device at every event: a power cut may lose the last of them, but
    damages nothing. The texts are in the store, and safe there.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, sqlalchemy.Engine] = {}
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        return cls(inst_data=inst_data, **config_value)

    def dispose(self) -> None:
        """Close the connections."""
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()
        super().dispose()

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sqlalchemy.Connection]:
        with self._db_lock, self._engine(shard).begin() as connection:
            yield connection

    def _engine(self, shard: str) -> sqlalchemy.Engine:
        """Return the engine of a database, which is then the last to be closed."""
        engine = self._engines.pop(shard, None)
        if engine is not None and shard not in self._initialized_dbs:  # its file was deleted
            engine.dispose()
            engine = None
        if engine is None:
            engine = sqlalchemy.create_engine(
                self.conn_string_for_shard(shard),
                poolclass=sqlalchemy.StaticPool,
                # The lock of the base class lets one thread use it at a time.
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
            )
            sqlalchemy.event.listen(engine, "connect", _wait_for_no_device)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
        while len(self._engines) >= _KEPT:
            self._engines.pop(next(iter(self._engines))).dispose()
        self._engines[shard] = engine
        return engine


def _wait_for_no_device(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous = NORMAL")
