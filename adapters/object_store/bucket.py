"""The objects below a URL, with the errors of the stores."""

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Self

import attrs
import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import from_url

from daydreaming_dagster.ports.errors import StorageUnreachableError

if TYPE_CHECKING:
    from obstore import ObjectMeta, UpdateVersion
    from obstore.store import ObjectStore, RetryConfig

AT_ONCE: Final = 64
"""How many objects are read at the same time."""

_RETRIES: Final["RetryConfig"] = {"max_retries": 10, "retry_timeout": timedelta(seconds=60)}
"""obstore waits between attempts for a random time that grows."""

_LONGEST_REASON: Final = 300
_MESSAGE: Final = re.compile(r"<Message>(.+?)</Message>", re.DOTALL)


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

    @classmethod
    def open(cls, url: str, retries: "RetryConfig | None" = None) -> Self:
        """Return the bucket at a URL. Sends nothing.

        Credentials, region and endpoint are those of the environment (`AWS_ENDPOINT_URL`, …).

        Raises:
            StorageUnreachableError: The URL or the environment is malformed.
        """
        # Only the URL of the endpoint says whether TLS is used.
        with _errors_of(url):
            options: Any = {"allow_http": True, "timeout": timedelta(seconds=30)}
            store = from_url(url, client_options=options, retry_config=retries or _RETRIES)
        return cls(url.rstrip("/"), store)

    def locate(self, name: str) -> str:
        """Return the URL of an object."""
        return f"{self.url}/{name}"

    def read(self, name: str) -> bytes | None:
        """Return the contents of an object, or None if it does not exist."""
        found = self.find(name)
        return None if found is None else found.data

    def read_many(self, names: Sequence[str]) -> list[bytes | None]:
        """Return what `read` does for each name. Many requests are in flight at once."""
        if len(names) < 2:  # noqa: PLR2004  no thread is needed for one
            return [self.read(name) for name in names]
        with ThreadPoolExecutor(min(AT_ONCE, len(names))) as pool:
            return list(pool.map(self.read, names))

    def find(self, name: str) -> Found | None:
        """Return the contents of an object with its tag, or None if it does not exist."""
        with _errors_of(self.url):
            try:
                result = obstore.get(self._store, name)
                data = bytes(result.bytes())
            except FileNotFoundError:
                return None
            meta = result.meta
        tag = _tag(meta.get("e_tag"), meta.get("version"))
        return Found(data, tag, meta["last_modified"].timestamp())

    def write(self, name: str, data: bytes) -> None:
        """Replace an object."""
        with _errors_of(self.url):
            obstore.put(self._store, name, data, use_multipart=False)

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
        with _errors_of(self.url):
            for some in obstore.list(self._store, f"{folder}/", chunk_size=1000):
                yield from some

    def list_folders(self, folder: str) -> Iterable[str]:
        """Return the names of the folders in a folder, without what is above them."""
        with _errors_of(self.url):
            found = obstore.list_with_delimiter(self._store, f"{folder}/")["common_prefixes"]
        return [prefix.rstrip("/").rpartition("/")[2] for prefix in found]

    def delete(self, names: Sequence[str]) -> None:
        """Delete these objects. Those that do not exist are skipped."""
        with _errors_of(self.url), suppress(FileNotFoundError):
            if names:
                obstore.delete(self._store, names)

    def _put_if(
        self, name: str, data: bytes, condition: "UpdateVersion | Any"
    ) -> "UpdateVersion | None":
        with _errors_of(self.url):
            try:
                put = obstore.put(self._store, name, data, mode=condition, use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return None
            except FileNotFoundError:
                if condition == "create":  # it is the bucket that does not exist
                    raise
                return None
        return _tag(put["e_tag"], put["version"])


def _tag(e_tag: str | None, version: str | None) -> "UpdateVersion":
    tag: UpdateVersion = {}
    if e_tag is not None:
        tag["e_tag"] = e_tag
    if version is not None:
        tag["version"] = version
    return tag


@contextmanager
def _errors_of(url: str) -> Iterator[None]:
    """Raise what the client raises as a `StorageUnreachableError`, with the server's reason."""
    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        raise StorageUnreachableError(url, _reason(error)) from error


def _reason(error: Exception) -> str:
    """Return the server's message, or the first line: the rest says how the client made it."""
    text = str(error)
    message = _MESSAGE.search(text)
    line = text.split("\n", 1)[0] if message is None else message[1]
    return line.strip()[:_LONGEST_REASON] or type(error).__name__
