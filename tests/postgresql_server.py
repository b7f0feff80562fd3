"""A PostgreSQL server for the tests: a real process, with its data in a temporary folder."""

import os
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import attrs
import pytest

from bucket_server import free_port
from calls import PATIENCE

# Debian does not put the server's programs on the path.
FOLDERS = [os.environ["PATH"], *map(str, Path("/usr/lib").glob("postgresql/*/bin"))]
INITDB = shutil.which("initdb", path=os.pathsep.join(FOLDERS))


@attrs.frozen
class PostgresqlServer:
    """A server with the database `postgres`, reached by a socket or a port."""

    folder: Path
    port: int
    owner: str | None

    @property
    def url(self):
        return f"postgresql+psycopg2://postgres@/postgres?host={self.folder}&port={self.port}"

    def call(self, program, *arguments):
        command = [str(Path(INITDB).resolve().with_name(program)), *arguments]
        return subprocess.run(
            command, user=self.owner, check=True, capture_output=True, text=True, cwd=self.folder
        ).stdout

    def control(self, *arguments):
        self.call("pg_ctl", "-D", f"{self.folder}/db", *arguments)

    def new_database(self):
        """Return the URL of a database that nobody used yet."""
        name = f"dagster_{len(list(self.folder.glob('used_*')))}"
        (self.folder / f"used_{name}").touch()
        connect = ["-h", str(self.folder), "-p", str(self.port), "-U", "postgres"]
        self.call("createdb", *connect, name)
        return self.url.replace("/postgres?", f"/{name}?")

    def as_dagster_yaml_names_it(self, url):
        """Return the variables of `deploy/dagster.yaml` for a database of this server."""
        return {
            "DAGSTER_PG_HOST": "127.0.0.1",
            "DAGSTER_PG_PORT": str(self.port),
            "DAGSTER_PG_USERNAME": "postgres",
            "DAGSTER_PG_PASSWORD": "any",
            "DAGSTER_PG_DB": urlsplit(url).path[1:],
        }

    def start(self):
        options = f"-k {self.folder} -h 127.0.0.1 -p {self.port} -c fsync=off"
        self.control("-w", "-t", str(PATIENCE), "-l", f"{self.folder}/log", "-o", options, "start")

    def kill(self):
        self.control("-m", "immediate", "stop")


@pytest.fixture(scope="session")
def postgresql_server():
    if INITDB is None:
        pytest.skip("no PostgreSQL: install it (Debian: apt-get install postgresql)")
    if find_spec("dagster_postgres") is None:
        pytest.skip('Dagster cannot use it: pip install "daydreaming-dagster[postgres]"')
    # PostgreSQL refuses to run as root; Debian's package has a user for it.
    owner = "postgres" if os.geteuid() == 0 else None
    # The path of a socket has at most 107 bytes.
    server = PostgresqlServer(Path(tempfile.mkdtemp()), free_port(), owner)
    try:
        if owner is not None:
            shutil.chown(server.folder, owner)
        server.call("initdb", "-D", f"{server.folder}/db", "-U", "postgres", "--no-sync")
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(server.folder)


@pytest.fixture
def postgresql_home(postgresql_server, tmp_path):
    """A `DAGSTER_HOME` that nobody used yet, whose databases are on the server."""
    home = tmp_path / "postgresql_home"
    home.mkdir()
    (home / "dagster.yaml").write_text(
        f"storage: {{postgres: {{postgres_url: '{postgresql_server.new_database()}'}}}}\n"
        "telemetry: {enabled: false}\n"
    )
    return home
