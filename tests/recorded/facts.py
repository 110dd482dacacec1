"""What a provider's own answer says, read without any of the package's code: the other side of the comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.recorded.replay import Case, as_json, aws_frames, body_of, content_type, is_stream, sse_events


@dataclass
class Call:
    name: str | None
    arguments: Any
    id: str | None = None


@dataclass
class Facts:
    """One answer. `None` is "not said".

    Attributes:
        text: The text for the user.
        calls: The calls of the client's tools.
        server_calls: The calls of tools that the provider ran itself.
        reasoning: The text of the reasoning.
        signatures: Signatures of thinking and encrypted thinking, on which the next turn depends.
        citations: Texts or addresses of what was cited.
        media: Data of images and audio that the model made.
        finish: The provider's own finish reason.
        usage: `input`, `output`, `read`, `written`, `reasoning`: tokens, on LangChain's terms.
        complete: Whether the provider brought the answer to its end.
        several: How many answers there are.
    """

    text: str = ""
    calls: list[Call] = field(default_factory=list)
    server_calls: list[Call] = field(default_factory=list)
    reasoning: str = ""
    signatures: list[str] = field(default_factory=list)
    citations: list[str] = field(default_factory=list)
    media: list[str] = field(default_factory=list)
    finish: str | None = None
    usage: dict[str, int] = field(default_factory=dict)
    complete: bool = True
    several: int = 1


def facts_of(case: Case) -> Facts:
    """What the recorded answer of a successful chat says; one that cannot be read is not complete."""
    try:
        return _facts_of(case)
    except ValueError:  # HTML, half a JSON document
        return Facts(complete=False)


def _facts_of(case: Case) -> Facts:
    path = case["request"]["path"].partition("?")[0]
    if "/converse" in path:
        return _bedrock(case)
    if path.endswith((":generateContent", ":streamGenerateContent")):
        return _gemini(case)
    if path.endswith(("/messages", ":rawPredict", ":streamRawPredict")):
        return _anthropic(case)
    if case["provider"] == "cohere":
        return _cohere(case)
    return _openai(case)


# OpenAI and its kin


def _openai(case: Case) -> Facts:
    facts = Facts()
    if is_stream(case):
        events = sse_events(body_of(case))
        choices = [choice for event in events for choice in event.get("choices") or []]
        facts.complete = any(choice.get("finish_reason") not in (None, "error") for choice in choices) and not any(
            event.get("error") or "choices" not in event for event in events if "usage" not in event
        )
        answer = as_json(events)
    else:
        answer = json.loads(body_of(case))
    if not answer.get("choices"):
        facts.complete = False
        return facts
    choice = answer["choices"][0]
    message = choice.get("message") or {}
    facts.several = len(answer["choices"])
    content = message.get("content")
    facts.text = content if isinstance(content, str) else ""
    for part in content if isinstance(content, list) else ():  # Mistral's reasoning models
        if part.get("type") == "text":
            facts.text += part["text"]
        elif part.get("type") == "thinking":
            facts.reasoning += "".join(inner.get("text") or "" for inner in part["thinking"])
    facts.reasoning += message.get("reasoning_content") or message.get("reasoning") or ""
    facts.calls = [_openai_call(call) for call in message.get("tool_calls") or ()]
    if message.get("function_call"):
        facts.calls.append(_openai_call({"function": message["function_call"]}))
    facts.finish = choice.get("finish_reason")
    facts.media += [image["image_url"]["url"] for image in message.get("images") or ()]
    if (message.get("audio") or {}).get("data"):
        facts.media.append(message["audio"]["data"])
    for annotation in message.get("annotations") or ():
        facts.citations.append((annotation.get("url_citation") or {}).get("url") or "")
    facts.citations += [source for source in answer.get("citations") or () if isinstance(source, str)]
    usage = answer.get("usage") or (answer.get("x_groq") or {}).get("usage") or {}
    facts.usage = _openai_usage(usage)
    return facts


def _openai_call(call: Mapping[str, Any]) -> Call:
    function = call.get("function") or {}
    if call.get("custom"):
        return Call(call["custom"]["name"], {"input": call["custom"]["input"]}, call.get("id"))
    return Call(function.get("name"), _parsed(function.get("arguments")), call.get("id"))


def _parsed(arguments: Any) -> Any:
    if not isinstance(arguments, str):
        return arguments or {}
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return arguments


def _openai_usage(usage: Mapping[str, Any]) -> dict[str, int]:
    if usage.get("prompt_tokens") is None:
        return {}
    details = usage.get("prompt_tokens_details") or {}
    spent = usage.get("completion_tokens_details") or {}
    prompt, completion = usage["prompt_tokens"], usage.get("completion_tokens") or 0
    reasoning = spent.get("reasoning_tokens") or 0
    if prompt + completion + reasoning == usage.get("total_tokens") or completion < reasoning:
        completion += reasoning
    read = details.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or usage.get("cached_tokens") or 0
    if read > prompt:
        prompt += read
    return {"input": prompt, "output": completion, "read": read, "reasoning": reasoning}


# Anthropic


def _anthropic(case: Case) -> Facts:
    facts = Facts()
    if is_stream(case):
        blocks, usage = _anthropic_stream(case, facts)
    else:
        answer = json.loads(body_of(case))
        blocks, usage = answer.get("content"), answer.get("usage") or {}
        facts.complete = isinstance(blocks, list)
        facts.finish = answer.get("stop_reason")
    for block in blocks or ():
        match block["type"]:
            case "text":
                facts.text += block["text"]
                facts.citations += [cited.get("cited_text") or "" for cited in block.get("citations") or ()]
            case "thinking":
                facts.reasoning += block["thinking"]
                facts.signatures.append(block.get("signature") or "")
            case "redacted_thinking":
                facts.signatures.append(block["data"])
            case "tool_use":
                facts.calls.append(Call(block["name"], block["input"], block["id"]))
            case "server_tool_use" | "mcp_tool_use":
                facts.server_calls.append(Call(block["name"], block["input"], block["id"]))
    read, written = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    if "input_tokens" in usage:
        facts.usage = {
            "input": usage["input_tokens"] + read + written,
            "output": usage.get("output_tokens") or 0,
            "read": read,
            "written": written,
        }
    return facts


def _anthropic_stream(case: Case, facts: Facts) -> tuple[list[Any], dict[str, Any]]:
    blocks: dict[int, Any] = {}
    usage: dict[str, Any] = {}
    facts.complete = False
    for event in sse_events(body_of(case)):
        match event.get("type"):
            case "message_start":
                usage = dict(event["message"].get("usage") or {})
            case "content_block_start":
                blocks[event["index"]] = dict(event["content_block"])
            case "content_block_delta":
                _anthropic_delta(blocks[event["index"]], event["delta"])
            case "message_delta":
                facts.finish = event["delta"].get("stop_reason") or facts.finish
                usage |= {key: value for key, value in (event.get("usage") or {}).items() if value is not None}
                facts.complete = True
            case "error":
                facts.complete = False
                break
    for block in blocks.values():
        if "partial_json" in block:
            block["input"] = _parsed(block["partial_json"])
    return list(blocks.values()), usage


def _anthropic_delta(block: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for key in ("text", "thinking", "signature", "partial_json"):
        if key in delta:
            block[key] = (block.get(key) or "") + delta[key]
    if "citation" in delta:
        block["citations"] = [*(block.get("citations") or ()), delta["citation"]]


# Bedrock


def _bedrock(case: Case) -> Facts:
    facts = Facts()
    if "eventstream" in content_type(case):
        blocks, usage = _bedrock_stream(case, facts)
    else:
        answer = json.loads(body_of(case))
        blocks = ((answer.get("output") or {}).get("message") or {}).get("content")
        usage = answer.get("usage") or {}
        facts.complete = isinstance(blocks, list)
        facts.finish = answer.get("stopReason")
    for block in blocks or ():
        if "text" in block:
            facts.text += block["text"]
        if "citationsContent" in block:
            facts.text += "".join(part.get("text") or "" for part in block["citationsContent"].get("content") or ())
            facts.citations += [json.dumps(cited) for cited in block["citationsContent"].get("citations") or ()]
        if "reasoningContent" in block:
            thought = block["reasoningContent"].get("reasoningText") or {}
            facts.reasoning += thought.get("text") or ""
            facts.signatures += [
                s for s in (thought.get("signature"), block["reasoningContent"].get("redactedContent")) if s
            ]
        if "toolUse" in block:
            use = block["toolUse"]
            own = use.get("type") == "server_tool_use"
            (facts.server_calls if own else facts.calls).append(Call(use["name"], use["input"], use["toolUseId"]))
    read, written = usage.get("cacheReadInputTokens") or 0, usage.get("cacheWriteInputTokens") or 0
    if "inputTokens" in usage:
        facts.usage = {
            "input": usage["inputTokens"] + read + written,
            "output": usage["outputTokens"],
            "read": read,
            "written": written,
        }
    return facts


def _bedrock_stream(case: Case, facts: Facts) -> tuple[list[Any], dict[str, Any]]:
    blocks: dict[int, Any] = {}
    usage: dict[str, Any] = {}
    facts.complete = False
    for _, headers, payload in aws_frames(body_of(case)):
        event = json.loads(payload)
        index = event.get("contentBlockIndex", 0)
        match headers.get(":event-type"):
            case "contentBlockStart" if "toolUse" in event.get("start", {}):
                blocks[index] = {"toolUse": {**event["start"]["toolUse"], "input": ""}}
            case "contentBlockDelta":
                _bedrock_delta(blocks, index, event["delta"])
            case "messageStop":
                facts.finish = event["stopReason"]
            case "metadata":
                usage = event.get("usage") or {}
                facts.complete = True
            case None:  # an exception
                facts.complete = False
                break
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = _parsed(block["toolUse"]["input"])
    return list(blocks.values()), usage


def _bedrock_delta(blocks: dict[int, Any], index: int, delta: Mapping[str, Any]) -> None:
    if "text" in delta:
        block = blocks.setdefault(index, {"text": ""})
        block["text"] = block.get("text", "") + delta["text"]
    if "toolUse" in delta:
        blocks[index]["toolUse"]["input"] += delta["toolUse"]["input"]
    if "reasoningContent" in delta:
        block = blocks.setdefault(index, {"reasoningContent": {"reasoningText": {}}})
        thought = block["reasoningContent"]
        for key in ("text", "signature"):
            if key in delta["reasoningContent"]:
                thought["reasoningText"][key] = thought["reasoningText"].get(key, "") + delta["reasoningContent"][key]
        if "redactedContent" in delta["reasoningContent"]:
            thought["redactedContent"] = delta["reasoningContent"]["redactedContent"]


# Gemini


def _gemini(case: Case) -> Facts:
    facts = Facts()
    body = body_of(case)
    if is_stream(case):
        answers = json.loads(body) if body.lstrip().startswith(b"[") else sse_events(body)
    else:
        answers = [json.loads(body)]
    usage: dict[str, Any] = {}
    facts.complete = False
    for answer in answers:
        usage = answer.get("usageMetadata") or usage
        for candidate in (answer.get("candidates") or ())[:1]:
            facts.finish = candidate.get("finishReason") or facts.finish
            facts.complete = facts.complete or bool(candidate.get("finishReason")) or not is_stream(case)
            parts = (candidate.get("content") or {}).get("parts") or ()
            for part in parts:
                _gemini_part(facts, part)
            for chunk in (candidate.get("groundingMetadata") or {}).get("groundingChunks") or ():
                facts.citations.append((chunk.get("web") or {}).get("uri") or "")
    if "promptTokenCount" in usage:
        facts.usage = {
            "input": usage["promptTokenCount"],
            "output": (usage.get("candidatesTokenCount") or 0) + (usage.get("thoughtsTokenCount") or 0),
            "read": usage.get("cachedContentTokenCount") or 0,
            "reasoning": usage.get("thoughtsTokenCount") or 0,
        }
    return facts


def _gemini_part(facts: Facts, part: Mapping[str, Any]) -> None:
    if part.get("thought"):
        facts.reasoning += part.get("text") or ""
    elif "text" in part:
        facts.text += part["text"]
    if "inlineData" in part:
        facts.media.append(part["inlineData"]["data"])
    if "functionCall" in part:
        call = part["functionCall"]
        facts.calls.append(Call(call["name"], call.get("args") or {}))
        if part.get("thoughtSignature"):
            facts.signatures.append(part["thoughtSignature"])


# Cohere


def _cohere(case: Case) -> Facts:
    facts = Facts()
    if not is_stream(case):
        answer = json.loads(body_of(case))
        message, usage = answer["message"], answer.get("usage") or {}
        facts.finish = answer.get("finish_reason")
        for part in message.get("content") or ():
            facts.text += part.get("text") or ""
            facts.reasoning += part.get("thinking") or ""
        facts.calls = [_openai_call(call) for call in message.get("tool_calls") or ()]
        facts.citations = [cited.get("text") or "" for cited in message.get("citations") or ()]
    else:
        usage, calls, facts.complete = {}, [], False
        for event in sse_events(body_of(case)):
            message = (event.get("delta") or {}).get("message") or {}
            match event.get("type"):
                case "content-delta":
                    facts.text += message["content"].get("text") or ""
                    facts.reasoning += message["content"].get("thinking") or ""
                case "tool-call-start":
                    calls.append(dict(message["tool_calls"], function=dict(message["tool_calls"]["function"])))
                case "tool-call-delta":
                    calls[-1]["function"]["arguments"] += message["tool_calls"]["function"]["arguments"]
                case "citation-start":
                    facts.citations.append(message["citations"].get("text") or "")
                case "message-end":
                    facts.finish = event["delta"].get("finish_reason")
                    usage = event["delta"].get("usage") or {}
                    facts.complete = True
        facts.calls = [_openai_call(call) for call in calls]
    tokens = usage.get("tokens") or {}
    if "input_tokens" in tokens:
        facts.usage = {"input": int(tokens["input_tokens"]), "output": int(tokens["output_tokens"])}
    return facts
