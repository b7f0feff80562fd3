"""Which executor makes the steps of runs."""

import sys
from pathlib import Path

import pytest

from daydreaming_dagster.bootstrap import SetupError
from daydreaming_dagster.defs.executors import executor_from_environment

SHIPPED = Path(__file__).parents[2] / "deploy/celery.yaml"


def test_without_the_variable_dagsters_default_makes_them(monkeypatch):
    monkeypatch.delenv("DAYDREAM_CELERY", raising=False)

    assert executor_from_environment() is None


def test_the_shipped_file_configures_celery(monkeypatch):
    monkeypatch.setenv("DAYDREAM_CELERY", str(SHIPPED))

    assert executor_from_environment().name == "celery"


@pytest.mark.parametrize("content", [None, "execution: {", "a"])
def test_a_file_that_does_not_configure_celery_is_named(tmp_path, monkeypatch, content):
    file = tmp_path / "celery.yaml"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("DAYDREAM_CELERY", str(file))

    with pytest.raises(SetupError, match=f"{file}, which does not configure celery"):
        executor_from_environment()


def test_where_celery_is_not_installed_the_extra_is_named(monkeypatch):
    monkeypatch.setenv("DAYDREAM_CELERY", str(SHIPPED))
    monkeypatch.setitem(sys.modules, "dagster_celery", None)

    with pytest.raises(SetupError, match=r"pip install .daydreaming-dagster\[celery\]"):
        executor_from_environment()
