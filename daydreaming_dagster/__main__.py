"""The command `daydream`. It loads everything itself, so that Ctrl-C is expected from the start."""

import gc
import sys
from typing import Final

from daydreaming_dagster.cli.interruption import EXIT_INTERRUPTED, INTERRUPTED, loading

_OBJECTS_BETWEEN_COLLECTIONS: Final = 50_000
"""Imports and runs create many objects and few cycles; Python's 700 cost a tenth of their time."""


def main() -> None:
    """Run the command line. Exits as `app.main` does, or with `EXIT_INTERRUPTED` and a line."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *gc.get_threshold()[1:])
    with loading():
        from daydreaming_dagster.installation import ForeignAdaptersError, check_adapters

        try:
            check_adapters()
        except ForeignAdaptersError as error:
            sys.stderr.write(f"error: {error}\n")
            sys.exit(2)
        from daydreaming_dagster.cli import app
    try:
        app.main()
    except KeyboardInterrupt:
        pass
    except SystemExit as end:
        if end.code != EXIT_INTERRUPTED:
            raise
    else:
        return
    finally:
        gc.freeze()  # the last collections of Python would visit all that was imported, for nothing
    sys.stderr.write(INTERRUPTED)
    sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()
