"""What the client of buckets raises, in words of whoever set up access to one."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from obstore.exceptions import BaseError

from daydreaming_dagster.locations import BUCKET_SCHEMES, scheme_of
from daydreaming_dagster.ports.errors import StorageUnreachableError

_PREFIXES: Final = {"s3": "AWS_", "gs": "GOOGLE_", "az": "AZURE_"}
"""Which variables the client reads, by the scheme in `BUCKET_SCHEMES`."""

_ENDPOINTS: Final = (
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT",
    "GOOGLE_BASE_URL",
    "AZURE_STORAGE_ENDPOINT",
    "AZURE_ENDPOINT",
)
_REGIONS: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
_IN_HEADERS: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "GOOGLE_BEARER_TOKEN",
    "AZURE_STORAGE_ACCOUNT_NAME",
    "AZURE_STORAGE_TOKEN",
)
_HTTP_URL: Final = re.compile(r"https?://[^\s/]+(/\S*)?")
_REGION: Final = re.compile(r"[A-Za-z0-9-]*")

_CREDENTIALS: Final = {
    "S3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "GCS": "GOOGLE_APPLICATION_CREDENTIALS",
    "MicrosoftAzure": "AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_KEY",
}
"""What gives credentials, by the client's name of the service."""

_METADATA_SERVER: Final = re.compile("http://169.254.169.254/|/computeMetadata/")
"""Where machines of a cloud ask for credentials, if the environment has none."""

_KEY_FILE: Final = re.compile("Unable to (open|decode) service account file|Error reading pem file")
"""What the client says of the file of credentials for Google. It names no variable."""

_NO_ACCOUNT: Final = ("Account must be specified", "set AZURE_STORAGE_ACCOUNT_NAME")

_SERVICE: Final = re.compile(r"Generic (\w+) error: ")
_MESSAGE: Final = re.compile(r"<Message>(.+?)</Message>", re.DOTALL)
_REQUEST: Final = re.compile(
    r".*Error performing [A-Z]+ (https?://[^\s/]+|REDACTED)\S* in .*? - (.+)"
)
_LONGEST_REASON: Final = 300


@contextmanager
def failures_named(doing: str, location: str) -> Iterator[None]:
    """Raise what the client raises as a `StorageUnreachableError`, with the server's reason.

    `doing` is what the block does with the location: `read`, `write`, `list`, `delete` or `use`.
    """
    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        raise StorageUnreachableError(location, _reason(error), doing) from error


def check_environment(url: str) -> None:
    """Return if the variables for a bucket are well-formed.

    If one of these were malformed, the client would crash at the first request, or not name it.

    Raises:
        ValueError: One is malformed.
    """
    prefix = _PREFIXES.get(BUCKET_SCHEMES.get(scheme_of(url) or "", ""))
    if prefix is None:
        return
    for name, value in os.environ.items():
        if not name.startswith(prefix):
            continue
        if name in _ENDPOINTS and not _HTTP_URL.fullmatch(value):
            raise ValueError(f"{name} is {value!r}, and not a URL such as https://HOST:PORT")
        if name in _REGIONS and not _REGION.fullmatch(value):
            raise ValueError(f"{name} is {value!r}, and not the name of a region")
        if name in _IN_HEADERS and not value.isprintable():  # a line feed, mostly
            raise ValueError(f"{name} has a line feed or another character that cannot be printed")


def _reason(error: Exception) -> str:
    """Return the server's message, or what the first line says: the rest is about the client."""
    text = str(error)
    line = text.split("\n", 1)[0].strip()
    service = _SERVICE.match(line)
    if service is not None and _METADATA_SERVER.search(line):
        variables = _CREDENTIALS.get(service[1], "the variables of its service")
        return f"the environment has no credentials, and this machine has no role; set {variables}"
    if message := _MESSAGE.search(text):
        line = message[1].strip().split("\n", 1)[0]
    elif request := _REQUEST.match(line):
        host, what = request[1].replace("REDACTED", "the server"), request[2]
        line = f"no answer from {host} ({what})" if what.startswith("HTTP") else f"{host}: {what}"
    elif service is not None:
        line = line[service.end() :].replace(*_NO_ACCOUNT)
        if _KEY_FILE.match(line):
            line += "; set GOOGLE_APPLICATION_CREDENTIALS to the key file of a service account"
    return line.strip().rstrip(".;")[:_LONGEST_REASON] or type(error).__name__
