"""Which executor makes the steps of runs."""

import sys
from pathlib import Path

import pytest
import yaml

from daydreaming_dagster.bootstrap import SetupError
from daydreaming_dagster.defs.executors import executor_from_environment

DEPLOY = Path(__file__).parents[2] / "deploy"
EXECUTORS = pytest.mark.parametrize("name", ["celery", "k8s"])


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    for name in ("CELERY", "K8S"):
        monkeypatch.delenv(f"DAYDREAM_{name}", raising=False)


@pytest.fixture
def choose(monkeypatch):
    def choose(name, file):
        monkeypatch.setenv(f"DAYDREAM_{name.upper()}", str(file))

    return choose


def test_without_a_variable_dagsters_default_makes_them():
    assert executor_from_environment() is None


@EXECUTORS
def test_the_shipped_file_configures_the_executor(choose, monkeypatch, name):
    for variable in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.setenv(variable, "redis://127.0.0.1")
    choose(name, DEPLOY / f"{name}.yaml")

    assert executor_from_environment().name == name


@EXECUTORS
@pytest.mark.parametrize(
    "content", [None, "execution: {", "a", "execution: {config: {borker: x}}", "execution: {}"]
)
def test_a_file_that_does_not_configure_the_executor_is_named(tmp_path, choose, name, content):
    file = tmp_path / "executor.yaml"
    if content is not None:
        file.write_text(content)
    choose(name, file)

    with pytest.raises(SetupError, match=f"{file}, which does not configure {name}"):
        executor_from_environment()


@EXECUTORS
def test_variables_that_the_file_names_and_that_are_not_set_are_said_in_a_line(
    tmp_path, choose, monkeypatch, name
):
    for variable in ("NO_BROKER", "NO_BACKEND"):
        monkeypatch.delenv(variable, raising=False)
    key, other = {"celery": ("broker", "backend"), "k8s": ("job_image", "image_pull_policy")}[name]
    file = tmp_path / "executor.yaml"
    values = f"{key}: {{env: NO_BROKER}}, {other}: {{env: NO_BACKEND}}"
    file.write_text(f"execution: {{config: {{{values}}}}}")
    choose(name, file)

    with pytest.raises(SetupError) as raised:
        executor_from_environment()

    assert "(not set in the environment: NO_BROKER" in str(raised.value)
    assert "Stack Trace" not in str(raised.value)
    assert "\n" not in str(raised.value)


@EXECUTORS
def test_where_the_executor_is_not_installed_the_extra_is_named(choose, monkeypatch, name):
    choose(name, DEPLOY / f"{name}.yaml")
    monkeypatch.setitem(sys.modules, f"dagster_{name}", None)

    with pytest.raises(SetupError, match=rf"pip install .daydreaming-dagster\[{name}\]"):
        executor_from_environment()


def test_two_executors_are_refused(choose):
    for name in ("celery", "k8s"):
        choose(name, DEPLOY / f"{name}.yaml")

    with pytest.raises(SetupError, match="DAYDREAM_CELERY and DAYDREAM_K8S are both set"):
        executor_from_environment()


def test_the_launcher_that_the_chart_is_told_of_is_that_of_kubernetes():
    from dagster_k8s import K8sRunLauncher

    values = yaml.safe_load((DEPLOY / "values.yaml").read_text("utf-8"))

    assert values["runLauncher"]["type"] == K8sRunLauncher.__name__
