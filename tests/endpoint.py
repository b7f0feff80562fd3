"""An HTTP endpoint on 127.0.0.1 that does what a test says."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import attrs


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open
    server: "Endpoint"

    def do_POST(self) -> None:
        self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.received.append(self)
        self.server.asked.set()
        self.server.answer(self)

    def reply(self, status: int, body: object, **headers: str) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        headers = {"Content-Type": "application/json", **headers}
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def stream(self, *events: object, done: bool = True, whole: bool = True) -> None:
        """Send events, texts as they are and others as JSON; or drop the connection after them."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in (*events, "data: [DONE]\n\n") if done else events:
            text = event if isinstance(event, str) else f"data: {json.dumps(event)}\n\n"
            self.wfile.write(f"{len(text.encode()):x}\r\n{text}\r\n".encode())
        if whole:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True

    def log_message(self, *_args: object) -> None:
        """Keep quiet."""


class Endpoint(ThreadingHTTPServer):
    """Answers every request with `answer`, and remembers what it received.

    Unlike the servers of pytest plugins it keeps connections open, sends any bytes and drops
    connections.
    """

    request_queue_size = 128

    def __init__(self, answer: Callable[[Handler], None], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self.received: list[Handler] = []
        self.answer = answer
        self.asked = threading.Event()
        self.over = threading.Event()

    def always(self, status: int, body: object, **headers: str) -> None:
        self.answer = lambda handler: handler.reply(status, body, **headers)


@contextmanager
def serving(endpoint: Endpoint) -> Iterator[Endpoint]:
    """Serve in a thread; at the end, handlers that wait for `over` go on."""
    with endpoint:
        thread = threading.Thread(target=endpoint.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield endpoint
        finally:
            endpoint.over.set()
            endpoint.shutdown()
            thread.join()


@attrs.define
class ChatEndpoint:
    """An OpenAI-compatible endpoint: `answer` makes the text, or the status and body.

    Models in `refused` get the status and body there. `embed` makes the vector of a text; without
    it, there is no `/v1/embeddings`. What is in `at_end` is called when no more calls come.
    """

    answer: Callable[[str], str | tuple[int, object]]
    embed: Callable[[str], list[float]] | None = None
    base_url: str = ""
    bodies: list[dict[str, Any]] = attrs.field(factory=list)
    keys: list[str | None] = attrs.field(factory=list)
    refused: dict[str, tuple[int, object]] = attrs.field(factory=dict)
    at_end: list[Callable[[], None]] = attrs.field(factory=list)

    def respond(self, handler: Handler) -> tuple[int, object]:
        body = handler.body
        self.bodies.append(body)
        self.keys.append(handler.headers["Authorization"])
        if body["model"] in self.refused:
            return self.refused[body["model"]]
        if "input" in body:
            return (404, "no such path") if self.embed is None else self._embedded(body)
        answer = self.answer(body["messages"][-1]["content"])
        if not isinstance(answer, str):
            return answer
        message = {"role": "assistant", "content": answer}
        return 200, {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "object": "chat.completion",
            "created": 1,
            "model": f"{body['model']}-0613",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
        }

    def _embedded(self, body: dict[str, Any]) -> tuple[int, object]:
        vector = {"object": "embedding", "index": 0, "embedding": self.embed(body["input"])}
        return 200, {
            "object": "list",
            "data": [vector],
            "model": f"{body['model']}-0613",
            "usage": {"prompt_tokens": 7, "total_tokens": 7},
        }


@contextmanager
def serving_chat() -> Iterator[ChatEndpoint]:
    """Serve an endpoint that judges what begins with `Judge` and echoes the rest."""
    chat = ChatEndpoint(
        lambda prompt: "Fair.\nSCORE: 6" if prompt.startswith("Judge") else f"Re: {prompt}"
    )
    with serving(Endpoint(lambda handler: handler.reply(*chat.respond(handler)))) as endpoint:
        chat.base_url = endpoint.url
        try:
            yield chat
        finally:
            for act in chat.at_end:
                act()
