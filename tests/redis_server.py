"""A redis server for the tests: a real process, with its data in a temporary folder."""

import shutil
import subprocess

import pytest

from bucket_server import free_port

REDIS = shutil.which("redis-server")


@pytest.fixture
def redis_port(tmp_path):
    if REDIS is None:
        pytest.skip("no redis: install it (Debian: apt-get install redis-server)")
    port = free_port()
    server = subprocess.Popen(
        [REDIS, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    yield port
    server.kill()
    server.wait()
