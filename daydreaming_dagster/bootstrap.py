"""Opens a data root and composes the adapters for production."""

import atexit
import os
import re
from contextlib import AbstractContextManager
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from daydreaming_dagster.installation import check_adapters

check_adapters()  # before the imports below find another package of that name

from adapters.atomic_write import replace_file
from adapters.batch_store.filesystem import FilesystemBatchStore
from adapters.cohort_store.filesystem import FilesystemCohortStore
from adapters.file_lock import locked
from adapters.gens_store.filesystem import FilesystemGensStore
from adapters.gens_store.filesystem_inspection import FilesystemInspection
from adapters.loop_store.filesystem import FilesystemLoopStore
from adapters.root_files.filesystem import FilesystemRootFiles
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.endpoints import LOCAL_PROVIDER, EndpointEntry
from daydreaming_dagster.endpoint_bootstrap import open_default_endpoint, open_endpoint
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.locations import BUCKET_SCHEMES, lies_in, scheme_of
from daydreaming_dagster.ports.batch_store import BatchStore
from daydreaming_dagster.ports.cohort_store import CohortStore, StorageInspection
from daydreaming_dagster.ports.errors import UnsafePathError
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.ports.language_model import DEFAULT_PATIENCE_SECONDS, LanguageModel
from daydreaming_dagster.ports.loop_store import LoopStore
from daydreaming_dagster.ports.rate_limiter import OpenRate
from daydreaming_dagster.ports.root_files import RootFiles

if TYPE_CHECKING:  # few commands have to do with them
    from adapters.object_store.bucket import Bucket
    from daydreaming_dagster.domain.exchange.scores import ForeignScore
    from daydreaming_dagster.ports.cohort_bundle import CohortBundle
    from daydreaming_dagster.ports.older_data_root import OlderDataRoot

PATIENCE_VARIABLE: Final = "DAYDREAM_PATIENCE_SECONDS"

KEY_PREFIX_VARIABLE: Final = "DAYDREAM_KEY_PREFIX"

DATA_ROOT_GROUP: Final = "daydreaming_dagster.data_roots"
"""The group of entry points that open data roots from URLs. The name of each is the URL's scheme.

Each is a function that takes the URL and returns a `DataRoot`.
"""

_BUCKET_URL: Final = re.compile(r"[^:]+://[^/?#]+(/[^/?#]+)*/*")

_KEY_PREFIX: Final = re.compile(r"\w+(/\w+)*", re.ASCII)


class SetupError(DaydreamingError):
    """The environment does not allow a run; the message says why."""


@attrs.frozen
class DataRoot:
    """The ports of a data root.

    Attributes:
        location: The path or URL, for messages.
        store: The generations.
        cohorts: Catalogs, specifications, memberships, reports.
        inspection: Inspects the storage itself; None if it cannot be inspected.
        dagster_home: The folder of Dagster's databases, unless `DAGSTER_HOME` is set. That of a
            bucket is on this machine.
        loops: The loops; None if the data root cannot keep any.
        files: Its files as bytes; None if it does not consist of files.
        batches: The records of batches; None if the data root cannot keep any.
        open_rate: Opens a rate of a model by its name and units a minute, which all machines share
            that use the data root; None if the processes of each machine share it.
    """

    location: str
    store: GensStoreWithTemplates
    cohorts: CohortStore
    inspection: StorageInspection | None
    dagster_home: Path
    loops: LoopStore | None = None
    files: RootFiles | None = None
    batches: BatchStore | None = None
    open_rate: OpenRate | None = None

    def kept_loops(self) -> LoopStore:
        """Return the loops of the data root.

        Raises:
            SetupError: It cannot keep loops.
        """
        if self.loops is None:
            raise SetupError(f"the data root {self.location} cannot keep loops; use a folder")
        return self.loops

    def written_files(self) -> RootFiles:
        """Return the files of the data root.

        Raises:
            SetupError: It does not consist of files.
        """
        if self.files is None:
            raise SetupError(f"{self.location} does not consist of files; name a folder")
        return self.files


def open_data_root(location: str | Path, *, patient: bool = False) -> DataRoot:
    """Return the ports of the data root at a path or URL. Does not access it yet.

    If the server of a bucket does not answer the first request, this one is repeated for a few
    seconds, since a person may have misspelt the endpoint. If `patient`, it is repeated for a
    minute, as later requests are.

    `file:` URLs are paths, and those of `BUCKET_SCHEMES` are buckets. Entry points in
    `DATA_ROOT_GROUP` open URLs with other schemes.

    Raises:
        SetupError: No installed package opens URLs with that scheme, or the URL is malformed or
            names another machine.
        StorageUnavailableError: The environment of a bucket is malformed.
    """
    name = scheme_of(location)
    if name is None:
        return _open_folder(Path(location))
    # Imported where they are needed, as in the functions below: each costs a command milliseconds.
    if name == "file":
        from urllib.parse import urlsplit
        from urllib.request import url2pathname

        parts = urlsplit(str(location))
        if parts.netloc not in {"", "localhost"}:
            raise SetupError(
                f"{location} names the machine {parts.netloc!r}; write a folder of this machine as "
                "file:///FOLDER, or without file:"
            )
        return _open_folder(Path(url2pathname(parts.path)))
    from importlib.metadata import entry_points

    for entry_point in entry_points(group=DATA_ROOT_GROUP, name=name):
        opened: DataRoot = entry_point.load()(str(location))
        return opened
    if name in BUCKET_SCHEMES:
        if not _BUCKET_URL.fullmatch(str(location)):
            raise SetupError(
                f"{location} does not name a bucket; write it as {name}://BUCKET/PREFIX, without an"
                " empty part, a '?' or a '#'"
            )
        root, bucket = _open_bucket(str(location).rstrip("/"))
        if patient:
            bucket.wait_longer()
        return root
    raise SetupError(
        f"no installed package opens the data root {location}; name a folder or a bucket (s3://, "
        f"gs://, az://), or install a package with the entry point {name!r} in the group "
        f"{DATA_ROOT_GROUP}"
    )


def hold_lock(path: Path) -> AbstractContextManager[None]:
    """Hold the lock of a file for the block, after waiting for it.

    Raises:
        LocksUnsupportedError: The file system has no locks.
    """
    return locked(path)


def write_file(path: Path, data: bytes) -> None:
    """Replace a file of this machine in one step. Creates its folder.

    Raises:
        OSError: The file system refused.
    """
    replace_file(path, data)


def dagster_home(root: DataRoot) -> Path:
    """Return the folder of Dagster's databases: `DAGSTER_HOME`, or a folder in the data root.

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


def key_prefix() -> str:
    """Return the prefix of this data root's assets and partitions in Dagster; none by default.

    Raises:
        SetupError: The environment variable contains something else than names and slashes.
    """
    prefix = os.environ.get(KEY_PREFIX_VARIABLE, "")
    check_key_prefix(prefix, KEY_PREFIX_VARIABLE)
    return prefix


def check_key_prefix(prefix: str, setting: str) -> None:
    """Check a prefix of names in Dagster, which the setting gave.

    Raises:
        SetupError: It contains something else than names and slashes.
    """
    if prefix and not _KEY_PREFIX.fullmatch(prefix):
        raise SetupError(
            f"{setting} is {prefix!r}; use letters, digits and underscores, and slashes between "
            "names"
        )


def _open_folder(folder: Path) -> DataRoot:
    paths = Paths(folder)
    return DataRoot(
        str(folder),
        FilesystemGensStore(folder),
        FilesystemCohortStore(paths),
        FilesystemInspection(paths),
        folder / "dagster_home",
        FilesystemLoopStore(paths),
        FilesystemRootFiles(folder),
        FilesystemBatchStore(paths),
    )


@cache
def _open_bucket(url: str) -> tuple[DataRoot, "Bucket"]:
    """Return the data root in a bucket, and the bucket.

    There is one in a process, since it keeps one session of claims.
    """
    try:
        from adapters.object_store.bucket import Bucket
    except ModuleNotFoundError as error:
        raise SetupError(
            f'{url} is a bucket; install what opens it with: pip install "daydreaming-dagster[s3]"'
        ) from error
    import platformdirs

    from adapters.batch_store.files import FileBatchStore
    from adapters.cohort_store.files import FileCohortStore
    from adapters.gens_store.object_store import ObjectGensStore
    from adapters.loop_store.files import FileLoopStore
    from adapters.object_store.rate_limiter import BucketRateLimiter
    from adapters.root_files.bucket import BucketRootFiles

    def open_rate(name: str, per_minute: float) -> BucketRateLimiter:
        place = f"limits/{name}.json"
        return BucketRateLimiter(store.bucket, store.claims, place, per_minute)

    store = ObjectGensStore(Bucket.open(url))
    atexit.register(store.close)
    files = BucketRootFiles(store.bucket, store.claims)
    homes = platformdirs.user_state_path("daydreaming_dagster") / "dagster_homes"
    home = homes / sha256(url.encode()).hexdigest()[:12]
    cohorts, loops, batches = FileCohortStore(files), FileLoopStore(files), FileBatchStore(files)
    root = DataRoot(url, store, cohorts, None, home, loops, files, batches, open_rate)
    return root, store.bucket


def read_score_file(file: Path) -> list["ForeignScore"]:
    """Return the scores in a log of inspect_ai or in results of promptfoo.

    Raises:
        CatalogError: It is neither, or a package is missing that reads it.
        OSError: The file system refused.
    """
    from adapters.exchange import score_files  # few commands read one

    return score_files.read_score_file(file)


def open_bundle(file: Path) -> "CohortBundle":
    """Return the bundle in a file, which need not be there yet."""
    from adapters.bundles.zip_file import ZipBundle

    return ZipBundle(file)


def check_apart(one: str, other: str) -> None:
    """Check that no data root lies in the other: files of one would become files of the other.

    Raises:
        SetupError: One does, or both are the same.
    """
    if lies_in(one, other) or lies_in(other, one):
        raise SetupError(
            f"{one} and {other} are the same place, or one lies in the other; name a place outside"
        )


def open_older_data_root(folder: Path, root: DataRoot) -> "OlderDataRoot":
    """Return the data root of the older project in a folder, to import it into another one.

    Raises:
        SetupError: The folder is not such a data root, or one of the two lies in the other.
    """
    if not any((folder / name).is_dir() for name in ("gens", "cohorts", "specs", "1_raw")):
        raise SetupError(
            f"{folder} is not a data root of the older project: it has none of the folders gens, "
            "cohorts, specs, 1_raw; name the folder that holds them"
        )
    check_apart(str(folder), root.location)
    from adapters.older_data_root.root_files import FilesOfOlderDataRoot

    return FilesOfOlderDataRoot(FilesystemRootFiles(folder), FilesystemGensStore(folder))


def compose_language_model(
    catalog: Catalog,
    concurrency: int | None = None,
    root: DataRoot | None = None,
    *,
    workers: int = 1,
    embeds: bool = False,
) -> LanguageModel:
    """Return the adapters that call the models of a catalog; if it `embeds`, they return vectors.

    Retries and limits are layers of each endpoint. All machines that use a `root` in a bucket share
    rates and pauses; else the processes of this machine do. `workers` divide concurrent calls,
    those of the catalog and `concurrency`, into equal parts. Keys are read from the environment
    now, and kept nowhere else. An endpoint that is not set up refuses calls; `LanguageModel.check`
    says why.

    Raises:
        SetupError: The folder for limits is not writable, or the patience is not a number.
    """
    # Imported here because most commands call no model.
    import platformdirs

    from adapters.language_model.limiting import LimitingLanguageModel, prepare_limits
    from adapters.language_model.local import LocalLanguageModel
    from adapters.language_model.retrying import RetryingLanguageModel
    from adapters.language_model.routing import RoutingLanguageModel
    from adapters.language_model.sharing import SharingLanguageModel

    limits = {model.key: model.limits for model in catalog.models.values()}
    folder = platformdirs.user_state_path("daydreaming_dagster") / "limits"
    folders = [folder]
    limited = partial(LimitingLanguageModel, workers=workers)
    if root is not None and root.open_rate is not None:
        limited = partial(limited, open_rate=root.open_rate, files=root.files)

    def layers(entry: EndpointEntry) -> LanguageModel:
        of_account = folder / sha256(repr(entry.account).encode()).hexdigest()[:12]
        folders.append(of_account)
        endpoint = open_endpoint(entry, embeds=embeds)
        return RetryingLanguageModel(
            limited(endpoint, limits, of_account, concurrency, entry.patience_seconds)
        )

    routes: dict[str, LanguageModel] = {
        # The local model answers one call at a time; a second one waits in its server.
        LOCAL_PROVIDER: LimitingLanguageModel(LocalLanguageModel(embeds=embeds), limits, folder, 2)
    }
    for endpoint_id, entries in catalog.endpoints.items():
        inners = [layers(entry) for entry in entries]
        routes[endpoint_id] = SharingLanguageModel(inners) if inners[1:] else inners[0]
    default = RetryingLanguageModel(
        limited(
            open_default_endpoint(embeds=embeds), limits, folder, concurrency, _default_patience()
        )
    )
    try:
        for place in folders:
            prepare_limits(limits, place)
    except OSError as error:
        raise SetupError(
            f"the limits in llm_models.csv cannot be kept in {folder} ({error}); make it a "
            "writable folder with locks, set XDG_STATE_HOME to one, or remove the limits"
        ) from error
    return RoutingLanguageModel(routes, default)


def _default_patience() -> float:
    """Return how long the endpoint of the environment is waited for.

    Raises:
        SetupError: The environment variable holds something else than seconds.
    """
    value = os.environ.get(PATIENCE_VARIABLE, "").strip() or str(DEFAULT_PATIENCE_SECONDS)
    if not re.fullmatch(r"\d+(\.\d+)?", value, re.ASCII):
        raise SetupError(f"{PATIENCE_VARIABLE} is {value!r}; set it to seconds, such as 600")
    return float(value)
