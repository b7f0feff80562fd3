"""Servers of buckets: real processes on this machine, each on a free port."""

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

import attrs
import pytest

SCRIPTS = (Path(sys.executable).parent, Path(sysconfig.get_path("scripts")))
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
}


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def script(name):
    for folder in SCRIPTS:
        if (folder / name).exists():
            return str(folder / name)
    return shutil.which(name)


@attrs.define
class S3Server:
    """An S3 server with the bucket `lab`, which can be killed and started again."""

    command: list
    environment: dict
    port: int
    log: Path
    process: subprocess.Popen | None = None

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        environment = {**os.environ, **self.environment}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                with suppress(HTTPError):  # the bucket exists
                    request = Request(f"{self.endpoint}/lab", method="PUT")  # noqa: S310  http
                    urlopen(request, timeout=5).close()  # noqa: S310  http
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.1)
            else:
                return

    def kill(self):
        self.process.kill()
        self.process.wait()


def start_ministack(folder):
    command = script("ministack")
    if command is None:
        pytest.skip("no ministack: pip install ministack")
    port = free_port()
    environment = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}
    server = S3Server([command], environment, port, folder / "server.log")
    server.start()
    return server


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    server = start_ministack(tmp_path_factory.mktemp("s3"))
    yield server
    server.kill()


@pytest.fixture
def use_s3(s3_server, monkeypatch):
    """Let this process and those that it starts use the server."""
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": s3_server.endpoint}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def s3_url(use_s3):
    """The URL of a data root that nobody used yet."""
    return f"s3://lab/{uuid4().hex}"
