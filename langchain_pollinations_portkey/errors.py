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
    |  |- PortkeyBadRequestError          400, 402, 409, 412, 413, 415, 422, 431
    |  |  |- PortkeyContextOverflowError  the prompt is longer than the model's context window
    |  |  `- PortkeyGuardrailError        446: a guardrail of the gateway denied the request
    |  |- PortkeyAuthenticationError      401, and the 400 and 403 by which Gemini and AWS refuse a key
    |  |- PortkeyPermissionDeniedError    403
    |  |- PortkeyModelNotFoundError       404
    |  |- PortkeyRateLimitError           429
    |  |- PortkeyServerError              5xx, 529
    |  |- PortkeyGatewayError             the gateway itself failed; asking again gives the same
    |  `- PortkeyUpstreamConnectionError  the gateway could not reach the provider
    |- PortkeyInvalidResponseError        a 2xx that holds no answer: HTML, half a JSON, an error inside
    |- PortkeyRefusalError                the model refused, where an answer of a given form was asked for
    `- PortkeyStreamError                 an error inside a stream; `.partial` holds what had arrived
       `- PortkeyStreamTruncatedError     the stream ended without a finish reason
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

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
    OutputParserException,
)

from langchain_pollinations_portkey._json import loads

if TYPE_CHECKING:
    import httpx
    from langchain_core.exceptions import ModelRefusalError
    from langchain_core.messages import AIMessage, BaseMessage
else:
    from langchain_core import exceptions

    # langchain-core has it since 1.7.5.
    ModelRefusalError = getattr(exceptions, "ModelRefusalError", exceptions.ModelError)


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
        sent: False where it is certain that nothing reached the gateway, so that the call can be made again
            without being served twice.
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
    sent: bool = True
    partial: AIMessage | None = None


class PortkeyConfigurationError(PortkeyError, ModelInvalidRequestError, ValueError):
    """The call cannot be made as it is configured; nothing was sent."""

    sent: bool = False


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


class PortkeyGatewayError(PortkeyStatusError, ModelAPIError):
    """The gateway itself failed on this request; the same request fails again."""

    is_retryable = False


class PortkeyUpstreamConnectionError(PortkeyStatusError, ModelConnectionError):
    """The gateway could not reach the provider."""


class PortkeyInvalidResponseError(PortkeyStatusError, ModelAPIError):
    """A successful status without an answer in it: HTML, half a JSON document, an error object."""


class PortkeyStreamError(PortkeyError, ModelAPIError):
    """The provider reported an error after the stream had begun; `.partial` holds what had arrived."""


class PortkeyStreamTruncatedError(PortkeyStreamError):
    """The stream ended before the provider said that the answer is complete."""


class PortkeyRefusalError(PortkeyError, OutputParserException, ModelRefusalError):
    """The model refused to answer, or a filter took its answer, where an answer of a given form was asked for.

    Attributes:
        raw_message: The answer, as LangChain's `ModelRefusalError` has it.
    """

    raw_message: BaseMessage | None = None


_BY_STATUS: dict[int, type[PortkeyError]] = {
    401: PortkeyAuthenticationError,
    403: PortkeyPermissionDeniedError,
    404: PortkeyModelNotFoundError,
    408: PortkeyTimeoutError,
    429: PortkeyRateLimitError,
    446: PortkeyGuardrailError,
}

_CONTEXT_OVERFLOW = (
    r"context_length_exceeded|maximum context length|context window"  # OpenAI and its kin, Mistral
    r"|tokens exceed the configured limit"  # OpenAI, for models with several endpoints
    r"|prompt is too long|exceed context limit"  # Anthropic
    r"|input is too long|too many input tokens|input tokens exceeded"  # Bedrock: Claude, Titan, Nova
    r"|input token count.*(exceeds the maximum|model only supports)"  # Gemini, Vertex AI
    r"|maximum prompt length"  # xAI
    r"|too_many_prompt_tokens"  # Perplexity, as the type
    r"|exceeded max context length"  # Ollama
    r"|inputs` tokens \+ `max_new_tokens` must be"  # Together AI, Hugging Face
)
"""Texts by which providers say that the prompt does not fit; none has a status of its own for it."""

_KEY_REFUSED = (
    # Amazon answers 403, with the exception in a header; the text is for where that is lost.
    r"UnrecognizedClient|InvalidSignature|IncompleteSignature|ExpiredToken|MissingAuthenticationToken"
    r"|security token included in the request is (invalid|expired)"
    r"|request signature we calculated does not match"
    r"|API[ _]key (not valid|expired)|API_KEY_INVALID"  # Gemini answers 400
)
"""How providers that do not answer 401 say that they do not accept the key."""

_LOST_TEXTS = frozenset(("undefined", "null", "[object Object]"))
"""What the gateway makes of an error message that is not where it looks for it."""

_TEXT_LIMIT = 500
"""Most characters of a provider's message in the text of an exception; `body` has all of it."""


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """What an error body says, whichever of the gateway's envelopes it came in."""

    message: str
    type: str | None = None
    code: str | int | None = None
    provider: str | None = None
    request_id: str | None = None
    by_gateway: bool = False
    hook_results: Any = field(default=None, repr=False)


@contextlib.contextmanager
def readable(kind: type[PortkeyError]) -> Iterator[None]:
    """Report what an answer holds where nothing of the sort is expected as one of our errors.

    Args:
        kind: The class of the error.
    """
    try:
        yield
    except PortkeyError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # pydantic's ValidationError is a ValueError
        first = str(error).partition("\n")[0]
        raise kind(
            f"The answer holds something that cannot be read: {type(error).__name__}: {_shorten(first)}"
        ) from None


def decode_body(content: bytes) -> Any:
    """The JSON value in `content`, or its text if it is no JSON."""
    try:
        return loads(content)
    except (ValueError, RecursionError):
        return content.decode("utf-8", "replace")


def read_error(body: Any) -> ErrorDetail:
    """Read any error envelope of the gateway.

    Args:
        body: A decoded JSON value, or the text of a body that is no JSON.

    Returns:
        The detail; its `message` is never empty and has no `"<provider> error: "` prefix. `by_gateway` says
        that the gateway itself wrote it.
    """
    if isinstance(body, str):
        return ErrorDetail(_plain_text(body) or "the answer is empty")
    if isinstance(body, list) and body and isinstance(body[0], Mapping):
        body = body[0]  # Google's errors in streams
    if not isinstance(body, Mapping):
        return ErrorDetail(f"the answer is {type(body).__name__}, not an object")
    provider = _text(body.get("provider"))
    error = body.get("error")
    if isinstance(error, Mapping):
        detail = _read_error_object(error, provider)
    elif isinstance(error, str) and error:
        detail = ErrorDetail(error, type=_text(body.get("type")), code=_code(body.get("code")))
    elif "html-message" in body:
        detail = ErrorDetail(_plain_text(str(body["html-message"])) or "the answer is empty")
    else:
        detail = _read_bare(body)
    return replace(
        detail,
        provider=provider,
        request_id=_text(body.get("request_id")),
        hook_results=body.get("hook_results"),
    )


def _read_error_object(error: Mapping[str, Any], provider: str | None) -> ErrorDetail:
    """Read `{"message": ..., "type": ..., "code": ...}`, opening what the gateway wrapped."""
    message, inner = _unwrap(error.get("message"), provider)
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
    if isinstance(raw, str) and raw.strip():  # OpenRouter: what the provider behind it said
        message = f"{message}: {_shorten(read_error(decode_body(raw.encode())).message)}"
    return ErrorDetail(
        message,
        type=_text(error.get("type")) or _text(error.get("status")) or inner.type,
        code=inner.code if error.get("code") is None else _code(error.get("code")),
    )


def _read_bare(body: Mapping[str, Any]) -> ErrorDetail:
    """Read a body without `error`: the gateway's own failures, Bedrock's raw ones, those of web frameworks."""
    text = next((body[key] for key in ("message", "Message", "detail") if body.get(key)), None)
    if text is None:
        return ErrorDetail(_shorten(_as_json(body)))
    details = body.get("errors")
    parts = [text, *(details if isinstance(details, list) else [])]
    return ErrorDetail(
        "; ".join(part if isinstance(part, str) else _shorten(_as_json(part)) for part in parts),
        type=_text(body.get("type")) or _text(body.get("__type")),
        code=_code(body.get("code")),
        by_gateway=body.get("status") == "failure" or body.get("ok") is False,
    )


def _unwrap(message: Any, provider: str | None) -> tuple[str, ErrorDetail]:
    """Strip the gateway's prefixes from a provider's message, and open what it wrapped.

    A body that the gateway does not recognise comes as `Invalid response received from <provider>:
    {the body as JSON}`; its own error object then holds the facts.
    """
    nothing = ErrorDetail("")
    if not message or not isinstance(message, str):
        return (_shorten(_as_json(message)) if message else "no message"), nothing
    prefix, separator, wrapped = message.partition(": ")
    if separator and prefix.startswith("Invalid response received from "):
        inner = read_error(decode_body(wrapped.encode("utf-8", "replace")))
        return inner.message, inner
    if separator and prefix == f"{provider} error":
        message = wrapped
    if message.strip() in _LOST_TEXTS:
        return "the gateway lost the provider's message", nothing
    return message, nothing


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _code(value: Any) -> str | int | None:
    return value if isinstance(value, str | int) and not isinstance(value, bool) else None


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return f"a {type(value).__name__}"


def _plain_text(text: str) -> str:
    """The words of an HTML page or text, on one line and short."""
    text = text[:100_000]  # enough for the words at its beginning, whatever the page weighs
    without_tags = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL | re.IGNORECASE)
    return _shorten(" ".join(without_tags.split()))


def _shorten(text: str, limit: int = _TEXT_LIMIT) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _says(pattern: str, text: str | int) -> bool:
    """Whether a text is one of those; the pattern is compiled, by `re`, when the first error is read."""
    return bool(re.search(pattern, str(text), re.IGNORECASE | re.DOTALL))


def is_context_overflow(detail: ErrorDetail) -> bool:
    """Whether the provider says that the prompt exceeds the model's context window."""
    return any(_says(_CONTEXT_OVERFLOW, text) for text in (detail.message, detail.code, detail.type) if text)


def status_error(
    response: httpx.Response,
    *,
    hints: Mapping[type[PortkeyError], str] | None = None,
    server: str = "The gateway",
) -> PortkeyError:
    """The error for an answer.

    Args:
        response: The answer, its body read. A successful status is allowed: then the body holds no answer.
        hints: What to do next, by error class; the first class that matches adds its text to the message.
        server: Who answered, if it names no provider.
    """
    headers = response.headers
    body = decode_body(response.content)
    detail = read_error(body)
    amazons_type = headers.get("x-amzn-errortype", "").partition(":")[0]
    detail = replace(detail, type=detail.type or amazons_type or None)
    provider = headers.get("x-portkey-provider") or detail.provider
    kind = _kind(response.status_code, detail, gateway_failed="x-portkey-gateway-exception" in headers)
    said = _shorten(detail.message)
    text = f"{provider or server} answered {response.status_code}: {said.rstrip('. ')}"
    text += "" if text.endswith(("?", "!", "…")) else "."
    hint = next((text for cls, text in (hints or {}).items() if issubclass(kind, cls)), None)
    hint = hint or _advice(response, body, detail)
    error = kind(f"{text} {hint}" if hint else text)
    error.response = response
    error.status_code = response.status_code
    error.provider = provider
    error.request_id = next(
        (headers[name] for name in ("x-request-id", "request-id", "x-amzn-requestid") if headers.get(name)),
        detail.request_id,
    )
    error.trace_id = headers.get("x-portkey-trace-id") or None
    error.retry_after = retry_after(headers)
    error.body = body
    error.error_type = detail.type
    error.error_code = detail.code
    if isinstance(error, PortkeyGuardrailError):
        error.hook_results = detail.hook_results
    if isinstance(error, PortkeyRateLimitError) and "insufficient_quota" in (detail.code, detail.type):
        error.is_retryable = False  # the account is empty: no waiting helps
    return error


def _kind(status: int, detail: ErrorDetail, *, gateway_failed: bool) -> type[PortkeyError]:
    if gateway_failed:
        return PortkeyGatewayError
    if status >= 500 and re.search(r"(Headers|Body)TimeoutError", detail.message):  # noqa: PLR2004
        return PortkeyTimeoutError  # the gateway waits 300 s for a provider, whatever it is asked
    if status >= 500 and re.search("fetch failed|ConnectTimeoutError", detail.message):  # noqa: PLR2004
        return PortkeyUpstreamConnectionError
    if detail.by_gateway and (status >= 500 or status == 404):  # noqa: PLR2004
        return PortkeyGatewayError
    if status < 300:  # noqa: PLR2004
        # Some report the error of the provider behind them within a successful answer (OpenRouter).
        inside = re.fullmatch("[45][0-9][0-9]", str(detail.code))
        return _kind(int(inside[0]), detail, gateway_failed=False) if inside else PortkeyInvalidResponseError
    if status < 400:  # noqa: PLR2004
        return PortkeyInvalidResponseError
    if status in (400, 413, 422) and is_context_overflow(detail):
        return PortkeyContextOverflowError
    if status in (400, 403) and any(_says(_KEY_REFUSED, text) for text in (detail.message, detail.type) if text):
        return PortkeyAuthenticationError
    known = _BY_STATUS.get(status)
    if known is not None:
        return known
    return PortkeyBadRequestError if status < 500 else PortkeyServerError  # noqa: PLR2004


def _advice(response: httpx.Response, body: Any, detail: ErrorDetail) -> str | None:
    """What to do next about an error whose cause is the same whoever asks."""
    status = response.status_code
    if status == 431:  # noqa: PLR2004
        return (
            "The headers of the request are too long for the gateway, which takes about 16 KB: shorten the metadata "
            "or configuration, or start it with NODE_OPTIONS=--max-http-header-size=65536."
        )
    if 300 <= status < 400:  # noqa: PLR2004
        where = urlsplit(response.headers.get("location", ""))
        target = f" to {where.scheme}://{where.hostname}" if where.hostname else ""
        return f"Redirects{target} are not followed, since they would carry keys along; set base_url to where it is."
    if detail.by_gateway and "nvalid custom host" in detail.message:
        return "Start the gateway with TRUSTED_CUSTOM_HOSTS=localhost,127.0.0.1,<the host> to allow it."
    if detail.by_gateway and status == 404:  # noqa: PLR2004
        return "Check base_url: the gateway's interface is at <host>/v1."
    if isinstance(body, str) and body.lstrip().startswith("<") and "x-portkey-provider" not in response.headers:
        return "That is a web page and not the gateway's answer; check base_url."
    return None


_RETRY_AFTER = (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001), ("retry-after", 1.0))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms`, `x-ms-retry-after-ms` or `retry-after` (seconds or a date)."""
    for name, unit in _RETRY_AFTER:
        value = headers.get(name)
        if not value:
            continue
        try:
            seconds = float(value) * unit
        except ValueError:
            seconds = _seconds_until(value)
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    return None


def _seconds_until(date: str) -> float:
    """Seconds from now until an HTTP date, 0 for one that has passed; NaN for what is no date."""
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return math.nan
