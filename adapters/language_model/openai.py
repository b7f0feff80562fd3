"""The `LanguageModel` for every endpoint that speaks OpenAI's chat completions."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import urlsplit

import attrs

from adapters.language_model.chat_completion import (
    CutOffError,
    error_words,
    read_body,
    read_completion,
    reported_error,
)
from adapters.language_model.connection_settings import connection_problems
from adapters.language_model.endpoint_errors import EndpointErrors
from adapters.language_model.endpoint_url import OPENAI_URL, endpoint_url
from adapters.language_model.http_session import open_session
from adapters.language_model.kept_headers import kept_headers
from adapters.language_model.redaction import Redaction, basic_credentials, redacted_url
from adapters.language_model.reported_error import TOO_MANY, status_of
from adapters.language_model.streaming import EVENT_STREAM, StreamedAnswer, read_events
from daydreaming_dagster.domain.generation.cancellation import ModelCancellations
from daydreaming_dagster.ports.language_model import (
    Completion,
    LanguageModelError,
    ModelKey,
    ModelRequest,
)

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession, FormData

REDIRECT: Final = 300
"""The first status that does not mean success (RFC 9110, section 15)."""
_USER_AGENT: Final = "daydreaming-dagster"
_SERVER_ERROR: Final = 500
_OF_PARAMETERS: Final = (400, 422)


def _url(value: str | None) -> str:
    return endpoint_url((value or "").strip() or OPENAI_URL)


def _key(value: str | None) -> str | None:
    return _sendable("api_key", value or "") or None


def _headers(values: Mapping[str, str]) -> Mapping[str, str]:
    return {name: _sendable(f"the header {name}", value) for name, value in values.items()}


def _sendable(what: str, value: str) -> str:
    """Return a header's value without surrounding whitespace, such as a newline at its end."""
    value = value.strip()
    if not (value.isascii() and value.isprintable()):
        # If it were sent, the HTTP client's error would show it.
        raise ValueError(f"{what} contains characters that cannot be sent; set it again")
    return value


@attrs.define
class OpenAILanguageModel:
    """Calls OpenAI, OpenRouter, Ollama, vLLM, llama.cpp and similar endpoints.

    A request becomes one chat completion with its messages. Parameters that only some models
    accept go into `extra_body`. It never retries, because every call is paid for;
    `LanguageModelError.retryable` says whether a retry makes sense.

    Attributes:
        base_url: The endpoint, usually ending in `/v1`. None means OpenAI. A user and password in
            it are sent instead of the key, and its query is sent with each request. Neither appears
            in a repr or an error.
        api_key: The key, None for endpoints without one. It appears in no repr and no error. It is
            never read from the environment, so it cannot reach another endpoint.
        api_key_variable: The environment variable that errors tell the user to check.
        url_setting: The setting that errors tell the user to change if the URL is wrong.
        headers: Further headers. Their values appear in no repr and no error.
        timeout_seconds: The maximum duration of a call; None waits without limit.
        stream: Whether to let the endpoint send the answer in parts. An endpoint that refuses to is
            asked again without.
        first_token_timeout_seconds: The maximum wait for the first part of a streamed answer; None
            waits as long as for the whole.
        environment_proxies: Whether to use `HTTPS_PROXY` and similar variables.

    Raises:
        ValueError: `base_url` cannot be an endpoint, or `api_key` or a header contains characters
            that cannot be sent.
    """

    path: ClassVar[str] = "/chat/completions"
    answers: ClassVar[str] = "choices"

    base_url: str = attrs.field(default=None, converter=_url, repr=redacted_url)
    api_key: str | None = attrs.field(default=None, converter=_key, repr=False)
    api_key_variable: str = "OPENAI_API_KEY"
    url_setting: str = "OPENAI_BASE_URL"
    headers: Mapping[str, str] = attrs.field(
        factory=dict, converter=_headers, hash=False, repr=False
    )
    timeout_seconds: float | None = 600.0
    environment_proxies: bool = True
    stream: bool = False
    first_token_timeout_seconds: float | None = None
    _cannot_stream: bool = attrs.field(default=False, init=False, repr=False, eq=False)
    _session: "ClientSession | None" = attrs.field(default=None, init=False, repr=False, eq=False)
    _cancellations: ModelCancellations = attrs.field(
        factory=ModelCancellations, init=False, repr=False, eq=False
    )

    async def complete(self, request: ModelRequest) -> Completion:
        """Return the model's answer, with its text exactly as the endpoint sent it.

        `finish_reason` is empty if the endpoint gives none. An answer without a text is
        `unreadable`, but was paid for too.

        Raises:
            LanguageModelError: The endpoint could not be reached, took too long, refused, or
                answered with something that is not a completion.
            StoppedError: `stop` was called before.
        """
        self._cancellations.of(request.key).check()
        streamed = self.stream and not self._cannot_stream
        try:
            body = _encoded(self.body_of(request, streamed=streamed))
        except UnicodeEncodeError:
            raise self.errors.unsendable(request) from None
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self.timeout_seconds):
                completion = await self._ask(request, body, streamed=streamed)
        except TimeoutError:
            raise self.errors.timed_out(request, "answer", self.timeout_seconds or 0.0) from None
        if completion is None:
            self._cannot_stream = True
            return await self.complete(request)
        return attrs.evolve(completion, duration_seconds=time.perf_counter() - started)

    def check(self, _models: Collection[ModelKey]) -> Sequence[str]:
        return connection_problems() if self.environment_proxies else ()

    def stop(self, reason: str, model: ModelKey | None = None) -> None:
        """Send no further requests."""
        self._cancellations.stop(reason, model)

    async def aclose(self) -> None:
        """Close the connections; calls in flight fail. The next call opens new connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    @asynccontextmanager
    async def exchange(
        self,
        request: ModelRequest,
        method: str,
        path: str,
        data: "bytes | FormData | None" = None,
        query: Mapping[str, str] | None = None,
    ) -> "AsyncIterator[ClientResponse]":
        """Send one HTTP request, and yield its response while the body is still arriving.

        Args:
            request: What errors name.
            method: `GET` or `POST`.
            path: What is called below `base_url`.
            data: The body: JSON, or a form.
            query: Added to the query of `base_url`.

        Raises:
            LanguageModelError: No connection can be made as it is set up, there was none, or it was
                lost, also while the body is read.
        """
        import aiohttp  # here because it takes 0.1 s

        session = self._open(request)
        of_body = {"Content-Type": "application/json"} if isinstance(data, bytes) else {}
        try:
            async with session.request(
                method,
                self._url_of(path),
                params=query,
                data=data,
                headers={**of_body, **self._sent_headers},
                # A redirect would lose the body (301, 302) or take the headers elsewhere.
                allow_redirects=False,
            ) as response:
                yield response
        except (aiohttp.ClientError, ConnectionError) as error:
            # Not chained: the original error may have the key in its request headers.
            raise self.errors.without_connection(request, error) from None

    def refused(
        self, request: ModelRequest, response: "ClientResponse", body: object
    ) -> LanguageModelError:
        """Return the error for a refusal, whose body `read_refusal` has read."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        return self.errors.refused(request, response.status, body, headers)

    def _open(self, request: ModelRequest) -> "ClientSession":
        """Return the session, which the first call opens."""
        if self._session is None:
            if problems := self.check([request.key]):
                raise self.errors.unconnectable(request, problems[0])
            self._session = open_session(
                self.base_url, environment_proxies=self.environment_proxies
            )
        return self._session

    def _url_of(self, path: str) -> str:
        parts = urlsplit(self.base_url)
        # Credentials are sent as a header: aiohttp would refuse both.
        host = parts.netloc.rpartition("@")[2]
        return parts._replace(
            netloc=host, path=f"{parts.path.rstrip('/')}{path}", fragment=""
        ).geturl()

    @cached_property
    def _sent_headers(self) -> Mapping[str, str]:
        headers = {"User-Agent": _USER_AGENT, "Accept": "application/json"}
        if basic := basic_credentials(self.base_url):
            headers["Authorization"] = f"Basic {basic}"
        elif self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        return {**headers, **self.headers}

    def body_of(self, request: ModelRequest, *, streamed: bool) -> dict[str, object]:
        """Return what is sent for a request."""
        return chat_body(request, streamed=streamed)

    def read(
        self, body: Mapping[str, object], text: str, request: ModelRequest
    ) -> Completion | None:
        """Return the answer in a body, without its duration; None if there is none."""
        return read_completion(body, text, request, self.errors.quoted)

    async def _ask(
        self, request: ModelRequest, body: bytes, *, streamed: bool
    ) -> Completion | None:
        """Return the answer; None if the endpoint refuses to stream it."""
        limit = self.first_token_timeout_seconds if streamed else None
        first_token = asyncio.timeout(limit)
        try:
            async with first_token, self.exchange(request, "POST", self.path, body) as response:
                if response.status >= REDIRECT:
                    refusal = await read_refusal(response)
                    if streamed and _is_of_stream(response.status, refusal):
                        return None
                    raise self.refused(request, response, refusal)
                if EVENT_STREAM in response.headers.get("Content-Type", ""):
                    completion = await self._read_stream(request, response, first_token)
                else:
                    completion = self._read_body(request, await response.read())
                headers = kept_headers(response.headers, self.errors.quoted)
                return attrs.evolve(completion, headers=headers)
        except TimeoutError:
            if limit is None or not first_token.expired():
                raise
            raise self.errors.timed_out(request, "first token", limit) from None

    async def _read_stream(
        self, request: ModelRequest, response: "ClientResponse", first_token: asyncio.Timeout
    ) -> Completion:
        """Return the completion that a stream of events brings in parts."""
        import aiohttp

        errors, answer = self.errors, StreamedAnswer()
        try:
            async for data in read_events(response.content.iter_any()):
                more = answer.add(data)
                if answer.began:
                    first_token.reschedule(None)
                if not more:
                    break
        except ValueError:
            raise errors.lost(request, "a part of it is not JSON") from None
        except aiohttp.ClientError:
            if not answer.ended:  # nothing but the usage may follow its end
                raise
        if answer.error is not None and answer.began:
            status = status_of(answer.error)
            if status is None or status == TOO_MANY or status >= _SERVER_ERROR:
                words = errors.quoted(error_words(answer.error) or answer.text())
                raise errors.lost(request, f"the endpoint reports an error: {words}")
        elif answer.error is None and not answer.ended:
            raise errors.lost(request, "the stream ends early")
        return self.completion_in(request, answer.body(), answer.text())

    @cached_property
    def errors(self) -> EndpointErrors:
        """What makes the errors of this endpoint."""
        quoted = Redaction(self.api_key, self.base_url, tuple(self.headers.values()))
        return EndpointErrors(
            self.base_url, self.url_setting, self.api_key_variable, quoted, self.path
        )

    def _read_body(self, request: ModelRequest, content: bytes) -> Completion:
        """Return the completion in the body of an answer.

        The body is parsed here because the client does not validate it.
        """
        errors, text = self.errors, content.decode("utf-8-sig", errors="replace")
        try:
            body = read_body(text)
        except CutOffError:
            raise errors.lost(request, f"it ends early: {errors.quoted(text)}") from None
        except ValueError:
            reason = f"the answer is not JSON: {errors.quoted(text)}"
            raise errors.unexpected(request, reason) from None
        return self.completion_in(request, body, text)

    def completion_in(self, request: ModelRequest, body: object, text: str) -> Completion:
        """Return the completion in a body, which is `text` as JSON.

        Raises:
            LanguageModelError: It contains none.
        """
        errors, error = self.errors, None
        if isinstance(body, Mapping):
            completion = self.read(body, text, request)
            if completion is not None:
                whole = errors.quoted.without_secrets(completion.response)
                return attrs.evolve(completion, response=whole)
            error = reported_error(body)
        if error is None:
            reason = f"the answer has no {self.answers}: {errors.quoted(text)}"
            raise errors.unexpected(request, reason)
        if (status := status_of(error)) is not None:
            raise errors.refused(request, status, error)
        reason = f"the endpoint reports an error: {errors.quoted(error_words(error) or text)}"
        raise errors.unexpected(request, reason)


def _encoded(body: Mapping[str, object]) -> bytes:
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()


async def read_refusal(response: "ClientResponse") -> object:
    """Return what the body of a refusal says: its error, all of its JSON, or its text."""
    text = (await response.read()).decode(errors="replace").strip()
    try:
        body = read_body(text)
    except ValueError:
        return text
    return body.get("error", body) if isinstance(body, Mapping) else body


def _is_of_stream(status: int, refusal: object) -> bool:
    """Return whether a refusal is one of streaming, and not of the request itself."""
    return status in _OF_PARAMETERS and "stream" in str(refusal).lower()


def chat_body(request: ModelRequest, *, streamed: bool) -> dict[str, object]:
    """Return what is sent: model, messages, and whatever parameter is set, under its own name."""
    messages = [{"role": message.role, "content": message.text} for message in request.messages]
    chosen = attrs.asdict(
        request.parameters, recurse=False, filter=lambda _, value: value is not None
    )
    extra_body = chosen.pop("extra_body")
    stream = {"stream": True, "stream_options": {"include_usage": True}} if streamed else {}
    # The question last: whatever else is sent, it is what the record says was asked.
    return {**stream, **extra_body, **chosen, "model": request.model, "messages": messages}
