"""Checks the environment variables that the HTTP client obeys, before it meets them in a call."""

import os
import ssl
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from adapters.language_model.redaction import redacted_url

_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_CERTIFICATES: Final = "SSL_CERT_FILE"


def connection_problems() -> tuple[str, ...]:
    """Return what is wrong with the variables for proxies and certificates, a sentence each."""
    return (*_proxy_problems(), *_certificate_problems())


def _proxy_problems() -> Iterator[str]:
    for name in (spelling for each in _PROXIES for spelling in (each, each.lower())):
        value = os.environ.get(name, "").strip()
        # The client takes a value without a scheme for the host of an HTTP proxy.
        if value and not _is_usable(value if "://" in value else f"http://{value}"):
            yield (
                f"{name} is {redacted_url(value)!r}, which cannot be used as a proxy; set it to a "
                "URL such as http://proxy.example:3128, or unset it"
            )


def _is_usable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        located = bool(parts.hostname) and parts.port != 0
    except ValueError:  # an invalid IPv6 address in brackets, or a port that is not a number
        return False
    return located and parts.scheme in ("http", "https")


def _certificate_problems() -> Iterator[str]:
    value = os.environ.get(_CERTIFICATES, "")
    if value:
        try:
            ssl.create_default_context(cafile=value)
        except OSError as error:  # also what OpenSSL says
            yield (
                f"{_CERTIFICATES} is {value!r}, which cannot be read as certificates ({error}); "
                "set it to a file in PEM format, or unset it"
            )
