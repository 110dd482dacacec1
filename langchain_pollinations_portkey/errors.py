"""What can go wrong, as one tree, and how an answer of the gateway becomes one of its leaves.

Every class is a `PortkeyError`; each that stands for a condition LangChain knows is also a member of
`langchain_core.exceptions.ModelError`, so that retry and fallback middleware treat it rightly.

    PortkeyError
    |- PortkeyConfigurationError          nothing was sent: the call cannot be made as it is
    |  |- MissingCredentialsError         ... no key for the provider
    |  `- UnknownModelError               ... no provider for the model name
    |- PortkeyConnectionError             the gateway cannot be reached, or the connection broke
    |- PortkeyTimeoutError                no (whole) answer in time: client, gateway or provider (408)
    |- PortkeyStatusError                 an answer that is an error
    |  |- PortkeyBadRequestError          400, 409, 412, 413, 415, 422, 431
    |  |  |- PortkeyContextOverflowError  the prompt is longer than the model's context window
    |  |  `- PortkeyGuardrailError        446: a guardrail of the gateway denied the request
    |  |- PortkeyAuthenticationError      401
    |  |- PortkeyPermissionDeniedError    403
    |  |- PortkeyModelNotFoundError       404
    |  |- PortkeyRateLimitError           429
    |  |- PortkeyServerError              5xx, 529
    |  |- PortkeyGatewayError             the gateway itself failed; asking again gives the same
    |  `- PortkeyUpstreamConnectionError  the gateway could not reach the provider
    |- PortkeyInvalidResponseError        a 2xx that holds no answer: HTML, half a JSON, an error inside
    `- PortkeyStreamError                 an error inside a stream; `.partial` holds what had arrived
       `- PortkeyStreamTruncatedError     the stream ended without a finish reason
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from langchain_core.exceptions import (
    ContextOverflowError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelInvalidRequestError,
    ModelNotFoundError,
    ModelPermissionDeniedError,
    ModelRateLimitError,
    ModelTimeoutError,
)

if TYPE_CHECKING:
    import httpx
    from langchain_core.messages import AIMessage


class PortkeyError(Exception):
    """Base of all errors of this package.

    The attributes are `None` where the answer did not hold the fact or there was no answer.

    Attributes:
        response: The HTTP answer. Its `request` carries neither headers nor body, since both may hold keys.
        status_code: Its HTTP status.
        provider: The provider that answered, as the gateway names it (`"anthropic"`).
        request_id: The provider's id of the request.
        trace_id: The `x-portkey-trace-id` of the request.
        retry_after: Seconds the provider asks to wait.
        body: The decoded JSON body, or its text.
        error_type: The provider's error type (`"overloaded_error"`, `"ThrottlingException"`).
        error_code: The provider's error code (`"context_length_exceeded"`, 429).
        partial: The message assembled from what had arrived of a stream, `None` when nothing had.
    """

    response: httpx.Response | None = None
    status_code: int | None = None
    provider: str | None = None
    request_id: str | None = None
    trace_id: str | None = None
    retry_after: float | None = None
    body: Any = None
    error_type: str | None = None
    error_code: str | int | None = None
    partial: AIMessage | None = None


class PortkeyConfigurationError(PortkeyError, ModelInvalidRequestError, ValueError):
    """The call cannot be made as it is configured; nothing was sent."""


class MissingCredentialsError(PortkeyConfigurationError, ModelAuthenticationError):
    """No credentials for the provider were given or found; nothing was sent."""


class UnknownModelError(PortkeyConfigurationError, ModelNotFoundError):
    """The model name is no catalogue name and names no provider; nothing was sent."""


class PortkeyConnectionError(PortkeyError, ModelConnectionError):
    """The gateway cannot be reached, or the connection to it broke."""


class PortkeyTimeoutError(PortkeyError, ModelTimeoutError):
    """No answer, or no whole one, within `timeout`."""


class PortkeyStatusError(PortkeyError):
    """The gateway or the provider answered with an error."""


class PortkeyBadRequestError(PortkeyStatusError, ModelInvalidRequestError):
    """The gateway or the provider refused the request as it is."""


class PortkeyContextOverflowError(PortkeyBadRequestError, ContextOverflowError):
    """The prompt is longer than the model's context window."""


class PortkeyGuardrailError(PortkeyBadRequestError):
    """A guardrail of the gateway denied the request (HTTP 446).

    Attributes:
        hook_results: The verdicts, as the gateway sent them.
    """

    hook_results: Any = None


class PortkeyAuthenticationError(PortkeyStatusError, ModelAuthenticationError):
    """The provider does not accept the key (HTTP 401)."""


class PortkeyPermissionDeniedError(PortkeyStatusError, ModelPermissionDeniedError):
    """The key may not do this (HTTP 403)."""


class PortkeyModelNotFoundError(PortkeyStatusError, ModelNotFoundError):
    """The provider does not have the model (HTTP 404)."""


class PortkeyRateLimitError(PortkeyStatusError, ModelRateLimitError):
    """Too many requests (HTTP 429)."""


class PortkeyServerError(PortkeyStatusError, ModelAPIError):
    """The provider failed (HTTP 5xx, 529)."""


class PortkeyGatewayError(PortkeyStatusError):
    """The gateway itself failed on this request; the same request fails again."""


class PortkeyUpstreamConnectionError(PortkeyStatusError, ModelConnectionError):
    """The gateway could not reach the provider."""


class PortkeyInvalidResponseError(PortkeyStatusError, ModelAPIError):
    """A successful status without an answer in it: HTML, half a JSON document, an error object."""


class PortkeyStreamError(PortkeyError, ModelAPIError):
    """The provider reported an error after the stream had begun; `.partial` holds what had arrived."""


class PortkeyStreamTruncatedError(PortkeyStreamError):
    """The stream ended before the provider said that the answer is complete."""


_BY_STATUS: dict[int, type[PortkeyStatusError]] = {
    401: PortkeyAuthenticationError,
    403: PortkeyPermissionDeniedError,
    404: PortkeyModelNotFoundError,
    429: PortkeyRateLimitError,
    446: PortkeyGuardrailError,
}

_CONTEXT_OVERFLOW = re.compile(
    r"context_length_exceeded|maximum context length|context window"  # OpenAI and its kin, Mistral
    r"|prompt is too long|exceed context limit"  # Anthropic
    r"|input is too long|too many input tokens"  # Bedrock
    r"|input token count.*exceeds the maximum",  # Gemini
    re.IGNORECASE | re.DOTALL,
)
"""Texts by which providers say that the prompt does not fit; none has a status of its own for it."""


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """What an error body says, whichever of the gateway's envelopes it came in."""

    message: str
    type: str | None = None
    code: str | int | None = None
    provider: str | None = None
    hook_results: Any = field(default=None, repr=False)


def decode_body(content: bytes) -> Any:
    """The JSON value in `content`, or its text if it is no JSON."""
    try:
        return json.loads(content)
    except ValueError:
        return content.decode("utf-8", "replace")


def read_error(body: Any) -> ErrorDetail:
    """Read any error envelope of the gateway.

    Args:
        body: A decoded JSON value, or the text of a body that is no JSON.

    Returns:
        The detail; its `message` is never empty and has no `"<provider> error: "` prefix.
    """
    if isinstance(body, str):
        return ErrorDetail(_plain_text(body) or "the answer is empty")
    if not isinstance(body, Mapping):
        return ErrorDetail(f"the answer is {type(body).__name__}, not an object")
    provider = body.get("provider") if isinstance(body.get("provider"), str) else None
    hooks = body.get("hook_results")
    error = body.get("error")
    if isinstance(error, Mapping):
        message, inner = _unwrap(error.get("message"), provider)
        merged = {**inner, **{key: value for key, value in error.items() if value is not None}}
        kind, code = merged.get("type") or merged.get("status"), merged.get("code")
        return ErrorDetail(
            message,
            type=kind if isinstance(kind, str) else None,
            code=code if isinstance(code, str | int) else None,
            provider=provider,
            hook_results=hooks,
        )
    if isinstance(error, str):
        return ErrorDetail(error, provider=provider, hook_results=hooks)
    if "html-message" in body:
        return ErrorDetail(_plain_text(str(body["html-message"])), provider=provider)
    text = body.get("message") or body.get("Message")
    if isinstance(text, str):  # the gateway's own failures, Bedrock's raw 408
        details = body.get("errors")
        if isinstance(details, list):
            text = "; ".join([text, *(str(detail) for detail in details)])
        return ErrorDetail(text, provider=provider, hook_results=hooks)
    return ErrorDetail(_shorten(json.dumps(body, ensure_ascii=False)), provider=provider, hook_results=hooks)


def _unwrap(message: Any, provider: str | None) -> tuple[str, dict[str, Any]]:
    """Strip the gateway's prefixes from a provider's message, and open what it wrapped.

    A body that the gateway does not recognise comes as `Invalid response received from <provider>:
    {the body as JSON}`; its own error object then holds the facts.
    """
    if not isinstance(message, str) or not message:
        return "no message", {}
    prefix, separator, wrapped = message.partition(": ")
    if separator and prefix.startswith("Invalid response received from "):
        inner = decode_body(wrapped.encode())
        if isinstance(inner, list) and inner:
            inner = inner[0]
        if isinstance(inner, Mapping):
            detail = read_error(inner)
            return detail.message, {"type": detail.type, "code": detail.code}
        return _shorten(wrapped) or message, {}
    if separator and prefix == f"{provider} error":
        return wrapped, {}
    return message, {}


def _plain_text(text: str) -> str:
    """The words of an HTML page or text, on one line and short."""
    without_tags = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL | re.IGNORECASE)
    return _shorten(" ".join(without_tags.split()))


def _shorten(text: str, limit: int = 500) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def is_context_overflow(detail: ErrorDetail) -> bool:
    """Whether the provider says that the prompt exceeds the model's context window."""
    return bool(_CONTEXT_OVERFLOW.search(detail.message)) or detail.code == "context_length_exceeded"


def status_error(response: httpx.Response, *, hints: Mapping[type[PortkeyError], str] | None = None) -> PortkeyError:
    """The error for an answer of the gateway.

    Args:
        response: The answer, its body read. A successful status is allowed: then the body holds no answer.
        hints: What to do next, by error class; the first class that matches adds its text to the message.
    """
    headers = response.headers
    body = decode_body(response.content)
    detail = read_error(body)
    provider = headers.get("x-portkey-provider") or detail.provider
    kind = _kind(response.status_code, detail, gateway_failed="x-portkey-gateway-exception" in headers)
    text = f"{provider or 'The gateway'} answered {response.status_code}: {detail.message.rstrip('. ')}."
    hint = next((text for cls, text in (hints or {}).items() if issubclass(kind, cls)), None)
    error = kind(f"{text} {hint}" if hint else text)
    error.response = response
    error.status_code = response.status_code
    error.provider = provider
    error.request_id = headers.get("x-request-id") or headers.get("request-id") or headers.get("x-amzn-requestid")
    error.trace_id = headers.get("x-portkey-trace-id") or None
    error.retry_after = retry_after(headers)
    error.body = body
    error.error_type = detail.type or headers.get("x-amzn-errortype")
    error.error_code = detail.code
    if isinstance(error, PortkeyGuardrailError):
        error.hook_results = detail.hook_results
    return error


def _kind(status: int, detail: ErrorDetail, *, gateway_failed: bool) -> type[PortkeyError]:
    if gateway_failed:
        return PortkeyGatewayError
    if "fetch failed" in detail.message and status >= 500:  # noqa: PLR2004
        return PortkeyUpstreamConnectionError
    if status == 408:  # noqa: PLR2004
        return PortkeyTimeoutError
    if status in (400, 413, 422) and is_context_overflow(detail):
        return PortkeyContextOverflowError
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status < 400:  # noqa: PLR2004
        return PortkeyInvalidResponseError
    return PortkeyBadRequestError if status < 500 else PortkeyServerError  # noqa: PLR2004


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait from `retry-after-ms` or `retry-after`; `None` without either or for a date."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is not None:
            try:
                seconds = float(value) * unit
            except ValueError:
                continue
            return seconds if seconds >= 0 else None
    return None
