"""Standard input and output as commands expect them."""

import io
import os
import sys
from pathlib import Path


def prepare_streams() -> None:
    """Open those that the caller has closed, and let no character of an output end the process.

    A closed one leaves its number to the next file that is opened, such as a database, into which
    whatever prints to that number would write. What the encoding of the output lacks is printed as
    `?`; standard error escapes it already.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
