"""What the command and the process that records its run send each other: pickled objects."""

import pickle
from contextlib import suppress
from typing import IO, Any


def send(pipe: IO[bytes], message: object) -> None:
    """Send a message, unless nobody reads it any more."""
    with suppress(BrokenPipeError):
        pipe.write(pickle.dumps(message))
        pipe.flush()


def receive(pipe: IO[bytes]) -> Any:
    """Return the next message.

    Raises:
        EOFError: The other process has ended, perhaps in the middle of a message.
    """
    try:
        return pickle.load(pipe)  # noqa: S301  of a process of our own
    except pickle.UnpicklingError as error:
        raise EOFError(str(error)) from error
