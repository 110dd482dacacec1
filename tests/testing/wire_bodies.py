"""The same small requests on every wire, and readers for what comes back."""

import json
import struct
from zlib import crc32

KEY = {"x-goog-api-key": "k"}
VERSION = {"anthropic-version": "2023-06-01"}
BEARER = {"authorization": "Bearer k"}

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def openai(**changes):
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi there"}], **changes}


def anthropic(**changes):
    return {"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi there"}], **changes}


def bedrock(**changes):
    return {"messages": [{"role": "user", "content": [{"text": "Hi there"}]}], **changes}


def gemini(**changes):
    return {"contents": [{"role": "user", "parts": [{"text": "Hi there"}]}], **changes}


JSON_PATHS = {
    "openai": ("/v1/chat/completions", openai(), BEARER),
    "anthropic": ("/v1/messages", anthropic(), VERSION),
    "bedrock": ("/model/anthropic.claude-v1%3A0/converse", bedrock(), BEARER),
    "gemini": ("/v1beta/models/gemini-2.5-pro:generateContent", gemini(), KEY),
}
STREAM_PATHS = {
    "openai": ("/v1/chat/completions", openai(stream=True), BEARER),
    "anthropic": ("/v1/messages", anthropic(stream=True), VERSION),
    "bedrock": ("/model/anthropic.claude-v1%3A0/converse-stream", bedrock(), BEARER),
    "gemini": ("/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse", gemini(), KEY),
}


def sse(text):
    """(event, data) of each server-sent event; data parsed unless it is [DONE]."""
    events = []
    for block in text.replace("\r\n", "\n").strip("\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        data = fields["data"]
        events.append((fields.get("event"), data if data == "[DONE]" else json.loads(data)))
    return events


def aws_frames(raw):
    """(headers, payload) of each frame of an AWS event stream; both checksums are verified."""
    frames = []
    while raw:
        total, header_length = struct.unpack(">II", raw[:8])
        assert struct.unpack(">I", raw[8:12])[0] == crc32(raw[:8])
        assert struct.unpack(">I", raw[total - 4 : total])[0] == crc32(raw[: total - 4])
        headers, block = {}, raw[12 : 12 + header_length]
        while block:
            name_end = 1 + block[0]
            assert block[name_end] == 7
            (length,) = struct.unpack(">H", block[name_end + 1 : name_end + 3])
            value_end = name_end + 3 + length
            headers[block[1:name_end].decode()] = block[name_end + 3 : value_end].decode()
            block = block[value_end:]
        frames.append((headers, json.loads(raw[12 + header_length : total - 4])))
        raw = raw[total:]
    return frames
