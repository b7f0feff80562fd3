"""An HTTP endpoint with OpenAI's `/files` and `/batches`, which does what a test says."""

import email
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs

from endpoint import ChatEndpoint, Endpoint, Handler, serving

ENDED = ("completed", "failed", "expired", "cancelled")


class BatchHandler(Handler):
    server: "BatchEndpoint"

    def do_GET(self) -> None:  # noqa: N802  as the base class wants it
        self.body: Any = b""
        self._handle()

    def do_POST(self) -> None:  # noqa: N802  as the base class wants it
        self.body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self._handle()

    def _handle(self) -> None:
        with self.server.lock:
            parts = urlsplit(self.path)
            self.query = parse_qs(parts.query)
            number = len(self.server.received)
            self.server.received.append(self)
            call = f"{self.command} {parts.path.removeprefix('/v1')}"
            self.server.calls.append(call)
            self.server.before(number, self)
            status, body = self.server.respond(call, self)
            self.server.after(number, self)
        self.reply(status, body)


def nothing(_number: int, _handler: Handler) -> None:
    """Do nothing."""


@attrs.define
class Batches:
    """What the endpoint has: files and batches by id, and how it answers.

    A batch is over after `looks` looks, with the next of `ends`, or completed. `line` makes the
    line of an output file from a question, None if the question was not asked.
    """

    answer: Callable[[str], str]
    looks: int = 1
    page: int = 100
    ends: list[dict[str, Any]] = attrs.field(factory=list)
    line: Callable[[dict[str, Any]], dict[str, Any] | None] | None = None
    files: dict[str, bytes] = attrs.field(factory=dict)
    batches: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    left: dict[str, int] = attrs.field(factory=dict)

    @property
    def questions(self) -> list[dict[str, Any]]:
        """All questions of all batches."""
        return [
            json.loads(line)
            for batch in self.batches.values()
            for line in self.files[batch["input_file_id"]].splitlines()
        ]

    @property
    def asked(self) -> list[str]:
        """The ids of all questions of all batches."""
        return [question["custom_id"] for question in self.questions]

    def answered(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return the line of an output file."""
        body = question["body"]
        message = {"role": "assistant", "content": self.answer(body["messages"][0]["content"])}
        usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
        completion = {
            "id": f"chatcmpl-{question['custom_id']}",
            "object": "chat.completion",
            "model": f"{body['model']}-0613",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": usage,
        }
        response = {"status_code": 200, "request_id": "r", "body": completion}
        return {"custom_id": question["custom_id"], "response": response, "error": None}

    def respond(self, call: str, handler: BatchHandler) -> tuple[int, object]:  # noqa: PLR0911
        """Return the status and the body of the answer to a request."""
        match call.split("/"):
            case ["POST ", "files"]:
                return 200, self._upload(handler)
            case ["POST ", "batches"]:
                return 200, self._create(json.loads(handler.body))
            case ["GET ", "batches"]:
                return 200, self._list(handler.query)
            case ["POST ", "batches", batch_id, "cancel"]:
                self.left[batch_id] = 0
                self.batches[batch_id]["status"] = "cancelling"
                return 200, self.batches[batch_id]
            case ["GET ", "batches", batch_id] if batch_id in self.batches:
                return 200, self._look(batch_id)
            case ["GET ", "files", file_id, "content"]:
                return 200, self.files[file_id]
        return 404, {"error": {"message": f"nothing at {call}"}}

    def _upload(self, handler: BatchHandler) -> dict[str, Any]:
        head = f"Content-Type: {handler.headers['Content-Type']}\r\n\r\n".encode()
        form = email.message_from_bytes(head + handler.body)
        parts = {
            part.get_param("name", header="content-disposition"): part
            for part in form.get_payload()
        }
        assert parts["purpose"].get_payload() == "batch"
        file_id = f"file-{len(self.files)}"
        self.files[file_id] = parts["file"].get_payload(decode=True)
        return {"id": file_id, "object": "file", "filename": parts["file"].get_filename()}

    def _create(self, body: dict[str, Any]) -> dict[str, Any]:
        batch_id = f"batch_{len(self.batches)}"
        self.left[batch_id] = self.looks
        self.batches[batch_id] = {
            **body,
            "id": batch_id,
            "object": "batch",
            "status": "validating",
            "created_at": 1_000_000_000,
            "errors": None,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
        }
        return self.batches[batch_id]

    def _list(self, query: dict[str, list[str]]) -> dict[str, Any]:
        newest_first = list(self.batches.values())[::-1]
        ids = [batch["id"] for batch in newest_first]
        start = ids.index(query["after"][0]) + 1 if "after" in query else 0
        page = newest_first[start : start + self.page]
        return {"object": "list", "data": page, "has_more": start + self.page < len(ids)}

    def _look(self, batch_id: str) -> dict[str, Any]:
        batch = self.batches[batch_id]
        self.left[batch_id] -= 1
        if self.left[batch_id] > 0:
            batch["status"] = "in_progress"
        elif batch["status"] not in ENDED:
            status = "cancelled" if batch["status"] == "cancelling" else "completed"
            batch |= {"status": status, "completed_at": 1_000_003_600}
            batch |= self.ends.pop(0) if self.ends else {}
            self._write_files(batch)
        return batch

    def _write_files(self, batch: dict[str, Any]) -> None:
        questions = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        found = [(self.line or self.answered)(question) for question in questions]
        lines = [line for line in found if line is not None]
        for key, wrong in (("output_file_id", False), ("error_file_id", True)):
            chosen = [line for line in lines if bool(line["error"]) == wrong]
            if chosen:
                batch[key] = f"file-{len(self.files)}"
                text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in chosen)
                self.files[batch[key]] = text.encode()
        batch["request_counts"] = {"total": len(questions), "completed": len(lines), "failed": 0}


class BatchEndpoint(Endpoint):
    """Serves `batches`; `before` and `after` are called around each request, with its number."""

    def __init__(self, batches: Batches, chat: ChatEndpoint) -> None:
        super().__init__(lambda handler: None)
        self.RequestHandlerClass = BatchHandler
        self.batches, self.chat = batches, chat
        self.lock = threading.Lock()
        self.calls: list[str] = []
        self.before = self.after = nothing

    def respond(self, call: str, handler: BatchHandler) -> tuple[int, object]:
        if call == "POST /chat/completions":
            handler.body = json.loads(handler.body)
            return self.chat.respond(handler)
        return self.batches.respond(call, handler)


@contextmanager
def serving_batches() -> Iterator[BatchEndpoint]:
    """Serve an endpoint that judges what begins with `Judge` and echoes the rest."""

    def answer(prompt: str) -> str:
        return "Fair.\nSCORE: 6" if prompt.startswith("Judge") else f"Re: {prompt}"

    with serving(BatchEndpoint(Batches(answer), ChatEndpoint(answer))) as endpoint:
        yield endpoint
