"""The `LanguageModel` for every endpoint that speaks OpenAI's chat completions."""

import asyncio
import importlib.util
import math
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urljoin, urlsplit

import attrs

from adapters.language_model.chat_completion import (
    error_words,
    read_body,
    read_completion,
    reported_error,
)
from adapters.language_model.endpoint_url import (
    OPENAI_URL,
    endpoint_url,
    lacks_version,
    with_version,
)
from adapters.language_model.redaction import Redaction, basic_credentials, redacted_url
from daydreaming_dagster.domain.generation.cancellation import ModelCancellations
from daydreaming_dagster.ports.language_model import (
    Completion,
    LanguageModelError,
    ModelKey,
    ModelRequest,
)

if TYPE_CHECKING:
    from httpx2 import AsyncClient
    from openai import AsyncOpenAI, Omit

_CONNECT_SECONDS: Final = 10.0
_NOT_FOUND: Final = 404
_SERVER_ERROR: Final = 500
_PASSING: Final = (408, 409, 429)
_TIMED_OUT: Final = (504, 524)
"""A gateway gave up waiting for the model (RFC 9110, section 15.6.5; 524 is Cloudflare's). The
model may continue and be paid."""
_OF_REQUEST: Final = (400, 403, 413, 422)
"""Errors of one prompt. OpenRouter answers 403 if its moderation rejects an input."""

_ADVICE: Final[Mapping[int, str]] = {
    400: "change the prompt or the sampling parameters",
    401: "check the key in the environment variable {variable}",
    402: "add credit to the account that the key in {variable} belongs to",
    403: "ask for access, or use another key in {variable} or another model",
    404: "check the model's name, and the URL in {setting}, which often ends in /v1",
    413: "shorten the prompt",
    422: "change the prompt or the sampling parameters",
    429: "wait and retry, make fewer calls at once, or check the account's quota",
}
_NOT_SENT: Final = frozenset(
    (
        *("ConnectError", "ConnectTimeout", "ProxyError"),  # httpcore2's
        *("ClientConnectorError", "ConnectionTimeoutError", "ClientHttpProxyError"),  # aiohttp's
    )
)
"""Transport errors before a request is sent. httpx2's own errors do not distinguish this: on
aiohttp, a connection that is lost while the model is working is a `ConnectTimeout` too."""
_UNEXPECTED: Final = (
    "check that the URL in {setting} is an OpenAI-compatible endpoint (it often ends in /v1)"
)


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

    A request becomes one chat completion with one user message. Parameters that only some models
    accept go into `extra_body` (OpenAI's reasoning models refuse `max_tokens` and expect
    `{"max_completion_tokens": n}` there). It never retries, because every call is paid for;
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
        environment_proxies: Whether to use `HTTPS_PROXY` and similar variables.

    Raises:
        ValueError: `base_url` cannot be an endpoint, or `api_key` or a header contains characters
            that cannot be sent.
    """

    base_url: str = attrs.field(default=None, converter=_url, repr=redacted_url)
    api_key: str | None = attrs.field(default=None, converter=_key, repr=False)
    api_key_variable: str = "OPENAI_API_KEY"
    url_setting: str = "OPENAI_BASE_URL"
    headers: Mapping[str, str] = attrs.field(
        factory=dict, converter=_headers, hash=False, repr=False
    )
    timeout_seconds: float | None = 600.0
    environment_proxies: bool = True
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
        import httpx2
        import openai

        client = self._connect()
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self.timeout_seconds):
                # Not `chat.completions.create`, which takes 0.6 ms of CPU to look at each field.
                response = await client.post(
                    "/chat/completions",
                    body=_body(request),
                    cast_to=httpx2.Response,
                    # A redirect would lose the body (301, 302) or take the headers elsewhere.
                    options={"follow_redirects": False, "headers": self._omitted_headers()},
                )
        except TimeoutError:
            reason = f"no answer within {self.timeout_seconds} s"
            message = self._message(request, reason, "request fewer tokens, or allow more time")
            raise LanguageModelError(
                message, retryable=True, of_endpoint=True, may_be_billed=True
            ) from None
        except openai.APIStatusError as error:
            # Not chained, here and below: the original error has the key in its request headers.
            if (location := error.response.headers.get("location")) is not None:
                raise self._redirect(request, error.status_code, location) from None
            retry_after = error.response.headers.get("retry-after")
            raise self._refusal(request, error.status_code, error.body, retry_after) from None
        except _connection_errors() as error:
            raise self._connection_error(request, error) from None
        except UnicodeEncodeError:
            reason = "the prompt holds a lone surrogate, which cannot be sent"
            message = self._message(request, reason, "correct the text that it comes from")
            raise LanguageModelError(message) from None
        duration = time.perf_counter() - started
        return attrs.evolve(self._completion(request, response.content), duration_seconds=duration)

    def check(self, _models: Collection[ModelKey]) -> Sequence[str]:
        return ()

    def stop(self, reason: str, model: ModelKey | None = None) -> None:
        """Send no further requests."""
        self._cancellations.stop(reason, model)

    async def aclose(self) -> None:
        """Close the connections; calls in flight fail. The next call opens new connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _connect(self) -> "AsyncOpenAI":
        import openai  # here because it is slow, as in `complete`

        if self._client is None:
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

    def _omitted_headers(self) -> "dict[str, str | Omit]":
        """Return the headers not to send: the client's placeholder beside another kind of key."""
        import openai

        return {"Authorization": openai.Omit()} if self.headers and not self.api_key else {}

    def _completion(self, request: ModelRequest, content: bytes) -> Completion:
        """Return the completion in the body of an answer.

        The body is parsed here because the client does not validate it.
        """
        text = content.decode("utf-8-sig", errors="replace")
        problem, error = "is not JSON", None
        try:
            body = read_body(text)
        except ValueError:
            pass
        else:
            problem = "has no choices"
            if isinstance(body, Mapping):
                completion = read_completion(body, text, request, self._quoted)
                if completion is not None:
                    return completion
                error = reported_error(body)
        match error:
            case {"code": int(status)}:
                raise self._refusal(request, status, error)
            case None:
                reason = f"the answer {problem}: {self._quoted(text)}"
            case _:
                reason = (
                    f"the endpoint reports an error: {self._quoted(error_words(error) or text)}"
                )
        advice = _UNEXPECTED.format(setting=self.url_setting)
        message = self._message(request, reason, advice)
        raise LanguageModelError(message, of_endpoint=True, may_be_billed=True)

    def _refusal(
        self, request: ModelRequest, status: int, body: object, retry_after: str | None = None
    ) -> LanguageModelError:
        """Return the error for an HTTP status, with the endpoint's own words."""
        words, code = body, None
        if isinstance(body, Mapping):
            words, code = body.get("message", body), body.get("code")
        return LanguageModelError(
            self._message(
                request,
                f"refused with status {status}: {self._quoted(str(words))}",
                self._advice(status),
            ),
            status,
            # An exhausted quota has the status of a rate limit, but waiting does not help.
            retryable=(status in _PASSING or status >= _SERVER_ERROR)
            and code != "insufficient_quota",
            retry_after_seconds=_seconds(retry_after),
            of_endpoint=status not in _OF_REQUEST,
            may_be_billed=status in _TIMED_OUT,
        )

    def _redirect(self, request: ModelRequest, status: int, location: str) -> LanguageModelError:
        """Return the error for a redirect, with the URL to set instead."""
        location = urljoin(f"{self.base_url}/chat/completions", location)
        target = location.removesuffix("/").removesuffix("/chat/completions")
        return LanguageModelError(
            self._message(
                request,
                f"it redirects to {self._quoted(location)} (status {status})",
                f"set {self.url_setting} to {self._quoted(target)}",
            ),
            status,
            of_endpoint=True,
        )

    def _connection_error(self, request: ModelRequest, error: Exception) -> LanguageModelError:
        """Return the error for a connection that failed or was lost before the answer."""
        cause: BaseException = error
        for _ in range(2):  # the client's error, then httpx2's, then the transport's own
            cause = cause.__cause__ or cause
        words = f"{type(cause).__name__}: {self._quoted(str(cause))}".rstrip(": ")
        sent = _NOT_SENT.isdisjoint(kind.__name__ for kind in type(cause).__mro__)
        if sent:
            reason = f"the connection was lost ({words})"
            advice = "retry; the lost answer may be billed"
        else:
            reason = f"no connection ({words})"
            advice = "check that the endpoint is up at that URL"
        return LanguageModelError(
            self._message(request, reason, advice),
            retryable=True,
            of_endpoint=True,
            may_be_billed=sent,
        )

    def _advice(self, status: int) -> str:
        if status == _NOT_FOUND and lacks_version(self.base_url):
            with_v1 = with_version(self.base_url)
            return f"set {self.url_setting} to {with_v1}, or check the model's name"
        advice = _ADVICE.get(status, _UNEXPECTED if status < _SERVER_ERROR else "retry later")
        return advice.format(variable=self.api_key_variable, setting=self.url_setting)

    def _message(self, request: ModelRequest, reason: str, advice: str) -> str:
        return f"{request.model} at {redacted_url(self.base_url)}: {reason}; {advice}"

    def _quoted(self, text: str) -> str:
        """Return an endpoint's words in a form that is safe to show."""
        return Redaction(self.api_key, self.base_url, tuple(self.headers.values()))(text)


def _http_client(*, trust_env: bool) -> "AsyncClient":
    """Return the client's transport: aiohttp if it is installed, since it costs half the CPU."""
    import openai

    if importlib.util.find_spec("aiohttp") is None:
        return openai.DefaultAsyncHttpxClient(trust_env=trust_env)
    return openai.DefaultAioHttpClient(trust_env=trust_env)


def _connection_errors() -> tuple[type[Exception], ...]:
    """Return the errors of a failed connection; aiohttp's own if the response is not HTTP."""
    import openai

    if importlib.util.find_spec("aiohttp") is None:
        return (openai.APIConnectionError,)
    import aiohttp

    return openai.APIConnectionError, aiohttp.ClientError


def _body(request: ModelRequest) -> dict[str, object]:
    """Return what is sent: model, message, and whatever parameter is set, under its own name."""
    message = {"role": "user", "content": request.prompt}
    chosen = attrs.asdict(
        request.parameters, recurse=False, filter=lambda _, value: value is not None
    )
    extra_body = chosen.pop("extra_body")
    # The question last: whatever else is sent, it is what the record says was asked.
    return {**extra_body, **chosen, "model": request.model, "messages": [message]}


def _seconds(retry_after: str | None) -> float | None:
    """Return a Retry-After header (RFC 9110, section 10.2.3) in seconds, or None if it is invalid.

    The header is a number of seconds or a date. A date in the past means no wait.
    """
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        return _seconds_until(retry_after)
    return seconds if 0 <= seconds < math.inf else None


def _seconds_until(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, OverflowError):  # OverflowError for numbers that exceed C's range
        return None
    # The oldest of the three formats has no time zone; all are in UTC.
    moment = moment.replace(tzinfo=moment.tzinfo or UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
