"""Opens a data root: composes the adapters that production uses."""

import os
import re
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

import attrs
import platformdirs

from adapters.cohort_store.filesystem import FilesystemCohortStore
from adapters.gens_store.filesystem import FilesystemGensStore
from adapters.gens_store.filesystem_inspection import FilesystemInspection
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.cohort_store import CohortStore, StorageInspection
from daydreaming_dagster.ports.errors import UnsafePathError
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.ports.language_model import LanguageModel

API_KEY_VARIABLE: Final = "OPENAI_API_KEY"
BASE_URL_VARIABLE: Final = "OPENAI_BASE_URL"

DATA_ROOT_GROUP: Final = "daydreaming_dagster.data_roots"
"""Entry points that open data roots elsewhere than in a folder, each named by its URL's scheme.

Each is a function that takes the URL and returns a `DataRoot`.
"""

# A single letter before the colon is a drive of Windows.
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


class SetupError(DaydreamingError):
    """What a run needs cannot be made of the environment; the message says why."""


@attrs.frozen
class DataRoot:
    """The ports to all that is kept of a researcher's work.

    Attributes:
        location: The path or URL, for people to read.
        store: The generations.
        cohorts: Catalogs, specifications, memberships, reports.
        inspection: What the storage itself can tell, None where it cannot be looked at.
        dagster_home: Where Dagster keeps its databases unless `DAGSTER_HOME` says it.
    """

    location: str
    store: GensStoreWithTemplates
    cohorts: CohortStore
    inspection: StorageInspection | None
    dagster_home: Path


def open_data_root(location: str | Path) -> DataRoot:
    """Return the ports to the data root at a path or a URL. Looks at nothing yet.

    `file:` URLs are paths. Other schemes are those of the entry points in `DATA_ROOT_GROUP`.

    Raises:
        SetupError: No installed package opens URLs of that scheme.
    """
    scheme = _SCHEME.match(str(location))
    if scheme is None:
        return _open_folder(Path(location))
    name = scheme[1].lower()
    if name == "file":
        return _open_folder(Path(url2pathname(urlsplit(str(location)).path)))
    for entry_point in entry_points(group=DATA_ROOT_GROUP, name=name):
        opened: DataRoot = entry_point.load()(str(location))
        return opened
    raise SetupError(
        f"no installed package opens the data root {location}; name a folder, or install a "
        f"package with the entry point {name!r} in the group {DATA_ROOT_GROUP}"
    )


def dagster_home(root: DataRoot) -> Path:
    """Return where Dagster keeps its databases: `DAGSTER_HOME`, or a folder in the data root.

    Raises:
        UnsafePathError: The folder in the data root is a symbolic link.
    """
    if named := os.environ.get("DAGSTER_HOME"):
        return Path(named)
    if root.dagster_home.is_symlink():
        reason = (
            "a symbolic link may lead outside the data root; set DAGSTER_HOME to where it leads"
        )
        raise UnsafePathError(str(root.dagster_home), reason)
    return root.dagster_home


def _open_folder(folder: Path) -> DataRoot:
    paths = Paths(folder)
    return DataRoot(
        str(folder),
        FilesystemGensStore(folder),
        FilesystemCohortStore(paths),
        FilesystemInspection(paths),
        folder / "dagster_home",
    )


def compose_language_model(
    models: Iterable[ModelEntry], concurrency: int | None = None
) -> LanguageModel:
    """Return the adapters that ask these models: one retry layer, and below it their limits.

    Where the endpoint is, and its key, the environment says now: neither is kept anywhere.

    Raises:
        SetupError: The endpoint's URL or key cannot be used, or the folder of the limits.
    """
    # Most commands ask no model, and need not wait for what these import.
    from adapters.language_model.limiting import LimitingLanguageModel, prepare_limits
    from adapters.language_model.local import LocalLanguageModel
    from adapters.language_model.openai import OpenAILanguageModel
    from adapters.language_model.retrying import RetryingLanguageModel
    from adapters.language_model.routing import RoutingLanguageModel

    try:
        endpoint = OpenAILanguageModel(
            os.environ.get(BASE_URL_VARIABLE),
            os.environ.get(API_KEY_VARIABLE),
            api_key_variable=API_KEY_VARIABLE,
        )
    except ValueError as error:
        raise SetupError(f"{error}; set {BASE_URL_VARIABLE} and {API_KEY_VARIABLE}") from error
    folder = platformdirs.user_state_path("daydreaming_dagster") / "limits"
    limits = {(model.provider, model.model): model.limits for model in models}
    try:
        prepare_limits(limits, folder)
    except OSError as error:
        raise SetupError(
            f"the limits in llm_models.csv cannot be kept in {folder} ({error}); let it be a "
            "folder that you can write to, or set XDG_STATE_HOME to one, or take the limits out"
        ) from error
    return RoutingLanguageModel(
        # The local model answers one call after the other; the second waits in its server.
        routes={"local": LimitingLanguageModel(LocalLanguageModel(), limits, folder, 2)},
        default=RetryingLanguageModel(LimitingLanguageModel(endpoint, limits, folder, concurrency)),
    )
