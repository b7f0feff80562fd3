"""Servers of buckets: real processes on this machine, each on a free port."""

import hmac
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path
from random import randrange
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

import attrs
import pytest
import trustme

from calls import PATIENCE
from gcs_server import serving_google

SCRIPTS = (Path(sys.executable).parent, Path(sysconfig.get_path("scripts")))
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
}


def free_port():
    """Return a port that nobody uses, and that the system gives to no other program meanwhile.

    The ports that it gives begin with 32768 on Linux, and with 49152 elsewhere.
    """
    while True:
        with socket.socket() as listening, suppress(OSError):
            listening.bind(("127.0.0.1", randrange(20_000, 32_000)))
            return listening.getsockname()[1]


def listens(port):
    """Return whether a server takes connections there."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=30):
        return True
    return False


def script(name):
    for folder in SCRIPTS:
        if (folder / name).exists():
            return str(folder / name)
    return shutil.which(name)


AZURE = {
    # The account that Azurite is shipped with; its key is public.
    "AZURE_STORAGE_ACCOUNT_NAME": "devstoreaccount1",
    "AZURE_STORAGE_ACCOUNT_KEY": (
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    ),
}


@attrs.define
class Server:
    """A server with the bucket `lab`, which can be killed and started again."""

    command: list
    environment: dict
    port: int
    log: Path
    make_bucket: Callable[[int], Request]
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
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                urlopen(self.make_bucket(self.port), timeout=30).close()  # noqa: S310  http
            except HTTPError as error:  # the bucket exists
                error.close()
                return
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
    server = Server([command], environment, port, folder / "server.log", _s3_bucket)
    server.start()
    return server


def start_moto(folder):
    command = script("moto_server")
    if command is None:
        pytest.skip('no moto_server: pip install "moto[s3]" flask flask-cors')
    port = free_port()
    listening = ["-H", "127.0.0.1", "-p", str(port)]
    server = Server([command, *listening], {}, port, folder / "server.log", _s3_bucket)
    server.start()
    return server


def _s3_bucket(port):
    return Request(f"http://127.0.0.1:{port}/lab", method="PUT")


def start_azurite(folder):
    command = script("azurite-blob")
    if command is None:
        pytest.skip("no azurite-blob: npm install -g azurite")
    port = free_port()
    options = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence"]
    options += ["--silent", "--skipApiVersionCheck", "--disableTelemetry"]
    server = Server([command, *options], {}, port, folder / "server.log", _azure_container)
    server.start()
    return server


def _azure_container(port):
    """Return the request that makes a container, signed with the account's key.

    See https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key
    """
    account, key = AZURE.values()
    date, version = formatdate(usegmt=True), "2021-08-06"
    signed = f"PUT{chr(10) * 12}x-ms-date:{date}\nx-ms-version:{version}\n"
    signed += f"/{account}/{account}/lab\nrestype:container"
    mac = hmac.new(b64decode(key), signed.encode(), "sha256").digest()
    return Request(
        f"http://127.0.0.1:{port}/{account}/lab?restype=container",
        method="PUT",
        headers={
            "x-ms-date": date,
            "x-ms-version": version,
            "Authorization": f"SharedKey {account}:{b64encode(mac).decode()}",
        },
    )


def _set(monkeypatch, **variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    server = start_ministack(tmp_path_factory.mktemp("s3"))
    yield server
    server.kill()


@pytest.fixture
def use_s3(s3_server, monkeypatch):
    """Let this process and those that it starts use the server."""
    _set(monkeypatch, **CREDENTIALS, AWS_ENDPOINT_URL=s3_server.endpoint)


@pytest.fixture
def s3_url(use_s3):
    """The URL of a data root that nobody used yet."""
    return f"s3://lab/{uuid4().hex}"


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory):
    server = start_moto(tmp_path_factory.mktemp("moto"))
    yield server
    server.kill()


@pytest.fixture
def moto_url(moto_server, monkeypatch):
    """The URL of a data root on a second server of S3 that nobody used yet."""
    _set(monkeypatch, **CREDENTIALS, AWS_ENDPOINT_URL=moto_server.endpoint)
    return f"s3://lab/{uuid4().hex}"


@pytest.fixture(scope="session")
def azure_server(tmp_path_factory):
    server = start_azurite(tmp_path_factory.mktemp("azure"))
    yield server
    server.kill()


@pytest.fixture
def azure_url(azure_server, monkeypatch):
    """The URL of a data root in a container of Azure that nobody used yet."""
    endpoint = f"{azure_server.endpoint}/{AZURE['AZURE_STORAGE_ACCOUNT_NAME']}"
    _set(monkeypatch, **AZURE, AZURE_ENDPOINT=endpoint)
    return f"az://lab/{uuid4().hex}"


@pytest.fixture(scope="session")
def google_server():
    with serving_google() as server:
        yield server


@pytest.fixture(scope="session")
def google_key_file(tmp_path_factory):
    """The key file of a service account: what obstore signs with it, Google takes as a token."""
    key = trustme.CA(key_type=trustme.KeyType.RSA).private_key_pem.bytes().decode()
    account = {"type": "service_account", "client_email": "a@example.org", "private_key_id": "1"}
    file = tmp_path_factory.mktemp("google") / "key.json"
    file.write_text(json.dumps({**account, "private_key": key}))
    return str(file)


@pytest.fixture
def google_url(google_server, google_key_file, monkeypatch):
    """The URL of a data root in a bucket of Google's that nobody used yet."""
    endpoint = f"http://127.0.0.1:{google_server.port}"
    _set(monkeypatch, GOOGLE_APPLICATION_CREDENTIALS=google_key_file, GOOGLE_BASE_URL=endpoint)
    return f"gs://lab/{uuid4().hex}"
