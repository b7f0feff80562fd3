"""The objects below a URL, with the errors of the stores."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import attrs
import obstore
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import MemoryStore, from_url

from adapters.object_store.failures import check_environment, failures_named

if TYPE_CHECKING:
    from obstore import ObjectMeta, UpdateVersion
    from obstore.store import ObjectStore, RetryConfig

_Result = TypeVar("_Result")

AT_ONCE: Final = 64
"""How many objects are read at the same time."""

BRIEF_RETRIES: Final["RetryConfig"] = {"max_retries": 10, "retry_timeout": timedelta(seconds=5)}
"""Those of the first request: its endpoint may be misspelt, and credentials may be missing."""

RETRIES: Final["RetryConfig"] = {
    "max_retries": 1_000,
    "backoff": {
        "init_backoff": timedelta(seconds=0.1),
        "max_backoff": timedelta(seconds=5),
        "base": 3,
    },
    "retry_timeout": timedelta(seconds=60),
}
"""obstore waits between attempts for a random time that grows."""


@attrs.frozen
class Found:
    """The contents of an object, what a conditional write compares, and when it was written.

    The time is that of the server, in seconds since 1970; many servers tell whole seconds.
    """

    data: bytes
    tag: "UpdateVersion"
    modified: float


@attrs.frozen(eq=False)
class Bucket:
    """Reads and writes whole objects by name, the part of the key after the URL and `/`.

    A write replaces an object in one step. It may be sent twice, with the same bytes, if an answer
    is lost. Every method raises `StorageUnreachableError` if the server refuses or cannot be
    reached after retries.
    """

    url: str
    _store: "ObjectStore" = attrs.field(repr=False)
    # The same with `BRIEF_RETRIES`.
    _brief: "ObjectStore" = attrs.field(repr=False)
    _answered: threading.Event = attrs.field(factory=threading.Event, repr=False)

    @classmethod
    def open(cls, url: str, retries: "RetryConfig | None" = None) -> Self:
        """Return the bucket at a URL. Sends nothing.

        Credentials, region and endpoint are those of the environment (`AWS_ENDPOINT_URL`, …).

        Raises:
            StorageUnreachableError: The URL or the environment is malformed.
        """
        with failures_named("use", url):
            check_environment(url)
            # Only the URL of the endpoint says whether TLS is used.
            options: Any = {"allow_http": True, "timeout": timedelta(seconds=30)}
            store, brief = (
                from_url(url, client_options=options, retry_config=retries or default)
                for default in (RETRIES, BRIEF_RETRIES)
            )
        # Two stores in memory would be two buckets.
        return cls(url.rstrip("/"), store, store if isinstance(store, MemoryStore) else brief)

    def wait_longer(self) -> None:
        """Repeat the first request as often as the others: who opens it knows that it is there."""
        self._answered.set()

    def without_patience(self) -> Self:
        """Return the same bucket for requests that may fail: each is repeated for some seconds."""
        return attrs.evolve(self, store=self._brief)

    def locate(self, name: str) -> str:
        """Return the URL of an object."""
        return f"{self.url}/{name}"

    def read(self, name: str) -> bytes | None:
        """Return the contents of an object, or None if it does not exist."""
        found = self.find(name)
        return None if found is None else found.data

    def read_many(self, names: Sequence[str]) -> list[bytes | None]:
        """Return what `read` does for each name. Many requests are in flight at once."""
        return _at_once(self.read, names)

    def find(self, name: str) -> Found | None:
        """Return the contents of an object with its tag, or None if it does not exist."""
        with self._request("read", name) as store:
            try:
                result = obstore.get(store, name)
                data = bytes(result.bytes())
            except FileNotFoundError:
                return None
            meta = result.meta
        tag = _tag(meta.get("e_tag"), meta.get("version"))
        return Found(data, tag, meta["last_modified"].timestamp())

    def write(self, name: str, data: bytes) -> None:
        """Replace an object."""
        with self._request("write", name) as store:
            obstore.put(store, name, data, use_multipart=False)

    def create(self, name: str, data: bytes) -> "UpdateVersion | None":
        """Write an object that does not exist, and return its tag; None if it exists.

        It may exist because this very request was sent twice: whoever must know compares the
        contents.
        """
        return self._put_if(name, data, "create")

    def replace(self, name: str, data: bytes, tag: "UpdateVersion") -> "UpdateVersion | None":
        """Replace an object that still has this tag, and return its new one; else None.

        It may have another tag because this very request was sent twice, as in `create`.
        """
        return self._put_if(name, data, tag)

    def list(self, folder: str) -> "Iterator[ObjectMeta]":
        """Yield the name and versions of each object below a folder, in no order."""
        with self._request("list", f"{folder}/") as store:
            for some in obstore.list(store, f"{folder}/", chunk_size=1000):
                yield from some

    def list_folders(self, folder: str) -> Iterable[str]:
        """Return the names of the folders in a folder, without what is above them."""
        with self._request("list", f"{folder}/") as store:
            found = obstore.list_with_delimiter(store, f"{folder}/")["common_prefixes"]
        return [prefix.rstrip("/").rpartition("/")[2] for prefix in found]

    def delete(self, names: Sequence[str]) -> None:
        """Delete these objects. Those that do not exist are skipped."""
        if not names:
            return
        with self._request("delete", names[0]) as store:
            try:
                obstore.delete(store, names)
            except FileNotFoundError:  # at Google, none of those after it was deleted
                _at_once(partial(_delete_one, store), names)

    def _put_if(
        self, name: str, data: bytes, condition: "UpdateVersion | Any"
    ) -> "UpdateVersion | None":
        with self._request("write", name) as store:
            try:
                put = obstore.put(store, name, data, mode=condition, use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return None
            except FileNotFoundError:
                if condition == "create":  # it is the bucket that does not exist
                    raise
                return None
        return _tag(put["e_tag"], put["version"])

    @contextmanager
    def _request(self, doing: str, name: str) -> "Iterator[ObjectStore]":
        """Yield what sends a request concerning these objects. See `Bucket` for its errors."""
        with failures_named(doing, self.locate(name)):
            yield self._store if self._answered.is_set() else self._brief
        self._answered.set()


def _at_once(function: Callable[[str], _Result], names: Sequence[str]) -> list[_Result]:
    """Return what a function of an object's name returns for each. Many requests are in flight."""
    if len(names) < 2:  # noqa: PLR2004  no thread is needed for one
        return [function(name) for name in names]
    with ThreadPoolExecutor(min(AT_ONCE, len(names))) as pool:
        return list(pool.map(function, names))


def _delete_one(store: "ObjectStore", name: str) -> None:
    with suppress(FileNotFoundError):
        obstore.delete(store, name)


def _tag(e_tag: str | None, version: str | None) -> "UpdateVersion":
    tag: UpdateVersion = {}
    if e_tag is not None:
        tag["e_tag"] = e_tag
    if version is not None:
        tag["version"] = version
    return tag
