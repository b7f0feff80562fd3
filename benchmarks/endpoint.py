"""An OpenAI-compatible endpoint that thinks for as long as it is told.

In a process of its own, so that what it costs is not counted; cheap, since it shares the machine
with what is measured. What it does depends on the prompt alone, and so is the same in each run.

    python -m benchmarks.endpoint --latency 0.1 2 --limited 0.1 --failing 0.1

prints the base URL and serves until it is ended. `GET /stats` returns what `Stats` says.
"""
# ruff: noqa: INP001, T201, S603  a program to be run by hand

import argparse
import asyncio
import hashlib
import json
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

_WORDS: Final = "An idea that two others had together, and what follows from it. " * 60
_ANSWER_CHARACTERS: Final = 3_500

PROMPT_PRICE: Final = 2.0
CACHED_PRICE: Final = 0.5
ANSWER_PRICE: Final = 8.0
"""What the answers cost, in USD per million tokens."""

_HEAD_END: Final = b"\r\n\r\n"
_REASONS: Final = {200: "OK", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Error"}


class Settings(NamedTuple):
    """What an endpoint does.

    Attributes:
        shortest_seconds: How long it thinks at least.
        longest_seconds: How long it thinks at most; which time between both, the prompt decides.
        limited: The share of requests that get 429, with `Retry-After`.
        failing: The share of requests that get 500.
        concurrency: How many requests may be under way; more get 429. 0 allows any number.
        losing: The share of requests whose answer is billed, and never sent.
        says: Whether an answer says what it cost.
        retry_after: The seconds in the `Retry-After` of a refusal.
    """

    shortest_seconds: float = 0.0
    longest_seconds: float = 0.0
    limited: float = 0.0
    failing: float = 0.0
    concurrency: int = 0
    losing: float = 0.0
    says: bool = True
    retry_after: int = 1


class Stats(NamedTuple):
    """What an endpoint was asked.

    Attributes:
        asked: How many requests came for each prompt, by the prompt's SHA-256.
        answered: How many answers were sent for each prompt.
        refused: How many requests got 429 or 500.
        abandoned: How many clients were gone before their answer was.
        in_flight: How many requests wait for an answer now.
        highest: How many requests were under way at once at most.
        thought_seconds: The sum of the latencies of all answers.
        first_asked: When the first request came, in seconds since 1970; 0 before it.
        billed: What the answers that were sent cost, in USD.
        billed_lost: What those cost that were never sent.
    """

    asked: dict[str, int]
    answered: dict[str, int]
    refused: int
    abandoned: int
    in_flight: int
    highest: int
    thought_seconds: float
    first_asked: float
    billed: float
    billed_lost: float


class Endpoint:
    """The endpoint of one process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.asked = Counter[str]()
        self.answered = Counter[str]()
        self.refused = self.abandoned = self.in_flight = self.highest = 0
        self.thought_seconds = self.first_asked = self.billed = self.billed_lost = 0.0

    @property
    def stats(self) -> Stats:
        return Stats(
            self.asked,
            self.answered,
            self.refused,
            self.abandoned,
            self.in_flight,
            self.highest,
            self.thought_seconds,
            self.first_asked,
            self.billed,
            self.billed_lost,
        )

    def status(self, digest: str) -> int:
        """Count a request and return the status that it gets."""
        self.first_asked = self.first_asked or time.time()
        self.asked[digest] += 1
        if 0 < self.settings.concurrency <= self.in_flight:
            return 429
        drawn = _share(f"{digest}:{self.asked[digest]}")
        if drawn < self.settings.limited:
            return 429
        return 500 if drawn < self.settings.limited + self.settings.failing else 200

    def loses(self, digest: str) -> bool:
        """Return whether the answer to this request gets lost."""
        return _share(f"lost {digest}:{self.asked[digest]}") < self.settings.losing

    def latency(self, digest: str) -> float:
        """Return for how many seconds a prompt is thought about."""
        shortest, longest = self.settings.shortest_seconds, self.settings.longest_seconds
        return shortest + (longest - shortest) * _share(digest)


class Connection(asyncio.Protocol):
    """One client's connection, which is kept open between requests."""

    transport: asyncio.Transport

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  of a TCP server it is
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, found, body = self.received.partition(_HEAD_END)
        if not found:
            return
        lines = head.decode("latin-1").lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        if len(body) < int(headers.get("content-length", 0)):
            return
        self.received = b""  # a client waits for the answer before it asks again
        method, path, _ = lines[0].split(" ", 2)
        if (method, path) == ("get", "/stats"):
            self.send(200, self.endpoint.stats._asdict())
        elif method == "post" and path.endswith("/chat/completions"):
            self.complete(json.loads(body))
        else:
            self.send(404, {"error": {"message": f"no {path}"}})

    def complete(self, request: dict[str, Any]) -> None:
        """Answer now with a refusal, or later with a completion."""
        prompt = request["messages"][-1]["content"]
        digest = hashlib.sha256(prompt.encode()).hexdigest()
        status = self.endpoint.status(digest)
        if status != _OK:
            self.endpoint.refused += 1
            self.send(
                status,
                {"error": {"message": "not now"}},
                f"Retry-After: {self.endpoint.settings.retry_after}\r\n",
            )
            return
        self.endpoint.in_flight += 1
        self.endpoint.highest = max(self.endpoint.highest, self.endpoint.in_flight)
        seconds = self.endpoint.latency(digest)
        answer = completion(request["model"], prompt, digest)
        cost = answer["usage"]["cost"]
        if not self.endpoint.settings.says:
            del answer["usage"]["cost"]
        lost = self.endpoint.loses(digest)
        reply = self.send_events if request.get("stream") else self.send_answer
        finish = self.lose if lost else reply
        asyncio.get_running_loop().call_later(
            seconds, self.answer, digest, seconds, answer, cost, finish
        )

    def answer(
        self,
        digest: str,
        seconds: float,
        answer: dict[str, Any],
        cost: float,
        finish: Callable[[dict[str, Any], float], None],
    ) -> None:
        self.endpoint.in_flight -= 1
        if self.transport.is_closing():
            self.endpoint.abandoned += 1
            return
        self.endpoint.answered[digest] += 1
        self.endpoint.thought_seconds += seconds
        finish(answer, cost)

    def lose(self, _answer: dict[str, Any], cost: float) -> None:
        self.endpoint.billed_lost += cost
        self.transport.close()

    def send_answer(self, answer: dict[str, Any], cost: float) -> None:
        self.endpoint.billed += cost
        self.send(200, answer)

    def send_events(self, answer: dict[str, Any], cost: float) -> None:
        """Send the answer in parts of a token each."""
        self.endpoint.billed += cost
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for event in events(answer):
            self.transport.write(b"%x\r\n%b\r\n" % (len(event), event))
        self.transport.write(b"0\r\n\r\n")

    def send(self, status: int, document: object, headers: str = "") -> None:
        body = json.dumps(document).encode()
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
            f"{headers}Content-Length: {len(body)}\r\n\r\n"
        )
        self.transport.write(head.encode() + body)


def completion(model: str, prompt: str, digest: str) -> dict[str, Any]:
    """Return the answer to a prompt: a text of its own, and a score where one is asked for."""
    text = f"{digest}\n{_WORDS[:_ANSWER_CHARACTERS]}"
    if "SCORE" in prompt:
        text = f"Fair.\nSCORE: {int(digest[0], 16) % 10}"
    sent, received = len(prompt) // 4, len(text) // 4
    cached, thought = int(sent * _share(f"cached {digest}")), received // 3
    cost = (sent - cached) * PROMPT_PRICE + cached * CACHED_PRICE + received * ANSWER_PRICE
    return {
        "id": f"chatcmpl-{digest[:8]}",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": sent,
            "completion_tokens": received,
            "total_tokens": sent + received,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": thought},
            "cost": cost / 1e6,
        },
    }


def events(answer: dict[str, Any]) -> Iterator[bytes]:
    """Yield an answer as server-sent events: a part for each token, its usage, and the end."""
    shared = {key: answer[key] for key in ("id", "object", "created", "model")}
    text = answer["choices"][0]["message"]["content"]
    deltas = [{"content": text[start : start + 4]} for start in range(0, len(text), 4)]
    choices: list[dict[str, Any]] = [{"index": 0, "delta": delta} for delta in deltas]
    for choice in (*choices, {"index": 0, "delta": {}, "finish_reason": "stop"}):
        yield b"data: %b\n\n" % json.dumps({**shared, "choices": [choice]}).encode()
    last = {**shared, "choices": [], "usage": answer["usage"]}
    yield b"data: %b\n\ndata: [DONE]\n\n" % json.dumps(last).encode()


class RunningEndpoint(NamedTuple):
    """An endpoint in another process."""

    base_url: str

    def stats(self) -> Stats:
        """Return what it was asked so far."""
        with urllib.request.urlopen(f"{self.base_url.removesuffix('/v1')}/stats") as response:  # noqa: S310  our own
            return Stats(**json.load(response))


@contextmanager
def running_endpoint(settings: Settings) -> Iterator[RunningEndpoint]:
    """Run an endpoint in a process of its own, on a free port of this machine."""
    options = [
        *("--latency", str(settings.shortest_seconds), str(settings.longest_seconds)),
        *("--limited", str(settings.limited), "--failing", str(settings.failing)),
        *("--concurrency", str(settings.concurrency), "--losing", str(settings.losing)),
        *("--retry-after", str(settings.retry_after)),
        *(() if settings.says else ("--silent",)),
    ]
    command = [sys.executable, "-m", "benchmarks.endpoint", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101  it is a pipe
        try:
            yield RunningEndpoint(process.stdout.readline().strip())
        finally:
            process.terminate()


async def serve(settings: Settings) -> None:
    """Serve until the process is ended."""
    endpoint = Endpoint(settings)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(endpoint), "127.0.0.1", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}/v1", flush=True)
    await server.serve_forever()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", nargs=2, type=float, default=(0.0, 0.0), metavar="SECONDS")
    parser.add_argument("--limited", type=float, default=0.0, metavar="SHARE")
    parser.add_argument("--failing", type=float, default=0.0, metavar="SHARE")
    parser.add_argument("--concurrency", type=int, default=0)
    parser.add_argument("--losing", type=float, default=0.0, metavar="SHARE")
    parser.add_argument("--silent", action="store_true", help="say nothing of the cost")
    parser.add_argument("--retry-after", type=int, default=1, metavar="SECONDS")
    given = parser.parse_args()
    shares = given.limited, given.failing, given.concurrency, given.losing
    asyncio.run(serve(Settings(*given.latency, *shares, not given.silent, given.retry_after)))


_OK: Final = 200


def _share(text: str) -> float:
    """Return a number from 0 to below 1 that looks random and is always the same for a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64


if __name__ == "__main__":
    main()
