"""Opens the connections to an endpoint, with the proxies and certificates of the environment."""

import os
import platform
import ssl
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

if TYPE_CHECKING:
    from aiohttp import ClientSession

_CONNECT_SECONDS: Final = 10.0
_IDLE_SECONDS: Final = 4.0
"""How long an unused connection is kept. uvicorn, on which vLLM and others run, closes it after
5 s, and a request that is sent at that moment is lost."""

_HEADER_BYTES: Final = 256 * 1024
"""More than aiohttp's 8 KB, so that a long header does not lose a paid answer."""


def open_session(url: str, *, environment_proxies: bool) -> "ClientSession":
    """Return a session for the host of `url`. Close it in the same event loop.

    A proxy is one of `HTTP_PROXY`, `HTTPS_PROXY` and `ALL_PROXY`, unless `NO_PROXY` names the host.
    Certificates that `SSL_CERT_FILE` or `SSL_CERT_DIR` names are trusted, or else the system's.
    """
    import aiohttp  # here because it takes 0.1 s, so only processes that call a model import it

    parts = urlsplit(url)
    secure = parts.scheme == "https"
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0,  # how many calls are made at once is decided elsewhere
            keepalive_timeout=_IDLE_SECONDS,
            ssl=_certificates() if secure else True,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        max_line_size=_HEADER_BYTES,
        max_field_size=_HEADER_BYTES,
        timeout=aiohttp.ClientTimeout(total=None, connect=_CONNECT_SECONDS),
        # Not aiohttp's `trust_env`, which sends passwords of ~/.netrc, and ignores ALL_PROXY.
        proxy=_proxy(parts.scheme, parts.hostname or "") if environment_proxies else None,
    )


def _proxy(scheme: str, host: str) -> str | None:
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _certificates() -> ssl.SSLContext:
    if platform.system() == "Darwin" and not {"SSL_CERT_FILE", "SSL_CERT_DIR"} & os.environ.keys():
        import truststore  # a Python from python.org has no certificates on macOS

        context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    else:
        context = ssl.create_default_context()  # OpenSSL reads the variables itself
    context.set_alpn_protocols(["http/1.1"])
    return context
