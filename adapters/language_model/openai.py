"""The `LanguageModel` for every endpoint that speaks OpenAI's chat completions."""

import asyncio
import importlib.util
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, ClassVar, Final, cast
from urllib.parse import parse_qsl, urlsplit

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
from adapters.language_model.kept_headers import kept_headers
from adapters.language_model.redaction import Redaction, basic_credentials, redacted_url
from adapters.language_model.reported_error import TOO_MANY, status_of
from adapters.language_model.streaming import EVENT_STREAM, StreamedAnswer, read_events
from daydreaming_dagster.domain.generation.cancellation import ModelCancellations
from daydreaming_dagster.ports.language_model import (
    Completion,
    ModelKey,
    ModelRequest,
)

if TYPE_CHECKING:
    from httpx2 import AsyncClient, Response
    from openai import AsyncOpenAI, Omit

_CONNECT_SECONDS: Final = 10.0
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
    _client: "AsyncOpenAI | None" = attrs.field(default=None, init=False, repr=False, eq=False)
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
        # These imports take 0.8 s, so only processes that call a model make them.
        import openai

        client, errors = self.connect(request), self.errors
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self.timeout_seconds):
                completion = await self._ask(client, request)
        except TimeoutError:
            raise errors.timed_out(request, "answer", self.timeout_seconds or 0.0) from None
        except openai.APIStatusError as error:
            if self._refuses_streams(error.status_code, error.body):
                self._cannot_stream = True
                return await self.complete(request)
            # Not chained, here and below: the original error has the key in its request headers.
            headers = {name.lower(): value for name, value in error.response.headers.items()}
            raise errors.refused(request, error.status_code, error.body, headers) from None
        except connection_errors() as error:
            raise errors.without_connection(request, error) from None
        except UnicodeEncodeError:
            raise errors.unsendable(request) from None
        return attrs.evolve(completion, duration_seconds=time.perf_counter() - started)

    def check(self, _models: Collection[ModelKey]) -> Sequence[str]:
        return connection_problems() if self.environment_proxies else ()

    def stop(self, reason: str, model: ModelKey | None = None) -> None:
        """Send no further requests."""
        self._cancellations.stop(reason, model)

    async def aclose(self) -> None:
        """Close the connections; calls in flight fail. The next call opens new connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def connect(self, request: ModelRequest) -> "AsyncOpenAI":
        """Return the client, made at the first call.

        Raises:
            LanguageModelError: No connection can be made as it is set up.
        """
        import openai  # here because it is slow, as in `complete`

        if self._client is None:
            if problems := self.check([request.key]):
                raise self.errors.unconnectable(request, problems[0])
            parts = urlsplit(self.base_url)
            # Credentials are passed separately: HTTP clients log the URL and append paths to its
            # query.
            host = parts.netloc.rpartition("@")[2]
            headers = dict(self.headers)
            if basic := basic_credentials(self.base_url):
                headers["Authorization"] = f"Basic {basic}"
            self._client = openai.AsyncOpenAI(
                base_url=parts._replace(netloc=host, query="", fragment="").geturl(),
                default_query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                default_headers=headers,
                # The client needs a key. Without one it would send OPENAI_API_KEY to any endpoint.
                api_key=self.api_key or "none",
                max_retries=0,
                timeout=openai.Timeout(None, connect=_CONNECT_SECONDS),
                http_client=_http_client(trust_env=self.environment_proxies),
            )
        return self._client

    def body_of(self, request: ModelRequest, *, streamed: bool) -> dict[str, object]:
        """Return what is sent for a request."""
        return chat_body(request, streamed=streamed)

    def read(
        self, body: Mapping[str, object], text: str, request: ModelRequest
    ) -> Completion | None:
        """Return the answer in a body, without its duration; None if there is none."""
        return read_completion(body, text, request, self.errors.quoted)

    async def _ask(self, client: "AsyncOpenAI", request: ModelRequest) -> Completion:
        import httpx2
        import openai

        streamed = self.stream and not self._cannot_stream
        limit = self.first_token_timeout_seconds if streamed else None
        first_token = asyncio.timeout(limit)
        try:
            async with first_token:
                # Not `chat.completions.create`, which takes 0.6 ms of CPU to look at each field.
                response = await client.post(
                    self.path,
                    body=self.body_of(request, streamed=streamed),
                    cast_to=httpx2.Response,
                    # A redirect would lose the body (301, 302) or take the headers elsewhere.
                    options={"follow_redirects": False, "headers": self.omitted_headers()},
                    stream=streamed,
                    stream_cls=openai.AsyncStream[object],
                )
                async with aclosing(cast("httpx2.Response", response)) as response:
                    if EVENT_STREAM in response.headers.get("content-type", ""):
                        completion = await self._read_stream(request, response, first_token)
                    else:
                        completion = self._read_body(request, await response.aread())
                    headers = kept_headers(response.headers, self.errors.quoted)
                    return attrs.evolve(completion, headers=headers)
        except TimeoutError:
            if limit is None or not first_token.expired():
                raise
            raise self.errors.timed_out(request, "first token", limit) from None

    async def _read_stream(
        self, request: ModelRequest, response: "Response", first_token: asyncio.Timeout
    ) -> Completion:
        """Return the completion that a stream of events brings in parts."""
        errors, answer = self.errors, StreamedAnswer()
        try:
            async for data in read_events(response.aiter_bytes()):
                more = answer.add(data)
                if answer.began:
                    first_token.reschedule(None)
                if not more:
                    break
        except ValueError:
            raise errors.lost(request, "a part of it is not JSON") from None
        except connection_errors():
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

    def _refuses_streams(self, status: int, body: object) -> bool:
        """Return whether a refusal is one of streaming, and not of the request itself."""
        streamed = self.stream and not self._cannot_stream
        return streamed and status in _OF_PARAMETERS and "stream" in str(body).lower()

    def omitted_headers(self) -> "dict[str, str | Omit]":
        """Return the headers not to send: the client's placeholder beside another kind of key."""
        import openai

        return {"Authorization": openai.Omit()} if self.headers and not self.api_key else {}

    @property
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


def _http_client(*, trust_env: bool) -> "AsyncClient":
    """Return the client's transport: aiohttp if it is installed, since it costs half the CPU."""
    import openai

    if importlib.util.find_spec("aiohttp") is None:
        return openai.DefaultAsyncHttpxClient(trust_env=trust_env)
    return openai.DefaultAioHttpClient(trust_env=trust_env)


def connection_errors() -> tuple[type[Exception], ...]:
    """Return the errors of a failed connection.

    httpx2's own come while a response is read, and aiohttp's if the response is not HTTP.
    """
    import httpx2
    import openai

    if importlib.util.find_spec("aiohttp") is None:
        return openai.APIConnectionError, httpx2.HTTPError
    import aiohttp

    return openai.APIConnectionError, httpx2.HTTPError, aiohttp.ClientError


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
