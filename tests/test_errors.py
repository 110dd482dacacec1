"""Each envelope the gateway answers with, and the exception that a user gets for it."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from langchain_core.exceptions import ContextOverflowError, ModelError

from langchain_pollinations_portkey import errors
from langchain_pollinations_portkey.errors import (
    MissingCredentialsError,
    PortkeyAuthenticationError,
    PortkeyBadRequestError,
    PortkeyConfigurationError,
    PortkeyConnectionError,
    PortkeyContextOverflowError,
    PortkeyError,
    PortkeyGatewayError,
    PortkeyGuardrailError,
    PortkeyInvalidResponseError,
    PortkeyModelNotFoundError,
    PortkeyPermissionDeniedError,
    PortkeyRateLimitError,
    PortkeyServerError,
    PortkeyStreamError,
    PortkeyStreamTruncatedError,
    PortkeyTimeoutError,
    PortkeyUpstreamConnectionError,
    retry_after,
    status_error,
)


def answer(status: int, body: object, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=named, content=content, request=httpx.Request("POST", "http://gateway/v1"))


def of_provider(provider: str, message: str, kind: str | None = None, code: str | int | None = None) -> dict:
    """The usual envelope: the provider's message behind its name."""
    error = {"message": f"{provider} error: {message}", "type": kind, "param": None, "code": code}
    return {"error": error, "provider": provider}


def wrapped(provider: str, body: object) -> dict:
    """The envelope of a body that the gateway does not recognise."""
    text = body if isinstance(body, str) else json.dumps(body)
    error = {"message": f"Invalid response received from {provider}: {text}", "type": None, "param": None, "code": None}
    return {"error": error, "provider": provider}


@pytest.mark.parametrize(
    ("status", "kind", "retried"),
    [
        (400, PortkeyBadRequestError, False),
        (401, PortkeyAuthenticationError, False),
        (402, PortkeyBadRequestError, False),
        (403, PortkeyPermissionDeniedError, False),
        (404, PortkeyModelNotFoundError, False),
        (408, PortkeyTimeoutError, True),
        (409, PortkeyBadRequestError, False),
        (412, PortkeyBadRequestError, False),
        (413, PortkeyBadRequestError, False),
        (422, PortkeyBadRequestError, False),
        (429, PortkeyRateLimitError, True),
        (431, PortkeyBadRequestError, False),
        (446, PortkeyGuardrailError, False),
        (500, PortkeyServerError, True),
        (502, PortkeyServerError, True),
        (503, PortkeyServerError, True),
        (529, PortkeyServerError, True),
    ],
)
@pytest.mark.parametrize(
    ("envelope", "message"),
    [
        pytest.param(of_provider("openai", "no"), "openai answered {}: no.", id="provider"),
        pytest.param(wrapped("openrouter", {"error": {"message": "no"}}), "openrouter answered {}: no.", id="wrapped"),
        pytest.param({"error": {"message": "no"}}, "The gateway answered {}: no.", id="raw"),
        pytest.param(
            {"html-message": "<html><head><style>p{}</style></head><p>no</p>"},
            "The gateway answered {}: no.",
            id="html",
        ),
        pytest.param(b"no", "The gateway answered {}: no.", id="text"),
    ],
)
def test_status_gives_the_class_and_langchain_agrees_about_retrying(status, kind, retried, envelope, message):
    error = status_error(answer(status, envelope))

    assert type(error) is kind
    assert str(error).startswith(message.format(status))
    assert isinstance(error, ModelError)
    assert error.is_retryable is retried


def test_langchains_retry_middleware_repeats_what_may_help_and_nothing_else():
    retry = pytest.importorskip("langchain.agents.middleware._retry")

    repeated = {status for status in range(400, 600) if retry.default_retry_on(status_error(answer(status, b"no")))}

    assert repeated == {408, 429, *range(500, 600)}
    assert not retry.default_retry_on(MissingCredentialsError("no key"))
    assert retry.default_retry_on(PortkeyConnectionError("refused"))
    assert retry.default_retry_on(PortkeyStreamTruncatedError("cut"))
    empty_account = of_provider("openai", "You exceeded your current quota", "insufficient_quota")
    assert not retry.default_retry_on(status_error(answer(429, empty_account)))


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "facts"),
    [
        pytest.param(
            529,
            of_provider("anthropic", "Overloaded", "overloaded_error"),
            {"request_id": "req_1", "x_portkey_provider": "anthropic", "retry_after": "3", "x_portkey_trace_id": "t-1"},
            PortkeyServerError,
            {
                "provider": "anthropic",
                "error_type": "overloaded_error",
                "request_id": "req_1",
                "retry_after": 3.0,
                "trace_id": "t-1",
            },
            id="anthropic overloaded",
        ),
        pytest.param(
            404,
            of_provider("google", "models/x is not found", "NOT_FOUND", 404),
            {},
            PortkeyModelNotFoundError,
            {"provider": "google", "error_type": "NOT_FOUND", "error_code": 404},
            id="google with a number as code",
        ),
        pytest.param(
            400,
            of_provider("bedrock", "The model refuses"),
            {"x_amzn_errortype": "ValidationException:http://internal.amazon.com/coral", "x_amzn_requestid": "aws-1"},
            PortkeyBadRequestError,
            {"error_type": "ValidationException", "request_id": "aws-1"},
            id="bedrock has its type in a header",
        ),
        pytest.param(
            401,
            wrapped("deepseek", {"error": {"message": "bad key", "type": "authentication_error", "code": "invalid"}}),
            {},
            PortkeyAuthenticationError,
            {"provider": "deepseek", "error_type": "authentication_error", "error_code": "invalid"},
            id="deepseek is wrapped",
        ),
        pytest.param(
            403,
            wrapped("openrouter", {"error": {"code": 403, "message": "Provider returned error", "metadata": {
                "raw": '{"code": "no", "error": "Content violates usage guidelines"}'}}}),
            {},
            PortkeyPermissionDeniedError,
            {"error_code": 403},
            id="openrouter quotes the provider behind it",
        ),
        pytest.param(
            401,
            wrapped("mistral-ai", {"message": "Unauthorized", "request_id": "m-1"}),
            {},
            PortkeyAuthenticationError,
            {"provider": "mistral-ai"},
            id="mistral's bare message",
        ),
        pytest.param(
            422,
            {"object": "error", "message": "extra input", "type": "invalid_request", "code": "1500"},
            {},
            PortkeyBadRequestError,
            {"error_type": "invalid_request", "error_code": "1500"},
            id="an error without envelope",
        ),
        pytest.param(
            412,
            {"type": "error", "error": {"type": "precondition", "message": "raw 412"}, "request_id": "req_2"},
            {},
            PortkeyBadRequestError,
            {"error_type": "precondition", "request_id": "req_2"},
            id="412 passes the gateway untouched",
        ),
        pytest.param(
            408, {"message": "msg408"}, {}, PortkeyTimeoutError, {}, id="so does 408, here of bedrock"
        ),
        pytest.param(
            408,
            {"error": {"message": "Request exceeded the timeout sent in the request: 500ms", "type": "timeout_error"}},
            {},
            PortkeyTimeoutError,
            {"error_type": "timeout_error"},
            id="the gateway's own timeout",
        ),
    ],
)  # fmt: skip
def test_what_an_answer_says_is_on_the_exception(status, body, headers, kind, facts):
    error = status_error(answer(status, body, **headers))

    assert type(error) is kind
    assert {name: getattr(error, name) for name in facts} == facts
    assert error.status_code == status
    assert error.body == body
    assert error.response is not None


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "text"),
    [
        pytest.param(
            500,
            {"status": "failure", "message": "Something went wrong"},
            {"x_portkey_gateway_exception": "true"},
            PortkeyGatewayError,
            "Something went wrong",
            id="exception in the gateway",
        ),
        pytest.param(
            500,
            {"status": "failure", "message": "Cannot read properties of undefined (reading 'entries')"},
            {},
            PortkeyGatewayError,
            "reading 'entries'",
            id="failure of the gateway without its header",
        ),
        pytest.param(
            400,
            {"status": "failure", "message": "Invalid config passed", "errors": ["path: , message: Invalid custom host"]},
            {},
            PortkeyBadRequestError,
            "TRUSTED_CUSTOM_HOSTS",
            id="custom host refused",
        ),
        pytest.param(
            404, {"message": "Not Found", "ok": False}, {}, PortkeyGatewayError, "Check base_url", id="unknown route"
        ),
        pytest.param(
            500,
            {"html-message": "Message: fetch failed Cause: Error: connect ECONNREFUSED 127.0.0.1:9 Name: TypeError"},
            {"x_portkey_provider": "openai"},
            PortkeyUpstreamConnectionError,
            "ECONNREFUSED",
            id="provider refused the connection",
        ),
        pytest.param(
            500,
            wrapped("bedrock", {"html-message": "Message: fetch failed Cause: Error: read ECONNRESET"}),
            {},
            PortkeyUpstreamConnectionError,
            "ECONNRESET",
            id="the same, wrapped",
        ),
        pytest.param(
            500,
            {"html-message": "Message: fetch failed Cause: HeadersTimeoutError: Headers Timeout Error"},
            {},
            PortkeyTimeoutError,
            "Headers Timeout Error",
            id="provider silent for 300 s",
        ),
        pytest.param(431, b"", {}, PortkeyBadRequestError, "max-http-header-size", id="headers too long"),
        pytest.param(302, b"", {"location": "https://login.example/?next=x"}, PortkeyInvalidResponseError,
                     "to https://login.example are not followed", id="redirect"),
        pytest.param(502, b"<html><h1>Bad Gateway</h1>nginx</html>", {}, PortkeyServerError, "check base_url",
                     id="a web server in between"),
        pytest.param(500, of_provider("openai", "undefined"), {}, PortkeyServerError, "lost the provider's message",
                     id="the gateway did not find the message"),
        pytest.param(422, of_provider("mistral-ai", "[object Object]"), {}, PortkeyBadRequestError,
                     "lost the provider's message", id="the gateway could not write the message"),
        pytest.param(200, b"<html>hello</html>", {}, PortkeyInvalidResponseError, "hello", id="a page with 200"),
        pytest.param(200, b'{"choices": [', {}, PortkeyInvalidResponseError, "choices", id="half a JSON document"),
        pytest.param(200, b"[" * 100_000, {}, PortkeyInvalidResponseError, "[[[", id="endlessly nested"),
        pytest.param(204, b"", {}, PortkeyInvalidResponseError, "the answer is empty", id="nothing"),
        pytest.param(200, [1], {}, PortkeyInvalidResponseError, "list, not an object", id="a list"),
        pytest.param(200, wrapped("openrouter", {"error": {"code": 502, "message": "Upstream down"}}), {},
                     PortkeyServerError, "Upstream down", id="a server's error inside a 200"),
        pytest.param(200, wrapped("openrouter", {"error": {"code": 429, "message": "Slow down"}}), {},
                     PortkeyRateLimitError, "Slow down", id="a rate limit inside a 200"),
        pytest.param(400, [{"error": {"code": 400, "message": "Google's list", "status": "INVALID_ARGUMENT"}}], {},
                     PortkeyBadRequestError, "Google's list", id="google's list of errors"),
    ],
)  # fmt: skip
def test_errors_of_the_gateway_and_of_the_way(status, body, headers, kind, text):
    error = status_error(answer(status, body, **headers))

    assert type(error) is kind
    assert text in str(error)


def test_guardrail_error_carries_the_verdicts():
    hooks = {"before_request_hooks": [{"verdict": False, "id": "g"}], "after_request_hooks": []}
    body = {"error": {"message": "The guardrail checks failed", "type": "hooks_failed"}, "hook_results": hooks}

    error = status_error(answer(446, body))

    assert isinstance(error, PortkeyGuardrailError)
    assert error.hook_results == hooks


@pytest.mark.parametrize(
    ("provider", "message", "kind", "code"),
    [
        ("openai", "This model's maximum context length is 8192 tokens.", "invalid_request_error", None),
        ("openai", "Input tokens exceed the configured limit of 272000 tokens.", None, "context_length_exceeded"),
        ("anthropic", "prompt is too long: 205429 tokens > 200000 maximum", "invalid_request_error", None),
        ("anthropic", "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000", None, None),
        ("bedrock", "Input is too long for requested model.", None, None),
        ("bedrock", "400 Bad Request: Too many input tokens. Max input tokens: 8192", None, None),
        ("bedrock", "The model returned the following errors: Input Tokens Exceeded: Number of input ...", None, None),
        ("google", "The input token count (1250074) exceeds the maximum number of tokens allowed (1048576).", None, 400),
        ("vertex-ai", "input token count is 1500000 but model only supports up to 1048576", None, "400"),
        ("mistral-ai", "Prompt contains 40000 tokens, too large for model with 32768 maximum context length", None, None),
        ("x-ai", "This model's maximum prompt length is 131072 but the request contains 537812 tokens.", None, None),
        ("perplexity-ai", "The total length of all messages is too long.", "too_many_prompt_tokens", "400"),
        ("ollama", "prompt too long; exceeded max context length by 1119046 tokens", None, None),
        ("together-ai", "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193.", None, None),
    ],
)  # fmt: skip
def test_context_overflow_is_recognised(provider, message, kind, code):
    error = status_error(answer(400, of_provider(provider, message, kind, code)))

    assert type(error) is PortkeyContextOverflowError
    assert isinstance(error, ContextOverflowError)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (429, "Request too large for model `x` on tokens per minute (TPM): Limit 6000"),
        (413, "Request exceeds the maximum size"),
        (400, "max_tokens is too large: 200000. This model supports at most 16384 completion tokens"),
    ],
)
def test_other_limits_are_no_context_overflow(status, message):
    assert not isinstance(status_error(answer(status, of_provider("openai", message))), PortkeyContextOverflowError)


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (403, of_provider("bedrock", "The security token included in the request is expired"), {}),
        (403, of_provider("bedrock", "no"), {"x_amzn_errortype": "UnrecognizedClientException"}),
        (403, of_provider("bedrock", "no"), {"x_amzn_errortype": "InvalidSignatureException:http://internal"}),
        (400, of_provider("google", "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT", 400), {}),
    ],
)
def test_a_refused_key_is_an_authentication_error_whatever_its_status(status, body, headers):
    assert type(status_error(answer(status, body, **headers))) is PortkeyAuthenticationError


def test_hints_go_by_class_and_replace_the_advice_of_the_package():
    hints = {PortkeyAuthenticationError: "Check OPENAI_API_KEY.", PortkeyBadRequestError: "Shorten it."}

    assert str(status_error(answer(401, of_provider("openai", "bad key.")), hints=hints)) == (
        "openai answered 401: bad key. Check OPENAI_API_KEY."
    )
    assert str(status_error(answer(431, b""), hints=hints)).endswith("empty. Shorten it.")


def test_long_messages_are_short_in_the_text_and_whole_in_the_body():
    body = of_provider("openai", "x" * 10_000)

    error = status_error(answer(400, body))

    assert len(str(error)) < 700
    assert error.body == body


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"x-ms-retry-after-ms": "100"}, 0.1),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_retry_after(headers, seconds):
    assert retry_after(headers) == seconds


def test_retry_after_may_be_a_date():
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=30), usegmt=True)

    assert retry_after({"retry-after": soon}) == pytest.approx(30, abs=2)
    assert retry_after({"retry-after": past}) == 0


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_exceptions_survive_copying_and_pickling_with_all_they_know(duplicate):
    error = status_error(answer(529, of_provider("anthropic", "Overloaded", "overloaded_error"), request_id="req_1"))

    again = duplicate(error)

    assert type(again) is type(error)
    assert str(again) == str(error)
    for name in ("status_code", "provider", "request_id", "error_type", "body"):
        assert getattr(again, name) == getattr(error, name)
    assert again.response.status_code == 529
    assert again.response.json() == error.body


def test_every_class_is_a_portkey_error_and_one_that_langchain_knows():
    classes = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, PortkeyError)]

    unknown_to_langchain = {cls.__name__ for cls in classes if not issubclass(cls, ModelError)}

    assert unknown_to_langchain == {"PortkeyError", "PortkeyStatusError"}
    assert PortkeyGatewayError.is_retryable is False
    assert issubclass(PortkeyStreamTruncatedError, PortkeyStreamError)
    assert issubclass(PortkeyConfigurationError, ValueError)
    assert PortkeyConfigurationError("no").sent is False
