"""Verifies AWS Signature Version 4, with nothing but the standard library.

Source: AWS General Reference, "Create a signed AWS API request". For every service but S3, the path is
percent-encoded once more in the canonical request: `%3A` on the wire is `%253A` there.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl, quote

from langchain_pollinations_portkey.testing.received import ReceivedRequest
from langchain_pollinations_portkey.testing.rules.refusal import Refusal

SIGNED: Final = re.compile(
    r"^AWS4-HMAC-SHA256\s+"
    r"Credential=(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)/aws4_request\s*,\s*"
    r"SignedHeaders=(?P<headers>[^,\s]+)\s*,\s*"
    r"Signature=(?P<signature>[0-9a-f]{64})$"
)
"""A well-formed `Authorization` header."""

_MAX_AGE = 300
"""Seconds: AWS refuses what was signed more than five minutes ago or ahead."""

_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
    "Access Key and signing method. Consult the service documentation for details."
)


def check_signature(request: ReceivedRequest, credentials: Mapping[str, str], now: float) -> Refusal | None:
    """Recomputes a request's signature.

    Args:
        request: a request whose `authorization` matches `SIGNED`.
        credentials: access key id -> secret access key.
        now: seconds since the epoch.

    Returns:
        AWS's refusal, None if the signature is right.
    """
    found = SIGNED.match(request.headers["authorization"])
    if found is None:
        return Refusal(_MISMATCH, 403, "InvalidSignatureException")
    secret = credentials.get(found["key"])
    if secret is None:
        return Refusal("The security token included in the request is invalid.", 403, "UnrecognizedClientException")
    if found["service"] != "bedrock":
        return Refusal("Credential should be scoped to correct service: 'bedrock'.", 403, "InvalidSignatureException")
    stamp = request.headers.get("x-amz-date", "")
    signed_at = _seconds(stamp)
    if signed_at is None or not stamp.startswith(found["date"]):
        return Refusal(
            f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{found['date']}' != '{stamp[:8]}'.",
            403,
            "InvalidSignatureException",
        )
    if abs(now - signed_at) > _MAX_AGE:
        return Refusal(
            f"Signature expired: {stamp} is now earlier than the accepted time (- 5 min.)",
            403,
            "InvalidSignatureException",
        )
    # `host` is not always signed as it is sent: the gateway signs the host name without the port although the
    # Host header has it. AWS never sees that (on port 443 both are the same), so both are right here.
    for host in _hosts(request.headers.get("host", "")):
        expected = signature(request, found, secret, host)
        if hmac.compare_digest(expected, found["signature"]):
            return None
    return Refusal(_MISMATCH, 403, "InvalidSignatureException")


def signature(request: ReceivedRequest, scope: re.Match[str], secret: str, host: str) -> str:
    """The signature (64 hexadecimal digits) that the request should carry, for a given value of `host`."""
    region, service, date = scope["region"], scope["service"], scope["date"]
    canonical = hashlib.sha256(_canonical_request(request, scope["headers"], host).encode()).hexdigest()
    to_sign = "\n".join(
        [
            "AWS4-HMAC-SHA256",
            request.headers.get("x-amz-date", ""),
            f"{date}/{region}/{service}/aws4_request",
            canonical,
        ]
    )
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


def _canonical_request(request: ReceivedRequest, signed_headers: str, host: str) -> str:
    path, _, query = request.path.partition("?")
    values = {**request.headers, "host": host}
    headers = "".join(f"{name}:{' '.join(values.get(name, '').split())}\n" for name in signed_headers.split(";"))
    return "\n".join(
        [
            request.method,
            quote(path, safe="/-_.~") or "/",
            "&".join(_canonical_query(query)),
            headers,
            signed_headers,
            hashlib.sha256(request.body).hexdigest(),
        ]
    )


def _canonical_query(query: str) -> Iterator[str]:
    for name, value in sorted(parse_qsl(query, keep_blank_values=True)):
        yield f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"


def _hosts(header: str) -> Iterator[str]:
    yield header
    name, colon, port = header.rpartition(":")
    if colon and port.isdigit():
        yield name


def _seconds(stamp: str) -> float | None:
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
