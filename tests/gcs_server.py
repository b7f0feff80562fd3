"""A server in memory of those requests of Google Cloud Storage's XML API that the adapter makes.

No emulator answers obstore. Each rule is from the page of Google's documentation that is named
beside it, below https://cloud.google.com/storage/. Other requests get 501.
"""

import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import formatdate
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

import attrs

BUCKET = "lab"
PAGE = 1000  # docs/xml-api/get-bucket-list, max-keys
SECONDS_BETWEEN_WRITES = 1.0  # quotas: of the same object

ERRORS = {  # docs/xml-api/reference-status
    "MissingSecurityHeader": (401, "Your request was missing a required header."),
    "NoSuchBucket": (404, "The specified bucket does not exist."),
    "NoSuchKey": (404, "The specified key does not exist."),
    "PreconditionFailed": (412, "At least one of the pre-conditions you specified did not hold."),
    "SlowDown": (429, "Please reduce your request rate."),
    "NotImplemented": (501, "A header you provided implies functionality that is not implemented."),
}


@attrs.frozen
class Stored:
    data: bytes
    generation: int
    modified: float = attrs.field(factory=time.time)

    @property
    def headers(self):  # docs/xml-api/reference-headers
        return {
            # docs/hashes-etags: the MD5, if the object was uploaded as a whole
            "ETag": f'"{md5(self.data, usedforsecurity=False).hexdigest()}"',
            "Last-Modified": formatdate(self.modified, usegmt=True),
            "x-goog-generation": str(self.generation),
        }

    def listed(self, name):  # docs/xml-api/get-bucket-list
        modified = datetime.fromtimestamp(self.modified, UTC).isoformat(timespec="milliseconds")
        return (
            f"<Contents><Key>{escape(name)}</Key><LastModified>{modified}</LastModified>"
            f"<ETag>{self.headers['ETag']}</ETag><Size>{len(self.data)}</Size></Contents>"
        )


class GoogleServer(ThreadingHTTPServer):
    """Has one bucket. If `limits_writes`, it takes one write a second to the same object."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port = self.server_address[1]
        self.lock = threading.Lock()
        self.objects = {}
        self.generations = count(1)
        self.limits_writes = False


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer is headers and a body

    def _handle(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.lock:
            answer = self._answer()
        if isinstance(answer, str):
            status, message = ERRORS[answer]
            message = f"<Error><Code>{answer}</Code><Message>{message}</Message></Error>"
            answer = status, {}, message.encode()
        status, headers, body = answer
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self):
        """Return the code of an error, or a status, headers and a body."""
        url = urlsplit(self.path)
        bucket, _, name = map(unquote, url.path.removeprefix("/").partition("/"))
        query = dict(parse_qsl(url.query))
        if not self.headers.get("Authorization", "").startswith("Bearer "):
            return "MissingSecurityHeader"  # docs/xml-api/reference-headers, Authorization
        if bucket != BUCKET:
            return "NoSuchBucket"
        if name and not query and "Range" not in self.headers:
            return {"GET": self._get, "PUT": self._put, "DELETE": self._delete}[self.command](name)
        return self._list(query) if query.get("list-type") == "2" else "NotImplemented"

    def _get(self, name):  # docs/xml-api/get-object-download
        found = self.server.objects.get(name)
        return "NoSuchKey" if found is None else (200, found.headers, found.data)

    def _put(self, name):  # docs/xml-api/put-object-upload, docs/request-preconditions
        objects, wanted = self.server.objects, self.headers.get("x-goog-if-generation-match")
        found = objects[name].generation if name in objects else 0
        if wanted is not None and int(wanted) != found:
            return "PreconditionFailed"
        if self._is_too_soon(name):
            return "SlowDown"
        objects[name] = Stored(self.body, next(self.server.generations))
        return 200, objects[name].headers, b""

    def _delete(self, name):  # docs/xml-api/delete-object
        if name not in self.server.objects:
            return "NoSuchKey"
        if self._is_too_soon(name):
            return "SlowDown"
        del self.server.objects[name]
        return 204, {}, b""

    def _list(self, query):  # docs/xml-api/get-bucket-list: in the order of names
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        entries = {}
        for name in sorted(filter(lambda name: name.startswith(prefix), self.server.objects)):
            head, found, _ = name[len(prefix) :].partition(delimiter or "\0")
            entry = f"{prefix}{head}{found}"
            folder = f"<CommonPrefixes><Prefix>{escape(entry)}</Prefix></CommonPrefixes>"
            entries[entry] = folder if found else self.server.objects[name].listed(name)
        left = [entry for entry in entries if entry > query.get("continuation-token", "")]
        page, more = left[:PAGE], len(left) > PAGE
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        body = f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}"
        body += "".join(entries[entry] for entry in page)
        return 200, {}, f"<ListBucketResult>{body}</ListBucketResult>".encode()

    def _is_too_soon(self, name):
        found = self.server.objects.get(name)
        since = SECONDS_BETWEEN_WRITES if found is None else time.time() - found.modified
        return self.server.limits_writes and since < SECONDS_BETWEEN_WRITES

    def log_message(self, *arguments):
        """Say nothing."""

    do_GET = do_PUT = do_DELETE = _handle  # noqa: N815  names of the library


@contextmanager
def serving_google():
    """Yield a server that runs while the block does."""
    with GoogleServer() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
