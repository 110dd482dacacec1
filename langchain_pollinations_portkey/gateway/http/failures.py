"""What can go wrong between here and a server, as errors of ours. A part of the transport."""

from __future__ import annotations

from langchain_pollinations_portkey.errors import PortkeyConnectionError, PortkeyError, PortkeyTimeoutError
from langchain_pollinations_portkey.gateway.http.messages import (
    CONNECT_SECONDS,
    GATEWAY,
    SILENCE_SECONDS,
    HTTPRequest,
    Server,
    TimeLeft,
)

_BROKEN = {"TransportError", "NetworkError", "ProtocolError"}
"""Exceptions of httpx, and those of httpcore, which have no base in common."""


def _names(error: BaseException) -> set[str]:
    """The names of an exception's classes: httpx's are known by name, so that those of its twin `httpx2` are too."""
    return {cls.__name__ for cls in type(error).__mro__}


def translated(error: Exception, request: HTTPRequest, limits: dict[str, float]) -> PortkeyError:
    """Our exception for one of the HTTP client's. Its text never quotes theirs, which may quote headers.

    Args:
        error: Theirs.
        request: What was asked.
        limits: The time limits that were set.
    """
    if isinstance(error, PortkeyError):
        return error
    names = _names(error)
    origin, server = "/".join(request.url.split("/", 3)[:3]), request.server
    seconds = limits.seconds if isinstance(limits, TimeLeft) else (limits.get("read") or SILENCE_SECONDS)
    failure: PortkeyError
    if "ConnectTimeout" in names:
        waited = min(CONNECT_SECONDS, seconds)
        failure = PortkeyConnectionError(f"No connection to the {server.name} at {origin} within {waited:g} s.")
        failure.sent = False
    elif "PoolTimeout" in names:
        failure = PortkeyTimeoutError(f"All connections to the {server.name} were busy; raise max_connections.")
        failure.sent = False
    elif "TimeoutException" in names or isinstance(error, TimeoutError):
        begun = isinstance(limits, TimeLeft) and not limits.begun
        what = "did not answer within" if begun else "was silent for"
        failure = PortkeyTimeoutError(
            f"The {server.name} at {origin} {what} {seconds:g} s. Raise timeout=..., or stream the answer."
        )
    elif "ConnectError" in names:
        failure = _unreachable(error, origin, server)
    elif names & _BROKEN and not names & {"LocalProtocolError", "UnsupportedProtocol"}:
        failure = PortkeyConnectionError(
            f"The connection to the {server.name} at {origin} broke ({type(error).__name__}). The request may have "
            "been served; it is not sent again by itself."
        )
    else:
        failure = PortkeyConnectionError(
            f"The request to the {server.name} at {origin} failed: {type(error).__name__}."
        )
        failure.sent = not names & {"LocalProtocolError", "UnsupportedProtocol", "InvalidURL", "UnicodeEncodeError"}
    return failure


def refusal(error: Exception, origin: str) -> PortkeyError | None:
    """The error to raise if a probe found nothing at all to talk to."""
    return _unreachable(error, origin, GATEWAY) if "ConnectError" in _names(error) else None


def _unreachable(error: Exception, origin: str, server: Server) -> PortkeyConnectionError:
    """Nothing was sent, so that the text of the cause holds nothing of ours and can be quoted."""
    if "CERTIFICATE" in str(error):
        text = f"{origin} cannot be trusted: {error}. Pass verify='/path/to/authorities.pem' if it is your own."
    elif "SSL" in str(error):
        text = (
            f"{origin} does not speak TLS as it should: {error}. If it speaks plain http, its URL begins with http://."
        )
    else:
        text = f"Nothing answers at {origin} ({error}). {server.cure}"
    translated = PortkeyConnectionError(text)
    translated.sent = False
    return translated
