"""A redis server for the tests: a real process, with its data in a temporary folder."""

import shutil
import subprocess
import time

import pytest

from bucket_server import free_port, listens
from calls import PATIENCE

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
    end = time.monotonic() + PATIENCE
    while not listens(port):
        assert server.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)
    yield port
    server.kill()
    server.wait()
