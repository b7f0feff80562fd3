"""The command `daydream`, called in this process or started in one of its own."""

import io
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout

import pytest

from daydreaming_dagster.__main__ import main
from daydreaming_dagster.cli import console

DAYDREAM = [sys.executable, "-m", "daydreaming_dagster"]


def call_daydream(
    arguments: tuple[str, ...], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Return what the command prints and exits with, called in this process.

    Its output is no terminal. Signals, and what only a new process imports, need `DAYDREAM`.
    """
    stdout, stderr = io.StringIO(), io.StringIO()
    code: object = 0
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(stdout),
        redirect_stderr(stderr),
    ):
        patch.setattr(sys, "argv", ["daydream", *arguments])
        patch.setattr(console.out, "width", 1000)  # consoles take their widths when they are made
        patch.setattr(console.err, "width", 160)
        patch.delenv("DAGSTER_HOME", raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    return subprocess.CompletedProcess(arguments, code, stdout.getvalue(), stderr.getvalue())
