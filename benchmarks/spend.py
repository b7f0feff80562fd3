"""Run a command and say in a last line what it took: `python -m benchmarks.spend command …`.

The peak of a process counts that of the one that started it, which is why this one holds nothing.
"""
# ruff: noqa: INP001, T201, S603  a program for other programs

import json
import os
import subprocess
import sys
import time


def main() -> None:
    """Print a list of seconds of wall time, seconds of CPU time, and the peak in bytes."""
    started = time.perf_counter()
    process = subprocess.Popen(sys.argv[1:], stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    print(flush=True)  # the command may not have ended its last line
    print(json.dumps([wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024]))
    sys.exit(process.returncode != 0)


if __name__ == "__main__":
    main()
