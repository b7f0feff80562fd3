"""Where the steps of Dagster's runs are made."""

import os
from importlib import import_module
from pathlib import Path
from typing import Final

import dagster as dg
import yaml

from daydreaming_dagster.bootstrap import SetupError
from daydreaming_dagster.defs.settings_errors import in_a_line

_EXECUTORS: Final = {
    "DAYDREAM_CELERY": ("celery", "dagster_celery", "celery_executor"),
    "DAYDREAM_K8S": ("k8s", "dagster_k8s", "k8s_job_executor"),
}
"""The name of an executor, which is also the extra that brings it, its module and its definition.

By the environment variable that names the file of its configuration.
"""


def executor_from_environment() -> dg.ExecutorDefinition | None:
    """Return the executor that an environment variable configures, None without one.

    `DAYDREAM_CELERY` names the file of celery's workers, such as `deploy/celery.yaml`, which take
    it too: `dagster-celery worker start -A dagster_celery.app -y FILE`. `DAYDREAM_K8S` names one
    such as `deploy/k8s.yaml`, and each step is then a job of Kubernetes.

    Raises:
        SetupError: Both are set, the file does not configure the executor, or what reads it is not
            installed.
    """
    named = {variable: os.environ.get(variable) for variable in _EXECUTORS}
    files = {variable: file for variable, file in named.items() if file}
    if not files:
        return None
    if len(files) > 1:
        raise SetupError(f"{' and '.join(files)} are both set; a run has one executor")
    ((variable, file),) = files.items()
    name, module, definition = _EXECUTORS[variable]
    try:
        executor: dg.ExecutorDefinition = getattr(import_module(module), definition)
    except ModuleNotFoundError as error:
        raise SetupError(
            f"{variable} chooses an executor that is not installed; install it with: "
            f'pip install "daydreaming-dagster[{name}]"'
        ) from error
    try:
        config = yaml.safe_load(Path(file).read_text("utf-8"))["execution"]["config"]
        configured = executor.configured(config, name=name)
        # Dagster itself would look at it when a run starts.
        schema = configured.config_schema
        wrong = schema.resolve_config({"config": {}}).errors  # type: ignore[attr-defined]  # it has
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, dg.DagsterError) as error:
        why = in_a_line(f"{type(error).__name__}: {error}")
        raise _not_configured(variable, file, name, why) from error
    if wrong:
        why = "; ".join(dict.fromkeys(in_a_line(each.message) for each in wrong))
        raise _not_configured(variable, file, name, why)
    return configured


def _not_configured(variable: str, file: str, name: str, why: str) -> SetupError:
    return SetupError(
        f"{variable} names {file}, which does not configure {name} ({why}); see deploy/{name}.yaml"
    )
