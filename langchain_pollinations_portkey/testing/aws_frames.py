"""AWS event-stream frames (`application/vnd.amazon.eventstream`), as Bedrock streams them.

A frame is: total length (4 bytes, big-endian), header length (4), CRC-32 of these eight bytes (4), headers,
payload, CRC-32 of everything before it (4). A header is: name length (1), name, type (1; 7 = string), value
length (2), value. Source: "Amazon Transcribe Developer Guide: Event stream encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any
from zlib import crc32

from langchain_pollinations_portkey.testing.answer import dump

_STRING = 7


def event_frame(event_type: str, payload: Mapping[str, Any]) -> bytes:
    """A frame that carries an event, such as `contentBlockDelta`."""
    return _frame({":event-type": event_type, ":message-type": "event"}, payload)


def exception_frame(exception_type: str, message: str) -> bytes:
    """A frame that carries an exception, such as `throttlingException`; AWS sends nothing after it."""
    return _frame({":exception-type": exception_type, ":message-type": "exception"}, {"message": message})


def _frame(labels: Mapping[str, str], payload: Mapping[str, Any]) -> bytes:
    body = dump(payload).encode()
    headers = b"".join(_header(name, value) for name, value in {**labels, ":content-type": "application/json"}.items())
    prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + body
    return message + struct.pack(">I", crc32(message))


def _header(name: str, value: str) -> bytes:
    name_bytes, value_bytes = name.encode(), value.encode()
    return bytes([len(name_bytes)]) + name_bytes + bytes([_STRING]) + struct.pack(">H", len(value_bytes)) + value_bytes
