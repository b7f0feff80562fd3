"""A server of this machine for `daydream report --watch`: it reads, and has one page."""

import json
import secrets
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import attrs

from daydreaming_dagster.application.watch_cohort import WatchedCohort
from daydreaming_dagster.errors import DaydreamingError

_LOOPBACK: Final = "127.0.0.1"
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def watch(cohort: WatchedCohort, announce: Callable[[str], None]) -> None:
    """Serve a cohort's report on this machine until Ctrl-C; `announce` gets its address.

    Only who knows the address can read: its path has a token. A page of another site that finds
    the port does not know it, and a name that resolves to this machine is refused (DNS rebinding:
    https://en.wikipedia.org/wiki/DNS_rebinding).

    Raises:
        DaydreamingError: The report cannot be drawn.
    """
    cohort.page()
    with ThreadingHTTPServer((_LOOPBACK, 0), BaseHTTPRequestHandler) as server:
        token = secrets.token_urlsafe(24)
        served = Served(cohort, token, f"{_LOOPBACK}:{server.server_port}")
        server.RequestHandlerClass = served.handler()
        announce(f"http://{served.host}/{token}/")
        server.serve_forever(poll_interval=0.2)


@attrs.frozen
class Served:
    """What is served, to whom, under which name."""

    cohort: WatchedCohort
    token: str
    host: str

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """Return the class that answers requests. It knows GET alone."""
        answer = self.answer

        class Handler(BaseHTTPRequestHandler):
            timeout = 30

            def do_GET(self) -> None:
                status, kind, body = answer(self.headers.get("Host", ""), self.path)
                self.send_response(status)
                for name, value in _HEADERS.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as the base
                """Print nothing: the address has the token."""

        return Handler

    def answer(self, host: str, path: str) -> tuple[HTTPStatus, str, bytes]:
        """Return the status, type and body of the answer to a request."""
        if host != self.host:
            return HTTPStatus.MISDIRECTED_REQUEST, "text/plain", b"wrong host"
        _, token, *rest = path.split("/")
        if not secrets.compare_digest(token.encode(), self.token.encode()):
            return HTTPStatus.NOT_FOUND, "text/plain", b"not found"
        try:
            if rest == [""]:
                return HTTPStatus.OK, "text/html", self.cohort.page().encode()
            if rest == ["progress"]:
                version, said = self.cohort.progress()
                document = {"version": version, "said": said}
                return HTTPStatus.OK, "application/json", json.dumps(document).encode()
        except (DaydreamingError, OSError) as error:  # a file may be in the midst of a change
            return HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", str(error).encode()
        return HTTPStatus.NOT_FOUND, "text/plain", b"not found"
