"""What of an exchange may stand in a cassette."""

from __future__ import annotations

import re
from typing import Any

from langchain_pollinations_portkey.gateway.settings import DEFAULT_BASE_URL

SAFE_HEADERS = frozenset(
    (
        "accept",
        "accept-encoding",
        "content-type",
        "user-agent",
        "x-portkey-aws-region",
        "x-portkey-provider",
        "x-portkey-request-timeout",
        "x-portkey-strict-open-ai-compliance",
    )
)
"""Request headers that are recorded as they are; the value of any other is replaced, known to be a key or not."""

SCRUBBED = "SCRUBBED"


def scrubbed(request: Any) -> Any:
    """The request as it is recorded and compared: at the default address, without a value that may be secret."""
    request.uri = re.sub(r"^http://[^/]+", DEFAULT_BASE_URL.removesuffix("/v1"), request.uri)
    for header in request.headers:
        if header.lower() not in SAFE_HEADERS:
            request.headers[header] = SCRUBBED
    return request


VCR_CONFIG: dict[str, Any] = {
    "before_record_request": scrubbed,
    "match_on": ["method", "uri", "body"],
    "decode_compressed_response": True,
}
