"""A small data root as a researcher would write it, an endpoint to ask, and the command."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from bucket_server import (  # noqa: F401  fixtures
    azure_server,
    azure_url,
    google_key_file,
    google_server,
    google_url,
    moto_server,
    moto_url,
    s3_server,
    s3_url,
    use_s3,
)
from builders import FILES, write_data_root
from calls import PATIENCE
from command import DAYDREAM, call_daydream
from endpoint import ChatEndpoint, serving_chat
from postgresql_server import postgresql_home, postgresql_server  # noqa: F401  fixtures
from redis_server import redis_port  # noqa: F401  a fixture

# An example that takes long on a busy machine is no mistake.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
# For mutation testing, where every example is tried some thousand times: few, always the same.
settings.register_profile(
    "mutants", database=None, deadline=None, derandomize=True, max_examples=20
)


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Take SIGINT, which a script's background ignores, and with this all that the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, as the product runs."""
    return "asyncio"


@pytest.fixture
def data_files() -> dict[str, str]:
    """The files of `data_root` by their paths."""
    return FILES


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    """Three drafts, six essays of which three are copies, twelve evaluations: cohort c1."""
    return write_data_root(tmp_path / "data")


@pytest.fixture(scope="module")
def lasting_data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for all tests of a module."""
    return write_data_root(tmp_path_factory.mktemp("lasting") / "data")


@pytest.fixture
def chat_endpoint() -> Iterator[ChatEndpoint]:
    """A real HTTP server on 127.0.0.1 that judges what begins with `Judge` and echoes the rest."""
    with serving_chat() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def lasting_chat_endpoint() -> Iterator[ChatEndpoint]:
    """The same for all tests of a module."""
    with serving_chat() as endpoint:
        yield endpoint


@pytest.fixture
def environment(data_root: Path, chat_endpoint: ChatEndpoint, tmp_path: Path) -> dict[str, str]:
    """What the command knows of its surroundings: the data root and the endpoint."""
    kept = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
    return {
        **kept,
        "DAYDREAM_DATA_ROOT": str(data_root),
        "OPENAI_BASE_URL": chat_endpoint.base_url,
        "OPENAI_API_KEY": "sk-secret",
        "COLUMNS": "160",
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }


@pytest.fixture
def daydream(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Call the command in this process; keywords are variables of its environment."""

    def call(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return call_daydream(arguments, {**environment, **more})

    return call


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the command, or another one, in a process of its own."""
    processes = []

    def start(*arguments: str, command: list[str] = DAYDREAM, **more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*command, *arguments],
            env={**environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def daydream_process(
    start: Callable[..., subprocess.Popen[str]],
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command, or another one, in a process of its own."""

    def call(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        process = start(*arguments, **more)
        stdout, stderr = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    return call
