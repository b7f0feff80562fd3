"""What went wrong with a call, as errors that say what to do and show no secret."""

import os
import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urljoin

import attrs

from adapters.language_model.endpoint_url import lacks_version, with_version
from adapters.language_model.redaction import Redaction, redacted_url
from adapters.language_model.reported_error import (
    OVERLOADED,
    TOO_MANY,
    UNAVAILABLE,
    is_out_of_money,
    is_overloaded,
)
from adapters.language_model.retry_after import seconds_to_wait
from daydreaming_dagster.ports.language_model import LanguageModelError, ModelRequest

_NOT_FOUND: Final = 404
_SERVER_ERROR: Final = 500
_PASSING: Final = (408, 409, TOO_MANY)
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
_UNEXPECTED: Final = (
    "check that the URL in {setting} is an OpenAI-compatible endpoint (it often ends in /v1)"
)


@attrs.frozen
class EndpointErrors:
    """Makes the errors of one endpoint.

    Attributes:
        url: Its URL.
        url_setting: The setting that holds the URL.
        api_key_variable: The environment variable that holds the key.
        quoted: Returns words of the endpoint in a form that is safe to show.
        path: What is called below its URL.
    """

    url: str = attrs.field(repr=redacted_url)
    url_setting: str
    api_key_variable: str
    quoted: Redaction
    path: str = "/chat/completions"

    def refused(
        self,
        request: ModelRequest,
        status: int,
        body: object,
        headers: Mapping[str, str] | None = None,
    ) -> LanguageModelError:
        """Return the error for an HTTP status, with the endpoint's own words."""
        if location := (headers or {}).get("location"):
            return self._redirected(request, status, location)
        if isinstance(body, list) and body:  # Google's
            body = body[0].get("error", body) if isinstance(body[0], Mapping) else body
        words = body.get("message", body) if isinstance(body, Mapping) else body
        # An exhausted account may have the status of a rate limit, but waiting does not help.
        passing = not is_out_of_money(body)
        too_many = status in (TOO_MANY, UNAVAILABLE, OVERLOADED) or is_overloaded(body)
        return LanguageModelError(
            self._message(
                request,
                f"refused with status {status}: {self.quoted(str(words))}",
                self._advice(status),
            ),
            status,
            retryable=passing and (too_many or status in _PASSING or status >= _SERVER_ERROR),
            retry_after_seconds=seconds_to_wait(headers or {}, datetime.now(UTC)),
            of_endpoint=too_many or not passing or status not in _OF_REQUEST,
            unavailable=passing and too_many,
            may_be_billed=status in _TIMED_OUT,
        )

    def _redirected(self, request: ModelRequest, status: int, location: str) -> LanguageModelError:
        """Return the error for a redirect, with the URL to set instead."""
        location = urljoin(f"{self.url}{self.path}", location)
        target = location.removesuffix("/").removesuffix(self.path)
        reason = f"it redirects to {self.quoted(location)} (status {status})"
        message = self._message(request, reason, f"set {self.url_setting} to {self.quoted(target)}")
        return LanguageModelError(message, status, of_endpoint=True)

    def unconnectable(self, request: ModelRequest, problem: str) -> LanguageModelError:
        """Return the error for settings with which no connection can be made."""
        message = f"{request.model} at {redacted_url(self.url)} was not called: {problem}"
        return LanguageModelError(message, of_endpoint=True)

    def without_connection(self, request: ModelRequest, error: Exception) -> LanguageModelError:
        """Return the error for a connection that failed or was lost before the answer."""
        from aiohttp import (
            ClientConnectorCertificateError,
            ClientConnectorError,
            ClientHttpProxyError,
            ConnectionTimeoutError,
        )

        words = self.quoted(_reason(error))
        # These come before a request is sent. After it, the model may be working.
        if not isinstance(
            error, ClientConnectorError | ClientHttpProxyError | ConnectionTimeoutError
        ):
            return self.lost(request, words)
        untrusted = isinstance(error, ClientConnectorCertificateError)
        advice = "check that the endpoint is up at that URL"
        if untrusted:
            advice = f"check {self.url_setting}, or set SSL_CERT_FILE to its certificates"
        return LanguageModelError(
            self._message(request, f"no connection ({words})", advice),
            retryable=not untrusted,
            of_endpoint=True,
            unavailable=not untrusted,
        )

    def lost(self, request: ModelRequest, words: str) -> LanguageModelError:
        """Return the error for an answer that did not arrive to its end."""
        return LanguageModelError(
            self._message(
                request,
                f"the connection was lost ({words})",
                "retry; the lost answer may be billed",
            ),
            retryable=True,
            of_endpoint=True,
            may_be_billed=True,
        )

    def timed_out(self, request: ModelRequest, what: str, seconds: float) -> LanguageModelError:
        """Return the error for an answer that did not come in time."""
        reason = f"no {what} within {seconds:g} s"
        message = self._message(request, reason, "request fewer tokens, or allow more time")
        return LanguageModelError(message, retryable=True, of_endpoint=True, may_be_billed=True)

    def unexpected(self, request: ModelRequest, reason: str) -> LanguageModelError:
        """Return the error for an answer that is not a completion."""
        advice = _UNEXPECTED.format(setting=self.url_setting)
        message = self._message(request, reason, advice)
        return LanguageModelError(message, of_endpoint=True, may_be_billed=True)

    def unsendable(self, request: ModelRequest) -> LanguageModelError:
        """Return the error for a prompt that UTF-8 cannot encode."""
        reason = "the prompt holds a lone surrogate, which cannot be sent"
        message = self._message(request, reason, "correct the text that it comes from")
        return LanguageModelError(message)

    def _advice(self, status: int) -> str:
        if status == _NOT_FOUND and lacks_version(self.url):
            with_v1 = with_version(self.url)
            return f"set {self.url_setting} to {with_v1}, or check the model's name"
        advice = _ADVICE.get(status, _UNEXPECTED if status < _SERVER_ERROR else "retry later")
        return advice.format(variable=self.api_key_variable, setting=self.url_setting)

    def _message(self, request: ModelRequest, reason: str, advice: str) -> str:
        return f"{request.model} at {redacted_url(self.url)}: {reason}; {advice}"


def _reason(error: Exception) -> str:
    """Return why a connection failed or ended, as the operating system or the HTTP client says."""
    from aiohttp import ClientConnectorCertificateError, ClientConnectorError, ClientHttpProxyError

    if isinstance(error, ClientHttpProxyError):
        return f"the proxy answers with status {error.status}"
    if isinstance(error, ClientConnectorCertificateError):
        error = error.certificate_error
    elif isinstance(error, ClientConnectorError):
        error = error.os_error
        if error.errno and not isinstance(error, socket.gaierror | ssl.SSLError):
            return os.strerror(error.errno)  # its own text repeats the address
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
