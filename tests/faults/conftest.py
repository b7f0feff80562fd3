import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).with_name("programs.py")


@pytest.fixture
def start():
    """Start a function of programs.py in a new process; wait for its result by calling it."""
    processes = []

    def start(function, *arguments, **environment):
        process = subprocess.Popen(
            [sys.executable, str(PROGRAMS), function, json.dumps(arguments)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        )
        processes.append(process)

        def result():
            output, _ = process.communicate(timeout=300)
            assert process.returncode == 0, f"{function} failed, see stderr"
            return json.loads(output)

        result.process = process
        return result

    yield start
    for process in processes:
        process.kill()
        process.communicate()
