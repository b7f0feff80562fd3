"""The process that records a run of the command: `python -m daydreaming_dagster.defs.recorder`.

`recorder_process` starts it, and says what it reads from its input and writes to its output.
"""

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from operator import methodcaller
from pathlib import Path
from threading import Lock
from typing import IO, TYPE_CHECKING, Any

import attrs

from daydreaming_dagster.defs.messages import receive, send
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.garbage import collect_seldom
from daydreaming_dagster.signals import handling

if TYPE_CHECKING:
    from daydreaming_dagster.application.run_cohort import CohortRun
    from daydreaming_dagster.application.run_listener import RunListener
    from daydreaming_dagster.defs.recorder_process import RecordedRun


@attrs.define(eq=False)
class _Command:
    """The command whose run is recorded."""

    _input: IO[bytes]
    _output: IO[bytes]
    _lock: Lock = attrs.field(factory=Lock, init=False)

    def read(self) -> Any:
        """Return the next message. Ends this process if the command was killed.

        The next run of the cohort then closes the run in Dagster, since its process is gone.
        """
        try:
            return receive(self._input)
        except EOFError:
            os._exit(1)

    def reply(self, reply: object) -> None:
        with self._lock:
            send(self._output, reply)

    def follow(self, listener: "RunListener") -> "CohortRun":
        """Tell the listener how the run goes on, and return what came of it.

        Raises:
            Exception: The run failed.
        """
        while isinstance(message := self.read(), methodcaller):
            message(listener)
        if isinstance(message, Exception):
            raise message
        made: CohortRun = message
        return made


def _record(command: _Command) -> bool:
    # Imported after `collect_seldom`, since these are many.
    from daydreaming_dagster.bootstrap import open_data_root
    from daydreaming_dagster.defs.launch import materialize_cohort_run, open_instance
    from daydreaming_dagster.defs.resources import RunResources
    from daydreaming_dagster.domain.generation.cancellation import CancellationToken

    run: RecordedRun = command.read()
    token = CancellationToken()
    token.subscribe(command.reply)
    root = open_data_root(run.location, patient=True)  # it has answered the command
    used = RunResources(root, stop=token, followed=command.follow)
    with open_instance(run.home) as instance:
        return materialize_cohort_run(
            instance,
            used,
            run.cohort_id,
            run.options,
            used.catalog.pipeline,
            key_prefix=run.key_prefix,
        )


def main() -> None:
    """Record the run that the command makes, until the command ends.

    Signals are the command's to handle: the ones it gets may reach this process, too.
    """
    collect_seldom()
    output = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    with Path(os.devnull).open("wb") as nowhere:  # whatever others print is no reply
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    command = _Command(sys.stdin.buffer, output)
    # Dagster installs signal handlers in the main thread, so it runs in another one.
    with handling(lambda *_: None, signal.SIGINT, signal.SIGTERM), ThreadPoolExecutor(1) as thread:
        try:
            command.reply(thread.submit(_record, command).result())
        except DaydreamingError as error:
            command.reply(error)


if __name__ == "__main__":
    main()
