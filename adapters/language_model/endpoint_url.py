"""The rules for an endpoint's URL, checked before the first call."""

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from adapters.language_model.redaction import redacted_url

OPENAI_URL: Final = "https://api.openai.com/v1"

_PATH_OF_CALLS: Final = "/chat/completions"
_VERSION: Final = re.compile(r"/v\d|/openai(/|$)")
"""OpenAI's URL and most others have a version in their path. Azure's deployments, Google's and some
gateways have `/openai` instead."""


def endpoint_url(value: str) -> str:
    """Return an endpoint's URL without surrounding whitespace and slashes.

    Raises:
        ValueError: No call to it can succeed. The message shows no password and no query.
    """
    # A variable read from a file often ends in a newline, or in a carriage return.
    url = value.strip().rstrip("/")
    if (problem := _problem(url)) is not None:
        raise ValueError(f"{redacted_url(url)!r} {problem}")
    return url


def lacks_version(url: str) -> bool:
    """Return whether the URL's path has nothing like `/v1`, which most endpoints need."""
    return _VERSION.search(urlsplit(url).path) is None


def with_version(url: str) -> str:
    """Return the URL with `/v1` at the end of its path, without credentials and query."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return SplitResult(parts.scheme, host, f"{parts.path.rstrip('/')}/v1", "", "").geturl()


def _problem(url: str) -> str | None:
    example = f"give a URL such as {OPENAI_URL}"
    if not url.startswith(("http://", "https://")) or not url.isprintable():
        return f"is not an endpoint; {example}"
    if url.count("[") != url.count("]"):
        return "is not an endpoint: an IPv6 address needs both brackets, as in http://[::1]:8000/v1"
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:  # not chained: its message may quote a password
        usable = False
    if not usable:
        return f"is not an endpoint: its host is invalid, or its port is over 65535; {example}"
    if urlsplit(url).path.rstrip("/").endswith(_PATH_OF_CALLS):
        return f"ends in {_PATH_OF_CALLS}, which each call adds to it; remove that part"
    return None
