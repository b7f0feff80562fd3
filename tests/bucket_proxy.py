"""A proxy before a server of buckets that fails as networks and servers do."""

import http.client
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SLOW_DOWN = (
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)
CONFLICT = b"<Error><Code>ConditionalRequestConflict</Code><Message>Try again.</Message></Error>"


class FaultyProxy(ThreadingHTTPServer):
    """Forwards every request, but for the faults of its script.

    `faults` maps a method to the faults of its next requests: a status with a body, `lost` (the
    request never arrives) or `unanswered` (it is carried out, and the answer is lost).
    """

    daemon_threads = True

    def __init__(self, upstream_port, delay=0.0):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream_port = upstream_port
        self.delay = threading.Event(), delay
        self.faults = {}
        self.requests = Counter()
        self.ignored_headers = ()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address):
        """Say nothing of connections that a fault broke."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _forward(self):
        server = self.server
        server.requests[self.command] += 1
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server.delay[0].wait(server.delay[1])
        faults = server.faults.get(self.command, [])
        fault = faults.pop(0) if faults else None
        if fault == "lost":
            self.close_connection = True
            self.connection.close()
            return
        if isinstance(fault, tuple):
            self._answer(fault[0], [], fault[1])
            return
        kept = {k: v for k, v in self.headers.items() if k.lower() not in server.ignored_headers}
        upstream = http.client.HTTPConnection("127.0.0.1", server.upstream_port, timeout=30)
        upstream.request(self.command, self.path, body, kept)
        answer = upstream.getresponse()
        data = answer.read()
        upstream.close()
        if fault == "unanswered":
            self.close_connection = True
            self.connection.close()
            return
        self._answer(answer.status, answer.getheaders(), data)

    def _answer(self, status, headers, data):
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        length = dict(headers).get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *arguments):
        """Say nothing."""

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _forward  # noqa: N815  names of the library


@contextmanager
def proxy_before(upstream_port, delay=0.0):
    """Yield a proxy that runs while the block does."""
    proxy = FaultyProxy(upstream_port, delay)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
