"""Calls parsers of other packages in a process of their own, which can be killed if they hang.

A thread cannot be killed in Python, and one regular expression can keep the interpreter's lock for
hours, so that neither signals nor other generations get their turn.
"""

import faulthandler
import multiprocessing
import os
import signal
from importlib.metadata import EntryPoint
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Lock
from typing import Final

import attrs

from daydreaming_dagster.domain.parsing.response import NotReadableError, ParsedResponse

PARSING_SECONDS: Final = 10.0
"""How long a parser of another package may take for an answer."""

_LOADING_SECONDS: Final = 60.0

_SPAWN: Final = multiprocessing.get_context("spawn")  # a fork would copy locks that threads hold


@attrs.define(eq=False)
class PluginParser:
    """A `Parser` that calls that of an entry point in another process, one answer at a time."""

    entry_point: EntryPoint
    seconds: float = PARSING_SECONDS
    _lock: Lock = attrs.field(factory=Lock, init=False, repr=False)
    _process: BaseProcess | None = attrs.field(default=None, init=False, repr=False)
    _connection: "Connection[object, object] | None" = attrs.field(
        default=None, init=False, repr=False
    )

    def __call__(self, response: str) -> ParsedResponse:
        """Return what the parser returns.

        Raises:
            NotReadableError: The parser raised it, took too long, or its process ended.
            Exception: The parser raised another error.
        """
        with self._lock:
            connection = self._connected()
            connection.send(response)
            outcome = self._receive(connection, self.seconds)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome  # type: ignore[return-value]  # the reader checks what a parser returns

    def _connected(self) -> "Connection[object, object]":
        if self._connection is None:
            self._connection, other = _SPAWN.Pipe()
            self._process = _SPAWN.Process(
                target=_serve, args=(other, self.entry_point, self.seconds), daemon=True
            )
            self._process.start()
            other.close()
            self._receive(self._connection, _LOADING_SECONDS)
        return self._connection

    def _receive(self, connection: "Connection[object, object]", seconds: float) -> object:
        try:
            if connection.poll(seconds):
                return connection.recv()
            reason = f"the parser itself failed: it took longer than {seconds:g} s"
        except EOFError:
            reason = "the parser itself failed: its process ended"
        self._end()
        raise NotReadableError(reason)

    def _end(self) -> None:
        """Kill the process; the next answer starts another one."""
        if self._process is not None and self._connection is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
        self._process = self._connection = None


def _serve(
    connection: "Connection[object, object]", entry_point: EntryPoint, seconds: float
) -> None:
    """Answer each text with what the parser returns or raises, until the caller ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the run, which still parses
    parse = entry_point.load()
    connection.send(None)
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        while True:
            try:
                response = connection.recv()
            except EOFError:
                return
            # If the caller is killed meanwhile, nobody else ends a parser that hangs.
            faulthandler.dump_traceback_later(2 * seconds, exit=True, file=nowhere)
            outcome = _outcome(parse, response)
            faulthandler.cancel_dump_traceback_later()
            try:
                connection.send(outcome)
            except Exception as error:  # noqa: BLE001  what other packages return cannot be pickled
                connection.send(NotReadableError(f"the parser itself failed: {error!r}"))


def _outcome(parse: object, response: object) -> object:
    try:
        return parse(response)  # type: ignore[operator]
    except NotReadableError as error:
        return error
    except Exception as error:  # noqa: BLE001  of another package, and perhaps of its own type
        return NotReadableError(f"the parser itself failed: {error!r}")
