"""What `deploy/` says, started as processes: all but the containers themselves."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import attrs
import pytest
import yaml

from bucket_server import free_port
from calls import PATIENCE
from daydreaming_dagster.defs.launch import open_instance

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
OWN = {name: it for name, it in COMPOSE["services"].items() if "build" in it}
EVERYWHERE = "0.0.0.0"  # noqa: S104  # within a container

LAUNCH = """mutation($run: ExecutionParams!) {
  launchRun(executionParams: $run) {... on LaunchRunSuccess {run {id}} ... on PythonError {message}}
}"""
STATE = "query($id: ID!) {runOrError(runId: $id) {... on Run {status}}}"


@pytest.fixture
def container(environment, postgresql_server, tmp_path):
    """The environment of a container of `compose.yaml`, in which the servers are elsewhere."""
    home = tmp_path / "home"
    shutil.copytree(DEPLOY, home)
    said = {name: str(value) for name, value in OWN["code"]["environment"].items()}
    return {
        **environment,
        **said,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DAGSTER_HOME": str(home),
        "DAYDREAM_CELERY": "",
        **postgresql_server.as_dagster_yaml_names_it(postgresql_server.new_database()),
    }


def test_dagster_yaml_opens_postgresql_as_it_is_installed(container, monkeypatch):
    for name, value in container.items():
        monkeypatch.setenv(name, value)

    with open_instance(Path(container["DAGSTER_HOME"])) as instance:
        assert type(instance.event_log_storage).__name__ == "PostgresEventLogStorage"
        instance.add_dynamic_partitions("cohorts", ["c1"])
        assert instance.get_dynamic_partitions("cohorts") == ["c1"]
        assert (instance.run_retries_enabled, instance.nux_enabled) == (True, False)


@pytest.fixture
def bucket(s3_url):
    """The variables of a data root in a bucket."""
    access = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    return {**access, "DAYDREAM_DATA_ROOT": s3_url}


@pytest.fixture
def webserver(container, bucket, redis_port, tmp_path):
    """The URL of the webserver of `compose.yaml`, whose services run as processes."""
    code, pages = free_port(), free_port()
    elsewhere = {"4000": str(code), "3000": str(pages), EVERYWHERE: "127.0.0.1"}
    home = Path(container["DAGSTER_HOME"])
    workspace = (home / "workspace.yaml").read_text("utf-8")
    assert "host: code, port: 4000" in workspace
    workspace = workspace.replace("host: code, port: 4000", f"host: 127.0.0.1, port: {code}")
    (home / "workspace.yaml").write_text(workspace, "utf-8")
    there = {
        **container,
        **bucket,
        "DAYDREAM_CELERY": str(home / "celery.yaml"),
        "CELERY_BROKER_URL": f"redis://127.0.0.1:{redis_port}/0",
        "CELERY_RESULT_BACKEND": f"redis://127.0.0.1:{redis_port}/1",
    }
    services = Services(f"http://127.0.0.1:{pages}/graphql", tmp_path)
    try:
        subprocess.run(
            shlex.split(OWN["tables"]["command"]),
            cwd=home,
            env=there,
            check=True,
            capture_output=True,
        )
        for name, service in OWN.items():
            if "tables" not in service["depends_on"]:
                continue
            command = [elsewhere.get(word, word) for word in shlex.split(service["command"])]
            with (tmp_path / name).open("wb") as log:
                services.processes[name] = subprocess.Popen(
                    command, cwd=home, env=there, stdout=log, stderr=log, start_new_session=True
                )
        services.wait_for(services.answer)
        yield services
    finally:
        for process in services.processes.values():
            with suppress(ProcessLookupError):  # it has ended
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@attrs.frozen
class Services:
    """Processes that log into a folder, and the webserver among them."""

    url: str
    logs: Path
    processes: dict = attrs.field(factory=dict)

    def ask(self, query, **variables):
        request = urllib.request.Request(  # noqa: S310  # the server is ours
            self.url,
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:  # noqa: S310
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def answer(self):
        try:
            return self.ask("{assetNodes {id}}")["assetNodes"]
        except urllib.error.HTTPError as error:  # it has just begun
            error.close()
        except OSError:
            pass
        return None

    def wait_for(self, probe):
        """Return what the probe returns as soon as it is something."""
        end = time.monotonic() + PATIENCE
        while not (found := probe()):
            ended = [name for name, it in self.processes.items() if it.poll() is not None]
            late = self.processes if time.monotonic() > end else ()
            logs = [(self.logs / name).read_text()[-3000:] for name in ended or late]
            assert not logs, logs
            time.sleep(0.3)
        return found


def test_a_cohort_in_a_bucket_is_run_by_the_services_of_compose(
    webserver, bucket, data_root, daydream_process
):
    for command in (("copy", str(data_root), bucket["DAYDREAM_DATA_ROOT"]), ("plan", "c1")):
        done = daydream_process(*command, **bucket)
        assert done.returncode == 0, done.stderr
    selector = {
        "repositoryName": "__repository__",
        "repositoryLocationName": "daydream",
        "jobName": "run_cohort",
    }
    tags = [{"key": "dagster/partition", "value": "c1"}]
    config = json.dumps({"ops": {"cohort_run": {"config": {"workers": 2}}}})
    metadata = {"tags": tags}
    run = {"selector": selector, "runConfigData": config, "executionMetadata": metadata}
    launched = webserver.ask(LAUNCH, run=run)["launchRun"]

    def state():
        status = webserver.ask(STATE, id=launched["run"]["id"])["runOrError"]["status"]
        return status if status in {"SUCCESS", "FAILURE"} else None

    assert webserver.wait_for(state) == "SUCCESS"
    assert "execute_plan" in (webserver.logs / "worker").read_text("utf-8")
    tail = daydream_process("tail", "c1", **bucket)
    assert tail.stdout == "cohort c1: 3 of 3 drafts, 6 of 6 essays, 12 of 12 evaluations done\n"


def test_only_this_machine_sees_the_pages():
    published = [
        port for service in COMPOSE["services"].values() for port in service.get("ports", ())
    ]

    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_the_extras_that_are_installed_in_the_image_exist():
    pages = [(DEPLOY / name).read_text("utf-8") for name in ("Dockerfile", "README.md")]
    project = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text("utf-8"))["project"]
    named = [re.findall(r"EXTRAS=(\S+)", page) for page in pages]

    assert [len(found) for found in named] == [1, 1]
    for extras in named:
        assert set(extras[0].split(",")) <= project["optional-dependencies"].keys()
