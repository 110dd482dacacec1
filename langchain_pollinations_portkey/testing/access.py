"""Who may ask: keys and AWS signatures, refused in each provider's own words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from langchain_pollinations_portkey.testing.aws_signature import SIGNED, check_signature
from langchain_pollinations_portkey.testing.received import ReceivedRequest
from langchain_pollinations_portkey.testing.rules.refusal import Refusal

Keys = Mapping[str, AbstractSet[str]]
"""Accepted keys by "anthropic", "bedrock" (bearer keys), "gemini", "vertex", and "openai" for all the others."""

_BEARER = re.compile(r"^Bearer\s+(\S+)$", re.IGNORECASE)


def check_access(
    request: ReceivedRequest, keys: Keys, aws_credentials: Mapping[str, str], now: float
) -> Refusal | None:
    """Returns why the request has no access, None if it has.

    Args:
        request: the request.
        keys: accepted keys; a wire without an entry takes any key.
        aws_credentials: access key id -> secret access key; empty takes any well-formed signature.
        now: seconds since the epoch, to judge the age of a signature.
    """
    if request.wire in {"bedrock", "bedrock-embeddings"}:
        return _bedrock(request, keys.get("bedrock"), aws_credentials, now)
    if request.vertex:
        return _vertex(request, keys.get("vertex"))
    if request.wire in {"gemini", "gemini-embeddings"}:
        return _gemini(request, keys.get("gemini"))
    if request.wire == "anthropic":
        return _anthropic(request, keys.get("anthropic"))
    return _openai(request, keys.get("openai"))


def _bearer(request: ReceivedRequest) -> str | None:
    found = _BEARER.match(request.headers.get("authorization", ""))
    return found.group(1) if found else None


def _openai(request: ReceivedRequest, accepted: AbstractSet[str] | None) -> Refusal | None:
    """Bearer, or `api-key` as Azure wants it; the answers are those of api.openai.com."""
    if accepted is None:
        return None
    key = _bearer(request) or request.headers.get("api-key")
    if key is None:
        return Refusal(
            "You didn't provide an API key. You need to provide your API key in an Authorization header "
            "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            401,
            "invalid_request_error",
        )
    if key not in accepted:
        # OpenAI repeats a part of the key; a stand-in whose answers end up in test logs does not.
        return Refusal("Incorrect API key provided.", 401, "invalid_request_error", "invalid_api_key")
    return None


def _anthropic(request: ReceivedRequest, accepted: AbstractSet[str] | None) -> Refusal | None:
    """`x-api-key`, and `anthropic-version` ("anthropic-version: header is required")."""
    if accepted is not None:
        key = request.headers.get("x-api-key")
        if not key:
            return Refusal("x-api-key header is required", 401, "authentication_error")
        if key not in accepted:
            return Refusal("invalid x-api-key", 401, "authentication_error")
    if "anthropic-version" not in request.headers:
        return Refusal("anthropic-version: header is required")
    return None


def _gemini(request: ReceivedRequest, accepted: AbstractSet[str] | None) -> Refusal | None:
    """`key=` in the query or `x-goog-api-key`. No key is a 403 at Google, a wrong one a 400."""
    key = request.query.get("key") or request.headers.get("x-goog-api-key")
    if key is None:
        return Refusal(
            "Method doesn't allow unregistered callers (callers without established identity). Please use "
            "API Key or other form of API consumer identity to call this API.",
            403,
        )
    if accepted is not None and key not in accepted:
        return Refusal("API key not valid. Please pass a valid API key.")
    return None


def _vertex(request: ReceivedRequest, accepted: AbstractSet[str] | None) -> Refusal | None:
    """An OAuth token, always."""
    token = _bearer(request)
    if token is None or (accepted is not None and token not in accepted):
        return Refusal(
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or "
            "other valid authentication credential. See "
            "https://developers.google.com/identity/sign-in/web/devconsole-project.",
            401,
        )
    return None


def _bedrock(
    request: ReceivedRequest,
    accepted: AbstractSet[str] | None,
    credentials: Mapping[str, str],
    now: float,
) -> Refusal | None:
    """Signature Version 4, or a Bedrock API key as bearer token (Bedrock User Guide, "API keys")."""
    authorization = request.headers.get("authorization", "")
    if not authorization:
        return Refusal("Missing Authentication Token", 403, "MissingAuthenticationTokenException")
    token = _bearer(request)
    if token is not None:
        known = token in accepted if accepted is not None else not credentials
        return None if known else Refusal("The security token included in the request is invalid.", 403, _NO_CLIENT)
    if not SIGNED.match(authorization):
        return Refusal(
            f"Authorization header requires 'Credential', 'Signature' and 'SignedHeaders' parameters and a "
            f"{'X-Amz-Date'!r} or a 'Date' header.",
            403,
            "IncompleteSignatureException",
        )
    if not credentials:
        return None
    return check_signature(request, credentials, now)


_NO_CLIENT = "UnrecognizedClientException"
