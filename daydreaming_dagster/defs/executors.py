"""Where the steps of Dagster's runs are made."""

import os
from pathlib import Path
from typing import Final

import dagster as dg
import yaml

from daydreaming_dagster.bootstrap import SetupError

CELERY_VARIABLE: Final = "DAYDREAM_CELERY"
"""The environment variable that names the file of the workers, such as `deploy/celery.yaml`."""


def executor_from_environment() -> dg.ExecutorDefinition | None:
    """Return the executor of celery with the file that `DAYDREAM_CELERY` names, None without it.

    The workers take the same file: `dagster-celery worker start -A dagster_celery.app -y FILE`.

    Raises:
        SetupError: The file does not configure celery, or what reads it is not installed.
    """
    file = os.environ.get(CELERY_VARIABLE)
    if not file:
        return None
    try:
        from dagster_celery import celery_executor
    except ModuleNotFoundError as error:
        raise SetupError(
            f"{CELERY_VARIABLE} names workers of celery; install what reaches them: "
            'pip install "daydreaming-dagster[celery]"'
        ) from error
    try:
        config = yaml.safe_load(Path(file).read_text("utf-8"))["execution"]["config"]
        return celery_executor.configured(config, name="celery")
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, dg.DagsterError) as error:
        raise SetupError(
            f"{CELERY_VARIABLE} names {file}, which does not configure celery "
            f"({type(error).__name__}: {error}); see deploy/celery.yaml"
        ) from error
