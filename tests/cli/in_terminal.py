"""Runs commands one after another in the terminal of this process, a mark before each."""

import shlex
import sys

from daydreaming_dagster.cli.app import main

for line in sys.argv[1:]:
    sys.stdout.write(f"\x00{line}\n")
    sys.stdout.flush()
    sys.argv = ["daydream", *shlex.split(line)]
    try:
        main()
    except SystemExit as ended:
        if ended.code:
            sys.stdout.write(f"exit code {ended.code}\n")
    sys.stderr.flush()
    sys.stdout.flush()
