"""The command `daydream`. It loads everything itself, so that Ctrl-C is expected from the start."""

import sys

from daydreaming_dagster.cli.interruption import EXIT_INTERRUPTED, INTERRUPTED, loading
from daydreaming_dagster.garbage import collect_seldom
from daydreaming_dagster.streams import prepare_streams


def main() -> None:
    """Run the command line. Exits as `app.main` does, or with `EXIT_INTERRUPTED` and a line."""
    prepare_streams()
    collect_seldom()
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
    sys.stderr.write(INTERRUPTED)
    sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()
